//! A grant without a refresh token: its access token is handed out until it ends. Then the customer must connect again.
//! Every route reports that with the same reason, and nothing is sent to the provider.

use http::StatusCode;
use serde_json::json;
use tests::world::World;

use crate::log::{capture, captured};
use crate::reported::{counted, events_of};

async fn connected_without() -> World {
    let world = World::new().await;
    world.fault(json!({ "answer": { "without": ["refresh_token"] }, "grant_type": "authorization_code" }));
    world.connect("t").await;
    world
}

#[tokio::test]
async fn the_callback_warns_of_a_missing_refresh_token_and_counts_it() {
    capture();
    connected_without().await;
    let log = captured();
    assert_eq!(counted(&log, "no_refresh_token"), 1, "{log}");
    let line = log.lines().find(|line| line.contains("class=\"no_refresh_token\"")).unwrap();
    assert!(line.contains("WARN") && line.contains("cause=\"customer\""), "{line}");
}

#[tokio::test]
async fn without_a_refresh_token_the_access_token_is_handed_out_until_its_end() {
    let world = connected_without().await;
    for _ in 0..7 {
        let token = world.token("t").await;
        assert_eq!((token.status, &token.body["version"]), (StatusCode::OK, &json!(1)), "{token:?}");
        assert!(world.is_live(token.text("access_token")));
        assert_eq!(world.get("/v1/connections/t").await.body["status"], "active");
        assert_eq!(world.sweep().await["due"], 0, "there is no refresh token");
        world.clock.advance(1000);
    }
    world.clock.advance(150);
    assert!(
        world.is_live(world.token("t").await.text("access_token")),
        "also if the token has less remaining time than `min_ttl`"
    );
    let longer = world.get("/v1/connections/t/token?min_ttl=3000").await;
    assert_eq!(longer.body["version"], 1, "there is no other token: {longer:?}");
    assert_eq!(world.refreshes(), 0);
}

async fn all_say_that_the_customer_is_needed(world: &World) {
    for _ in 0..2 {
        let token = world.token("t").await;
        assert_eq!((token.status, token.text("code")), (StatusCode::CONFLICT, "reauth_required"), "{token:?}");
    }
    let shown = world.get("/v1/connections/t").await;
    assert_eq!((shown.text("status"), shown.text("reason")), ("reauth_required", "no_refresh_token"));
    assert_eq!(shown.body["next_refresh_at"], json!(null));
    let listed = world.get("/v1/connections?status=reauth_required").await;
    assert_eq!(listed.body["connections"], json!([shown.body]));
    assert_eq!(world.get("/v1/connections?status=active").await.body["connections"], json!([]));
    assert_eq!(events_of(world, "t").await, ["connected/1", "reauth_required/1 no_refresh_token"]);
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn when_the_access_token_ends_the_schedule_finds_that_the_customer_is_needed() {
    capture();
    let world = connected_without().await;
    world.clock.advance(7200);
    let ended = world.sweep().await;
    assert_eq!((&ended["due"], &ended["reauth_required"], &ended["failed"]), (&json!(1), &json!(1), &json!({})));
    let log = captured();
    let line = log.lines().find(|line| line.contains("reauthorizations_needed=1")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("class=\"no_refresh_token\""), "{line}");
    all_say_that_the_customer_is_needed(&world).await;

    let later = world.sweep().await;
    assert_eq!(
        (&later["due"], &later["least_remaining_seconds"]),
        (&json!(0), &json!(null)),
        "the ended token does not count"
    );
}

#[tokio::test]
async fn when_the_access_token_ends_a_call_finds_that_the_customer_is_needed() {
    let world = connected_without().await;
    world.clock.advance(7201);
    all_say_that_the_customer_is_needed(&world).await;
    world.connect("u").await;
    let later = world.sweep().await;
    assert_eq!((&later["due"], &later["least_remaining_seconds"]), (&json!(0), &json!(7200)), "{later}");
}

#[tokio::test]
async fn without_a_refresh_token_a_rejected_token_is_neither_refreshed_nor_answered_again() {
    let world = connected_without().await;
    world.clock.advance(120);
    let rejected = world.reject("t", 1).await;
    assert_eq!(rejected.status, StatusCode::SERVICE_UNAVAILABLE, "{rejected:?}");
    assert!(rejected.text("detail").contains("no refresh token"), "{rejected:?}");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn after_a_reconnect_with_a_refresh_token_the_schedule_refreshes_again() {
    let world = connected_without().await;
    world.clock.advance(7201);
    world.sweep().await;
    world.connect("t").await;
    assert_eq!(world.get("/v1/connections/t").await.body["status"], "active");
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    let events = events_of(&world, "t").await;
    assert_eq!(events, ["connected/1", "reauth_required/1 no_refresh_token", "reconnected/2"]);
}
