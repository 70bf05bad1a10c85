//! The built functions, unchanged, under a Lambda Runtime API, against the laptop's engines through
//! `AWS_ENDPOINT_URL…`. `rehearsal.rs` has a whole journey.

use std::sync::Arc;

use local::engines::Engines;
use local::{keys, tables};
use serde_json::json;
use shared::system::SystemEntropy;
use tests::gateway_events::{FUNCTIONS, Known, REQUEST_ID, hold};
use tests::proof::Proof;
use tokio::process::Command;

use crate::engines::listen;
use crate::gateway::{Request, body};
use crate::process::built;
use crate::runtime_api::Function;
use crate::stack;

const HOST: &str = "connect.example.com";

/// zig ignores `-static-pie`, and the functions were once linked to be loaded at the same address each time.
#[test]
fn each_function_is_static_and_has_random_addresses() {
    for function in stack::FUNCTIONS {
        let program = std::fs::read(built(function)).unwrap();
        // `e_type` in the header of an ELF file: 2 is an executable with fixed addresses, 3 is one without.
        assert_eq!(program[16..18], [3, 0], "{function}");
        assert!(!program.windows(9).any(|bytes| bytes == b"/ld-linux"), "{function} needs a dynamic loader");
    }
}

async fn start(function: &str) -> Function {
    let engines = Engines::in_memory("secret".to_owned(), Arc::new(SystemEntropy)).unwrap();
    tables::create(&engines.clients().dynamodb).await.unwrap();
    let engines_at = listen(engines).await;
    let variables = [
        ("ATTEMPTS_TABLE", tables::ATTEMPTS.to_owned()),
        ("CONNECTIONS_TABLE", tables::CONNECTIONS.to_owned()),
        ("KMS_KEY_ID", keys::KEY_ARN.to_owned()),
        ("INSTALL_LINK", "on".to_owned()),
        ("WEBINARGEEK_TOKEN_URL", "http://127.0.0.1:9/".to_owned()),
        ("WEBINARGEEK_REVOKE_URL", String::new()),
        ("ESCROW_QUEUE_URL", "http://127.0.0.1:9/".to_owned()),
        ("CLIENT_SECRET_ARN", keys::SECRET_ARN.to_owned()),
        ("STACK", "binaries".to_owned()),
        ("WEBINARGEEK_CLIENT_ID", "client-one".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{engines_at}")),
    ];
    Function::start(&built(function), &variables).await
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_queries_and_bodies_in_every_form_of_api_gateway_are_checked() {
    let token = start("token").await;
    for (number, path) in [
        "/v1/connections/../token",
        "/v1/connections/a b/token",
        "/v1/connections/é/token",
        "/v1/connections/%2e/token",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = token.invoke(&format!("r{number}"), Request::new("GET", path).event(HOST)).await.unwrap();
        assert_eq!(answer["statusCode"], 400, "{path}: {answer}");
        assert_eq!(body(&answer)["field"], "id");
    }
    let twice = Request::new("GET", "/v1/connections/t/token?min_ttl=1&min_ttl=2").event(HOST);
    assert_eq!(token.invoke("twice", twice).await.unwrap()["statusCode"], 400);
    let rejected = Request::new("POST", "/v1/connections/t/token").header("content-type", "application/json");
    let mut rejected = rejected.event(HOST);
    rejected["body"] = "eyJyZWplY3RlZF92ZXJzaW9uIjoxfQ==".into();
    rejected["isBase64Encoded"] = true.into();
    assert_eq!(
        token.invoke("encoded", rejected).await.unwrap()["statusCode"],
        404,
        "the body is read, and the connection is unknown"
    );
}

/// `tests/suite/gateway_events.rs` sends more of them to the same code, without a process.
#[tokio::test(flavor = "multi_thread")]
async fn no_event_makes_a_built_function_crash() {
    let proof = Proof::asked();
    let known = Known {
        queries: vec![format!("session={}", "A".repeat(43)), format!("code=c&state={}", "A".repeat(43))],
        cookies: format!("__Host-wg_{}={}", "A".repeat(8), "A".repeat(43)),
        session: "A".repeat(43),
    };
    for name in FUNCTIONS {
        let function = start(name).await;
        for number in 0..proof.length(500, 50_000) {
            let mut random = proof.random(number);
            let event = known.event(&mut random, name);
            let told = format!("SEED={} event {number} for {name}: {event}", proof.seed);
            let answer = function.invoke(REQUEST_ID, event).await.unwrap_or_else(|error| panic!("{error}: {told}"));
            hold(&answer, &told);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_unknown_form_is_an_error_of_the_invocation() {
    let refresh = start("refresh").await;
    let error = refresh.invoke("bad", json!({ "shards": [99] })).await.unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("shards"), "{error}");
    assert!(refresh.invoke("good", json!({ "shards": [3] })).await.is_ok(), "and the function still runs");
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
        let mut command = Command::new(built(name));
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
