//! A refresh token that the provider refuses without `invalid_grant`. If that continues for a day after the end of the
//! access token, while others are refreshed, the customer must connect again.

use http::StatusCode;
use serde_json::{Value, json};
use shared::domain::connection::State;
use shared::domain::connection_id::ConnectionId;
use shared::domain::schedule::shard;
use shared::ports::Clock;
use tests::world::{Setup, World};

use crate::faults;
use crate::log::{capture, captured};
use crate::reported::{counted, events_of};

/// The lifetime of an access token, and the day after it.
const GIVEN_UP_AFTER: i64 = 7200 + 24 * 3600;

/// The time between the journeys of a large fleet.
const APART: i64 = 900;

fn shard_of(id: &str) -> u8 {
    shard(&ConnectionId::parse(id).unwrap())
}

/// Connections whose refresh is refused, and one that is refreshed.
struct Fleet {
    world: World,
    dead: Vec<String>,
    since: shared::domain::time::Timestamp,
}

impl Fleet {
    async fn of(setup: Setup, dead: usize) -> Self {
        let world = World::with(setup).await;
        world.connect("other").await;
        let others = shard_of("other");
        let apart = (0..).map(|number| format!("t{number}")).filter(|id| shard_of(id) != others);
        let dead: Vec<String> = apart.take(dead).collect();
        let since = world.clock.now();
        for id in &dead {
            world.connect(id).await;
            // In a large fleet, few tokens expire at the same moment.
            world.clock.advance(if dead.len() > 2 { APART } else { 0 });
        }
        Self { world, dead, since }
    }

    fn first(&self) -> &str {
        &self.dead[0]
    }

    /// A run in which these connections get this answer, and the other one is refreshed when it is due. Returns the
    /// summary of the refused ones.
    async fn run(&self, answer: &Value) -> Value {
        let shards: std::collections::BTreeSet<u8> = self.dead.iter().map(|id| shard_of(id)).collect();
        self.world.fault(json!({ "answer": answer, "grant_type": "refresh_token", "times": 1000 }));
        let refused = self.world.sweep_of(shards.into_iter().collect()).await;
        self.world.simulation.faults.clear();
        self.world.sweep_of(vec![shard_of("other")]).await;
        refused
    }

    /// Runs until this many seconds after the journeys. Each run sends each refresh token once.
    async fn runs_until(&self, seconds: i64, answer: &Value) {
        while self.since.seconds_until(self.world.clock.now()) < seconds {
            self.world.clock.advance(1700);
            let before = self.world.refreshes();
            let refused = self.run(answer).await;
            let of_the_other =
                usize::from(self.world.stored("other").await.unwrap().refreshed_at == self.world.clock.now());
            let sent = self.world.refreshes() - before - of_the_other;
            assert_eq!(
                Some(sent as u64),
                refused["due"].as_u64(),
                "one request for each due connection: {answer} {refused}"
            );
        }
    }
}

async fn is_active(world: &World, id: &str) -> bool {
    world.stored(id).await.unwrap().state == State::Active
}

#[tokio::test]
async fn a_refused_connection_is_given_up_a_day_after_its_access_token_ended() {
    for answer in [
        faults::error(200, "bad_refresh_token"),
        faults::error(400, "invalid_request"),
        faults::error(401, "invalid_token"),
        faults::status(403),
        faults::status(404),
    ] {
        capture();
        let fleet = Fleet::of(Setup::strict(), 1).await;
        let (world, id) = (&fleet.world, fleet.first());
        fleet.runs_until(GIVEN_UP_AFTER - 1700, &answer).await;
        assert!(is_active(world, id).await, "{answer}: it may be an outage");
        let shown = world.get(&format!("/v1/connections/{id}")).await;
        assert_eq!((shown.text("status"), shown.text("reason")), ("active", "refused"), "{answer}");

        world.clock.advance(1700);
        let last = fleet.run(&answer).await;
        assert_eq!((&last["reauth_required"], &last["failed"]), (&json!(1), &json!({})), "{answer}");
        let log = captured();
        let line = log.lines().find(|line| line.contains("reauthorizations_needed=1")).unwrap();
        assert!(line.contains("class=\"refused\""), "{answer}: {line}");
        assert!(!log.contains("ambiguous"), "{answer}: no answer was lost");
        assert!(counted(&log, "refused") > 10 && counted(&log, "unknown_outcome") == 0, "{answer}");

        let shown = world.get(&format!("/v1/connections/{id}")).await;
        assert_eq!((shown.text("status"), shown.text("reason")), ("reauth_required", "refused"), "{answer}");
        let listed = world.get("/v1/connections?status=reauth_required").await;
        assert_eq!(listed.body["connections"], json!([shown.body]), "{answer}");
        let sent = world.refreshes();
        let token = world.token(id).await;
        assert_eq!((token.status, token.text("code")), (StatusCode::CONFLICT, "reauth_required"), "{answer}");
        assert_eq!(world.refreshes(), sent, "{answer}: a caller's request sends none to the provider");
        let events = ["connected/1", "degraded/1 refused", "reauth_required/1 refused"];
        assert_eq!(events_of(world, id).await, events, "{answer}");
        assert!(is_active(world, "other").await);
    }
}

#[tokio::test]
async fn a_connection_that_was_given_up_is_tried_every_six_hours_and_revived_by_a_success() {
    let refused = faults::status(403);
    let fleet = Fleet::of(Setup::strict(), 1).await;
    let (world, id) = (&fleet.world, fleet.first());
    fleet.runs_until(GIVEN_UP_AFTER, &refused).await;
    assert!(!is_active(world, id).await);
    let events = events_of(world, id).await;

    world.clock.advance(6 * 3600 - 60);
    assert_eq!(fleet.run(&refused).await["due"], 0);
    world.clock.advance(60);
    let again = fleet.run(&refused).await;
    assert_eq!((&again["due"], &again["failed"]), (&json!(1), &json!({ "refused": 1 })), "{again}");
    world.clock.advance(3600);
    assert_eq!(fleet.run(&refused).await["due"], 0, "one try in six hours");
    assert_eq!(events_of(world, id).await, events, "there is no new event");
    assert_eq!(world.get(&format!("/v1/connections/{id}")).await.text("status"), "reauth_required");

    world.clock.advance(6 * 3600);
    assert_eq!(world.sweep_of(vec![shard_of(id)]).await["refreshed"], 1);
    let shown = world.get(&format!("/v1/connections/{id}")).await;
    assert_eq!((&shown.body["status"], &shown.body["reason"]), (&json!("active"), &json!(null)));
    assert!(world.is_live(world.token(id).await.text("access_token")));
    assert_eq!(events_of(world, id).await.last().unwrap(), "recovered/2");
    assert_eq!(world.get("/v1/connections?status=reauth_required").await.body["connections"], json!([]));
}

#[tokio::test]
async fn a_connection_that_was_given_up_does_not_count_for_the_least_remaining_lifetime() {
    let refused = faults::status(403);
    let fleet = Fleet::of(Setup::strict(), 1).await;
    fleet.runs_until(GIVEN_UP_AFTER, &refused).await;
    let summary = fleet.world.sweep().await;
    assert!(summary["least_remaining_seconds"].as_i64().unwrap() > 0, "{summary}");
    fleet.world.clock.advance(6 * 3600);
    fleet.world.sweep_of(vec![shard_of("other")]).await;
    let summary = fleet.run(&refused).await;
    assert_eq!(summary["failed"], json!({ "refused": 1 }));
    assert_eq!(
        summary["least_remaining_seconds"],
        json!(null),
        "the customer must connect again, and that was reported: {summary}"
    );
}

/// If no other connection is refreshed, the cause may be the configuration, or an outage of the provider.
#[tokio::test]
async fn while_no_other_connection_is_refreshed_none_is_given_up() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    for _ in 0..72 {
        world.clock.advance(1800);
        world.fault(json!({ "answer": faults::status(403), "grant_type": "refresh_token" }));
        world.sweep().await;
    }
    assert!(is_active(&world, "t").await);
}

#[tokio::test]
async fn while_many_are_refused_none_is_given_up_for_another_day() {
    let refused = faults::status(403);
    let fleet = Fleet::of(Setup::strict(), 8).await;
    let world = &fleet.world;
    capture();
    fleet.runs_until(GIVEN_UP_AFTER - 1700, &refused).await;
    for _ in 0..40 {
        world.clock.advance(310);
        fleet.run(&refused).await;
    }
    for id in &fleet.dead {
        assert!(is_active(world, id).await, "{id}");
    }
    assert!(captured().contains("marking_frozen=1"));

    fleet.runs_until(GIVEN_UP_AFTER + 25 * 3600, &refused).await;
    for id in &fleet.dead {
        let shown = world.get(&format!("/v1/connections/{id}")).await;
        assert_eq!((shown.text("status"), shown.text("reason")), ("reauth_required", "refused"), "{id}");
    }
}

/// The count is of connections, and not of tries.
#[tokio::test]
async fn a_connection_that_is_tried_often_is_counted_once() {
    let refused = faults::status(404);
    let fleet = Fleet::of(Setup::strict(), 2).await;
    fleet.runs_until(GIVEN_UP_AFTER - 1700, &refused).await;
    for _ in 0..12 {
        fleet.world.clock.advance(310);
        fleet.run(&refused).await;
    }
    for id in &fleet.dead {
        assert!(!is_active(&fleet.world, id).await, "{id}");
    }
}

/// RFC 6749 section 5.2 puts the error into a 400. Some providers put it into a 200.
#[tokio::test]
async fn invalid_grant_with_status_200_counts_at_its_second_time() {
    let fleet = Fleet::of(Setup::strict(), 1).await;
    let (world, id) = (&fleet.world, fleet.first());
    world.clock.advance(6000);
    let invalid_grant = faults::error(200, "invalid_grant");
    assert_eq!(fleet.run(&invalid_grant).await["failed"], json!({ "invalid_grant": 1 }));
    world.clock.advance(61);
    assert_eq!(fleet.run(&invalid_grant).await["reauth_required"], 1);
    let shown = world.get(&format!("/v1/connections/{id}")).await;
    assert_eq!(shown.text("reason"), "invalid_grant");
}

#[tokio::test]
async fn invalid_client_with_status_200_reads_the_secret_again() {
    let fleet = Fleet::of(Setup::strict(), 1).await;
    let world = &fleet.world;
    world.clock.advance(6000);
    world.calls.take();
    world.fault(json!({ "answer": faults::error(200, "invalid_client"), "grant_type": "refresh_token" }));
    let summary = world.sweep_of(vec![shard_of(fleet.first())]).await;
    assert_eq!(summary["failed"], json!({ "invalid_client": 1 }));
    assert_eq!(world.calls.take()["GetSecretValue"], 1);
}
