//! Whose account a connection is for.

use std::sync::Arc;

use async_trait::async_trait;
use callback::Callback;
use http::Method;
use local::deployment::Deployment;
use serde_json::{Value, json};
use shared::domain::connection::Row;
use shared::domain::connection_id::ConnectionId;
use shared::ports::{ReadConnections, StoreError};
use shared::protocol::account::AccountLookup;
use shared::protocol::composition::Grants;
use tests::tokens;
use tests::world::{Setup, World};

use crate::{faults, parts};

async fn world() -> World {
    World::with(Setup::default().asking_for_accounts()).await
}

async fn account(world: &World, id: &str) -> Value {
    world.get(&format!("/v1/connections/{id}")).await.body["account"].clone()
}

async fn refresh_token(world: &World, id: &str) -> String {
    tokens::live(world, id).await.refresh_token.unwrap().expose().to_owned()
}

/// The customer of `t` connects again with another account. Returns the refresh token of the first one.
async fn replaced_by_another_account(world: &World) -> String {
    world.connect("t").await;
    let replaced = refresh_token(world, "t").await;
    world.clock.advance(1);
    world.simulation.grants.sign_in("2");
    world.connect("t").await;
    replaced
}

#[tokio::test]
async fn a_connection_shows_its_account_and_a_refresh_does_not_ask_again() {
    let world = world().await;
    world.simulation.grants.sign_in("7");
    world.connect("t").await;
    let known = json!({ "id": "7", "company": "Company 7", "email": "owner@7.example", "also_connected_as": null });
    assert_eq!(account(&world, "t").await, known);
    world.clock.advance(6000);
    world.sweep().await;
    assert_eq!(account(&world, "t").await, known, "after a refresh too");
    assert_eq!(world.simulation.faults.requested("account"), 1);
}

#[tokio::test]
async fn a_second_connection_of_an_account_names_the_first_until_that_is_disconnected() {
    let world = world().await;
    for id in ["t", "u"] {
        world.connect(id).await;
    }
    assert_eq!(account(&world, "t").await["also_connected_as"], Value::Null);
    assert_eq!(account(&world, "u").await["also_connected_as"], "t");
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    world.clock.advance(1);
    world.connect("u").await;
    assert_eq!(account(&world, "u").await["also_connected_as"], Value::Null);
    world.simulation.grants.sign_in("2");
    world.connect("v").await;
    assert_eq!(account(&world, "v").await["also_connected_as"], Value::Null);
}

#[tokio::test]
async fn the_account_of_an_import_is_read_too() {
    let world = world().await;
    world.simulation.grants.sign_in("9");
    world.connect("elsewhere").await;
    let body = json!({ "refresh_token": refresh_token(&world, "elsewhere").await });
    let imported = world.json(Method::PUT, "/v1/connections/t", Some(body)).await;
    assert_eq!(imported.body["account"]["id"], "9", "{imported:?}");
    assert_eq!(imported.body["account"]["also_connected_as"], "elsewhere");
}

#[tokio::test]
async fn a_connection_works_without_an_answer_from_the_account_endpoint() {
    let unanswered = Setup::default().variable("WEBINARGEEK_ACCOUNT_URL", "http://127.0.0.1:9/account");
    let world = World::with(unanswered).await;
    world.connect("t").await;
    assert_eq!(account(&world, "t").await, Value::Null);
    assert_eq!(world.token("t").await.status, 200);
}

#[tokio::test]
async fn a_reconnect_with_another_account_revokes_the_grant_of_the_first() {
    let world = world().await;
    let replaced = replaced_by_another_account(&world).await;
    assert_eq!(account(&world, "t").await["id"], "2");
    assert_eq!(tokens::to_revoke(&world, "t").await[0].refresh_token.as_ref().unwrap().expose(), replaced);
    world.clock.advance(6000);
    world.sweep().await;
    assert!(!world.honours(&replaced).await, "revoked");
    assert!(tokens::to_revoke(&world, "t").await.is_empty());
    assert!(world.is_live(world.token("t").await.text("access_token")));
    assert_eq!(world.simulation.faults.requested("revoke"), 1);
}

#[tokio::test]
async fn a_reconnect_with_the_same_account_revokes_nothing() {
    let world = world().await;
    world.connect("t").await;
    world.clock.advance(1);
    world.connect("t").await;
    world.clock.advance(6000);
    world.sweep().await;
    assert_eq!(world.simulation.faults.requested("revoke"), 0);
    assert!(tokens::to_revoke(&world, "t").await.is_empty());
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_revocation_that_fails_is_tried_again_with_the_next_refresh() {
    let world = world().await;
    let replaced = replaced_by_another_account(&world).await;
    world.fault(json!({ "answer": faults::status(500), "grant_type": "revoke" }));
    for is_revoked in [false, true] {
        world.clock.advance(6000);
        assert_eq!(world.sweep().await["refreshed"], 1);
        let is_kept = !tokens::to_revoke(&world, "t").await.is_empty();
        assert_eq!(is_kept, !is_revoked);
    }
    assert!(!world.honours(&replaced).await);
}

/// Reads `t`. Its customer connects again before the answer arrives.
struct ComesBack {
    connections: Arc<dyn ReadConnections>,
    world: World,
}

#[async_trait]
impl ReadConnections for ComesBack {
    async fn row(&self, id: &ConnectionId) -> Result<Option<Row>, StoreError> {
        let row = self.connections.row(id).await;
        self.world.clock.advance(1);
        self.world.connect("t").await;
        row
    }
}

#[tokio::test]
async fn of_two_connections_that_get_one_account_at_once_one_names_the_other() {
    let world = world().await;
    world.connect("t").await;
    world.clock.advance(1);
    // Its newest grant has no account yet, as between the last two steps of the callback.
    world.redeployed(&[("WEBINARGEEK_ACCOUNT_URL", "http://127.0.0.1:9/account")]).connect("t").await;
    assert_eq!(account(&world, "t").await, Value::Null);

    let deployment = parts::deployment(&world);
    let AccountLookup { accounts, connections, writes, claims, clock } = &*deployment.callback.grants.accounts;
    let lookup = AccountLookup {
        accounts: accounts.clone(),
        connections: Arc::new(ComesBack { connections: connections.clone(), world: world.another() }),
        writes: writes.clone(),
        claims: claims.clone(),
        clock: clock.clone(),
    };
    let grants = Grants { accounts: Arc::new(lookup), ..deployment.callback.grants };
    let callback = Callback { grants, ..deployment.callback };
    let slow = parts::process(&world, Deployment { callback, ..deployment });
    slow.connect("u").await;
    assert_eq!(account(&world, "u").await["also_connected_as"], "t");
}

/// All events: the id, and the account before.
async fn events(world: &World) -> Vec<(String, Value)> {
    let events = world.stream.events("tests").await.unwrap();
    let of = |event: &Value| (event["id"].as_str().unwrap().to_owned(), event["account_changed_from"].clone());
    events.iter().map(of).collect()
}

fn event(id: &str, account_changed_from: Value) -> (String, Value) {
    (id.to_owned(), account_changed_from)
}

#[tokio::test]
async fn a_reconnect_with_another_account_was_in_no_answer_and_no_event() {
    let world = world().await;
    world.connect("t").await;
    let from = async |world: &World| world.get("/v1/connections/t").await.body["account_changed_from"].clone();
    let mut expected = vec![event("t/1/connection.connected", Value::Null)];
    for (version, account, before) in [(2, "2", json!("1")), (3, "2", Value::Null), (4, "1", json!("2"))] {
        world.clock.advance(1);
        world.simulation.grants.sign_in(account);
        world.connect("t").await;
        assert_eq!(from(&world).await, before, "{version}");
        expected.push(event(&format!("t/{version}/connection.reconnected"), before));
        assert_eq!(events(&world).await, expected);
    }
    world.clock.advance(6000);
    world.sweep().await;
    assert_eq!(from(&world).await, "2", "until it is connected once more");
    assert_eq!(events(&world).await, expected);
}

#[tokio::test]
async fn a_change_of_account_is_seen_although_the_account_could_not_be_read_in_between() {
    let world = world().await;
    world.connect("t").await;
    let without_accounts = world.redeployed(&[("WEBINARGEEK_ACCOUNT_URL", "http://127.0.0.1:9/account")]);
    world.clock.advance(1);
    without_accounts.connect("t").await;
    let mut expected =
        vec![event("t/1/connection.connected", Value::Null), event("t/2/connection.reconnected", Value::Null)];
    assert_eq!(events(&world).await, expected, "although the account is not known");
    world.clock.advance(1);
    world.simulation.grants.sign_in("2");
    world.connect("t").await;
    expected.push(event("t/3/connection.reconnected", json!("1")));
    assert_eq!(events(&world).await, expected);
}
