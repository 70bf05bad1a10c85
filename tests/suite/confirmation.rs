//! `confirm: true`: a link that was passed on gives nobody another one's account.

use http::header::LOCATION;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::domain::escrow::Escrowed;
use tests::tokens;
use tests::world::{Answer, World};
use url::Url;

use crate::connections::assert_problem;

/// A link for this connection, and where its journey has ended.
pub(crate) async fn journey(world: &World, id: &str, decision: &str) -> (Answer, Url) {
    let body = json!({ "connection_id": id, "return_to": "https://app.example.com/done", "confirm": true });
    let session = world.session(body).await;
    let ended = world.browser().journey(session.text("url"), decision).await;
    assert_eq!(ended.status(), StatusCode::SEE_OTHER, "{}", ended.body());
    let back = Url::parse(ended.headers()[LOCATION].to_str().unwrap()).unwrap();
    (session, back)
}

pub(crate) fn parameter(back: &Url, name: &str) -> Option<String> {
    back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

pub(crate) async fn confirm(world: &World, session: &Answer, confirmation: &str) -> Answer {
    let path = format!("/v1/connect-sessions/{}/confirm", session.text("session_id"));
    world.json(Method::POST, &path, Some(json!({ "confirmation": confirmation }))).await
}

#[tokio::test]
async fn a_connection_hands_out_nothing_until_the_user_who_began_has_come_back() {
    let world = World::new().await;
    let (session, back) = journey(&world, "t", "approve").await;
    assert_eq!(parameter(&back, "status").unwrap(), "connected");
    assert_eq!(world.token("t").await.status, 404);
    assert_eq!(world.reject("t", 1).await.status, 404);
    let waiting = world.get("/v1/connections/t").await.body;
    assert_eq!((&waiting["status"], &waiting["reason"]), (&json!("pending"), &json!("unconfirmed")));
    assert_eq!((&waiting["next_refresh_at"], &waiting["expires_at"]), (&Value::Null, &Value::Null));

    let confirmation = parameter(&back, "confirmation").unwrap();
    for _ in 0..2 {
        let confirmed = confirm(&world, &session, &confirmation).await;
        assert_eq!((confirmed.status, &confirmed.body["reason"]), (StatusCode::OK, &Value::Null), "{confirmed:?}");
    }
    assert!(world.is_live(world.token("t").await.text("access_token")));
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
}

#[tokio::test]
async fn a_victim_who_follows_the_attackers_link_keeps_the_account() {
    let world = World::new().await;
    // The attacker's own connection; the victim follows the link, and the integrator never sees the attacker come back.
    journey(&world, "attacker", "approve").await;
    let pair = tokens::waiting(&world, "attacker").await;
    let granted = world.simulation.faults.requests();
    assert_eq!(granted["authorization_code"], 1);

    world.clock.advance(899);
    world.sweep().await;
    assert_eq!(world.get("/v1/connections/attacker").await.text("reason"), "unconfirmed");
    world.clock.advance(1);
    world.sweep().await;
    assert_eq!(world.get("/v1/connections/attacker").await.status, 404);
    assert!(!world.row("attacker").await.unwrap().contains_key("revoke_0"), "nothing is left to do");
    assert!(!world.is_live(pair.access_token.expose()), "revoked");
    assert_eq!(world.refreshes(), 0, "it was never refreshed");
}

#[tokio::test]
async fn only_the_sessions_own_confirmation_in_time_confirms() {
    let world = World::new().await;
    let (session, back) = journey(&world, "t", "approve").await;
    let (other_session, other_back) = journey(&world, "u", "approve").await;
    let (own, other) = (parameter(&back, "confirmation").unwrap(), parameter(&other_back, "confirmation").unwrap());
    for (session, confirmation) in [
        (&session, other.as_str()),
        (&other_session, &own),
        (&session, ""),
        (&session, "short"),
        (&session, &"A".repeat(43)),
    ] {
        let refused = confirm(&world, session, confirmation).await;
        assert_problem(&refused.body, &refused.headers, 400, "invalid_request");
        assert_eq!(refused.body["field"], "confirmation");
    }
    assert_eq!(world.token("t").await.status, 404);
    world.clock.advance(900);
    let late = confirm(&world, &session, &own).await;
    assert_problem(&late.body, &late.headers, 400, "invalid_request");
    assert_eq!(world.token("t").await.status, 404);
    let unknown = world
        .json(
            Method::POST,
            &format!("/v1/connect-sessions/{}/confirm", "A".repeat(43)),
            Some(json!({ "confirmation": own })),
        )
        .await;
    assert_problem(&unknown.body, &unknown.headers, 404, "not_found");
}

#[tokio::test]
async fn a_reload_of_the_last_page_brings_the_same_confirmation_and_a_denial_none() {
    let world = World::new().await;
    let (_, denied) = journey(&world, "t", "deny").await;
    assert_eq!((parameter(&denied, "status").unwrap().as_str(), parameter(&denied, "confirmation")), ("denied", None));

    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/done", "confirm": true });
    let session = world.session(body).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    let (first, second) = (browser.get(&callback).await, browser.get(&callback).await);
    assert_eq!(first.headers()[LOCATION], second.headers()[LOCATION]);
}

#[tokio::test]
async fn a_confirmation_needs_a_way_back() {
    let world = World::new().await;
    let refused = world.json(Method::POST, "/v1/connect-sessions", Some(json!({ "confirm": true }))).await;
    assert_problem(&refused.body, &refused.headers, 400, "invalid_request");
    assert_eq!(refused.body["field"], "return_to");
}

#[tokio::test]
async fn the_store_going_down_at_the_callback_leaves_it_to_the_queue_and_it_still_has_to_be_confirmed() {
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/done", "confirm": true });
    let session = world.session(body).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    world.outage_of(&[tests::world::STORING_A_PAIR]);
    browser.get(&callback).await;
    world.outage_of(&[]);
    for escrowed in world.escrow.take() {
        world.replay(&Escrowed::from_json(&escrowed.to_json()).unwrap()).await;
    }
    assert_eq!(world.get("/v1/connections/t").await.text("reason"), "unconfirmed");
    assert_eq!(world.token("t").await.status, 404);
}
