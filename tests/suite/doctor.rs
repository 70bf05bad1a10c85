//! `GET /v1/doctor`: finds each fault that keeps the first customer from connecting, and names its remedy.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::Value;
use shared::http::Request;
use tests::world::{Answer, ORIGIN, Setup, World};

mod provider;
mod rotation;
mod secrets;
mod tables;

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

/// The status of each finding that is not `ok`, by check. Also checks what holds for every examination.
fn troubles(answer: &Answer) -> BTreeMap<String, String> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let findings = answer.body["findings"].as_array().unwrap();
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap().to_owned();
    let checks: Vec<String> = findings.iter().map(|finding| text(finding, "check")).collect();
    assert_eq!(checks, CHECKS);
    let mut troubles = BTreeMap::new();
    for finding in findings {
        check_finding(finding);
        if finding["status"] != "ok" {
            troubles.insert(text(finding, "check"), text(finding, "status"));
        }
    }
    let has_failed = troubles.values().any(|status| status == "failed");
    assert_eq!(answer.body["healthy"], !has_failed, "{}", answer.body);
    troubles
}

/// Checks what holds for every finding.
fn check_finding(finding: &Value) {
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

/// Checks that the examination finds exactly these troubles.
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
