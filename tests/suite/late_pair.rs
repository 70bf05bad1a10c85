//! A pair that arrives after its connection was given up: the write that stores it revives the connection.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::domain::connection::State;
use shared::domain::connection::refresh::give_up;
use shared::domain::connection_id::ConnectionId;
use shared::failure::FailureClass;
use shared::ports::{Clock, WriteConnections};
use shared::protocol::replay::Replayed;
use tests::world::{STORING_A_PAIR, Setup, TABLE, World};

use crate::reported::event_ids;

/// Makes a pair that cannot be stored, lets another worker give the connection up, and replays the pair.
async fn late_pair(world: &World) {
    world.connect("t").await;
    world.clock.advance(8000);
    world.outage_of(&[STORING_A_PAIR]);
    world.token("t").await;
    world.outage_of(&[]);
    world.set("t", "lease_owner", AttributeValue::S("a rival".to_owned())).await;
    let (id, now) = (ConnectionId::parse("t").unwrap(), world.clock.now());
    let given_up = give_up(&id, "a rival", FailureClass::InvalidGrant, now, now);
    world.clients.connections(TABLE).write(&given_up).await.unwrap();
    assert_eq!(world.token("t").await.body["code"], "reauth_required");
    assert_eq!(world.replay(&world.escrow.take().remove(0)).await, Replayed::Stored);
}

#[tokio::test]
async fn a_late_pair_is_handed_out_without_another_refresh() {
    let world = World::with(Setup::strict()).await;
    late_pair(&world).await;
    let refreshes = world.refreshes();
    let token = world.token("t").await;
    assert!(world.is_live(token.text("access_token")));
    assert_eq!(token.body["version"], 2);
    assert_eq!(world.refreshes(), refreshes);
    let shown = world.get("/v1/connections/t").await;
    assert_eq!((&shown.body["status"], &shown.body["reason"]), (&json!("active"), &json!(null)));
}

#[tokio::test]
async fn the_event_of_a_late_pair_is_recovered() {
    let world = World::with(Setup::strict()).await;
    late_pair(&world).await;
    let expected = ["t/1/connection.connected", "t/1/connection.reauth_required", "t/2/connection.recovered"];
    assert_eq!(event_ids(&world).await, expected);
}

#[tokio::test]
async fn a_refused_request_does_not_change_a_late_pair() {
    let world = World::new().await;
    late_pair(&world).await;
    let before = world.row("t").await;
    assert_eq!(world.reject("t", 3).await.status, 400);
    assert_eq!(world.row("t").await, before);
}

#[tokio::test]
async fn the_schedule_refreshes_a_late_pair_although_its_token_is_not_read() {
    let world = World::with(Setup::strict()).await;
    late_pair(&world).await;
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    let connection = world.stored("t").await.unwrap();
    assert_eq!((connection.state, connection.version), (State::Active, 3));
    assert_eq!(world.get("/v1/connections/t").await.body["status"], "active");
    let attention = world.get("/v1/connections?status=reauth_required").await;
    assert_eq!(attention.body["connections"].as_array().unwrap().len(), 0);
}
