//! `PUT /v1/connections/{id}`: a connection from another system.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::domain::connection::State;
use shared::domain::connection::refresh::{RefreshReason, acquire};
use shared::domain::connection_id::ConnectionId;
use shared::ports::{Clock, WriteConnections};
use shared::protocol::replay::Replayed;
use tests::tokens;
use tests::world::{Answer, STORING_A_PAIR, Setup, TABLE, World};

use crate::connections::assert_problem;
use crate::faults;
use crate::reported::{event_ids, events_of};

/// The refresh token of a customer in another system.
async fn refresh_token(world: &World) -> String {
    world.connect("elsewhere").await;
    tokens::live(world, "elsewhere").await.refresh_token.unwrap().expose().to_owned()
}

async fn put(world: &World, body: Value) -> Answer {
    world.json(Method::PUT, "/v1/connections/t", Some(body)).await
}

#[tokio::test]
async fn an_imported_connection_is_refreshed_at_once_and_then_like_any_other() {
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
async fn a_live_connection_is_replaced_only_with_replace() {
    let world = World::with(Setup::strict()).await;
    let refresh_token = refresh_token(&world).await;
    world.connect("t").await;
    let before = world.row("t").await;
    let refused = put(&world, json!({ "refresh_token": refresh_token })).await;
    assert_problem(&refused.body, &refused.headers, 409, "connection_exists");
    assert_eq!(world.row("t").await, before);
    assert_eq!(world.refreshes(), 0);

    let replaced = put(&world, json!({ "refresh_token": refresh_token, "replace": true })).await;
    assert_eq!((replaced.status, &replaced.body["version"]), (StatusCode::OK, &json!(2)));
    assert_eq!(world.refreshes(), 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_connection_that_needs_its_customer_may_be_imported_again() {
    let world = World::new().await;
    world.connect("t").await;
    world.every_grant_ends().await;
    assert!(matches!(world.stored("t").await.unwrap().state, State::NeedsCustomer { .. }));
    let imported = put(&world, json!({ "refresh_token": refresh_token(&world).await })).await;
    assert_eq!((imported.status, imported.text("status")), (StatusCode::OK, "active"));
}

#[tokio::test]
async fn a_refused_refresh_token_is_stored_if_nothing_was_connected_and_the_answer_says_so() {
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
    world.fault(json!({ "answer": faults::status(500), "times": 2 }));
    let imported = put(&world, json!({ "refresh_token": refresh_token })).await;
    assert_eq!((imported.status, imported.text("reason")), (StatusCode::ACCEPTED, "unknown_outcome"));
    world.clock.advance(300);
    world.sweep().await;
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn an_import_is_stored_although_another_worker_is_refreshing_the_old_pair() {
    let world = World::with(Setup::strict()).await;
    let refresh_token = refresh_token(&world).await;
    world.connect("t").await;
    world.clock.advance(6000);
    // The refresh of another worker has the lease. When its answer arrives, the row has another pair.
    let id = ConnectionId::parse("t").unwrap();
    let table = world.clients.connections(TABLE);
    table.write(&acquire(&id, &RefreshReason::Scheduled, "another", world.clock.now())).await.unwrap();
    let imported = put(&world, json!({ "refresh_token": refresh_token, "replace": true })).await;
    assert_eq!(imported.status, StatusCode::OK, "{imported:?}");
    assert!(world.stored("t").await.unwrap().lease.is_none());
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_link_that_has_made_the_connection_stays_used_after_an_import() {
    let world = World::new().await;
    let refresh_token = refresh_token(&world).await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let (customer, other) = (world.browser(), world.browser());
    // Two browsers follow the link; the second one comes back when the import has replaced the connection long ago.
    let late = other.to_callback(session.text("url")).await;
    customer.journey(session.text("url"), "approve").await;
    put(&world, json!({ "refresh_token": refresh_token, "replace": true })).await;
    let before = world.row("t").await;
    assert_eq!(other.get(&late).await.status(), 400, "the import keeps the session of the link");
    assert_eq!(world.row("t").await, before);
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

/// WebinarGeek has asked to wait with every request.
async fn pause(world: &World) {
    let until = (world.clock.now() + Duration::from_secs(600)).unix();
    world.set("#pause", "until", AttributeValue::N(until.to_string())).await;
}

#[tokio::test]
async fn an_import_is_pending_in_every_route_until_its_first_refresh_connects_it() {
    let world = World::new().await;
    let refresh_token = refresh_token(&world).await;
    pause(&world).await;
    let imported = put(&world, json!({ "refresh_token": refresh_token })).await;
    assert_eq!(imported.status, StatusCode::ACCEPTED);
    assert_eq!((imported.text("status"), imported.text("reason")), ("pending", "not_refreshed"));
    assert_eq!((&imported.body["refreshed_at"], &imported.body["expires_at"]), (&Value::Null, &Value::Null));
    assert_eq!(imported.body["version"], 1);
    assert_eq!(world.get("/v1/connections/t").await.body, imported.body);
    assert_eq!(world.get("/v1/connections?status=pending").await.body["connections"], json!([imported.body]));
    assert_eq!(events_of(&world, "t").await, [""; 0]);
    assert_eq!(world.token("t").await.body["code"], "provider_unavailable");
    assert_eq!(world.refreshes(), 0);
    let refused = put(&world, json!({ "refresh_token": "another" })).await;
    assert_problem(&refused.body, &refused.headers, 409, "connection_exists");

    // The token route does not wait for the schedule.
    world.clock.advance(601);
    let token = world.token("t").await;
    assert_eq!((&token.body["version"], world.refreshes()), (&json!(2), 1), "{token:?}");
    assert!(world.is_live(token.text("access_token")));
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "active");
    assert_eq!(events_of(&world, "t").await, ["connected/2"]);
}

#[tokio::test]
async fn an_import_that_was_never_refreshed_has_no_event_when_it_is_disconnected() {
    let world = World::new().await;
    let refresh_token = refresh_token(&world).await;
    pause(&world).await;
    put(&world, json!({ "refresh_token": refresh_token })).await;
    let deleted = world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!(deleted.body, json!({ "revocation": "done" }));
    assert!(!world.honours(&refresh_token).await);
    assert_eq!(event_ids(&world).await, ["elsewhere/1/connection.connected"]);
}

#[tokio::test]
async fn a_replacement_whose_refresh_fails_does_not_change_the_live_pair() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    let spent = refresh_token(&world).await;
    world.clock.advance(5800);
    world.sweep().await;
    let (row, token) = (world.row("t").await, world.token("t").await);
    let replace = json!({ "refresh_token": spent, "replace": true });
    let sent = world.refreshes();
    let refused = put(&world, replace.clone()).await;
    assert_problem(&refused.body, &refused.headers, 400, "invalid_request");
    assert_eq!((&refused.body["field"], world.refreshes() - sent), (&json!("refresh_token"), 1));
    assert_eq!(world.row("t").await, row);

    for (answer, code, requests) in [
        (faults::status(500), "provider_unavailable", 2),
        (faults::retry_after(429, "60"), "provider_unavailable", 1),
        (faults::error(400, "invalid_scope"), "provider_unavailable", 1),
        (json!("break"), "provider_unavailable", 2),
        (faults::error(401, "invalid_client"), "misconfigured", 1),
    ] {
        world.fault(json!({ "answer": answer, "times": requests }));
        let sent = world.refreshes();
        let refused = put(&world, replace.clone()).await;
        world.simulation.faults.clear();
        assert_problem(&refused.body, &refused.headers, 503, code);
        assert_eq!(world.refreshes() - sent, requests, "{answer}");
        assert_eq!(world.row("t").await, row, "{answer}");
    }
    pause(&world).await;
    let sent = world.refreshes();
    let refused = put(&world.another(), replace).await;
    assert_problem(&refused.body, &refused.headers, 503, "provider_unavailable");
    assert_eq!((world.row("t").await, world.refreshes()), (row, sent));
    assert_eq!(world.token("t").await.body, token.body);
    assert!(world.is_live(token.text("access_token")));
}

#[tokio::test]
async fn a_replacement_becomes_live_after_one_refresh_and_the_replaced_grant_is_listed_to_be_revoked() {
    let world = World::with(Setup::strict().asking_for_accounts()).await;
    world.connect("t").await;
    let before = tokens::live(&world, "t").await;
    world.simulation.grants.sign_in("2");
    let replace = json!({ "refresh_token": refresh_token(&world).await, "replace": true });
    let replaced = put(&world, replace).await;
    assert_eq!((replaced.status, &replaced.body["version"]), (StatusCode::OK, &json!(2)));
    assert_eq!((replaced.text("status"), &replaced.body["account"]["id"]), ("active", &json!("2")));
    assert_eq!(world.refreshes(), 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
    assert_eq!(tokens::to_revoke(&world, "t").await[0].access_token.expose(), before.access_token.expose());
    let expected = ["t/1/connection.connected", "elsewhere/1/connection.connected", "t/2/connection.reconnected"];
    assert_eq!(event_ids(&world).await, expected);
    world.clock.advance(6000);
    world.sweep().await;
    assert!(!world.is_live(before.access_token.expose()), "the grant of the other account is revoked");
}

#[tokio::test]
async fn a_replacement_that_the_table_does_not_accept_comes_out_of_the_queue() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    let before = world.token("t").await;
    let refresh_token = refresh_token(&world).await;
    world.outage_of(&[STORING_A_PAIR]);
    let answer = put(&world, json!({ "refresh_token": refresh_token, "replace": true })).await;
    assert_problem(&answer.body, &answer.headers, 503, "unavailable");
    world.outage_of(&[]);
    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.token("t").await.body["access_token"], before.body["access_token"], "meanwhile");
    let mut escrowed = world.escrow.take();
    assert_eq!(escrowed.len(), 1);
    let pair = escrowed.remove(0);
    assert!(!pair.to_json().contains(&refresh_token));
    for _ in 0..2 {
        assert_eq!(world.replay(&pair).await, Replayed::Stored);
    }
    let token = world.token("t").await;
    assert_eq!((&token.body["version"], world.refreshes()), (&json!(2), 1));
    assert!(world.is_live(token.text("access_token")), "the only live pair of that grant");
}

#[tokio::test]
async fn an_import_over_reauth_required_is_reconnected_without_a_disconnected_event() {
    let world = World::new().await;
    world.connect("t").await;
    world.every_grant_ends().await;
    let refresh_token = refresh_token(&world).await;
    put(&world, json!({ "refresh_token": refresh_token })).await;
    let ids: Vec<String> = event_ids(&world).await.into_iter().filter(|id| id.starts_with("t/")).collect();
    let expected = ["t/1/connection.connected", "t/1/connection.reauth_required", "t/3/connection.reconnected"];
    assert_eq!(ids, expected);
}
