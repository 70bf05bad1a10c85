//! `GET /v1/doctor`: finds each thing that can be wrong before the first customer comes, with its remedy.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};
use http::{Method, StatusCode};
use local::tables;
use serde_json::{Value, json};
use shared::http::Request;
use shared::ports::Clock;
use tests::world::{Answer, CLIENT_SECRET, ORIGIN, Setup, World};
use tokio::net::TcpListener;

use crate::faults;
use crate::log::{capture, captured};

mod rotation;

const CHECKS: [&str; 12] = [
    "redirect_uri",
    "https",
    "sealing",
    "connections_table",
    "index_due",
    "index_attention",
    "attempts_table",
    "attempts_ttl",
    "client_secret",
    "client_credentials",
    "clock",
    "revocation",
];

/// The findings that are not `ok`, by check, with their status. Also checks what holds for every examination.
fn troubles(answer: &Answer) -> BTreeMap<String, String> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let findings = answer.body["findings"].as_array().unwrap();
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap().to_owned();
    let checks: Vec<String> = findings.iter().map(|finding| text(finding, "check")).collect();
    assert_eq!(checks, CHECKS);
    let mut troubles = BTreeMap::new();
    for finding in findings {
        hold(finding);
        if finding["status"] != "ok" {
            troubles.insert(text(finding, "check"), text(finding, "status"));
        }
    }
    let has_failed = troubles.values().any(|status| status == "failed");
    assert_eq!(answer.body["healthy"], !has_failed, "{}", answer.body);
    troubles
}

/// Checks what holds for every finding.
fn hold(finding: &Value) {
    assert!(!finding["detail"].as_str().unwrap().is_empty(), "{finding}");
    assert_eq!(finding["remedy"].is_null(), finding["status"] == "ok", "{finding}");
    assert!(!finding.to_string().contains("canary"), "a secret: {finding}");
}

fn finding<'a>(answer: &'a Answer, check: &str) -> &'a Value {
    answer.body["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == check).unwrap()
}

async fn examined(world: &World) -> Answer {
    world.get("/v1/doctor").await
}

/// The examination finds exactly these.
async fn finds(world: &World, expected: &[(&str, &str)]) -> Answer {
    let answer = examined(world).await;
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(check, status)| ((*check).to_owned(), (*status).to_owned())).collect();
    assert_eq!(troubles(&answer), expected, "{}", answer.body);
    answer
}

#[tokio::test]
async fn a_healthy_deployment_is_ok_in_every_finding_and_names_the_redirect_uri_to_register() {
    let world = World::new().await;
    let answer = finds(&world, &[]).await;
    let detail = finding(&answer, "redirect_uri")["detail"].as_str().unwrap();
    assert!(detail.ends_with(&format!(" {ORIGIN}/callback")), "{detail}");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn an_examination_writes_nothing_and_asks_each_endpoint_of_the_provider_once() {
    let world = World::new().await;
    world.connect("doctor").await;
    let (before, token) = (world.row("doctor").await, world.token("doctor").await.body);
    let (codes, refreshes) = (world.simulation.faults.requested("authorization_code"), world.refreshes());
    world.calls.take();
    finds(&world, &[]).await;
    let looks = [
        ("Decrypt", 1),
        ("DescribeTable", 2),
        ("DescribeTimeToLive", 1),
        ("GenerateDataKey", 1),
        ("GetSecretValue", 1),
    ];
    assert_eq!(world.calls.take(), looks.map(|(operation, count)| (operation.to_owned(), count)).into());
    assert_eq!(world.simulation.faults.requested("authorization_code"), codes + 1);
    assert_eq!(world.simulation.faults.requested("revoke"), 1);
    assert_eq!(world.refreshes(), refreshes);
    assert_eq!((world.row("doctor").await, world.token("doctor").await.body), (before, token));
}

#[tokio::test]
async fn another_method_is_refused() {
    let answer = World::new().await.json(Method::PUT, "/v1/doctor", None).await;
    let allow = answer.headers["allow"].to_str().unwrap();
    assert_eq!((answer.status, allow), (StatusCode::METHOD_NOT_ALLOWED, "GET, POST"));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_found_and_nothing_is_sent() {
    let unknown = World::with(Setup::default().variable("CLIENT_SECRET_ARN", "arn:of:nothing")).await;
    let answer = finds(&unknown, &WITHOUT_A_SECRET).await;
    assert!(finding(&answer, "client_secret")["remedy"].as_str().unwrap().contains("policies"), "{}", answer.body);
    assert_eq!(unknown.simulation.faults.requests(), BTreeMap::new());
}

const WITHOUT_A_SECRET: [(&str, &str); 4] =
    [("client_secret", "failed"), ("client_credentials", "skipped"), ("clock", "skipped"), ("revocation", "skipped")];

#[tokio::test]
async fn a_secret_as_the_console_of_secrets_manager_stores_it_is_understood() {
    for stored in [json!({ "client_secret": CLIENT_SECRET }), json!({ "secret": CLIENT_SECRET, "since": 2024 })] {
        let world = World::with(Setup { client_secret: stored.to_string(), ..Setup::default() }).await;
        world.connect("t").await;
        finds(&world, &[]).await;
    }
}

#[tokio::test]
async fn a_secret_in_an_unknown_form_is_never_sent_and_log_and_doctor_name_the_known_forms() {
    for stored in
        [json!([]), json!({ "user": "canary-1", "password": "canary-2" }), json!({ "client_secret": ["canary"] })]
    {
        let world = World::with(Setup { client_secret: stored.to_string(), ..Setup::default() }).await;
        let answer = finds(&world, &WITHOUT_A_SECRET).await;
        let told = finding(&answer, "client_secret").to_string();
        let session = world.session(json!({ "connection_id": "t" })).await;
        capture();
        let ended = world.browser().journey(session.text("url"), "approve").await;
        let log = captured();
        assert_eq!(ended.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(log.contains("configuration"), "{log}");
        for text in [told, log] {
            assert!(text.contains("JSON object") && text.contains("JSON list"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
        assert_eq!(world.simulation.faults.requests(), BTreeMap::new(), "nothing was sent");
    }
}

#[tokio::test]
async fn the_revocation_endpoint_gets_a_made_up_token_and_its_answer_is_explained() {
    let world = World::new().await;
    let answer = finds(&world, &[]).await;
    assert!(finding(&answer, "revocation")["detail"].as_str().unwrap().contains("RFC 7009"), "{}", answer.body);
    for (answer, said) in [
        (faults::status(404), "404"),
        (faults::status(405), "405"),
        (faults::status(302), "302"),
        (faults::error(400, "invalid_token"), "invalid_token"),
        (faults::error(400, "canary of the provider's own"), "400"),
        (faults::error(401, "invalid_client"), "invalid_client"),
        (faults::status(429), "429"),
        (faults::status(500), "500"),
    ] {
        world.fault(json!({ "answer": answer, "grant_type": "revoke" }));
        let answer = finds(&world, &[("revocation", "warning")]).await;
        let finding = finding(&answer, "revocation");
        assert!(finding["detail"].as_str().unwrap().contains(said), "{finding}");
        assert!(finding["remedy"].as_str().unwrap().len() > 20, "{finding}");
    }

    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/oauth/revoke");
    let elsewhere = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", &url)).await;
    let answer = finds(&elsewhere, &[("revocation", "warning")]).await;
    assert!(finding(&answer, "revocation")["remedy"].as_str().unwrap().contains("RevokeUrl"), "{}", answer.body);

    let off = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", "")).await;
    let answer = finds(&off, &[]).await;
    assert!(finding(&answer, "revocation")["detail"].as_str().unwrap().starts_with("off"), "{}", answer.body);
}

#[tokio::test]
async fn the_revocation_endpoint_gets_the_secret_that_the_provider_accepts() {
    let secrets = json!(["canary-new", CLIENT_SECRET]).to_string();
    let world = World::with(Setup { client_secret: secrets, ..Setup::default() }).await;
    finds(&world, &[("client_credentials", "warning")]).await;
    assert_eq!(world.simulation.faults.requested("revoke"), 1);
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_client_id_are_found() {
    let world = World::with(Setup { client_secret: "canary-of-another-app".to_owned(), ..Setup::default() }).await;
    let answer = finds(&world, &[("client_credentials", "failed"), ("revocation", "skipped")]).await;
    let credentials = finding(&answer, "client_credentials");
    assert!(credentials["detail"].as_str().unwrap().contains("invalid_client"), "{credentials}");
    assert!(credentials["remedy"].as_str().unwrap().contains("ClientId"), "{credentials}");

    let wrong_id = World::with(Setup::default().variable("WEBINARGEEK_CLIENT_ID", "another-app")).await;
    finds(&wrong_id, &[("client_credentials", "failed"), ("revocation", "skipped")]).await;
}

#[tokio::test]
async fn a_list_whose_first_secret_is_refused_is_a_warning() {
    let list = |secrets: Value| Setup { client_secret: secrets.to_string(), ..Setup::default() };
    let world = World::with(list(json!(["canary-new", CLIENT_SECRET]))).await;
    let answer = finds(&world, &[("client_credentials", "warning")]).await;
    let detail = finding(&answer, "client_credentials")["detail"].as_str().unwrap();
    assert!(detail.contains("place 2"), "{detail}");
    finds(&World::with(list(json!([CLIENT_SECRET, "canary-old"]))).await, &[]).await;
    let refused = [("client_credentials", "failed"), ("revocation", "skipped")];
    finds(&World::with(list(json!(["canary-new", "canary-old"]))).await, &refused).await;
}

#[tokio::test]
async fn a_key_that_cannot_make_or_cannot_open_data_keys_is_found() {
    let world = World::with(
        Setup::default()
            .variable("KMS_KEY_ID", "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000009"),
    )
    .await;
    finds(&world, &[("sealing", "failed")]).await;
    let world = World::new().await;
    for operation in ["GenerateDataKey", "Decrypt"] {
        world.outage_of(&[operation]);
        finds(&world, &[("sealing", "failed")]).await;
    }
    world.outage_of(&[]);
    finds(&world, &[]).await;
}

#[tokio::test]
async fn a_missing_table_and_a_missing_index_are_found() {
    let missing = World::with(Setup::default().variable("CONNECTIONS_TABLE", "nothing")).await;
    let expected = [("connections_table", "failed"), ("index_due", "skipped"), ("index_attention", "skipped")];
    let answer = finds(&missing, &expected).await;
    assert!(finding(&answer, "connections_table")["remedy"].as_str().unwrap().contains("ExistingConnectionsTable"));

    let missing = World::with(Setup::default().variable("ATTEMPTS_TABLE", "nothing")).await;
    finds(&missing, &[("attempts_table", "failed"), ("attempts_ttl", "skipped")]).await;

    // A table, but another one.
    let swapped = World::with(Setup::default().variable("CONNECTIONS_TABLE", tables::ATTEMPTS)).await;
    let expected = [("connections_table", "failed"), ("index_due", "failed"), ("index_attention", "failed")];
    finds(&swapped, &expected).await;
    let swapped = World::with(Setup::default().variable("ATTEMPTS_TABLE", tables::CONNECTIONS)).await;
    finds(&swapped, &[("attempts_table", "failed"), ("attempts_ttl", "failed")]).await;
}

#[tokio::test]
async fn an_index_with_other_keys_or_attributes_is_found() {
    let world = World::with(Setup::default().variable("CONNECTIONS_TABLE", "by-hand")).await;
    let attribute = |name: &str, of_type| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(of_type).build().unwrap()
    };
    let key = |name: &str, of_type| KeySchemaElement::builder().attribute_name(name).key_type(of_type).build().unwrap();
    let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    let index = |name: &str, sort: &str, partition: &str| {
        let index = GlobalSecondaryIndex::builder().index_name(name).projection(keys_only.clone());
        index.key_schema(key(partition, KeyType::Hash)).key_schema(key(sort, KeyType::Range)).build().unwrap()
    };
    let table = world.clients.dynamodb.create_table().table_name("by-hand").billing_mode(BillingMode::PayPerRequest);
    let table =
        table.key_schema(key("id", KeyType::Hash)).attribute_definitions(attribute("id", ScalarAttributeType::S));
    let table = table
        .attribute_definitions(attribute("shard", ScalarAttributeType::N))
        .attribute_definitions(attribute("refresh_at", ScalarAttributeType::N))
        .attribute_definitions(attribute("attention", ScalarAttributeType::S));
    let table = table.global_secondary_indexes(index("due", "refresh_at", "shard"));
    table.global_secondary_indexes(index("attention", "attention", "id")).send().await.unwrap();

    let answer = finds(&world, &[("index_due", "failed"), ("index_attention", "failed")]).await;
    assert!(finding(&answer, "index_due")["detail"].as_str().unwrap().contains("expires_at"), "{}", answer.body);
    assert!(finding(&answer, "index_attention")["detail"].as_str().unwrap().contains("id, attention"));
}

#[tokio::test]
async fn tables_that_may_not_be_described_are_found() {
    let world = World::new().await;
    world.outage_of(&["DescribeTimeToLive"]);
    finds(&world, &[("attempts_ttl", "failed")]).await;
    world.outage_of(&["DescribeTable"]);
    let answer = examined(&world).await;
    assert_eq!(troubles(&answer).len(), 5, "{}", answer.body);
}

#[tokio::test]
async fn an_attempts_table_without_ttl_is_found() {
    let world = World::new().await;
    let off = TimeToLiveSpecification::builder().enabled(false).attribute_name("ttl").build().unwrap();
    let update = world.clients.dynamodb.update_time_to_live().table_name(tables::ATTEMPTS);
    update.time_to_live_specification(off).send().await.unwrap();
    let answer = finds(&world, &[("attempts_ttl", "failed")]).await;
    assert!(finding(&answer, "attempts_ttl")["remedy"].as_str().unwrap().contains("update-time-to-live"));
}

#[tokio::test]
async fn a_wrong_clock_is_found_with_its_difference() {
    let world = World::new().await;
    let dated = |seconds: i64| {
        let theirs = world.clock.now().unix() - seconds;
        let theirs = std::time::UNIX_EPOCH + Duration::from_secs(theirs as u64);
        json!({ "answer": { "dated": httpdate::fmt_http_date(theirs) } })
    };
    for (ahead, said, status) in [
        (600, "600 s ahead of", Some("failed")),
        (-600, "600 s behind", Some("failed")),
        (120, "120 s ahead of", Some("warning")),
        (-20, "20 s behind", None),
    ] {
        world.fault(dated(ahead));
        let expected: Vec<(&str, &str)> = status.map(|status| ("clock", status)).into_iter().collect();
        let answer = finds(&world, &expected).await;
        let detail = finding(&answer, "clock")["detail"].as_str().unwrap();
        assert!(detail.starts_with(said), "{detail}");
    }
}

#[tokio::test]
async fn plain_http_is_a_failure_and_on_a_laptop_a_warning() {
    let world = World::new().await;
    let at = async |origin: &str| {
        let mut request = Request::default();
        *request.uri_mut() = "/v1/doctor".parse().unwrap();
        let (parts, body) = world.send_to(origin, request).await.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: serde_json::from_str(&body).unwrap() }
    };
    for (origin, status) in [
        ("http://connect.example.com", "failed"),
        ("http://127.0.0.1:8787", "warning"),
        ("http://localhost:8787", "warning"),
    ] {
        let answer = at(origin).await;
        assert_eq!(troubles(&answer), BTreeMap::from([("https".to_owned(), status.to_owned())]), "{origin}");
        let redirect = finding(&answer, "redirect_uri")["detail"].as_str().unwrap();
        assert!(redirect.ends_with(&format!(" {origin}/callback")), "{redirect}");
    }
    let behind_a_domain = World::with(Setup::default().variable("PUBLIC_ORIGIN", "https://wg.example.com")).await;
    let answer = finds(&behind_a_domain, &[]).await;
    let redirect = finding(&answer, "redirect_uri")["detail"].as_str().unwrap();
    assert!(redirect.ends_with(" https://wg.example.com/callback"), "{redirect}");
}

#[tokio::test]
async fn a_provider_that_is_unreachable_or_answers_unexpectedly_is_found() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/oauth/token");
    let world = World::with(Setup::default().variable("WEBINARGEEK_TOKEN_URL", &url)).await;
    let answer =
        finds(&world, &[("client_credentials", "failed"), ("clock", "skipped"), ("revocation", "skipped")]).await;
    let remedy = finding(&answer, "client_credentials")["remedy"].as_str().unwrap();
    assert!(remedy.contains("TokenUrl"), "{remedy}");

    let world = World::new().await;
    for (answer, found) in [
        (json!("html"), "failed"),
        (json!("garbage"), "failed"),
        (faults::status(500), "failed"),
        (faults::status(404), "failed"),
        (faults::error(302, "invalid_grant"), "failed"),
        (faults::error(400, "unauthorized_client"), "failed"),
        (faults::error(400, "canary of the provider's own"), "failed"),
        (faults::status(429), "warning"),
    ] {
        world.fault(json!({ "answer": answer }));
        finds(&world, &[("client_credentials", found), ("revocation", "skipped")]).await;
    }
    world.fault(json!({ "answer": "huge" }));
    finds(&world, &[("client_credentials", "failed"), ("revocation", "skipped")]).await;
    // A connection that breaks has said no time that counts.
    world.fault(json!({ "answer": "break" }));
    finds(&world, &[("client_credentials", "failed"), ("clock", "skipped"), ("revocation", "skipped")]).await;
}

/// `cargo doctor` as a process of its own: whether it succeeds, and its lines.
async fn command(variables: &[(&str, &str)]) -> (bool, Vec<String>) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_laptop"));
    let output = command.arg("doctor").env_clear().envs(variables.iter().copied()).output().await.unwrap();
    let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    (output.status.success(), lines)
}

#[tokio::test]
async fn the_command_prints_a_line_for_each_finding_and_fails_if_one_has_failed() {
    let (is_well, lines) = command(&[]).await;
    assert!(is_well, "{lines:?}");
    let checks: Vec<&str> = lines.iter().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(checks, CHECKS);
    assert!(lines[0].starts_with("ok ") && lines[0].ends_with(" http://127.0.0.1:8787/callback"), "{}", lines[0]);
    assert!(lines[1].starts_with("warning ") && lines[1].contains("PUBLIC_ORIGIN"), "{}", lines[1]);
    assert!(lines[2..].iter().all(|line| line.starts_with("ok ")), "{lines:?}");

    // Real variables, before a deployment: the provider does not know this secret, and its clock is different.
    let provider = World::new().await;
    let url = |path: &str| format!("{}/oauth/{path}", provider.provider_origin);
    let (is_well, lines) = command(&[
        ("WEBINARGEEK_CLIENT_ID", "client-one"),
        ("WEBINARGEEK_CLIENT_SECRET", "canary-of-another-app"),
        ("WEBINARGEEK_AUTHORIZE_URL", &url("authorize")),
        ("WEBINARGEEK_TOKEN_URL", &url("token")),
        ("PUBLIC_ORIGIN", "https://tunnel.example.com"),
    ])
    .await;
    assert!(!is_well, "{lines:?}");
    assert!(lines[0].ends_with(" https://tunnel.example.com/callback"), "{}", lines[0]);
    let credentials = &lines[9];
    assert!(credentials.starts_with("failed ") && credentials.contains("invalid_client"), "{credentials}");
    assert!(credentials.contains("compare ClientId"), "{credentials}");
    assert!(lines[10].starts_with("failed   clock"), "{}", lines[10]);
    assert!(!lines.concat().contains("canary"), "{lines:?}");
}
