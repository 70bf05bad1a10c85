//! The scheduled refresh: every due connection is refreshed, few at a time, and no pair is lost.

use std::sync::Arc;

use refresh::Run;
use serde_json::json;
use shared::domain::connection::State;
use shared::domain::connection::refresh::{RefreshReason, acquire};
use shared::domain::connection_id::ConnectionId;
use shared::domain::write::Written;
use shared::ports::{Clock, WriteConnections};
use tests::world::{Setup, TABLE, World};

use crate::faults;

#[tokio::test]
async fn a_token_is_refreshed_before_it_expires_and_only_once() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(5000);
    let early = world.sweep().await;
    assert_eq!((&early["due"], &early["least_remaining_seconds"]), (&json!(0), &json!(2200)));
    world.clock.advance(800);
    let due = world.sweep().await;
    assert_eq!(due["refreshed"], 1, "{due}");
    assert_eq!(due["least_remaining_seconds"], 7200);
    assert_eq!(due["finished"], true);
    assert_eq!(world.sweep().await["due"], 0, "and only once");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn the_summary_of_an_empty_fleet_counts_nothing() {
    let world = World::new().await;
    let expected = json!({
        "due": 0, "refreshed": 0, "adopted": 0, "deferred": 0, "failed": {}, "reauth_required": 0,
        "least_remaining_seconds": null, "finished": true,
    });
    assert_eq!(world.sweep().await, expected);
}

#[tokio::test]
async fn more_due_connections_than_one_page_are_all_refreshed() {
    let world = World::with(Setup::strict()).await;
    for number in 0..130 {
        world.connect(&one_of_shard(0, number)).await;
    }
    world.clock.advance(6000);
    let summary = world.sweep().await;
    assert_eq!((&summary["due"], &summary["refreshed"]), (&json!(130), &json!(130)), "{summary}");
    assert_eq!(world.refreshes(), 130);
}

/// An id in this shard.
pub(crate) fn one_of_shard(shard: u8, number: usize) -> String {
    let mut candidates = (0..).map(|salt| format!("tenant-{number}-{salt}"));
    let falls = |id: &String| shared::domain::schedule::shard(&ConnectionId::parse(id).unwrap()) == shard;
    candidates.find(falls).unwrap()
}

#[tokio::test]
async fn two_runs_at_once_refresh_each_connection_once() {
    let world = Arc::new(World::with(Setup::strict()).await);
    for number in 0..20 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.sweep().await })
        })
        .collect();
    let mut refreshed = 0;
    for run in runs {
        refreshed += run.await.unwrap()["refreshed"].as_u64().unwrap();
    }
    assert_eq!(refreshed, 20);
    assert_eq!(world.refreshes(), 20);
    for number in 0..20 {
        assert!(world.is_live(world.token(&format!("t{number}")).await.text("access_token")));
    }
}

#[tokio::test]
async fn a_run_of_some_shards_leaves_the_others_alone() {
    let world = World::new().await;
    for shard in [3, 4] {
        world.connect(&one_of_shard(shard, 0)).await;
    }
    world.clock.advance(6000);
    let deadline = world.clock.now() + std::time::Duration::from_secs(300);
    let summary = world.deployment.refresh.run(Run { shards: vec![3], until: None }, deadline).await;
    assert_eq!((summary.due, summary.refreshed), (1, 1));
}

#[tokio::test]
async fn a_run_stops_before_its_deadline_and_says_what_it_left() {
    let world = World::new().await;
    for id in ["a", "b", "c"] {
        world.connect(id).await;
    }
    world.clock.advance(6000);
    let deadline = world.clock.now() + std::time::Duration::from_secs(30);
    let summary = world.deployment.refresh.run(Run::scheduled(), deadline).await;
    assert_eq!((summary.due, summary.deferred, summary.finished), (3, 3, false));
    assert_eq!(summary.least_remaining_seconds, Some(1200));
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn a_run_stops_when_the_provider_asks_to_wait() {
    let world = World::new().await;
    for number in 0..40 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    world.fault(json!({ "answer": faults::retry_after(503, "120"), "times": 1000 }));
    let summary = world.sweep().await;
    assert_eq!(summary["finished"], false);
    assert_eq!(summary["due"], 40);
    assert!(summary["deferred"].as_u64().unwrap() >= 20, "{summary}");
    assert!(world.refreshes() <= 20, "at most the requests in flight");
    assert_eq!(summary["least_remaining_seconds"], 1200);
}

#[tokio::test]
async fn retry_after_is_respected_with_every_status_for_at_most_a_quarter_of_an_hour() {
    for status in [429, 403, 400, 502] {
        let world = World::new().await;
        world.connect("t").await;
        world.clock.advance(6000);
        world.fault(json!({ "answer": faults::retry_after(status, "86400") }));
        assert_eq!(world.sweep().await["failed"], json!({ "throttled": 1 }), "{status}");
        assert_eq!(world.refreshes(), 1, "{status}");
        world.clock.advance(890);
        assert_eq!(world.sweep().await["due"], 0, "{status}");
        world.clock.advance(10);
        assert_eq!(world.sweep().await["refreshed"], 1, "{status}");
    }
}

#[tokio::test]
async fn a_wrong_client_secret_stops_the_run_and_gives_no_connection_up() {
    let world = World::new().await;
    for number in 0..40 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    world.fault(json!({ "answer": faults::error(401, "invalid_client"), "times": 1000 }));
    let summary = world.sweep().await;
    assert_eq!(summary["finished"], false);
    assert!(world.refreshes() <= 20, "{summary}");
    for number in 0..40 {
        assert_eq!(world.stored(&format!("t{number}")).await.unwrap().state, State::Active);
    }
}

#[tokio::test]
async fn the_failure_of_one_connection_affects_no_other() {
    let world = World::new().await;
    for number in 0..5 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    world.fault(json!({ "answer": faults::error(400, "invalid_request") }));
    let summary = world.sweep().await;
    assert_eq!((&summary["refreshed"], &summary["failed"]), (&json!(4), &json!({ "refused": 1 })));
    world.clock.advance(11);
    assert_eq!(world.sweep().await["refreshed"], 1);
}

#[tokio::test]
async fn a_connection_survives_a_process_that_died_with_its_lease() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(6000);
    let table = world.clients.connections(TABLE);
    let id = ConnectionId::parse("t").unwrap();
    let taken = table.write(&acquire(&id, &RefreshReason::Scheduled, "dead", world.clock.now())).await.unwrap();
    assert!(matches!(taken, Written::Applied(_)));

    assert_eq!(world.sweep().await["deferred"], 1);
    assert_eq!(world.token("t").await.body["version"], 1, "the stored token is valid and is answered");
    world.clock.advance(100);
    assert_eq!(world.sweep().await["deferred"], 1, "the pair may still be on its way to the table");
    world.clock.advance(60);
    assert_eq!(world.sweep().await["refreshed"], 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

/// Also if the access token has ended: the pair of the worker that died may be on its way to the table, or in the
/// queue.
#[tokio::test]
async fn a_lease_without_a_known_outcome_is_not_taken_over_for_two_minutes_after_its_end() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(7300);
    let taken = acquire(&ConnectionId::parse("t").unwrap(), &RefreshReason::Scheduled, "dead", world.clock.now());
    assert!(matches!(world.clients.connections(TABLE).write(&taken).await.unwrap(), Written::Applied(_)));
    for seconds in [36, 60, 59] {
        world.clock.advance(seconds);
        assert_eq!(world.sweep().await["deferred"], 1);
        assert_eq!(world.token("t").await.body["code"], "unavailable");
        assert_eq!(world.refreshes(), 0);
    }
    world.clock.advance(1);
    assert_eq!(world.token("t").await.body["version"], 2);
}

/// Found by the simulator: a provider with a grace for the old refresh token would have ended the new pair.
#[tokio::test]
async fn if_a_process_dies_in_an_early_refresh_the_schedule_does_not_wait_until_the_token_is_old() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(600);
    let table = world.clients.connections(TABLE);
    let id = ConnectionId::parse("t").unwrap();
    let reason = RefreshReason::Rejected { seen: world.stored("t").await.unwrap().pair.id };
    let rejected = acquire(&id, &reason, "dead", world.clock.now());
    assert!(matches!(table.write(&rejected).await.unwrap(), Written::Applied(_)));
    world.clock.advance(160);
    assert_eq!(world.sweep().await["refreshed"], 1);
}

#[tokio::test]
async fn a_pair_that_a_strict_provider_lost_with_its_answer_is_labelled_ambiguous_rotation() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(6000);
    world.fault(json!({ "answer": "break", "carried_out": true, "grant_type": "refresh_token" }));
    assert_eq!(world.sweep().await["failed"], json!({ "invalid_grant": 1 }), "the second request under the same lease");
    for _ in 0..20 {
        world.clock.advance(60);
        world.sweep().await;
    }
    let lost = world.get("/v1/connections/t").await;
    assert_eq!((lost.text("status"), lost.text("reason")), ("reauth_required", "ambiguous_rotation"));
}
