//! `PUT /v1/connections/{id}`: a connection from another system.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::domain::connection::Status;
use shared::domain::connection::writes::{Need, acquire};
use shared::domain::connection_id::ConnectionId;
use shared::ports::{Clock, WriteConnections};
use tests::world::{Answer, Setup, TABLE, World};

use crate::connections::assert_problem;

/// What another system would hold of a customer.
async fn refresh_token(world: &World) -> String {
    world.connect("elsewhere").await;
    let stored = world.stored("elsewhere").await.unwrap();
    let pair = world.deployment.token.refreshing.open(&stored).await.unwrap();
    pair.refresh_token.unwrap().expose().to_owned()
}

async fn put(world: &World, body: Value) -> Answer {
    world.json(Method::PUT, "/v1/connections/t", Some(body)).await
}

#[tokio::test]
async fn an_imported_connection_is_refreshed_on_arrival_and_then_like_any_other() {
    let world = World::with(Setup::strict()).await;
    let imported = put(&world, json!({ "refresh_token": refresh_token(&world).await })).await;
    assert_eq!(imported.status, StatusCode::CREATED);
    assert_eq!((imported.text("status"), imported.text("expires_at")), ("active", "2027-01-15T10:00:00Z"));
    assert_eq!(world.refreshes(), 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
    world.clock.advance(6000);
    world.sweep().await;
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_live_connection_is_not_overwritten_in_passing() {
    let world = World::with(Setup::strict()).await;
    let refresh_token = refresh_token(&world).await;
    world.connect("t").await;
    let before = world.row("t").await;
    let refused = put(&world, json!({ "refresh_token": refresh_token })).await;
    assert_problem(&refused.body, &refused.headers, 409, "connection_exists");
    assert_eq!(world.row("t").await, before);
    assert_eq!(world.refreshes(), 0);

    let replaced = put(&world, json!({ "refresh_token": refresh_token, "replace": true })).await;
    assert_eq!((replaced.status, &replaced.body["version"]), (StatusCode::OK, &json!(3)));
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn one_that_needs_its_customer_may_be_imported_anew() {
    let world = World::new().await;
    world.connect("t").await;
    world.every_grant_ends().await;
    assert_eq!(world.stored("t").await.unwrap().status, Status::ReauthRequired);
    let imported = put(&world, json!({ "refresh_token": refresh_token(&world).await })).await;
    assert_eq!((imported.status, imported.text("status")), (StatusCode::OK, "active"));
}

#[tokio::test]
async fn a_refresh_token_that_the_provider_refuses_is_stored_and_the_answer_says_so() {
    let world = World::new().await;
    let imported = put(&world, json!({ "refresh_token": "nothing that the provider knows" })).await;
    assert_eq!((imported.status, imported.text("reason")), (StatusCode::ACCEPTED, "invalid_grant"));
    let token = world.token("t").await;
    assert_eq!(token.status, 503, "there is no access token to give out: {token:?}");
    for _ in 0..2 {
        world.clock.advance(300);
        world.sweep().await;
    }
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "reauth_required");
}

#[tokio::test]
async fn an_import_whose_refresh_fails_is_tried_again_by_the_schedule() {
    let world = World::new().await;
    let refresh_token = refresh_token(&world).await;
    world.fault(json!({ "answer": { "status": { "status": 500, "error": null, "retry_after": null } }, "times": 2 }));
    let imported = put(&world, json!({ "refresh_token": refresh_token })).await;
    assert_eq!((imported.status, imported.text("reason")), (StatusCode::ACCEPTED, "unknown_outcome"));
    world.clock.advance(300);
    world.sweep().await;
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn an_import_while_the_schedule_has_the_old_pair_at_the_provider_stands() {
    let world = World::with(Setup::strict()).await;
    let refresh_token = refresh_token(&world).await;
    world.connect("t").await;
    world.clock.advance(6000);
    // Somebody else's refresh has the lease, and will find another pair when it comes back.
    let id = ConnectionId::parse("t").unwrap();
    let table = shared::aws::dynamodb::ConnectionsTable::new(world.services.dynamodb.clone(), TABLE.to_owned());
    table.write(&acquire(&id, &Need::Scheduled, "somebody", world.clock.now())).await.unwrap();
    let imported = put(&world, json!({ "refresh_token": refresh_token, "replace": true })).await;
    assert_eq!(imported.status, StatusCode::OK, "{imported:?}");
    assert!(world.stored("t").await.unwrap().lease_owner.is_none());
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_link_that_has_made_the_connection_stays_used_after_an_import() {
    let world = World::new().await;
    let refresh_token = refresh_token(&world).await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let (customer, other) = (world.browser(), world.browser());
    // Two browsers follow the link; the second one comes back when the connection has long been another one's.
    let late = other.to_callback(session.text("url")).await;
    customer.journey(session.text("url"), "approve").await;
    put(&world, json!({ "refresh_token": refresh_token, "replace": true })).await;
    let before = world.row("t").await;
    assert_eq!(other.get(&late).await.status(), 400, "found by the simulator: the import had forgotten the session");
    assert_eq!(world.row("t").await, before);
}

#[tokio::test]
async fn nothing_is_stored_while_it_is_being_taken_away() {
    let world = World::new().await;
    let refresh_token = refresh_token(&world).await;
    world.connect("t").await;
    world.fault(json!({ "answer": { "status": { "status": 500, "error": null, "retry_after": null } }, "grant_type": "revoke" }));
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    let refused = put(&world, json!({ "refresh_token": refresh_token, "replace": true })).await;
    assert_problem(&refused.body, &refused.headers, 503, "unavailable");
    assert_eq!(world.stored("t").await.unwrap().status, Status::Disconnecting);
}

#[tokio::test]
async fn bad_input_names_its_field_and_stores_nothing() {
    let world = World::new().await;
    for (body, field) in [
        (json!({}), "refresh_token"),
        (json!({ "refresh_token": "" }), "refresh_token"),
        (json!({ "refresh_token": null }), "refresh_token"),
        (json!({ "refresh_token": "a\nb" }), "refresh_token"),
        (json!({ "refresh_token": "x".repeat(8193) }), "refresh_token"),
        (json!({ "refresh_token": 7 }), "refresh_token"),
        (json!({ "refresh_token": "x", "replace": "yes" }), "replace"),
        (json!({ "refresh_token": "x", "access_token": "y" }), "access_token"),
    ] {
        let answer = put(&world, body.clone()).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
        assert_eq!(answer.body["field"], field, "{body}");
        assert!(!answer.body.to_string().contains("xxxx"));
    }
    assert!(world.calls.take().is_empty());
}
