//! `reseal`: puts every pair under another key, during refreshes and other runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use local::keys::{KEY_ARN, NEXT_KEY_ARN};
use maintenance::Maintenance;
use serde_json::json;
use shared::aws::kms::DataKeyOpener;
use shared::domain::connection::refresh::RefreshReason;
use shared::domain::connection_id::ConnectionId;
use shared::domain::secret::{ClientSecret, RefreshToken};
use shared::domain::token_pair::TokenResponse;
use shared::ports::{Clock, KeyError, OpenedDataKey, ProviderError, RefreshPair, TraceDataKeys};
use shared::protocol::refresh::{Outcome, Refreshing};
use tests::world::{Setup, World};

use super::{opener, reseal_event, rows, run, run_for, with_a_new_key, wrapped_by};
use crate::parts;

#[tokio::test]
async fn a_run_seals_every_pair_under_the_new_key_and_refreshes_go_on() {
    let ids = ["a", "b", "c"];
    let (before, world) = with_a_new_key(&ids).await;
    let tokens = async |world: &World| {
        let mut tokens = Vec::new();
        for id in ids {
            tokens.push(world.token(id).await.text("access_token").to_owned());
        }
        tokens
    };
    let given_out = tokens(&before).await;
    let report = run(&world, reseal_event()).await;
    assert_eq!((&report["changed"], &report["failed"], &report["finished"]), (&json!(3), &json!({}), &json!(true)));
    for id in ids {
        assert_eq!(wrapped_by(&world, id).await, NEXT_KEY_ARN, "{id}");
    }
    // The tokens are the same, also in processes from before the change of the key.
    assert_eq!((tokens(&world).await, tokens(&before).await), (given_out.clone(), given_out));
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 3);
    for id in ids {
        let token = world.token(id).await;
        assert_eq!(token.body["version"], 2);
        assert!(world.is_live(token.text("access_token")));
        assert_eq!(wrapped_by(&world, id).await, NEXT_KEY_ARN, "a refresh keeps its data key");
    }
    let again = run(&world, reseal_event()).await;
    assert_eq!((&again["changed"], &again["skipped"]), (&json!(0), &json!(3)));
}

/// Opens data keys. The first ones cause a refresh, between the opening of the pair and the write.
struct Overtaken {
    opener: DataKeyOpener,
    world: World,
    times: AtomicUsize,
}

#[async_trait]
impl TraceDataKeys for Overtaken {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError> {
        let opened = self.opener.trace(connection, wrapped).await;
        // The first of a row's two calls.
        if opened.as_ref().is_ok_and(|opened| opened.wrapped_by == KEY_ARN)
            && self.times.fetch_sub(1, Ordering::SeqCst) > 0
        {
            self.world.clock.advance(6000);
            assert_eq!(self.world.sweep().await["refreshed"], 1);
        }
        opened
    }
}

fn overtaken(world: &World, before: &World, times: usize) -> Maintenance {
    let keys = Overtaken { opener: opener(world), world: before.another(), times: times.into() };
    Maintenance { keys: Arc::new(keys), ..parts::deployment(world).maintenance }
}

#[tokio::test]
async fn after_a_refresh_in_between_the_new_pair_is_resealed() {
    let (before, world) = with_a_new_key(&["t"]).await;
    let event = reseal_event();
    let report = run_for(&overtaken(&world, &before, 1), &world, 30_000, event).await;
    assert_eq!((&report["changed"], &report["failed"]), (&json!(1), &json!({})));
    assert_eq!(wrapped_by(&world, "t").await, NEXT_KEY_ARN);
    let token = world.token("t").await;
    assert_eq!(token.body["version"], 2);
    assert!(world.is_live(token.text("access_token")));
}

#[tokio::test]
async fn a_row_that_is_refreshed_during_each_try_is_reported_and_left_to_the_next_run() {
    let (before, world) = with_a_new_key(&["t"]).await;
    let event = reseal_event();
    let report = run_for(&overtaken(&world, &before, 3), &world, 30_000, event.clone()).await;
    assert_eq!((&report["changed"], &report["failed"]), (&json!(0), &json!({ "store_unavailable": 1 })));
    assert_eq!(world.token("t").await.body["version"], 4);
    assert_eq!(run(&world, event).await["changed"], 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

/// A provider that answers after a whole run of maintenance.
struct Meanwhile {
    provider: Arc<dyn RefreshPair>,
    world: World,
}

#[async_trait]
impl RefreshPair for Meanwhile {
    async fn refresh(
        &self,
        refresh_token: &RefreshToken,
        secret: &ClientSecret,
    ) -> Result<TokenResponse, ProviderError> {
        let report = run(&self.world, reseal_event()).await;
        assert_eq!((&report["changed"], &report["finished"]), (&json!(1), &json!(true)));
        assert_eq!(wrapped_by(&self.world, "t").await, NEXT_KEY_ARN);
        self.provider.refresh(refresh_token, secret).await
    }
}

#[tokio::test]
async fn a_refresh_that_began_before_the_run_keeps_the_earlier_key_and_the_next_run_reseals_its_pair() {
    let (before, world) = with_a_new_key(&["t"]).await;
    world.clock.advance(6000);
    let refreshing = parts::refreshing(&before);
    let provider = Arc::new(Meanwhile { provider: refreshing.provider.clone(), world: world.another() });
    let refreshing = Refreshing { provider, ..refreshing };
    let deadline = world.clock.now() + Duration::from_secs(300);
    let outcome = refreshing.refresh(&ConnectionId::parse("t").unwrap(), &RefreshReason::Scheduled, deadline).await;
    assert!(matches!(outcome, Outcome::Refreshed(..)));

    assert_eq!(wrapped_by(&world, "t").await, KEY_ARN, "the refresh had read its data key before the run");
    let token = world.token("t").await;
    assert_eq!(token.body["version"], 2);
    assert!(world.is_live(token.text("access_token")));
    assert_eq!(run(&world, reseal_event()).await["changed"], 1);
    assert_eq!(wrapped_by(&world, "t").await, NEXT_KEY_ARN);
    assert_eq!(world.token("t").await.text("access_token"), token.text("access_token"));
}

#[tokio::test]
async fn a_grant_to_revoke_is_resealed_too_and_can_still_be_revoked() {
    let before = World::with(Setup::default().asking_for_accounts()).await;
    for account in ["1", "2"] {
        before.simulation.grants.sign_in(account);
        before.connect("t").await;
        before.clock.advance(1);
    }
    let world = before.redeployed(&[("KMS_KEY_ID", NEXT_KEY_ARN)]);
    assert_eq!(run(&world, reseal_event()).await["changed"], 1);
    let row = world.stored("t").await.unwrap();
    let replaced = &row.revocations.iter().next().unwrap().pair;
    let id = ConnectionId::parse("t").unwrap();
    assert_eq!(opener(&world).trace(&id, &replaced.data_key).await.unwrap().wrapped_by, NEXT_KEY_ARN);
    world.clock.advance(6000);
    world.sweep().await;
    assert_eq!(world.simulation.faults.requested("revoke"), 1);
    assert!(world.stored("t").await.unwrap().revocations.is_empty());
    assert_eq!(run(&world, json!({ "task": "reseal" })).await["would_change"], 0);
}

#[tokio::test]
async fn rows_that_do_not_open_or_cannot_be_read_are_reported_and_left_alone() {
    let (_, world) = with_a_new_key(&["fine", "flipped", "foreign", "senseless"]).await;
    let bytes = |bytes: Vec<u8>| AttributeValue::B(Blob::new(bytes));
    let mut sealed = world.stored("flipped").await.unwrap().pair.sealed;
    sealed[20] ^= 1;
    world.set("flipped", "sealed", bytes(sealed)).await;
    let another = world.stored("fine").await.unwrap().pair.data_key;
    world.set("foreign", "data_key", bytes(another)).await;
    world.set("senseless", "version", AttributeValue::S("three".to_owned())).await;
    let before = rows(&world).await;
    for dry_run in [true, false] {
        let report = run(&world, json!({ "task": "reseal", "dry_run": dry_run })).await;
        assert_eq!(report["failed"], json!({ "inconsistent_row": 1, "unopenable": 2 }));
        assert_eq!((&report["scanned"], &report["finished"]), (&json!(4), &json!(true)));
        let after = rows(&world).await;
        for id in ["flipped", "foreign"] {
            assert_eq!(after[id], before[id], "{id}");
        }
        assert_eq!(
            after["senseless"].contains_key("attention"),
            !dry_run,
            "the row is put off, and listed as quarantined"
        );
        assert_eq!(after["senseless"]["sealed"], before["senseless"]["sealed"]);
        assert_eq!(after["senseless"] == before["senseless"], dry_run);
    }
    assert_eq!(wrapped_by(&world, "fine").await, NEXT_KEY_ARN);
}

#[tokio::test]
async fn an_outage_ends_the_walk_or_is_counted_for_each_row_and_loses_nothing() {
    let (_, world) = with_a_new_key(&["a", "b"]).await;
    let event = reseal_event();
    world.outage_of(&["Scan"]);
    let report = run(&world, event.clone()).await;
    assert_eq!((&report["failed"], &report["finished"]), (&json!({ "store_unavailable": 1 }), &json!(false)));
    for (operation, class) in
        [("Decrypt", "key_unavailable"), ("GenerateDataKey", "key_unavailable"), ("UpdateItem", "store_unavailable")]
    {
        world.outage_of(&[operation]);
        let report = run(&world, event.clone()).await;
        assert_eq!((&report["changed"], &report["failed"][class]), (&json!(0), &json!(2)), "{operation}");
    }
    world.outage_of(&[]);
    for id in ["a", "b"] {
        assert!(world.is_live(world.token(id).await.text("access_token")));
    }
    assert_eq!(run(&world, event).await["changed"], 2);
}

/// Opens data keys. During the first, two other runs end: one puts the row under the next key, the later one back.
struct PassedBy {
    opener: DataKeyOpener,
    others: [World; 2],
    has_happened: AtomicBool,
}

#[async_trait]
impl TraceDataKeys for PassedBy {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError> {
        let opened = self.opener.trace(connection, wrapped).await;
        if !self.has_happened.swap(true, Ordering::SeqCst) {
            for other in &self.others {
                assert_eq!(run(other, reseal_event()).await["changed"], 1);
            }
        }
        opened
    }
}

#[tokio::test]
async fn a_run_that_another_run_has_overtaken_leaves_the_row_under_the_key_of_the_other() {
    let (before, world) = with_a_new_key(&["t"]).await;
    let others = [world.another(), before.another()];
    let keys = Arc::new(PassedBy { opener: opener(&world), others, has_happened: false.into() });
    let overtaken = Maintenance { keys, ..parts::deployment(&world).maintenance };
    let report = run_for(&overtaken, &world, 300, reseal_event()).await;
    assert_eq!((&report["changed"], &report["failed"]), (&json!(0), &json!({ "store_unavailable": 1 })), "{report}");
    assert_eq!(wrapped_by(&world, "t").await, KEY_ARN);
}
