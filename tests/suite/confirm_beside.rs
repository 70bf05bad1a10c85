//! A pair waits for its confirmation beside a live pair. The live pair does not change until the confirm call replaces
//! it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::domain::connection::State;
use shared::domain::connection::refresh::give_up;
use shared::domain::connection_id::ConnectionId;
use shared::failure::FailureClass;
use shared::ports::{Clock, WriteConnections};
use shared::protocol::replay::Replayed;
use tests::tokens;
use tests::world::{Answer, STORING_A_PAIR, Setup, TABLE, World};
use url::Url;

use crate::confirmation::{confirm, journey, parameter};
use crate::connections::assert_problem;
use crate::faults;
use crate::reported::{event_ids, revocations};

async fn world() -> World {
    World::with(Setup::default().asking_for_accounts()).await
}

/// A customer with this account follows a link: the pair waits.
async fn waits(world: &World, account: &str) -> (Answer, Url) {
    world.simulation.grants.sign_in(account);
    let (session, back) = journey(world, "t", "approve").await;
    assert_eq!(parameter(&back, "status").unwrap(), "connected");
    (session, back)
}

async fn confirmed(world: &World, (session, back): &(Answer, Url)) -> Answer {
    confirm(world, session, &parameter(back, "confirmation").unwrap()).await
}

/// The row without the waiting pair, the grants to revoke, the last session, and the revision.
async fn of_the_live_pair(world: &World) -> HashMap<String, AttributeValue> {
    let mut row = world.row("t").await.unwrap();
    row.retain(|name, _| !["waiting", "revoke", "session", "revision"].iter().any(|prefix| name.starts_with(prefix)));
    row
}

#[tokio::test]
async fn the_live_token_is_handed_out_until_the_confirm_call_makes_the_waiting_pair_live() {
    let world = world().await;
    world.connect("t").await;
    let (before, row) = (world.token("t").await, of_the_live_pair(&world).await);
    let shown = world.get("/v1/connections/t").await.body;
    let link = waits(&world, "2").await;
    assert_eq!(of_the_live_pair(&world).await, row);
    assert_eq!(world.get("/v1/connections/t").await.body, shown, "the waiting pair is not shown");
    assert_eq!(world.token("t").await.body, before.body);
    assert_eq!(event_ids(&world).await, ["t/1/connection.connected"]);

    let waiting = tokens::waiting(&world, "t").await;
    for _ in 0..2 {
        let confirmed = confirmed(&world, &link).await;
        assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
        assert_eq!((&confirmed.body["version"], &confirmed.body["account"]["id"]), (&json!(2), &json!("2")));
    }
    let after = world.token("t").await;
    assert_eq!((after.text("access_token"), &after.body["version"]), (waiting.access_token.expose(), &json!(2)));
    assert_eq!(event_ids(&world).await, ["t/1/connection.connected", "t/2/connection.reconnected"]);
    let events = world.stream.events("tests").await.unwrap();
    assert_eq!(
        events.iter().map(|event| &event["account_changed_from"]).collect::<Vec<_>>(),
        [&Value::Null, &json!("1")],
        "the account has changed"
    );
    assert_eq!(world.get("/v1/connections/t").await.body["account_changed_from"], "1");
    let replaced = tokens::to_revoke(&world, "t").await;
    assert_eq!(replaced[0].access_token.expose(), before.text("access_token"));
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    assert!(!world.is_live(before.text("access_token")), "revoked, since it is of another account");
    assert!(world.is_live(world.token("t").await.text("access_token")));
    assert_eq!(revocations(&world), 1);
}

#[tokio::test]
async fn the_confirm_call_replaces_the_live_pair_also_after_a_refresh() {
    let world = world().await;
    world.connect("t").await;
    world.clock.advance(5000);
    let link = waits(&world, "1").await;
    world.clock.advance(800);
    assert_eq!(world.sweep().await["refreshed"], 1);
    let refreshed = world.token("t").await;
    assert_eq!(refreshed.body["version"], 2);
    let waiting = tokens::waiting(&world, "t").await;
    assert_eq!(confirmed(&world, &link).await.body["version"], 3);
    assert_eq!(world.token("t").await.text("access_token"), waiting.access_token.expose());
    assert_eq!(tokens::to_revoke(&world, "t").await[0].access_token.expose(), refreshed.text("access_token"));
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
    assert_eq!(revocations(&world), 0, "the replaced one is of the same account");
}

#[tokio::test]
async fn a_pair_that_is_not_confirmed_in_time_changes_nothing_and_is_revoked_if_its_account_is_another() {
    for (account, is_revoked) in [("1", false), ("2", true)] {
        let world = world().await;
        world.connect("t").await;
        let shown = world.get("/v1/connections/t").await.body;
        world.clock.advance(4000);
        let row = of_the_live_pair(&world).await;
        let link = waits(&world, account).await;
        let waiting = tokens::waiting(&world, "t").await;
        world.clock.advance(900);
        assert_eq!(confirmed(&world, &link).await.status, StatusCode::BAD_REQUEST);
        world.sweep().await;
        assert_eq!(of_the_live_pair(&world).await, row);
        world.clock.advance(900);
        assert_eq!(world.sweep().await["refreshed"], 1);
        assert!(world.parsed("t").await.unwrap().waiting().is_none());
        assert!(tokens::to_revoke(&world, "t").await.is_empty());
        assert_eq!(
            (revocations(&world), world.is_live(waiting.access_token.expose())),
            (is_revoked.into(), !is_revoked)
        );
        assert!(world.is_live(world.token("t").await.text("access_token")));
        assert_eq!(world.get("/v1/connections/t").await.body["account"], shown["account"]);
        assert_eq!(event_ids(&world).await, ["t/1/connection.connected"]);
    }
}

#[tokio::test]
async fn only_the_confirmation_of_the_same_session_in_time_replaces_the_live_pair() {
    let world = world().await;
    world.connect("t").await;
    let link = waits(&world, "2").await;
    let row = world.row("t").await;
    let other = journey(&world, "u", "approve").await;
    let own = parameter(&link.1, "confirmation").unwrap();
    let others = parameter(&other.1, "confirmation").unwrap();
    for (session, confirmation) in [(&link.0, others.as_str()), (&other.0, &own), (&link.0, &"A".repeat(43))] {
        let refused = confirm(&world, session, confirmation).await;
        assert_problem(&refused.body, &refused.headers, 400, "invalid_request");
        assert_eq!(refused.body["field"], "confirmation");
    }
    world.clock.advance(900);
    let late = confirmed(&world, &link).await;
    assert_problem(&late.body, &late.headers, 400, "invalid_request");
    assert_eq!(world.row("t").await, row);
}

#[tokio::test]
async fn after_a_later_link_without_confirmation_nothing_is_left_to_confirm() {
    let world = world().await;
    world.connect("t").await;
    let link = waits(&world, "2").await;
    world.simulation.grants.sign_in("1");
    world.connect("t").await;
    let live = world.token("t").await;
    assert_eq!(confirmed(&world, &link).await.status, StatusCode::BAD_REQUEST, "a later grant is live");
    assert_eq!(world.token("t").await.body, live.body);
}

#[tokio::test]
async fn a_delete_revokes_the_live_and_the_waiting_pair() {
    let world = world().await;
    world.connect("t").await;
    let live = tokens::live(&world, "t").await;
    let link = waits(&world, "2").await;
    let waiting = tokens::waiting(&world, "t").await;
    let deleted = world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!(deleted.body, json!({ "revocation": "done" }));
    assert_eq!(revocations(&world), 2);
    assert!(!world.is_live(live.access_token.expose()) && !world.is_live(waiting.access_token.expose()));
    assert_eq!(confirmed(&world, &link).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.get("/v1/connections/t").await.status, 404);
    assert_eq!(event_ids(&world).await, ["t/1/connection.connected", "t/1/connection.disconnected"]);
}

#[tokio::test]
async fn a_second_waiting_pair_replaces_the_first_which_is_revoked() {
    for has_a_live_one in [false, true] {
        let world = world().await;
        if has_a_live_one {
            world.connect("t").await;
        }
        let first = waits(&world, "2").await;
        let replaced = tokens::waiting(&world, "t").await;
        let second = waits(&world, "3").await;
        let waiting = tokens::waiting(&world, "t").await;
        world.clock.advance(if has_a_live_one { 6000 } else { 60 });
        if has_a_live_one {
            world.sweep().await;
            assert_eq!(revocations(&world), 2, "the second one was not confirmed in time either");
            assert!(!world.is_live(waiting.access_token.expose()));
        } else {
            world.sweep().await;
            assert_eq!(revocations(&world), 1);
            assert_eq!(confirmed(&world, &first).await.status, StatusCode::BAD_REQUEST);
            assert_eq!(confirmed(&world, &second).await.body["account"]["id"], "3");
            assert_eq!(world.token("t").await.text("access_token"), waiting.access_token.expose());
        }
        assert!(!world.is_live(replaced.access_token.expose()));
        assert!(world.is_live(world.token("t").await.text("access_token")));
    }
}

#[tokio::test]
async fn a_waiting_pair_has_no_event_and_its_confirmation_ends_reauth_required() {
    let world = world().await;
    waits(&world, "1").await;
    world.clock.advance(900);
    world.sweep().await;
    assert_eq!(world.get("/v1/connections/t").await.status, 404);
    assert_eq!(world.json(Method::DELETE, "/v1/connections/t", None).await.status, 404, "it was never connected");
    assert_eq!(event_ids(&world).await, [""; 0]);

    world.connect("t").await;
    world.every_grant_ends().await;
    let link = waits(&world, "1").await;
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "reauth_required");
    let expected = ["t/1/connection.connected", "t/1/connection.reauth_required"];
    assert_eq!(event_ids(&world).await, expected, "a waiting pair has no event");
    assert_eq!(confirmed(&world, &link).await.text("status"), "active");
    assert_eq!(event_ids(&world).await, [&expected[..], &["t/2/connection.reconnected"]].concat());
    assert!(world.is_live(world.token("t").await.text("access_token")));
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1, "it is back in the schedule");
}

/// `t` needs its customer, who has account 1. A stranger with account 2 has approved before or after that. Returns the
/// stranger's access token.
async fn strangers_approval(world: &World, comes_first: bool) -> String {
    world.connect("t").await;
    let mut stranger = None;
    if comes_first {
        world.clock.advance(5800);
        waits(world, "2").await;
        stranger = Some(tokens::waiting(world, "t").await);
        let refused = faults::error(400, "invalid_grant");
        world.fault(json!({ "answer": refused, "grant_type": "refresh_token", "times": 2 }));
        for _ in 0..2 {
            world.sweep().await;
            world.clock.advance(100);
        }
    } else {
        world.every_grant_ends().await;
        waits(world, "2").await;
    }
    let stranger = match stranger {
        Some(stranger) => stranger,
        None => tokens::waiting(world, "t").await,
    };
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "reauth_required");
    stranger.access_token.expose().to_owned()
}

#[tokio::test]
async fn a_strangers_unconfirmed_grant_is_revoked_also_if_the_connection_needs_its_customer() {
    for comes_first in [false, true] {
        let world = world().await;
        let stranger = strangers_approval(&world, comes_first).await;
        assert_eq!(world.sweep().await["least_remaining_seconds"], Value::Null, "no caller misses its token");
        assert!(world.is_live(&stranger));
        world.clock.advance(900);
        world.sweep().await;
        assert!(!world.is_live(&stranger), "{comes_first}");
        assert_eq!(revocations(&world), 1);
        assert!(matches!(world.stored("t").await.unwrap().state, State::NeedsCustomer { .. }));
        assert_eq!(world.sweep().await["due"], 0);
        world.simulation.grants.sign_in("1");
        world.connect("t").await;
        world.clock.advance(6000);
        assert_eq!(world.sweep().await["refreshed"], 1);
    }
}

#[tokio::test]
async fn a_strangers_grant_of_an_unknown_account_stays_in_the_list_and_out_of_the_schedule() {
    let world = World::new().await;
    let stranger = strangers_approval(&world, false).await;
    world.clock.advance(900);
    assert!(world.row("t").await.unwrap().contains_key("shard"));
    world.sweep().await;
    assert!(!world.row("t").await.unwrap().contains_key("shard"));
    assert_eq!(tokens::to_revoke(&world, "t").await.len(), 1);
    assert!(world.is_live(&stranger));
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert!(!world.is_live(&stranger));
}

#[tokio::test]
async fn a_late_pair_puts_its_connection_back_into_its_own_shard_although_another_pair_waits() {
    let world = World::with(Setup::strict().asking_for_accounts()).await;
    world.connect("t").await;
    let shard = world.row("t").await.unwrap()["shard"].clone();
    world.clock.advance(8000);
    world.outage_of(&[STORING_A_PAIR]);
    world.token("t").await;
    world.outage_of(&[]);
    let late = world.escrow.take().remove(0);
    world.set("t", "lease_owner", AttributeValue::S("a rival".to_owned())).await;
    let (table, now) = (world.clients.connections(TABLE), world.clock.now());
    let id = ConnectionId::parse("t").unwrap();
    table.write(&give_up(&id, "a rival", FailureClass::InvalidGrant, now, now)).await.unwrap();
    waits(&world, "2").await;
    assert_ne!(world.row("t").await.unwrap()["shard"], shard);
    assert_eq!(world.replay(&late).await, Replayed::Stored);
    assert_eq!(world.row("t").await.unwrap()["shard"], shard);
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "active");
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn an_account_is_claimed_by_the_confirm_call_and_not_before() {
    let world = world().await;
    let link = waits(&world, "1").await;
    world.connect("u").await;
    let also =
        async |id: &str| world.get(&format!("/v1/connections/{id}")).await.body["account"]["also_connected_as"].clone();
    assert_eq!(also("u").await, Value::Null, "the waiting pair has claimed nothing");
    let confirmed = confirmed(&world, &link).await;
    assert_eq!(confirmed.status, StatusCode::OK);
    assert_eq!(also("t").await, "u");
}
