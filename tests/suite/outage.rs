//! AWS is down for ten minutes: no refresh token is spent without a durable place for its successor.

use shared::ports::Clock;
use tests::world::{STORING_A_PAIR, Setup, World};

/// Ten minutes of runs and reads while these operations are down. Then all operations work again.
async fn ten_minutes_without(operations: &[&'static str]) -> World {
    let world = World::with(Setup::strict()).await;
    for id in ["a", "b", "c"] {
        world.connect(id).await;
    }
    world.clock.advance(7000);
    world.outage_of(operations);
    let begin = world.clock.now();
    while begin.seconds_until(world.clock.now()) < 600 {
        world.sweep().await;
        world.token("a").await;
        world.clock.advance(60);
    }
    world.outage_of(&[]);
    world
}

async fn all_live_within_ten_minutes(world: &World) {
    for pair in world.escrow.take() {
        world.replay(&pair).await;
    }
    for _ in 0..10 {
        world.clock.advance(60);
        world.sweep().await;
    }
    for id in ["a", "b", "c"] {
        let token = world.token(id).await;
        assert_eq!(token.status, 200, "{id}: {token:?}");
        assert!(world.is_live(token.text("access_token")), "{id}");
    }
}

#[tokio::test]
async fn without_the_table_the_key_or_the_secret_no_refresh_token_is_sent() {
    for operations in [
        &["Decrypt"][..],
        &["GetSecretValue"],
        &["UpdateItem"],
        &["Query", "GetItem", "UpdateItem"],
        &["Decrypt", "GetSecretValue", "Query", "GetItem", "UpdateItem"],
    ] {
        let world = ten_minutes_without(operations).await;
        // The process read the secret for the journeys and keeps it, so it works without Secrets Manager.
        let expected = if operations == ["GetSecretValue"] { 3 } else { 0 };
        assert_eq!(world.refreshes(), expected, "{operations:?}");
        all_live_within_ten_minutes(&world).await;
    }
}

#[tokio::test]
async fn if_no_pair_can_be_stored_each_refresh_token_is_sent_once_and_its_pair_is_in_the_queue() {
    let world = ten_minutes_without(&[STORING_A_PAIR]).await;
    assert_eq!(
        world.refreshes(),
        3,
        "one request for each connection: while its pair may be in the queue, none is sent"
    );
    all_live_within_ten_minutes(&world).await;
    assert_eq!(world.refreshes(), 3, "the live pairs came from the queue");
}

#[tokio::test]
async fn a_process_that_has_never_read_the_secret_sends_nothing_without_it() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(7000);
    let fresh = world.another();
    fresh.outage_of(&["GetSecretValue"]);
    fresh.sweep().await;
    assert_eq!(world.refreshes(), 0);
    fresh.outage_of(&[]);
    fresh.clock.advance(60);
    assert_eq!(fresh.sweep().await["refreshed"], 1);
}
