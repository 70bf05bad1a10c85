//! What the failure of one connection means for the others.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::connection::State;
use shared::domain::connection_id::ConnectionId;
use shared::domain::schedule::shard;
use shared::ports::Clock;
use tests::world::World;

use crate::faults;

fn refusing(times: u32) -> Value {
    let refused = faults::error(400, "invalid_grant");
    json!({ "answer": refused, "times": times, "grant_type": "refresh_token" })
}

async fn world_of(connections: usize) -> World {
    let world = World::new().await;
    for number in 0..connections {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    world
}

#[tokio::test]
async fn no_connection_is_lost_when_the_provider_refuses_all_refreshes_for_half_an_hour() {
    let world = world_of(20).await;
    world.fault(refusing(100_000));
    for _ in 0..6 {
        world.sweep().await;
        world.clock.advance(300);
    }
    for number in 0..20 {
        assert_eq!(world.stored(&format!("t{number}")).await.unwrap().state, State::Active);
    }
    world.simulation.faults.clear();
    let mut refreshed = 0;
    for _ in 0..2 {
        refreshed += world.sweep().await["refreshed"].as_u64().unwrap();
        world.clock.advance(300);
    }
    assert_eq!(refreshed, 20, "all fresh within ten minutes");
}

#[tokio::test]
async fn a_fleet_of_one_does_not_freeze() {
    let world = world_of(1).await;
    world.simulation.grants.revoke_all();
    world.sweep().await;
    world.clock.advance(61);
    assert_eq!(world.sweep().await["reauth_required"], 1);
}

#[tokio::test]
async fn some_customers_who_leave_are_given_up_while_the_others_are_refreshed() {
    let world = world_of(30).await;
    world.fault(refusing(5));
    let first = world.sweep().await;
    assert_eq!((&first["refreshed"], &first["failed"]), (&json!(25), &json!({ "invalid_grant": 5 })));
    world.clock.advance(61);
    world.fault(refusing(5));
    assert_eq!(world.sweep().await["reauth_required"], 5, "five of thirty are fewer than a fifth");
}

#[tokio::test]
async fn a_fleet_whose_grants_have_all_ended_is_given_up_after_a_day() {
    let world = world_of(6).await;
    world.simulation.grants.revoke_all();
    for _ in 0..288 {
        world.sweep().await;
        world.clock.advance(300);
    }
    assert_eq!(world.stored("t0").await.unwrap().state, State::Active, "still frozen");
    for _ in 0..2 {
        world.sweep().await;
        world.clock.advance(300);
    }
    for number in 0..6 {
        assert_eq!(world.get(&format!("/v1/connections/t{number}")).await.text("status"), "reauth_required");
    }
}

#[tokio::test]
async fn a_pause_that_the_provider_asks_one_worker_for_applies_to_all() {
    let world = world_of(2).await;
    let unavailable = faults::retry_after(503, "120");
    world.fault(json!({ "answer": unavailable, "grant_type": "refresh_token" }));
    // Only one of the two is sent: the other one would succeed if it were sent at the same time.
    let [first, second] = ["t0", "t1"].map(|id| shard(&ConnectionId::parse(id).unwrap()));
    assert_ne!(first, second);
    world.sweep_of(vec![first]).await;
    let asked = world.refreshes();

    // Another process, which did not receive the answer.
    let other = world.another();
    let sweep = other.sweep().await;
    assert_eq!((&sweep["refreshed"], &sweep["finished"]), (&json!(0), &json!(false)), "{sweep}");
    assert_eq!(
        other.get("/v1/connections/t0/token?min_ttl=3000").await.body["version"],
        1,
        "a token that is still valid"
    );
    assert_eq!(world.refreshes(), asked);

    world.clock.advance(121);
    assert_eq!(other.sweep().await["refreshed"], 2);
}

#[tokio::test]
async fn a_pause_is_for_a_quarter_of_an_hour_at_most() {
    let world = world_of(1).await;
    let unavailable = faults::retry_after(503, "86400");
    world.fault(json!({ "answer": unavailable, "grant_type": "refresh_token" }));
    world.sweep().await;
    world.clock.advance(901);
    assert_eq!(world.sweep().await["refreshed"], 1);
}

/// Two requests were in flight, and the one that is answered later asks for a shorter wait.
#[tokio::test]
async fn a_shorter_pause_does_not_end_a_longer_one_that_a_process_remembers() {
    let world = world_of(2).await;
    for seconds in [600, 10] {
        let until = world.clock.now() + Duration::from_secs(seconds);
        world.deployment.refresh.fleet.pause(until).await;
    }
    for seconds in [11, 18, 400] {
        world.clock.advance(seconds);
        let sweep = world.sweep().await;
        assert_eq!((&sweep["refreshed"], &sweep["finished"]), (&json!(0), &json!(false)), "{sweep}");
        assert_eq!(world.get("/v1/connections/t0/token?min_ttl=3000").await.body["version"], 1);
        assert_eq!(world.refreshes(), 0);
    }
    world.clock.advance(171);
    assert_eq!(world.sweep().await["refreshed"], 2);
}
