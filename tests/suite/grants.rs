//! No grant is forgotten: each one that a customer has given is live, revoked, left to expire, or named in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use shared::domain::connection::revocation::{Revocation, add};
use shared::domain::connection::{SealedPair, State};
use shared::domain::schedule::VACANT_SHARD;
use shared::domain::secret::ClientSecret;
use shared::domain::token_pair::{PairId, TokenPair};
use shared::ports::{Clock, ProviderError, RevokeToken, Revoked, WriteConnections};
use shared::protocol::revoke::Revoking;
use tests::tokens;
use tests::world::{Setup, TABLE, World};

use crate::faults;
use crate::log::{capture, captured};
use crate::maintenance::{DAY, run};
use crate::reported::{event_ids, revocations};

async fn world() -> World {
    World::with(Setup::default().asking_for_accounts()).await
}

async fn delete(world: &World) -> Value {
    world.json(Method::DELETE, "/v1/connections/t", None).await.body
}

/// Connects `t` once more as each of these accounts, within one second. Returns the pairs.
async fn connected_as(world: &World, accounts: &[&str]) -> Vec<TokenPair> {
    let mut pairs = Vec::new();
    for account in accounts {
        world.simulation.grants.sign_in(account);
        world.connect("t").await;
        pairs.push(tokens::live(world, "t").await);
    }
    pairs
}

fn live(world: &World, pairs: &[TokenPair]) -> Vec<bool> {
    pairs.iter().map(|pair| world.is_live(pair.access_token.expose())).collect()
}

async fn reap(world: &World) -> Value {
    run(world, json!({ "task": "reap", "dry_run": false })).await
}

#[tokio::test]
async fn after_three_accounts_in_a_row_only_the_last_grant_lives_and_after_a_delete_none() {
    let world = world().await;
    let pairs = connected_as(&world, &["1", "2", "3"]).await;
    assert_eq!(live(&world, &pairs), [true, true, true]);
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    assert_eq!(live(&world, &pairs[..2]), [false, false]);
    assert_eq!(revocations(&world), 2);
    assert!(tokens::to_revoke(&world, "t").await.is_empty());
    let last = tokens::live(&world, "t").await;
    assert!(world.is_live(last.access_token.expose()));
    assert_eq!(delete(&world).await, json!({ "revocation": "done" }));
    assert!(!world.is_live(last.access_token.expose()));
}

#[tokio::test]
async fn a_delete_before_any_refresh_revokes_all_grants() {
    let world = world().await;
    let pairs = connected_as(&world, &["1", "2", "3"]).await;
    assert_eq!(delete(&world).await, json!({ "revocation": "done" }));
    assert_eq!(live(&world, &pairs), [false, false, false]);
    assert_eq!(revocations(&world), 3);
    assert_eq!(world.sweep().await["due"], 0);
}

#[tokio::test]
async fn if_an_account_returns_its_grant_is_not_revoked_and_that_of_the_account_between_is() {
    let world = world().await;
    let pairs = connected_as(&world, &["1", "2", "1"]).await;
    world.clock.advance(6000);
    world.sweep().await;
    assert_eq!(live(&world, &pairs[..2]), [true, false], "a provider may end all grants of the account");
    assert_eq!(revocations(&world), 1);
    assert!(tokens::to_revoke(&world, "t").await.is_empty());
}

#[tokio::test]
async fn grants_of_unknown_accounts_are_kept_until_the_disconnect() {
    let world = World::new().await;
    let pairs = connected_as(&world, &["1", "2", "3"]).await;
    for _ in 0..2 {
        world.clock.advance(3000);
        world.sweep().await;
    }
    world.clock.advance(1000);
    assert_eq!((revocations(&world), tokens::to_revoke(&world, "t").await.len()), (0, 2));
    let last = world.token("t").await.text("access_token").to_owned();
    assert!(world.is_live(&last));
    assert_eq!(live(&world, &pairs[..2]), [true, true]);
    assert_eq!(delete(&world).await, json!({ "revocation": "done" }));
    assert_eq!(live(&world, &pairs), [false, false, false]);
    assert!(!world.is_live(&last));
    assert_eq!(revocations(&world), 3);
}

#[tokio::test]
async fn the_ninth_reconnect_in_one_second_drops_the_oldest_grant_and_logs_which_one() {
    let world = World::new().await;
    let (mut pairs, mut names) = (Vec::new(), Vec::new());
    capture();
    for _ in 0..10 {
        pairs.extend(connected_as(&world, &["1"]).await);
        names.push(String::from(world.stored("t").await.unwrap().pair.id));
    }
    let log = captured();
    assert_eq!(log.matches("grants_not_revoked=1").count(), 1, "{log}");
    assert!(log.contains(&names[0]) && !log.contains(&names[1]), "{log}");
    let mut kept = tokens::to_revoke(&world, "t").await;
    kept.sort_by_key(|pair| pairs.iter().position(|known| known.access_token.expose() == pair.access_token.expose()));
    let exposed = |pairs: &[TokenPair]| pairs.iter().map(|it| it.access_token.expose().to_owned()).collect::<Vec<_>>();
    assert_eq!(exposed(&kept), exposed(&pairs[1..9]));

    capture();
    assert_eq!(delete(&world).await, json!({ "revocation": "done" }));
    let log = captured();
    assert_eq!(log.matches("grants_not_revoked=1").count(), 1, "the live one needs a place in the list: {log}");
    assert!(log.contains(&names[1]), "{log}");
    assert_eq!(live(&world, &pairs), [true, true, false, false, false, false, false, false, false, false]);
}

#[tokio::test]
async fn a_row_to_reap_with_grants_to_revoke_becomes_a_tombstone_first_and_is_deleted_when_they_are_revoked() {
    let world = world().await;
    let pairs = connected_as(&world, &["1", "2"]).await;
    // The owner of the second account withdraws the access before the first refresh.
    let refused = faults::error(400, "invalid_grant");
    world.fault(json!({ "answer": refused, "grant_type": "refresh_token", "times": 9 }));
    for _ in 0..2 {
        world.clock.advance(6000);
        world.sweep().await;
    }
    world.simulation.faults.clear();
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "reauth_required");
    assert_eq!((tokens::to_revoke(&world, "t").await.len(), revocations(&world)), (1, 0));

    world.clock.advance(91 * DAY);
    assert_eq!(reap(&world).await["changed"], 1);
    assert_eq!(tokens::to_revoke(&world, "t").await.len(), 2);
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "disconnecting");
    assert_eq!(revocations(&world), 0, "maintenance sends nothing");
    assert_eq!(reap(&world).await["changed"], 0, "the row is not deleted before");
    world.sweep().await;
    assert_eq!(revocations(&world), 2);
    for pair in &pairs {
        assert!(!world.honours(pair.refresh_token.as_ref().unwrap().expose()).await);
    }
    world.clock.advance(91 * DAY);
    assert_eq!(reap(&world).await["changed"], 1);
    assert_eq!(world.row("t").await, None);
    let kinds = event_ids(&world).await.into_iter().map(|id| id.rsplit('/').next().unwrap().to_owned());
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["connection.connected", "connection.reconnected", "connection.reauth_required", "connection.disconnected"]
    );
}

#[tokio::test]
async fn a_grant_that_is_dropped_from_a_full_list_when_its_row_is_reaped_is_logged_too() {
    let world = World::new().await;
    let mut names = Vec::new();
    for _ in 0..9 {
        world.connect("t").await;
        names.push(String::from(world.stored("t").await.unwrap().pair.id));
        world.clock.advance(1);
    }
    world.every_grant_ends().await;
    world.clock.advance(91 * DAY);
    capture();
    assert_eq!(reap(&world).await["changed"], 1);
    let log = captured();
    assert!(log.contains("grants_not_revoked=1") && log.contains(&names[0]), "{log}");
}

#[tokio::test]
async fn a_customer_who_comes_back_while_old_grants_are_still_to_be_revoked_keeps_the_new_grant() {
    for (account, is_revoked) in [("1", false), ("2", true)] {
        let world = world().await;
        let before = connected_as(&world, &["1"]).await;
        let down = faults::status(500);
        world.fault(json!({ "answer": down, "grant_type": "revoke" }));
        assert_eq!(delete(&world).await, json!({ "revocation": "pending" }));
        let after = connected_as(&world, &[account]).await;
        assert_eq!(world.get("/v1/connections/t").await.text("status"), "active");
        world.sweep().await;
        assert!(world.is_live(after[0].access_token.expose()));
        world.clock.advance(6000);
        assert_eq!(world.sweep().await["refreshed"], 1);
        assert_eq!(live(&world, &before), [!is_revoked]);
        assert_eq!(revocations(&world), 1 + usize::from(is_revoked));
        assert!(tokens::to_revoke(&world, "t").await.is_empty());
        assert!(world.is_live(world.token("t").await.text("access_token")));
    }
}

/// Stops after it has revoked a grant, before it takes the grant off the list.
struct StandsStill {
    provider: Arc<dyn RevokeToken>,
    world: World,
    times: AtomicUsize,
    meanwhile: Meanwhile,
}

#[derive(Clone, Copy)]
enum Meanwhile {
    Swept,
    Deleted,
}

#[async_trait]
impl RevokeToken for StandsStill {
    async fn revoke(&self, pair: &TokenPair, secret: &ClientSecret) -> Result<Revoked, ProviderError> {
        let revoked = self.provider.revoke(pair, secret).await;
        if self.times.fetch_add(1, Ordering::SeqCst) == 0 {
            match self.meanwhile {
                Meanwhile::Swept => drop(self.world.sweep().await),
                Meanwhile::Deleted => drop(delete(&self.world).await),
            }
        }
        revoked
    }
}

fn slow(world: &World, meanwhile: Meanwhile) -> Revoking {
    let deployment = world.another().deployment;
    let Revoking { stack, list, keys, secrets, provider } = &*deployment.token.refreshing.revoking;
    let provider = StandsStill { provider: provider.clone(), world: world.another(), times: 0.into(), meanwhile };
    Revoking {
        stack: stack.clone(),
        list: list.clone(),
        keys: keys.clone(),
        secrets: secrets.clone(),
        provider: Arc::new(provider),
    }
}

#[tokio::test]
async fn two_workers_that_revoke_the_last_two_grants_at_once_leave_nothing_in_the_schedule() {
    let world = world().await;
    let pairs = connected_as(&world, &["1", "2"]).await;
    let down = faults::status(500);
    world.fault(json!({ "answer": down, "grant_type": "revoke", "times": 2 }));
    assert_eq!(delete(&world).await, json!({ "revocation": "pending" }));
    world.clock.advance(60);
    let deadline = world.clock.now() + Duration::from_secs(60);
    let row = world.parsed("t").await.unwrap();
    let worked_off = slow(&world, Meanwhile::Swept).work_off(row, &[], deadline).await.unwrap();
    assert_eq!(worked_off.state().unwrap(), State::Tombstone);
    assert_eq!(live(&world, &pairs), [false, false]);
    assert_eq!(revocations(&world), 4, "each grant was tried twice, by one worker at a time");
    assert_eq!(world.sweep().await["due"], 0);
    assert!(!world.row("t").await.unwrap().contains_key("shard"));
}

#[tokio::test]
async fn a_grant_that_a_refresh_revokes_during_a_disconnect_leaves_nothing_in_the_schedule() {
    let world = world().await;
    let pairs = connected_as(&world, &["1", "2"]).await;
    let deadline = world.clock.now() + Duration::from_secs(60);
    let row = world.parsed("t").await.unwrap();
    let worked_off = slow(&world, Meanwhile::Deleted).work_off(row, &[], deadline).await.unwrap();
    assert_eq!(worked_off.state().unwrap(), State::Tombstone);
    assert_eq!((live(&world, &pairs), revocations(&world)), (vec![false, false], 2));
    assert_eq!(world.sweep().await["due"], 0);
    assert_eq!(delete(&world).await, json!({ "revocation": "done" }));
}

#[tokio::test]
async fn a_worker_that_claims_a_grant_after_its_customer_came_back_does_not_change_the_row() {
    let world = World::new().await;
    world.connect("t").await;
    let down = faults::status(500);
    world.fault(json!({ "answer": down, "grant_type": "revoke" }));
    assert_eq!(delete(&world).await, json!({ "revocation": "pending" }));
    world.clock.advance(60);
    let before = world.parsed("t").await.unwrap();
    world.connect("t").await;
    let row = world.row("t").await;
    let deadline = world.clock.now() + Duration::from_secs(60);
    world.deployment.token.refreshing.revoking.work_off(before, &[], deadline).await.unwrap();
    assert_eq!(world.row("t").await, row, "also the time of the next refresh");
    assert_eq!(revocations(&world), 1);
}

#[tokio::test]
async fn a_grant_to_revoke_brings_a_connection_that_was_given_up_back_into_the_schedule() {
    let world = World::new().await;
    world.connect("t").await;
    world.every_grant_ends().await;
    assert!(!world.row("t").await.unwrap().contains_key("shard"));
    let row = world.parsed("t").await.unwrap();
    let live = row.live().unwrap();
    let pair = SealedPair { id: PairId::new([7; 16]), ..live.pair.clone() };
    let late = Revocation::new(pair, live.granted_by.order, None, world.clock.now());
    let (write, _) = add(&row, late, world.clock.now()).unwrap();
    world.clients.connections(TABLE).write(&write).await.unwrap();
    let row = world.row("t").await.unwrap();
    assert_eq!(row["shard"].as_n().unwrap(), &VACANT_SHARD.to_string());
    assert_eq!(row["refresh_at"].as_n().unwrap(), &world.clock.now().unix().to_string());
}
