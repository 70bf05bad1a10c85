//! Each token that is handed out makes one line of the log, with connection, version and IAM principal.

use http::Method;
use lambda_runtime::Context;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::ports::Clock;
use tests::gateway_events::{PRINCIPAL, event};
use tests::world::World;

use crate::log::{capture, captured};

const TOKEN: &str = "/v1/connections/tenant-7/token";

/// Invokes the function as API Gateway does.
async fn ask(world: &World, event: Value) -> Value {
    let event: Box<RawValue> = serde_json::from_str(&event.to_string()).unwrap();
    let mut context = Context::default();
    context.deadline = (world.clock.now().unix() as u64 + 60) * 1000;
    let answer = shared::lambda::answer("token", &world.deployment.token, &event, &context).await;
    serde_json::to_value(&answer).unwrap()
}

fn lines() -> Vec<String> {
    captured().lines().filter(|line| line.contains("a token is handed out")).map(str::to_owned).collect()
}

#[tokio::test]
async fn each_token_that_is_handed_out_is_one_line_with_connection_version_and_principal() {
    let world = World::new().await;
    world.connect("tenant-7").await;
    capture();
    let read = ask(&world, event("GET", TOKEN, "")).await;
    world.clock.advance(120);
    let mut rejected = event("POST", TOKEN, "");
    rejected["body"] = json!({ "rejected_version": 1 }).to_string().into();
    let after_rejection = ask(&world, rejected).await;
    let lines = lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, (answer, version)) in lines.iter().zip([(read, 1), (after_rejection, 2)]) {
        assert_eq!(answer["statusCode"], 200, "{answer}");
        for says in ["connection=\"tenant-7\"", &format!("version={version}"), PRINCIPAL] {
            assert!(line.contains(says), "no {says}: {line}");
        }
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert!(!line.contains(body["access_token"].as_str().unwrap()), "the line contains the token: {line}");
    }
}

#[tokio::test]
async fn without_a_token_there_is_no_such_line_and_without_a_signature_no_principal() {
    let world = World::new().await;
    world.connect("tenant-7").await;
    capture();
    ask(&world, event("GET", "/v1/connections/another/token", "")).await;
    ask(&world, event("GET", TOKEN, "min_ttl=no-number")).await;
    world.json(Method::PUT, TOKEN, None).await;
    assert_eq!(lines(), [""; 0]);

    capture();
    world.token("tenant-7").await;
    let lines = lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("principal=\"none\""), "as on a laptop: {lines:?}");
}

#[tokio::test]
async fn a_token_is_handed_out_although_the_principal_is_not_a_text() {
    let world = World::new().await;
    world.connect("tenant-7").await;
    for odd in [json!(null), json!([]), json!({ "iam": 1 }), json!({ "iam": { "userArn": [1] } }), json!({ "jwt": {} })]
    {
        capture();
        let mut event = event("GET", TOKEN, "");
        event["requestContext"]["authorizer"] = odd.clone();
        assert_eq!(ask(&world, event).await["statusCode"], 200, "{odd}");
        assert!(lines()[0].contains("principal=\"none\""), "{odd}");
    }
}
