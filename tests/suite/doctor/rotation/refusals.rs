//! Connections on which the rotation is not tried, and requests that are not valid.

use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};
use local::webinargeek::Rotation;
use serde_json::json;
use shared::http::Request;
use tests::world::World;
use url::Url;

use super::{ask, connect, connected, is_skipped, refresh_token_of, tried};
use crate::confirmation::{confirm, parameter};
use crate::connections::assert_problem;
use crate::faults;

#[tokio::test]
async fn a_connection_that_is_not_in_use_is_not_touched() {
    let world = World::new().await;
    let untouched = async || {
        let (before, refreshes) = (world.row("t").await, world.refreshes());
        world.calls.take();
        is_skipped(&tried(&world).await, "not in use");
        assert_eq!(world.calls.take(), [("GetItem".to_owned(), 1)].into(), "its pair is not opened");
        assert_eq!((world.row("t").await, world.refreshes()), (before, refreshes));
    };
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/" });
    let session = world.session(body).await;
    world.browser().journey(session.text("url"), "approve").await;
    untouched().await;

    world.clock.advance(1);
    connect(&world).await;
    world.every_grant_ends().await;
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "reauth_required");
    untouched().await;

    connect(&world).await;
    world.fault(json!({ "answer": faults::status(500), "grant_type": "revoke" }));
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "disconnecting");
    untouched().await;
}

/// Checks that the trial is refused before a pair is opened. The problem says how to make a throw-away connection.
async fn is_refused(world: &World) {
    let (before, requests) = (world.row("t").await, world.simulation.faults.requests());
    world.calls.take();
    let answer = ask(world, json!({ "throw_away": "t" })).await;
    assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
    assert_eq!(answer.body["field"], "throw_away", "{answer:?}");
    assert!(answer.text("detail").contains("`throw_away: true`"), "{answer:?}");
    assert_eq!(world.calls.take(), [("GetItem".to_owned(), 1)].into(), "its pair is not opened");
    assert_eq!((world.row("t").await, world.simulation.faults.requests()), (before, requests));
}

#[tokio::test]
async fn a_wrong_id_ends_no_customers_grant_because_only_throw_away_connections_are_tried() {
    let world = World::new().await;
    world.connect("t").await;
    is_refused(&world).await;
    let session = world.session(json!({ "connection_id": "t", "throw_away": false })).await;
    world.browser().journey(session.text("url"), "approve").await;
    is_refused(&world).await;

    // The mark belongs to the grant: the next grant of the same id is a customer's again.
    connect(&world).await;
    assert_eq!(tried(&world).await["status"], "ok");
    world.clock.advance(6000);
    world.sweep().await;
    assert_eq!(tried(&world).await["status"], "ok", "a refresh keeps the mark");
    world.connect("t").await;
    is_refused(&world).await;
    connect(&world).await;
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    world.connect("t").await;
    is_refused(&world).await;
}

#[tokio::test]
async fn an_import_and_a_live_pair_beside_a_waiting_throw_away_are_not_tried() {
    let world = connected(Rotation::Grace).await;
    assert_eq!(tried(&world).await["status"], "ok");
    world.connect("another").await;
    let import = json!({ "refresh_token": refresh_token_of(&world, "another").await, "replace": true });
    let imported = world.json(Method::PUT, "/v1/connections/t", Some(import)).await;
    assert!(imported.status.is_success(), "{imported:?}");
    is_refused(&world).await;

    let link = json!({
        "connection_id": "t", "throw_away": true, "confirm": true, "return_to": "https://app.example.com/",
    });
    let session = world.session(link).await;
    let ended = world.browser().journey(session.text("url"), "approve").await;
    is_refused(&world).await;
    let back = Url::parse(ended.headers()[LOCATION].to_str().unwrap()).unwrap();
    let confirmed = confirm(&world, &session, &parameter(&back, "confirmation").unwrap()).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    assert_eq!(tried(&world).await["status"], "ok");
}

#[tokio::test]
async fn an_unknown_or_disconnected_connection_is_not_found() {
    let world = connected(Rotation::Grace).await;
    let unknown = ask(&world, json!({ "throw_away": "unknown" })).await;
    assert_problem(&unknown.body, &unknown.headers, 404, "not_found");
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    let deleted = ask(&world, json!({ "throw_away": "t" })).await;
    assert_problem(&deleted.body, &deleted.headers, 404, "not_found");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn bad_input_names_its_field_and_changes_nothing() {
    let world = connected(Rotation::Grace).await;
    world.calls.take();
    for (body, field) in [
        (json!({}), "throw_away"),
        (json!({ "throw_away": null }), "throw_away"),
        (json!({ "throw_away": "" }), "throw_away"),
        (json!({ "throw_away": ".." }), "throw_away"),
        (json!({ "throw_away": "#pause" }), "throw_away"),
        (json!({ "throw_away": "x".repeat(129) }), "throw_away"),
        (json!({ "throw_away": 7 }), "throw_away"),
        (json!({ "throw_away": ["t"] }), "throw_away"),
        (json!({ "connection_id": "t" }), "connection_id"),
        (json!({ "throw_away": "t", "force": true }), "force"),
    ] {
        let answer = ask(&world, body.clone()).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
        assert_eq!(answer.body["field"], field, "{body}");
    }
    let good = json!({ "throw_away": "t" }).to_string();
    for (media_type, body, status, code) in [
        ("text/plain", good.clone(), 415, "unsupported_media_type"),
        ("application/json", format!("[{good}]"), 400, "invalid_request"),
        ("application/json", good + &" ".repeat(17_000), 413, "payload_too_large"),
    ] {
        let mut request = Request::new(body.into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = "/v1/doctor".parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, media_type.parse().unwrap());
        let answer = world.answer(request).await;
        assert_problem(&answer.body, &answer.headers, status, code);
    }
    assert!(world.calls.take().is_empty());
    assert_eq!(world.refreshes(), 0);
}
