//! A pair that the table does not accept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::json;
use shared::domain::connection::State;
use shared::domain::escrow::Escrowed;
use shared::domain::session::SessionStatus;
use shared::domain::time::Timestamp;
use shared::ports::{Clock, Escrow, EscrowError};
use shared::protocol::replay::Replayed;
use tests::clock::TestClock;
use tests::tokens;
use tests::world::{EscrowInMemory, LISTING_A_GRANT, STORING_A_PAIR, Setup, World};

use crate::comes_back::{Meanwhile, slow};

#[tokio::test]
async fn a_refreshed_pair_waits_in_the_queue_until_the_table_accepts_it() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(8000);
    world.outage_of(&[STORING_A_PAIR]);
    let answer = world.token("t").await;
    assert_eq!((answer.status.as_u16(), &answer.body["code"]), (503, &json!("unavailable")), "{answer:?}");
    assert_eq!(world.refreshes(), 1);

    let mut escrowed = world.escrow.take();
    assert_eq!(escrowed.len(), 1, "sent once, although the table was tried more than once");
    assert!(!escrowed[0].to_json().contains(answer.body["request_id"].as_str().unwrap()));
    world.outage_of(&[]);
    let pair = escrowed.remove(0);
    assert_eq!(world.replay(&pair).await, Replayed::Stored);
    assert_eq!(world.replay(&pair).await, Replayed::Stored, "delivered twice");

    let token = world.token("t").await;
    assert_eq!(token.body["version"], 2);
    assert!(world.is_live(token.text("access_token")), "the only live pair of a provider that rotates at once");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn while_a_pair_may_be_in_the_queue_the_old_refresh_token_is_not_sent_again() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(7300);
    world.outage_of(&[STORING_A_PAIR]);
    world.token("t").await;
    world.outage_of(&[]);
    world.clock.advance(200);
    let waiting = world.token("t").await;
    assert_eq!((waiting.status.as_u16(), &waiting.body["code"]), (503, &json!("unavailable")), "{waiting:?}");
    assert_eq!(world.refreshes(), 1, "a strict provider would end the new pair too");
    let pair = world.escrow.take().remove(0);
    world.replay(&pair).await;
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_customers_grant_waits_in_the_queue_too_and_a_reload_finds_it() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let shown = async || world.get(&format!("/v1/connect-sessions/{}", session.text("session_id"))).await.body;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    world.outage_of(&[STORING_A_PAIR]);
    assert_eq!(browser.get(&callback).await.status(), 503);
    world.outage_of(&[]);
    let failed = shown().await;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("not_stored")));
    assert_eq!(browser.get(&callback).await.status(), 503, "the connection is not stored yet");

    let pair = world.escrow.take().remove(0);
    assert_eq!(world.replay(&pair).await, Replayed::Stored);
    let completed = shown().await;
    assert_eq!((&completed["status"], &completed["reason"]), (&json!("completed"), &json!(null)));
    let reloaded = browser.get(&callback).await;
    assert_eq!(reloaded.status(), 200, "{}", reloaded.body());
    assert!(reloaded.body().contains("connected"), "{}", reloaded.body());
    assert_eq!(world.session_row(session.text("session_id")).await.status, SessionStatus::Completed);
    assert_eq!(world.simulation.faults.requested("authorization_code"), 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_grant_from_the_queue_lists_the_pair_that_was_refreshed_meanwhile_to_be_revoked() {
    let world = World::with(Setup::default().asking_for_accounts()).await;
    world.connect("t").await;
    world.clock.advance(1);
    world.simulation.grants.sign_in("2");
    let session = world.session(json!({ "connection_id": "t" })).await;
    world.outage_of(&[STORING_A_PAIR]);
    world.browser().journey(session.text("url"), "approve").await;
    world.outage_of(&[]);
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    let refreshed = world.stored("t").await.unwrap().pair.id;
    let grant = world.escrow.take().remove(0);
    assert_eq!(world.replay(&grant).await, Replayed::Stored);
    assert!(world.stored("t").await.unwrap().revocations.contains(refreshed));
}

#[tokio::test]
async fn a_pair_from_the_queue_is_revoked_if_its_connection_was_disconnected_meanwhile() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(8000);
    world.outage_of(&[STORING_A_PAIR]);
    world.token("t").await;
    world.outage_of(&[]);
    let pair = world.escrow.take().remove(0);
    let deleted = world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!((deleted.status.as_u16(), &deleted.body), (200, &json!({ "revocation": "done" })));
    let revoked = world.simulation.faults.requested("revoke");
    assert_eq!(world.replay(&pair).await, Replayed::ToBeRevoked);
    world.sweep().await;
    assert_eq!(world.simulation.faults.requested("revoke"), revoked + 1);
    assert_eq!(world.get("/v1/connections/t").await.status, 404);
    assert_eq!(world.replay(&pair).await, Replayed::ToBeRevoked, "delivered twice");
}

#[tokio::test]
async fn a_superseded_pair_from_the_queue_is_left_to_expire() {
    let world = Arc::new(World::new().await);
    world.connect("t").await;
    world.clock.advance(8000);
    world.outage_of(&[STORING_A_PAIR]);
    world.token("t").await;
    world.outage_of(&[]);
    let pair = world.escrow.take().remove(0);
    world.clock.advance(1);
    world.connect("t").await;
    let now = world.token("t").await.body;
    assert_eq!(world.replay(&pair).await, Replayed::Superseded);
    assert_eq!(world.token("t").await.body, now);
}

/// The counts of SQS may lag by a minute or more.
struct LaggingQueue {
    queue: EscrowInMemory,
    clock: Arc<TestClock>,
    put_at: Mutex<Option<Timestamp>>,
}

const LAG: Duration = Duration::from_secs(90);

#[async_trait]
impl Escrow for LaggingQueue {
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError> {
        *self.put_at.lock().unwrap() = Some(self.clock.now());
        self.queue.put(escrowed).await
    }

    async fn is_empty(&self) -> Result<bool, EscrowError> {
        let put_at = *self.put_at.lock().unwrap();
        Ok(put_at.is_none_or(|put_at| self.clock.now() < put_at + LAG))
    }
}

#[tokio::test]
async fn a_queue_whose_count_lags_costs_no_refresh_token() {
    let mut world = World::with(Setup::strict()).await;
    world.connect("t").await;
    let queue = LaggingQueue { queue: world.escrow.clone(), clock: world.clock.clone(), put_at: Mutex::default() };
    world.clients.escrow = Arc::new(queue);
    let world = world.another();
    world.clock.advance(7300);
    world.outage_of(&[STORING_A_PAIR]);
    world.token("t").await;
    world.outage_of(&[]);
    assert_eq!(world.refreshes(), 1);
    for _ in 0..40 {
        world.clock.advance(10);
        world.sweep().await;
        let answer = world.token("t").await;
        assert_eq!((answer.status.as_u16(), answer.text("code")), (503, "unavailable"), "{answer:?}");
        assert_eq!(world.refreshes(), 1, "a strict provider would end the pair that waits");
    }
    assert_eq!(world.replay(&world.escrow.take().remove(0)).await, Replayed::Stored);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn an_unreadable_row_is_quarantined_and_never_overwritten() {
    let world = World::new().await;
    world.connect("t").await;
    world.connect("u").await;
    world.clock.advance(6000);
    world.set("t", "lifetime", AttributeValue::S("long".to_owned())).await;
    let first = world.sweep().await;
    assert_eq!((&first["refreshed"], &first["failed"]), (&json!(1), &json!({ "inconsistent_row": 1 })), "{first}");
    let row = world.row("t").await.unwrap();
    assert_eq!(row["attention"].as_s().unwrap(), "quarantined");
    assert!(row.contains_key("sealed") && row.contains_key("shard"));
    assert_eq!(world.sweep().await["due"], 0, "the row does not stay at the head of the index");

    world.set("t", "lifetime", AttributeValue::N("7200".to_owned())).await;
    world.clock.advance(301);
    assert_eq!(world.sweep().await["refreshed"], 1, "a repaired row is refreshed without a further action");
    assert!(!world.row("t").await.unwrap().contains_key("attention"));
}

#[tokio::test]
async fn a_pair_that_does_not_open_is_quarantined_and_kept() {
    let world = World::new().await;
    world.connect("t").await;
    let sealed = world.row("t").await.unwrap()["sealed"].clone();
    world.clock.advance(6000);
    world.set("t", "sealed", AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(vec![1; 64]))).await;
    assert_eq!(world.sweep().await["failed"], json!({ "unopenable": 1 }));
    assert_eq!(world.row("t").await.unwrap()["attention"].as_s().unwrap(), "quarantined");
    assert_eq!(world.stored("t").await.unwrap().state, State::Active);
    assert_eq!(world.refreshes(), 0, "nothing was sent");
    world.set("t", "sealed", sealed).await;
    world.clock.advance(301);
    assert_eq!(world.sweep().await["refreshed"], 1);
}

#[tokio::test]
async fn a_refused_grant_that_cannot_be_listed_waits_in_the_queue_and_is_listed_from_there() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let slow = slow(&world, Meanwhile::ConnectedByAnotherLink);
    let browser = slow.browser();
    let callback = browser.to_callback(session.text("url")).await;
    world.outage_of(&[LISTING_A_GRANT]);
    browser.get(&callback).await;
    world.outage_of(&[]);
    assert!(tokens::to_revoke(&world, "t").await.is_empty());
    let mut escrowed = world.escrow.take();
    assert_eq!(escrowed.len(), 1);
    assert_eq!(world.replay(&escrowed.remove(0)).await, Replayed::Superseded);
    assert_eq!(tokens::to_revoke(&world, "t").await.len(), 1);
}
