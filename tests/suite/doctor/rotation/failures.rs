//! Faults while the rotation is tried: the class is not found out, and no pair is lost.

use http::Method;
use http::header::CONTENT_TYPE;
use local::webinargeek::Rotation;
use serde_json::{Value, json};
use shared::domain::connection::refresh::{RefreshReason, acquire};
use shared::domain::connection_id::ConnectionId;
use shared::http::Request;
use shared::ports::{Clock, WriteConnections};
use tests::world::{Answer, ORIGIN, TABLE, World};

use super::{connect, connected, found, is_live, is_skipped, tried};
use crate::faults;

/// The provider answers correctly this many times, and then with this fault.
fn then(world: &World, right: u32, fault: Value) {
    if right > 0 {
        world.fault(json!({ "answer": { "late": 0 }, "times": right }));
    }
    world.fault(fault);
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_refresh_is_a_finding_and_the_schedule_goes_on() {
    let world = connected(Rotation::Grace).await;
    then(&world, 0, json!({ "answer": faults::status(500), "times": 2 }));
    is_skipped(&tried(&world).await, "status 500");
    let refreshes = world.refreshes();
    is_skipped(&tried(&world).await, "an earlier failure");
    assert_eq!(world.refreshes(), refreshes, "no request is sent while the connection backs off");
    world.clock.advance(300);
    world.sweep().await;
    assert!(is_live(&world).await);
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_reuse_is_a_finding_and_the_new_pair_is_stored() {
    for rotation in [Rotation::Grace, Rotation::Strict] {
        let world = connected(rotation).await;
        for answer in [faults::status(500), faults::status(429), json!("garbage"), json!("break")] {
            then(&world, 1, json!({ "answer": answer }));
            let finding = tried(&world).await;
            is_skipped(&finding, "could not be found out");
            assert!(finding["remedy"].as_str().unwrap().contains("another"), "{finding}");
            assert!(is_live(&world).await, "{rotation:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn after_a_refused_reuse_no_class_is_named_unless_it_is_certain() {
    let world = connected(Rotation::Strict).await;
    then(&world, 2, json!({ "answer": faults::status(429) }));
    is_skipped(&tried(&world).await, "could not be found out");
    assert!(is_live(&world).await);
    world.clock.advance(300);
    world.sweep().await;

    // The answer that would show P2 is lost, so the next request is refused.
    then(&world, 2, json!({ "answer": "break", "carried_out": true }));
    is_skipped(&tried(&world).await, "could not be found out");
    assert_eq!(world.get("/v1/connections/t").await.text("reason"), "ambiguous_rotation");
}

#[tokio::test]
async fn a_throw_away_connection_that_the_provider_refuses_is_a_finding() {
    let world = connected(Rotation::Grace).await;
    world.simulation.grants.revoke_all();
    let finding = tried(&world).await;
    is_skipped(&finding, "invalid_grant");
    assert!(finding["remedy"].as_str().unwrap().contains("another"), "{finding}");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_provider_that_grants_no_refresh_token_is_a_finding() {
    let world = World::new().await;
    world.fault(json!({ "answer": { "without": ["refresh_token"] } }));
    connect(&world).await;
    let before = world.row("t").await;
    is_skipped(&tried(&world).await, "no refresh token");
    assert_eq!((world.row("t").await, world.refreshes()), (before, 0));
}

#[tokio::test]
async fn another_workers_refresh_is_not_disturbed() {
    let world = connected(Rotation::Grace).await;
    let id = ConnectionId::parse("t").unwrap();
    let reason = RefreshReason::OnDemand { seen: world.stored("t").await.unwrap().pair.id };
    let table = world.clients.connections(TABLE);
    table.write(&acquire(&id, &reason, "another", world.clock.now())).await.unwrap();
    is_skipped(&tried(&world).await, "another worker");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn a_key_that_cannot_open_the_pair_is_a_finding_and_nothing_is_sent() {
    let world = connected(Rotation::Grace).await;
    world.outage_of(&["Decrypt"]);
    let finding = tried(&world).await;
    is_skipped(&finding, "the key service");
    assert!(finding["remedy"].as_str().unwrap().contains("GET /v1/doctor"), "{finding}");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn no_request_is_sent_if_there_is_no_time_to_act_on_its_answer() {
    let world = connected(Rotation::Strict).await;
    for (seconds, sent) in [(39, 0), (52, 1)] {
        let mut request = Request::new(json!({ "throw_away": "t" }).to_string().into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = "/v1/doctor".parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
        let (parts, body) = world.send_within(seconds, ORIGIN, request).await.into_parts();
        let answer =
            Answer { status: parts.status, headers: parts.headers, body: serde_json::from_str(&body).unwrap() };
        is_skipped(&found(answer), "time");
        assert_eq!(world.refreshes(), sent, "{seconds}");
    }
    assert!(is_live(&world).await);
}
