//! The deployment, rehearsed: the template's own tables, key, environment and policies, and the functions that `sam
//! build` has made, with the events that API Gateway and the Scheduler send.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, TimeToLiveSpecification};
use local::engines::Engines;
use local::stream::Stream;
use local::webinargeek::{self, Faults, Grants, Rotation, Simulation};
use serde_json::{Value, json};
use shared::aws::Clients;
use shared::aws::own_function::OwnFunction;
use shared::domain::fleet;
use shared::metrics::METRICS;
use shared::ports::{Clock, StartRun};
use shared::system::{SystemClock, SystemEntropy};
use tests::laptop::is_live;
use tokio::net::TcpListener;
use tokio::process::Child;
use url::Url;

use crate::engines::{listen, sdk_at};
use crate::gateway::{Request, body};
use crate::moto;
use crate::policies;
use crate::process::built;
use crate::recorder::{Calls, record};
use crate::runtime_api::Function;
use crate::stack::{FUNCTIONS, Stack};

/// The value of the template's parameter, until an engine has given the key another name.
const NEW_KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1b2c";

mod integrator;

const SECRET: &str = "canary-client-secret";

struct Rehearsal {
    stack: Stack,
    clients: Clients,
    endpoints: [(&'static str, SocketAddr); 5],
    stream: Stream,
    /// The same stack, once it has been deployed with another sealing key.
    changed: Stack,
    escrow: aws_sdk_sqs::Client,
    simulation: Arc<Simulation>,
    provider: String,
    calls: Calls,
    requests: AtomicUsize,
    http: reqwest::Client,
    _moto: Child,
}

impl Rehearsal {
    async fn begin() -> Self {
        let stack = Stack::with(&[]).await;
        let engines = Engines::in_memory(SECRET.to_owned(), Arc::new(SystemEntropy)).unwrap();
        let tables_at = listen(engines.clone()).await;
        let (moto, moto_at) = moto::start().await;
        let clients = Clients {
            kms: aws_sdk_kms::Client::new(&sdk_at(moto_at)).into(),
            secrets_manager: aws_sdk_secretsmanager::Client::new(&sdk_at(moto_at)).into(),
            ..engines.clients()
        };

        // The resources that CloudFormation would make, on engines that give their own names.
        for table in ["ConnectionsTable", "AttemptsTable"] {
            create_table(&clients, &engines, &stack, table).await;
        }
        let table = stack.resource("ConnectionsTable")["physical_id"].as_str().unwrap();
        let stream = Stream::new(engines, table);
        let key = stack.properties("SealingKey");
        let made = clients.kms.create_key().policy(key["KeyPolicy"].to_string()).send().await.unwrap();
        let key_arn = made.key_metadata.unwrap().arn.unwrap();
        let secret = stack.properties("Secret")["SecretString"].as_str().unwrap();
        let made = clients.secrets_manager.create_secret().name("client-secret").secret_string(secret).send().await;
        let secret_arn = made.unwrap().arn.unwrap();
        let escrow = aws_sdk_sqs::Client::new(&sdk_at(moto_at));
        let name = stack.arn("Escrow").rsplit(':').next().unwrap();
        escrow.create_queue().queue_name(name).send().await.unwrap();
        let bus = stack.properties("EventBus")["Name"].as_str().unwrap();
        aws_sdk_eventbridge::Client::new(&sdk_at(moto_at)).create_event_bus().name(bus).send().await.unwrap();
        let (sealing_key, client_secret) = (stack.arn("SealingKey").to_owned(), stack.arn("Secret").to_owned());
        let made = clients.kms.create_key().send().await.unwrap();
        let new_key = made.key_metadata.unwrap().arn.unwrap();
        let [stack, changed] = [stack, Stack::with(&[("NewSealingKeyArn", NEW_KEY)]).await].map(|stack| {
            stack.renamed(&sealing_key, &key_arn).renamed(&client_secret, &secret_arn).renamed(NEW_KEY, &new_key)
        });

        let simulation = Arc::new(Simulation {
            client_id: "client-one".to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uris: vec![stack.output("RedirectUri").to_owned()],
            grants: Grants::open(None, Rotation::Strict, Duration::from_secs(7200)).unwrap(),
            faults: Faults::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let provider = format!("http://{}", webinargeek::serve(simulation.clone(), listener).unwrap());
        Self {
            stack,
            changed,
            clients,
            endpoints: [
                ("AWS_ENDPOINT_URL_DYNAMODB", tables_at),
                ("AWS_ENDPOINT_URL_KMS", moto_at),
                ("AWS_ENDPOINT_URL_SECRETS_MANAGER", moto_at),
                ("AWS_ENDPOINT_URL_SQS", moto_at),
                ("AWS_ENDPOINT_URL_EVENTBRIDGE", moto_at),
            ],
            stream,
            escrow,
            simulation,
            provider,
            calls: Calls::default(),
            requests: AtomicUsize::new(0),
            http: tests::browser::provider_client(),
            _moto: moto,
        }
    }

    /// The built function, with the template's environment. Only the provider is elsewhere, and AWS behind the
    /// recorder.
    async fn function(&self, name: &'static str) -> Function {
        self.function_of(&self.stack, name).await
    }

    async fn function_of(&self, stack: &Stack, name: &'static str) -> Function {
        let mut variables = stack.environment(name);
        for (variable, path) in [
            ("WEBINARGEEK_AUTHORIZE_URL", "/oauth/authorize"),
            ("WEBINARGEEK_TOKEN_URL", "/oauth/token"),
            ("WEBINARGEEK_REVOKE_URL", "/oauth/revoke"),
        ] {
            if let Some(url) = variables.get_mut(variable) {
                *url = format!("{}{path}", self.provider);
            }
        }
        for (variable, engine) in self.endpoints {
            let at = record(name, engine, self.calls.clone()).await;
            variables.insert(variable.to_owned(), format!("http://{at}"));
        }
        let variables: Vec<(&str, String)> =
            variables.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        Function::start(&built(name), &variables).await
    }

    /// As a run hands shards on that is at work for long.
    async fn hand_on(&self) {
        let at = record("refresh", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), self.calls.clone()).await;
        let name = self.stack.resource("RefreshFunction")["physical_id"].as_str().unwrap().to_owned();
        let until = SystemClock.now() + Duration::from_secs(300);
        OwnFunction::new(&sdk_at(at), name).start(&[3], until).await.unwrap();
    }

    fn host(&self) -> &str {
        self.stack.output("ApiOrigin").trim_start_matches("https://")
    }

    /// A request through the API: to the function that its route names.
    async fn send(&self, function: &Function, request: Request<'_>) -> Value {
        let routed = self.stack.route(request.method, request.path);
        assert_eq!(routed, Some(function.name()), "{} {}", request.method, request.path);
        self.invoke(function, request.event(self.host())).await
    }

    /// A customer's way to the callback, which is not called yet.
    async fn to_callback(&self, connections: &Function, authorize: &Function, id: &str) -> Journey {
        // The integrator's backend makes a link.
        let begin = Request::new("POST", "/v1/connect-sessions").json(json!({ "connection_id": id }));
        let session = self.send(connections, begin).await;
        assert_eq!(session["statusCode"], 201, "{session}");
        let link = Url::parse(body(&session)["url"].as_str().unwrap()).unwrap();
        assert_eq!(link.host_str(), Some(self.host()), "from the request's context");

        // The customer follows it, is asked, and is redirected to WebinarGeek.
        let target = format!("/authorize?{}", link.query().unwrap());
        let asked = self.send(authorize, Request::new("GET", &target)).await;
        assert_eq!(asked["statusCode"], 200, "{asked}");
        let sent = Request::new("POST", &target).header("origin", self.stack.output("ApiOrigin"));
        let sent = self.send(authorize, sent).await;
        assert_eq!(sent["statusCode"], 303, "{sent}");
        let cookie = sent["cookies"][0].as_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-wg_"), "{cookie}");
        let consent = Url::parse(sent["headers"]["location"].as_str().unwrap()).unwrap();
        let mut form: Vec<(String, String)> = consent.query_pairs().into_owned().collect();
        form.push(("decision".to_owned(), "approve".to_owned()));
        let back = self.http.post(format!("{}/oauth/authorize", self.provider)).form(&form).send().await.unwrap();
        let back = Url::parse(back.headers()["location"].to_str().unwrap()).unwrap();
        Journey { target: format!("/callback?{}", back.query().unwrap()), cookie, link, back }
    }

    /// As if a hundred other connections had been refused, or not.
    async fn others_are_refused(&self, refused: bool) {
        let window = fleet::window(SystemClock.now());
        for window in [window, window + 1] {
            let mut row =
                std::collections::HashMap::from([("id".to_owned(), AttributeValue::S(fleet::key(window).to_owned()))]);
            for (name, number) in [("window", window), ("refused", if refused { 100 } else { 0 }), ("refreshed", 0)] {
                row.insert(name.to_owned(), AttributeValue::N(number.to_string()));
            }
            let table = self.stack.environment("refresh")["CONNECTIONS_TABLE"].clone();
            self.clients.dynamodb.put_item().table_name(table).set_item(Some(row)).send().await.unwrap();
        }
    }

    /// The messages of the queue, in the form of SQS's event source mapping.
    async fn escrowed(&self) -> Value {
        let url = self.stack.resource("Escrow")["physical_id"].as_str().unwrap();
        let mut records = Vec::new();
        loop {
            let received =
                self.escrow.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return json!({ "Records": records });
            }
            records.extend(messages.into_iter().map(|message| {
                json!({
                    "messageId": message.message_id,
                    "receiptHandle": message.receipt_handle,
                    "body": message.body,
                    "attributes": { "ApproximateReceiveCount": "1" },
                    "eventSource": "aws:sqs",
                    "eventSourceARN": self.stack.arn("Escrow"),
                    "awsRegion": "eu-west-1",
                })
            }));
        }
    }

    /// The events that the bus has accepted.
    fn told(&self) -> Vec<Value> {
        let calls = self.calls.all().into_iter().filter(|call| call.target == "AWSEvents.PutEvents");
        let mut told = Vec::new();
        for call in calls {
            assert_eq!(call.output["FailedEntryCount"], 0, "{call:?}");
            let entries = call.input["Entries"].as_array().unwrap().iter();
            told.extend(entries.map(|entry| serde_json::from_str::<Value>(entry["Detail"].as_str().unwrap()).unwrap()));
        }
        told
    }

    async fn invoke(&self, function: &Function, event: Value) -> Value {
        let id = format!("r{}", self.requests.fetch_add(1, Ordering::SeqCst));
        function.invoke(&id, event).await.unwrap()
    }

    fn fault(&self, fault: Value) {
        self.simulation.faults.add(serde_json::from_value(fault).unwrap());
    }

    /// As if time had passed, or another process had died: attributes of a connection, set to numbers.
    async fn set(&self, id: &str, numbers: &[(&str, i64)]) {
        let mut update = self
            .clients
            .dynamodb
            .update_item()
            .table_name(self.stack.environment("refresh")["CONNECTIONS_TABLE"].as_str())
            .key("id", AttributeValue::S(id.to_owned()));
        let names: Vec<String> = numbers.iter().map(|(name, _)| format!("#{name} = :{name}")).collect();
        for (name, number) in numbers {
            update = update
                .expression_attribute_names(format!("#{name}"), *name)
                .expression_attribute_values(format!(":{name}"), AttributeValue::N(number.to_string()));
        }
        update.update_expression(format!("SET {}", names.join(", "))).send().await.unwrap();
    }
}

struct Journey {
    target: String,
    cookie: String,
    link: Url,
    back: Url,
}

impl Journey {
    fn request(&self) -> Request<'_> {
        Request::new("GET", &self.target).cookie(&self.cookie)
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self.back.query_pairs().map(|(_, value)| value.into_owned()).collect();
        secrets.extend([self.cookie.split('=').nth(1).unwrap().to_owned(), self.link.query().unwrap().to_owned()]);
        secrets
    }
}

/// DynamoDB's own request, made of the template's properties.
async fn create_table(clients: &Clients, engines: &Engines, stack: &Stack, id: &str) {
    let properties = stack.properties(id);
    let mut request = json!({ "TableName": stack.resource(id)["physical_id"] });
    for name in ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"] {
        if let Some(value) = properties.get(name) {
            request[name] = value.clone();
        }
    }
    if let Some(stream) = properties.get("StreamSpecification") {
        // CloudFormation's property has no member for it.
        request["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": stream["StreamViewType"] });
    }
    let (status, text) = engines.answer("DynamoDB_20120810.CreateTable", request.to_string().as_bytes()).await;
    assert!(status.is_success(), "{id}: {text}");
    if let Some(expiry) = properties.get("TimeToLiveSpecification") {
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(expiry["AttributeName"].as_str().unwrap())
            .enabled(expiry["Enabled"].as_bool().unwrap())
            .build();
        let update =
            clients.dynamodb.update_time_to_live().table_name(stack.resource(id)["physical_id"].as_str().unwrap());
        update.time_to_live_specification(specification.unwrap()).send().await.unwrap();
    }
}

const TOKEN: &str = "/v1/connections/tenant/token";

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_connects_through_the_stack_and_its_policies_allow_just_what_that_takes() {
    let aws = Rehearsal::begin().await;
    let (connections, authorize) = (aws.function("connections").await, aws.function("authorize").await);
    let (callback, token, refresh) =
        (aws.function("callback").await, aws.function("token").await, aws.function("refresh").await);

    // Before the first customer: all checks are ok, without a warning.
    let examined = body(&aws.send(&connections, Request::new("GET", "/v1/doctor")).await);
    let is_ok = |finding: &Value| finding["status"] == "ok";
    assert!(examined["findings"].as_array().unwrap().iter().all(is_ok), "{examined}");

    let journey = aws.to_callback(&connections, &authorize, "tenant").await;

    // And returns, twice at once: the second request waits for the first.
    aws.fault(json!({ "answer": { "late": 1500 }, "grant_type": "authorization_code" }));
    let second_callback = aws.function("callback").await;
    let (first, second) =
        tokio::join!(aws.send(&callback, journey.request()), aws.send(&second_callback, journey.request()));
    assert_eq!((&first["statusCode"], &second["statusCode"]), (&json!(200), &json!(200)), "{first} {second}");
    assert_eq!(
        aws.simulation.faults.requested("authorization_code"),
        2,
        "the doctor's made-up code, and the customer's"
    );

    // The integrator gets a live token, fresh and refreshed.
    let read = async || body(&aws.send(&token, Request::new("GET", TOKEN)).await);
    let first = read().await;
    let first_token = first["access_token"].as_str().unwrap().to_owned();
    assert!(is_live(&aws.provider, &first_token).await, "{first}");
    aws.set("tenant", &[("expires_at", 1)]).await;
    let second = read().await;
    assert_eq!(second["version"], 2, "{second}");

    // The schedule refreshes, and reports it.
    let scheduled =
        json!({ "version": "0", "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {} });
    aws.set("tenant", &[("refresh_at", 1)]).await;
    let summary = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!((&summary["due"], &summary["refreshed"], &summary["finished"]), (&json!(1), &json!(1), &json!(true)));
    let third = read().await;
    assert_eq!(third["version"], 3, "{third}");
    assert!(is_live(&aws.provider, third["access_token"].as_str().unwrap()).await);
    assert!(!is_live(&aws.provider, &first_token).await);
    let shown = aws.send(&connections, Request::new("GET", "/v1/connections/tenant")).await;
    assert_eq!(body(&shown)["version"], 3);

    // The table is down after the provider's answer: each pair waits in the queue, and is stored from there.
    let a_moment_ago = SystemClock.now().unix() - 60;
    let is_due = [("expires_at", a_moment_ago), ("not_before", 1), ("refresh_at", 1)];
    let granted = aws.to_callback(&connections, &authorize, "granted").await;
    let swept = aws.to_callback(&connections, &authorize, "swept").await;
    assert_eq!(aws.send(&callback, swept.request()).await["statusCode"], 200);
    aws.set("swept", &[("refresh_at", 1)]).await;
    aws.set("tenant", &[("expires_at", a_moment_ago)]).await;
    aws.calls.fail_to_store_pairs(true);
    let (callback_answer, token_answer, summary) = tokio::join!(
        aws.send(&callback, granted.request()),
        aws.send(&token, Request::new("GET", TOKEN)),
        aws.invoke(&refresh, scheduled.clone())
    );
    assert_eq!(callback_answer["statusCode"], 503, "{callback_answer}");
    assert_eq!(token_answer["statusCode"], 503, "{token_answer}");
    assert_eq!(summary["failed"], json!({ "store_unavailable": 1 }), "{summary}");
    aws.calls.fail_to_store_pairs(false);
    // A refresh token is not sent again while its successor may be there.
    let refreshes = aws.simulation.faults.requested("refresh_token");
    aws.set("tenant", &is_due).await;
    aws.set("tenant", &[("lease_until", 1)]).await;
    let held = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!(held["failed"], json!({ "pair_in_escrow": 1 }), "{:#?}", refresh.log());
    aws.set("tenant", &is_due).await;
    assert_eq!(aws.send(&token, Request::new("GET", TOKEN)).await["statusCode"], 503);
    assert_eq!(aws.simulation.faults.requested("refresh_token"), refreshes);
    let escrowed = aws.escrowed().await;
    assert_eq!(escrowed["Records"].as_array().unwrap().len(), 3, "{escrowed}");
    for secret in granted.secrets() {
        assert!(!escrowed.to_string().contains(&secret), "{escrowed}");
    }
    assert_eq!(aws.invoke(&refresh, escrowed.clone()).await, json!({ "batchItemFailures": [] }));
    assert_eq!(aws.invoke(&refresh, escrowed).await, json!({ "batchItemFailures": [] }), "delivered twice");
    let garbage = json!({ "Records": [{ "messageId": "m1", "body": "{}", "eventSource": "aws:sqs" }] });
    let failed = json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }] });
    assert_eq!(aws.invoke(&refresh, garbage).await, failed);
    for id in ["tenant", "granted", "swept"] {
        let answer = aws.send(&token, Request::new("GET", &format!("/v1/connections/{id}/token"))).await;
        assert_eq!(answer["statusCode"], 200, "{id}: {answer}");
        assert!(is_live(&aws.provider, body(&answer)["access_token"].as_str().unwrap()).await, "{id}: {answer}");
    }

    // The customer withdraws the access: refused, refused again, and given up; where an answer may have been lost.
    aws.simulation.grants.revoke_all();
    aws.set("tenant", &[("refresh_at", 1)]).await;
    let refused = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!(refused["failed"], json!({ "invalid_grant": 1 }), "{refused}");
    let confirmed = SystemClock.now() - Duration::from_secs(3600);
    let confirmed = [
        ("refresh_at", 1),
        ("not_before", 1),
        ("invalid_grant_at", confirmed.unix()),
        ("leases", 9),
        ("expires_at", 1),
    ];
    aws.set("tenant", &confirmed).await;
    aws.others_are_refused(true).await;
    let frozen = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!(frozen["failed"], json!({ "invalid_grant": 1 }), "{frozen}");
    aws.others_are_refused(false).await;
    aws.set("tenant", &confirmed).await;
    let given_up = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!(given_up["reauth_required"], 1, "{given_up}");

    integrator::rehearse(&aws, &connections, &token, &refresh).await;

    // A run that cannot list what is due reports it, and the alarm rings.
    aws.calls.fail_to_list(true);
    let blind = aws.invoke(&refresh, scheduled.clone()).await;
    aws.calls.fail_to_list(false);
    assert_eq!((&blind["finished"], &blind["unfinished_runs"]), (&json!(false), &json!(1)), "{blind}");

    // Each of these is an event, from the table's stream.
    let events = aws.function("events").await;
    let records = aws.stream.records().await.unwrap();
    assert_eq!(aws.invoke(&events, json!({ "Records": records })).await, json!({ "batchItemFailures": [] }));
    let told = aws.told();
    for id in [
        "tenant/1/connection.connected",
        "granted/1/connection.connected",
        "swept/1/connection.connected",
        "tenant/4/connection.reauth_required",
        "imported/2/connection.connected",
        "imported/2/connection.disconnected",
        "imported/4/connection.connected",
        "imported/4/connection.disconnected",
    ] {
        assert_eq!(told.iter().filter(|detail| detail["id"] == id).count(), 1, "{id}: {told:#?}");
    }

    // An error that WebinarGeek reports without a state is counted.
    let reported = aws.send(&callback, Request::new("GET", "/callback?error=invalid_scope")).await;
    assert_eq!(reported["statusCode"], 400, "{reported}");

    aws.hand_on().await;

    // The sealing key is changed; sealed pairs are sealed anew, and rows of no use are removed.
    let calls_before = aws.calls.all().len();
    let maintenance = aws.function_of(&aws.changed, "maintenance").await;
    let looked = aws.invoke(&maintenance, json!({ "task": "reseal" })).await;
    assert_eq!((&looked["would_change"], &looked["failed"]), (&json!(3), &json!({})), "{looked}");
    let resealed = aws.invoke(&maintenance, json!({ "task": "reseal", "dry_run": false })).await;
    assert_eq!((&resealed["changed"], &resealed["finished"]), (&json!(3), &json!(true)), "{resealed}");
    let again = aws.invoke(&maintenance, json!({ "task": "reseal", "dry_run": false })).await;
    assert_eq!((&again["changed"], &again["skipped"]), (&json!(0), &json!(4)), "three, and a tombstone: {again}");
    let new_token = aws.function_of(&aws.changed, "token").await;
    let answer = aws.send(&new_token, Request::new("GET", "/v1/connections/swept/token")).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    aws.set("tenant", &[("needs_customer_since", 1), ("expires_at", 1)]).await;
    let reaped = aws.invoke(&maintenance, json!({ "task": "reap", "dry_run": false })).await;
    assert_eq!((&reaped["changed"], &reaped["finished"]), (&json!(1), &json!(true)), "{reaped}");

    let mut secrets = journey.secrets();
    secrets.extend([SECRET.to_owned(), first_token]);
    for secret in &secrets {
        assert!(!Value::from(told.clone()).to_string().contains(secret), "{told:#?}");
    }
    let functions = [&connections, &authorize, &callback, &second_callback, &token, &refresh, &events, &maintenance];
    refresh.logged(|line| line["ambiguous_rotations"] == 1).await;
    the_logs_tell_it_and_no_secret(&functions, &secrets);
    every_metric_has_been_written(&functions);
    let (maintaining, serving): (Vec<&str>, Vec<&str>) = FUNCTIONS.into_iter().partition(|it| *it == "maintenance");
    let calls = aws.calls.all();
    let (before, after) = calls.split_at(calls_before);
    policies::allow_every_call_and_nothing_unused(&aws.stack, before, &serving).await;
    policies::allow_every_call_and_nothing_unused(&aws.changed, after, &maintaining).await;
    policies::no_function_may_do_more(&aws.stack, before).await;
}

fn the_logs_tell_it_and_no_secret(functions: &[&Function], secrets: &[String]) {
    for function in functions {
        for line in function.log() {
            assert_eq!(line["function"], function.name(), "{line}");
            assert!(line["request_id"].as_str().is_some_and(|id| id.starts_with('r')), "{line}");
            let texts = ["level", "message", "timestamp", "stack"].map(|member| line[member].is_string());
            assert_eq!(texts, [true; 4], "{line}");
            for secret in secrets {
                assert!(!line.to_string().contains(secret), "{secret} in {line}");
            }
        }
    }
    let callback = functions.iter().find(|function| function.name() == "callback").unwrap().log();
    assert!(callback.iter().any(|line| line["connection"] == "tenant" && line["attempt"].is_string()));
}

/// The alarms watch what the code writes: `template.rs` compares the alarms with the same list.
fn every_metric_has_been_written(functions: &[&Function]) {
    let mut written = BTreeSet::new();
    for line in functions.iter().flat_map(|function| function.log()) {
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            assert!(line["_aws"]["Timestamp"].is_number(), "{line}");
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(line[name].is_number(), "{name} in {line}");
                for dimension in
                    directive["Dimensions"].as_array().unwrap().iter().flat_map(|it| it.as_array().unwrap())
                {
                    assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension} in {line}");
                }
                written.insert(name.to_owned());
            }
        }
    }
    let all: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(written, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_refuses_what_it_does_not_understand_and_says_why() {
    let variables = Stack::with(&[]).await.environment("maintenance");
    let variables: Vec<(&str, String)> = variables.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let maintenance = Function::start(&built("maintenance"), &variables).await;
    let refused = maintenance.invoke("r1", json!({ "task": "vacuum" })).await.unwrap_err();
    let says = refused["errorMessage"].as_str().unwrap();
    assert!(says.contains("unknown variant `vacuum`, expected `reseal` or `reap`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_without_its_secret_says_so_and_counts_it() {
    let aws = Rehearsal::begin().await;
    aws.clients
        .secrets_manager
        .delete_secret()
        .secret_id("client-secret")
        .force_delete_without_recovery(true)
        .send()
        .await
        .unwrap();
    let connections = aws.function("connections").await;
    let begin = Request::new("POST", "/v1/connect-sessions").json(json!({ "confirm_page": false }));
    let link = Url::parse(body(&aws.send(&connections, begin).await)["url"].as_str().unwrap()).unwrap();
    let target = format!("/authorize?{}", link.query().unwrap());
    let sent = aws.send(&aws.function("authorize").await, Request::new("GET", &target)).await;
    let cookie = sent["cookies"][0].as_str().unwrap().split(';').next().unwrap();
    let consent = Url::parse(sent["headers"]["location"].as_str().unwrap()).unwrap();
    let state = consent.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let target = format!("/callback?code=abc&state={state}");
    let callback = aws.function("callback").await;
    for counted in 1..=2 {
        let page = aws.send(&callback, Request::new("GET", &target).cookie(cookie)).await;
        assert_eq!(page["statusCode"], 503, "{page}");
        assert!(page["body"].as_str().unwrap().contains("Nothing is lost"), "{page}");
        let is_counted = |line: &Value| line["failures"] == 1 && line["cause"] == "configuration";
        callback.logged(|_| callback.log().iter().filter(|line| is_counted(line)).count() == counted).await;
    }
    assert_eq!(aws.simulation.faults.requested("authorization_code"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_permission_says_which_action_on_which_resource_was_refused() {
    let refusal = "User: arn:aws:sts::111122223333:assumed-role/token/token is not authorized to perform: dynamodb:GetItem on \
                   resource: arn:aws:dynamodb:eu-west-1:111122223333:table/connections because no identity-based policy allows the \
                   dynamodb:GetItem action";
    let denies = axum::Router::new().fallback(move || async move {
        let body =
            json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": refusal }).to_string();
        (http::StatusCode::BAD_REQUEST, [("content-type", "application/x-amz-json-1.0")], body)
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, denies).await });
    let stack = Stack::with(&[]).await;
    for (function, request) in [
        ("token", Request::new("GET", TOKEN)),
        ("connections", Request::new("GET", "/v1/connections/tenant")),
        ("authorize", Request::new("GET", "/authorize?session=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA")),
    ] {
        let mut variables = stack.environment(function);
        variables.insert("AWS_ENDPOINT_URL".to_owned(), at.clone());
        let variables: Vec<(&str, String)> =
            variables.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let started = Function::start(&built(function), &variables).await;
        let answer = started.invoke("r1", request.event("connect.example.com")).await.unwrap();
        assert_eq!(answer["statusCode"], 503, "{function}: {answer}");
        assert!(!answer["body"].as_str().unwrap().contains("arn:"), "the caller need not know: {answer}");
        let line = started.logged(|line| line["failures"] == 1).await;
        let error = line["error"].as_str().unwrap();
        assert!(error.contains("dynamodb:GetItem on resource: arn:aws:dynamodb:"), "{function}: {line}");
        assert_eq!(line["cause"], "aws", "{line}");
    }
}
