//! `POST /v1/doctor`: finds out how a provider rotates, on a throw-away connection, and loses no other one.

use http::{Method, StatusCode};
use local::webinargeek::Rotation;
use serde_json::{Value, json};
use tests::world::{Answer, Setup, World};

use super::check_finding;

mod classes;
mod failures;
mod refusals;

async fn ask(world: &World, body: Value) -> Answer {
    world.json(Method::POST, "/v1/doctor", Some(body)).await
}

/// The one finding, on the connection `t`.
async fn tried(world: &World) -> Value {
    found(ask(world, json!({ "throw_away": "t" })).await)
}

fn found(answer: Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let [finding] = &answer.body["findings"].as_array().unwrap()[..] else { panic!("{answer:?}") };
    check_finding(finding);
    assert_eq!((&finding["check"], &answer.body["healthy"]), (&json!("rotation"), &json!(true)), "{finding}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    finding.clone()
}

/// That the class could not be found out, and why.
fn is_skipped(finding: &Value, why: &str) {
    assert_eq!(finding["status"], "skipped", "{finding}");
    assert!(finding["detail"].as_str().unwrap().contains(why), "{why}: {finding}");
}

async fn connected(rotation: Rotation) -> World {
    let world = World::with(Setup { rotation, ..Setup::default() }).await;
    connect(&world).await;
    world
}

/// `t`, by a session for a connection that may be lost.
async fn connect(world: &World) {
    let session = world.session(json!({ "connection_id": "t", "throw_away": true })).await;
    world.browser().journey(session.text("url"), "approve").await;
}

async fn refresh_token(world: &World) -> String {
    refresh_token_of(world, "t").await
}

async fn refresh_token_of(world: &World, id: &str) -> String {
    let stored = world.stored(id).await.unwrap();
    let pair = world.deployment.token.refreshing.open(&stored).await.unwrap();
    pair.refresh_token.unwrap().expose().to_owned()
}

async fn is_live(world: &World) -> bool {
    world.is_live(world.token("t").await.text("access_token"))
}
