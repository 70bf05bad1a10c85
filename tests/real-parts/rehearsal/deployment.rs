//! The stack in operation: its tables, keys, queue and bus on engines, and its functions as `sam build` has made them.

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
use shared::ports::{Clock, StartRun};
use shared::system::{SystemClock, SystemEntropy};
use tokio::net::TcpListener;
use tokio::process::Child;

use super::SECRET;
use crate::engines::{listen, sdk_at};
use crate::gateway::Request;
use crate::moto;
use crate::process::built;
use crate::recorder::{Calls, record};
use crate::runtime_api::Function;
use crate::stack::Stack;

/// The value of the template's parameter. It is replaced by the name that the engine gives to the key.
const NEW_KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1b2c";

pub(super) struct Rehearsal {
    pub(super) stack: Stack,
    pub(super) clients: Clients,
    endpoints: [(&'static str, SocketAddr); 5],
    pub(super) stream: Stream,
    /// The same stack, once it has been deployed with another sealing key.
    pub(super) changed: Stack,
    escrow: aws_sdk_sqs::Client,
    pub(super) simulation: Arc<Simulation>,
    pub(super) provider: String,
    pub(super) calls: Calls,
    requests: AtomicUsize,
    pub(super) http: reqwest::Client,
    _moto: Child,
}

impl Rehearsal {
    pub(super) async fn begin() -> Self {
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

    /// The built function, with the template's environment. Only the addresses of the provider and of AWS are others:
    /// AWS is behind the recorder.
    pub(super) async fn function(&self, name: &'static str) -> Function {
        self.function_of(&self.stack, name).await
    }

    pub(super) async fn function_of(&self, stack: &Stack, name: &'static str) -> Function {
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

    /// Starts another run for a shard, as a run does that has been at work for long.
    pub(super) async fn hand_on(&self) {
        let at = record("refresh", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), self.calls.clone()).await;
        let name = self.stack.resource("RefreshFunction")["physical_id"].as_str().unwrap().to_owned();
        let until = SystemClock.now() + Duration::from_secs(300);
        OwnFunction::new(&sdk_at(at), name).start(&[3], until).await.unwrap();
    }

    pub(super) fn host(&self) -> &str {
        self.stack.output("ApiOrigin").trim_start_matches("https://")
    }

    /// Sends a request, as the API does, to the function of its route.
    pub(super) async fn send(&self, function: &Function, request: Request<'_>) -> Value {
        let routed = self.stack.route(request.method, request.path);
        assert_eq!(routed, Some(function.name()), "{} {}", request.method, request.path);
        self.invoke(function, request.event(self.host())).await
    }

    /// As if a hundred other connections had been refused, or none.
    pub(super) async fn others_are_refused(&self, refused: bool) {
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
    pub(super) async fn messages_in_the_queue(&self) -> Value {
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

    /// The details of the events that the bus has accepted.
    pub(super) fn published_events(&self) -> Vec<Value> {
        let calls = self.calls.all().into_iter().filter(|call| call.target == "AWSEvents.PutEvents");
        let mut told = Vec::new();
        for call in calls {
            assert_eq!(call.output["FailedEntryCount"], 0, "{call:?}");
            let entries = call.input["Entries"].as_array().unwrap().iter();
            told.extend(entries.map(|entry| serde_json::from_str::<Value>(entry["Detail"].as_str().unwrap()).unwrap()));
        }
        told
    }

    pub(super) async fn invoke(&self, function: &Function, event: Value) -> Value {
        let id = format!("r{}", self.requests.fetch_add(1, Ordering::SeqCst));
        function.invoke(&id, event).await.unwrap()
    }

    pub(super) fn fault(&self, fault: Value) {
        self.simulation.faults.add(serde_json::from_value(fault).unwrap());
    }

    /// Sets attributes of a connection to numbers, as if time had passed or another process had died.
    pub(super) async fn set(&self, id: &str, numbers: &[(&str, i64)]) {
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

/// Sends DynamoDB's own request, made from the template's properties.
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
