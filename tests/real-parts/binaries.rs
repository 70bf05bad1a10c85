//! The built functions, unchanged, under a Lambda Runtime API, against local engines through `AWS_ENDPOINT_URL…`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::deployment::Services;
use local::webinargeek::{Faults, Grants, Rotation, Simulation};
use local::{keys, tables, webinargeek};
use serde_json::{Value, json};
use shared::system::{SystemClock, SystemEntropy};
use tests::laptop::is_live;
use tokio::net::TcpListener;
use tokio::process::Command;
use url::Url;

use crate::process::part;
use crate::runtime_api::Function;

const HOST: &str = "connect.example.com";
const SECRET: &str = "canary-client-secret";

struct Aws {
    variables: Vec<(&'static str, String)>,
    services: Services,
    provider: String,
    http: reqwest::Client,
}

impl Aws {
    async fn start() -> Self {
        let tables_at = tables::serve(None).await.unwrap();
        let keys_at = keys::serve(None, SECRET.to_owned(), Arc::new(SystemEntropy)).await.unwrap();
        let services = Services::at(tables_at, keys_at);
        tables::create(&services.dynamodb).await.unwrap();
        let simulation = Arc::new(Simulation {
            client_id: "client-one".to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uri: format!("https://{HOST}/callback"),
            grants: Grants::open(None, Rotation::Strict, Duration::from_secs(7200)).unwrap(),
            faults: Faults::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let provider = format!("http://{}", webinargeek::serve(simulation, listener).unwrap());
        let variables = vec![
            ("ATTEMPTS_TABLE", tables::ATTEMPTS.to_owned()),
            ("CONNECTIONS_TABLE", tables::CONNECTIONS.to_owned()),
            ("KMS_KEY_ID", keys::KEY_ARN.to_owned()),
            ("CLIENT_SECRET_ARN", keys::SECRET_ARN.to_owned()),
            ("STACK", "binaries".to_owned()),
            ("WEBINARGEEK_CLIENT_ID", "client-one".to_owned()),
            ("WEBINARGEEK_AUTHORIZE_URL", format!("{provider}/oauth/authorize")),
            ("WEBINARGEEK_TOKEN_URL", format!("{provider}/oauth/token")),
            ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{tables_at}")),
            ("AWS_ENDPOINT_URL", format!("http://{keys_at}")),
        ];
        Self { variables, services, provider, http: tests::browser::provider_client() }
    }

    async fn function(&self, name: &str) -> Function {
        Function::start(&part("BINARIES").join(name), &self.variables).await
    }
}

/// An HTTP API event, payload format 2.0, as API Gateway sends it.
fn event(method: &str, path: &str, query: &str, headers: Value, cookies: &[&str], body: Option<Value>) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "cookies": cookies,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abc123",
            "domainName": HOST,
            "domainPrefix": "connect",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test" },
            "requestId": "gateway-request",
            "routeKey": "$default",
            "stage": "$default",
            "time": "24/Nov/2026:00:00:00 +0000",
            "timeEpoch": 1_795_478_400_000_u64,
        },
        "body": body.map(|body| body.to_string()),
        "isBase64Encoded": false,
    })
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_connects_through_the_built_functions_and_the_token_stays_fresh() {
    let aws = Aws::start().await;

    let connections = aws.function("connections").await;
    let media_type = json!({ "content-type": "application/json", "host": HOST });
    let begin = event("POST", "/v1/connect-sessions", "", media_type, &[], Some(json!({ "connection_id": "tenant" })));
    let session = connections.invoke("r1", begin).await.unwrap();
    assert_eq!(session["statusCode"], 201, "{session}");
    let url = Url::parse(body(&session)["url"].as_str().unwrap()).unwrap();
    assert_eq!(url.host_str(), Some(HOST), "from the request's context");

    let authorize = aws.function("authorize").await;
    let asked =
        authorize.invoke("r2", event("GET", "/authorize", url.query().unwrap(), json!({}), &[], None)).await.unwrap();
    assert_eq!(asked["statusCode"], 200, "{asked}");
    let origin = json!({ "origin": format!("https://{HOST}") });
    let sent =
        authorize.invoke("r3", event("POST", "/authorize", url.query().unwrap(), origin, &[], None)).await.unwrap();
    assert_eq!(sent["statusCode"], 303, "{sent}");
    let cookie = sent["cookies"][0].as_str().unwrap().split(';').next().unwrap();
    assert!(cookie.starts_with("__Host-wg_"), "{cookie}");

    let consent = Url::parse(sent["headers"]["location"].as_str().unwrap()).unwrap();
    let mut form: Vec<(String, String)> = consent.query_pairs().into_owned().collect();
    form.push(("decision".to_owned(), "approve".to_owned()));
    let back = aws.http.post(format!("{}/oauth/authorize", aws.provider)).form(&form).send().await.unwrap();
    let back = Url::parse(back.headers()["location"].to_str().unwrap()).unwrap();

    let callback = aws.function("callback").await;
    let ended = callback
        .invoke("r4", event("GET", "/callback", back.query().unwrap(), json!({}), &[cookie], None))
        .await
        .unwrap();
    assert_eq!(ended["statusCode"], 200, "{ended}");

    let token = aws.function("token").await;
    let read = || event("GET", "/v1/connections/tenant/token", "min_ttl=60", json!({}), &[], None);
    let first = body(&token.invoke("r5", read()).await.unwrap());
    let first_token = first["access_token"].as_str().unwrap().to_owned();
    assert!(is_live(&aws.provider, &first_token).await);

    make_due(&aws.services, "tenant").await;
    let refresh = aws.function("refresh").await;
    let scheduled = json!({ "version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });
    let summary = refresh.invoke("r6", scheduled).await.unwrap();
    assert_eq!((&summary["due"], &summary["refreshed"], &summary["finished"]), (&json!(1), &json!(1), &json!(true)));
    let second = body(&token.invoke("r7", read()).await.unwrap());
    assert_eq!(second["version"], 2);
    assert!(is_live(&aws.provider, second["access_token"].as_str().unwrap()).await);
    assert!(!is_live(&aws.provider, &first_token).await);

    let shown =
        connections.invoke("r8", event("GET", "/v1/connections/tenant", "", json!({}), &[], None)).await.unwrap();
    assert_eq!(body(&shown)["version"], 2);

    let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let secrets = [SECRET, &state, &code, cookie.split('=').nth(1).unwrap(), &first_token, url.query().unwrap()];
    for (name, function) in [
        ("connections", &connections),
        ("authorize", &authorize),
        ("callback", &callback),
        ("token", &token),
        ("refresh", &refresh),
    ] {
        for line in function.log() {
            assert_eq!(line["function"], name, "{line}");
            assert!(line["request_id"].as_str().is_some_and(|id| id.starts_with('r')), "{line}");
            assert!(
                line["level"].is_string() && line["message"].is_string() && line["timestamp"].is_string(),
                "{line}"
            );
            for secret in secrets {
                assert!(!line.to_string().contains(secret), "{secret} in {line}");
            }
        }
    }
    assert!(callback.log().iter().any(|line| line["connection"] == "tenant" && line["attempt"].is_string()));
    let run = refresh.log().into_iter().find(|line| line.get("least_remaining_seconds").is_some()).unwrap();
    assert_eq!((&run["due"], &run["failed"], &run["finished"]), (&json!(1), &json!({}), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn api_gateways_own_ways_with_paths_and_queries_change_nothing() {
    let aws = Aws::start().await;
    let token = aws.function("token").await;
    for (number, path) in [
        "/v1/connections/../token",
        "/v1/connections/a b/token",
        "/v1/connections/é/token",
        "/v1/connections/%2e/token",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = token.invoke(&format!("r{number}"), event("GET", path, "", json!({}), &[], None)).await.unwrap();
        assert_eq!(answer["statusCode"], 400, "{path}: {answer}");
        assert_eq!(body(&answer)["field"], "id");
    }
    let twice = event("GET", "/v1/connections/t/token", "min_ttl=1&min_ttl=2", json!({}), &[], None);
    assert_eq!(token.invoke("twice", twice).await.unwrap()["statusCode"], 400);
    let encoded = json!({ "content-type": "application/json" });
    let mut rejected = event("POST", "/v1/connections/t/token", "", encoded, &[], None);
    rejected["body"] = "eyJyZWplY3RlZF92ZXJzaW9uIjoxfQ==".into();
    rejected["isBase64Encoded"] = true.into();
    assert_eq!(
        token.invoke("encoded", rejected).await.unwrap()["statusCode"],
        404,
        "read, and the connection is unknown"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_none_is_an_error_of_the_invocation() {
    let aws = Aws::start().await;
    let refresh = aws.function("refresh").await;
    let error = refresh.invoke("bad", json!({ "shards": [99] })).await.unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("shards"), "{error}");
    assert!(refresh.invoke("good", json!({ "shards": [3] })).await.is_ok(), "and the function lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_environment_stops_a_function_at_start_with_every_problem_in_one_message() {
    for (name, required) in [
        ("authorize", &["ATTEMPTS_TABLE", "STACK", "WEBINARGEEK_CLIENT_ID"][..]),
        (
            "callback",
            &[
                "ATTEMPTS_TABLE",
                "CONNECTIONS_TABLE",
                "KMS_KEY_ID",
                "CLIENT_SECRET_ARN",
                "STACK",
                "WEBINARGEEK_CLIENT_ID",
            ],
        ),
        ("refresh", &["CONNECTIONS_TABLE", "CLIENT_SECRET_ARN", "STACK", "WEBINARGEEK_CLIENT_ID"]),
        ("token", &["CONNECTIONS_TABLE", "CLIENT_SECRET_ARN", "STACK", "WEBINARGEEK_CLIENT_ID"]),
        ("connections", &["ATTEMPTS_TABLE", "CONNECTIONS_TABLE", "STACK"]),
    ] {
        let mut command = Command::new(part("BINARIES").join(name));
        command.env_clear().env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9").env("PUBLIC_ORIGIN", "connect.example.com");
        command.env("WEBINARGEEK_TOKEN_URL", "http://provider.example/token");
        let output = command.output().await.unwrap();
        assert!(!output.status.success(), "{name}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(message.lines().count(), 1, "{name}: {message}");
        for variable in required {
            assert!(message.contains(variable), "{name}, {variable}: {message}");
        }
        let wrong = if matches!(name, "authorize" | "connections") { "PUBLIC_ORIGIN" } else { "WEBINARGEEK_TOKEN_URL" };
        assert!(message.contains(wrong), "{name}: {message}");
    }
}

/// As if the time had come.
async fn make_due(services: &Services, id: &str) {
    services
        .dynamodb
        .update_item()
        .table_name(tables::CONNECTIONS)
        .key("id", AttributeValue::S(id.to_owned()))
        .update_expression("SET refresh_at = :then")
        .expression_attribute_values(":then", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
}
