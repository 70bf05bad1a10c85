//! No ended token is handed out: a token is honoured until its `cache_until`.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use shared::domain::connection::refresh::{RefreshReason, acquire};
use shared::domain::connection_id::ConnectionId;
use shared::domain::write::Written;
use shared::ports::{Clock, WriteConnections};
use tests::world::{Answer, Setup, TABLE, World};

async fn is_leased(world: &World, id: &str) {
    let reason = RefreshReason::OnDemand { seen: world.stored(id).await.unwrap().pair.id };
    let lease = acquire(&ConnectionId::parse(id).unwrap(), &reason, "another worker", world.clock.now());
    let written = world.clients.connections(TABLE).write(&lease).await.unwrap();
    assert!(matches!(written, Written::Applied(_)));
}

fn is_over(answer: &Answer, world: &World) -> bool {
    answer.text("cache_until") <= world.clock.now().rfc3339().as_str()
}

#[tokio::test]
async fn from_its_due_time_on_a_token_is_refreshed_and_not_handed_out() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    let refresh_at = world.stored("t").await.unwrap().refresh_at;
    world.clock.advance(world.clock.now().seconds_until(refresh_at) - 1);
    let before = world.token("t").await;
    assert_eq!(before.body["version"], 1);
    assert!(!is_over(&before, &world), "{before:?}");
    world.clock.advance(1);
    assert_eq!(world.token("t").await.body["version"], 2);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn many_readers_of_a_due_token_join_one_refresh_and_none_gets_the_old_one() {
    let world = Arc::new(World::with(Setup::strict()).await);
    world.connect("t").await;
    let refresh_at = world.stored("t").await.unwrap().refresh_at;
    world.clock.advance(world.clock.now().seconds_until(refresh_at));
    let reads: Vec<_> = (0..24)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.token("t").await })
        })
        .collect();
    for read in reads {
        let answer = read.await.unwrap();
        assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(2)), "{answer:?}");
        assert!(world.is_live(answer.text("access_token")));
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_read_during_a_lease_waits_two_seconds_at_most_and_then_answers_a_token_that_is_valid() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(3000);
    is_leased(&world, "t").await;
    world.clock.waiting_counts(true);
    let asked_at = world.clock.now();
    let answer = world.token("t").await;
    assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(1)), "{answer:?}");
    let waited = asked_at.seconds_until(world.clock.now());
    assert!((1..=2).contains(&waited), "{waited}");
    assert_eq!(world.refreshes(), 0);
    assert!(world.is_live(answer.text("access_token")));
}

#[tokio::test]
async fn a_read_during_a_lease_waits_longer_if_the_stored_token_has_ended() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(7201);
    is_leased(&world, "t").await;
    world.clock.waiting_counts(true);
    let asked_at = world.clock.now();
    let answer = world.token("t").await;
    assert_eq!((answer.status.as_u16(), answer.text("code")), (503, "unavailable"), "{answer:?}");
    let waited = asked_at.seconds_until(world.clock.now());
    assert!((8..=11).contains(&waited), "{waited}");
}

#[tokio::test]
async fn a_token_may_be_cached_for_a_while_whenever_it_is_asked_for() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    // For longer than two lifetimes, and without a single run of the schedule.
    for _ in 0..160 {
        let answer = world.token("t").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!is_over(&answer, &world), "at {}: {answer:?}", world.clock.now().rfc3339());
        assert!(world.is_live(answer.text("access_token")));
        world.clock.advance(97);
    }
    assert!((2..=3).contains(&world.refreshes()), "{}", world.refreshes());
}

#[tokio::test]
async fn while_nothing_new_can_be_had_the_stored_token_may_be_cached_until_the_next_try() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(6000);
    world.fault(json!({ "answer": { "status": { "status": 500, "error": null, "retry_after": null } }, "times": 2 }));
    for _ in 0..2 {
        let answer = world.token("t").await;
        assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(1)), "{answer:?}");
        assert!(!is_over(&answer, &world), "{answer:?}");
    }
    assert_eq!(world.refreshes(), 2, "one try, which sends again after an unknown outcome");
    world.clock.advance(11);
    assert_eq!(world.token("t").await.body["version"], 2);
}

/// At a provider that ends the old pair at once, a token that is handed out just before a refresh ends at once.
#[tokio::test]
async fn tokens_of_forty_seconds_are_honoured_until_their_cache_until_and_that_is_of_use() {
    let world = Arc::new(World::with(Setup { expires_in: 40, ..Setup::strict() }).await);
    world.connect("t").await;
    let mut kept: Vec<Answer> = Vec::new();
    let mut answers = 0;
    for step in 0..120 {
        let reads: Vec<_> = (0..6)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.token("t").await })
            })
            .collect();
        let sweep = {
            let world = world.clone();
            tokio::spawn(async move { world.sweep().await })
        };
        for read in reads {
            let answer = read.await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert!(!is_over(&answer, &world), "step {step}: {answer:?}");
            kept.push(answer);
            answers += 1;
        }
        sweep.await.unwrap();
        // Up to the last moment, and after all that came in between.
        for _ in 0..(1 + step % 3) {
            kept.retain(|answer| !is_over(answer, &world));
            for answer in &kept {
                assert!(world.is_live(answer.text("access_token")), "step {step}: {answer:?}");
            }
            world.clock.advance(1);
        }
    }
    assert_eq!(answers, 720);
    let refreshes = world.refreshes();
    assert!((11..=20).contains(&refreshes), "240 seconds, and no more than 20 for each token: {refreshes}");
}
