//! A journey that ends at `return_to` is confirmed by the backend there. So a link that was passed on does not give a
//! stranger's account to the person who made it.

use http::header::LOCATION;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::domain::escrow::Escrowed;
use tests::tokens;
use tests::world::{Answer, World};
use url::Url;

use crate::connections::assert_problem;

/// A link for this connection, and the address at which its journey has ended.
pub(crate) async fn journey(world: &World, id: &str, decision: &str) -> (Answer, Url) {
    let body = json!({ "connection_id": id, "return_to": "https://app.example.com/done" });
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
async fn no_token_is_handed_out_before_the_confirm_call() {
    let world = World::new().await;
    let (session, back) = journey(&world, "t", "approve").await;
    assert_eq!(parameter(&back, "status").unwrap(), "connected");
    for refused in [world.token("t").await, world.reject("t", 1).await] {
        assert_problem(&refused.body, &refused.headers, 409, "unconfirmed");
    }
    let waiting = world.get("/v1/connections/t").await.body;
    assert_eq!((&waiting["status"], &waiting["reason"]), (&json!("unconfirmed"), &Value::Null));
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
    // The attacker made the link, and the victim follows it. The integrator never sees the attacker come back.
    journey(&world, "attacker", "approve").await;
    let pair = tokens::waiting(&world, "attacker").await;
    let granted = world.simulation.faults.requests();
    assert_eq!(granted["authorization_code"], 1);

    world.clock.advance(899);
    world.sweep().await;
    assert_eq!(world.get("/v1/connections/attacker").await.text("status"), "unconfirmed");
    world.clock.advance(1);
    world.sweep().await;
    assert_eq!(world.get("/v1/connections/attacker").await.status, 404);
    assert!(!world.row("attacker").await.unwrap().contains_key("revoke_0"), "nothing is left to do");
    assert!(!world.is_live(pair.access_token.expose()), "revoked");
    assert_eq!(world.refreshes(), 0, "it was never refreshed");
}

#[tokio::test]
async fn only_the_confirmation_of_the_same_session_in_time_confirms() {
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
    assert_eq!(world.token("t").await.status, 409);
    world.clock.advance(900);
    let late = confirm(&world, &session, &own).await;
    assert_problem(&late.body, &late.headers, 400, "invalid_request");
    assert_eq!(world.token("t").await.status, 409);
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

    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/done" });
    let session = world.session(body).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    let (first, second) = (browser.get(&callback).await, browser.get(&callback).await);
    assert_eq!(first.headers()[LOCATION], second.headers()[LOCATION]);
}

#[tokio::test]
async fn confirm_true_needs_a_return_to() {
    let world = World::new().await;
    let refused = world.json(Method::POST, "/v1/connect-sessions", Some(json!({ "confirm": true }))).await;
    assert_problem(&refused.body, &refused.headers, 400, "invalid_request");
    assert_eq!(refused.body["field"], "return_to");
}

#[tokio::test]
async fn a_grant_that_comes_out_of_the_queue_must_still_be_confirmed() {
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/done" });
    let session = world.session(body).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    world.outage_of(&[tests::world::STORING_A_PAIR]);
    browser.get(&callback).await;
    world.outage_of(&[]);
    for escrowed in world.escrow.take() {
        world.replay(&Escrowed::from_json(&escrowed.to_json()).unwrap()).await;
    }
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "unconfirmed");
    assert_eq!(world.token("t").await.status, 409);
}

/// What a session says of itself: status and reason.
pub(crate) async fn session_status(world: &World, session: &Answer) -> (String, Value) {
    let shown = world.get(&format!("/v1/connect-sessions/{}", session.text("session_id"))).await;
    (shown.text("status").to_owned(), shown.body["reason"].clone())
}

pub(crate) fn says(status: &str, reason: Value) -> (String, Value) {
    (status.to_owned(), reason)
}

async fn confirm_with(world: &World, (session, back): &(Answer, Url)) -> Answer {
    confirm(world, session, &parameter(back, "confirmation").unwrap()).await
}

#[tokio::test]
async fn with_confirm_false_or_without_return_to_nothing_must_be_confirmed() {
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/done", "confirm": false });
    let session = world.session(body).await;
    let ended = world.browser().journey(session.text("url"), "approve").await;
    let back = Url::parse(ended.headers()[LOCATION].to_str().unwrap()).unwrap();
    assert_eq!(parameter(&back, "confirmation"), None);
    assert_eq!(world.token("t").await.status, 200);
    assert_eq!(session_status(&world, &session).await, says("completed", Value::Null));

    let session = world.session(json!({ "connection_id": "u" })).await;
    world.browser().journey(session.text("url"), "approve").await;
    assert_eq!(world.token("u").await.status, 200);
    assert_eq!(session_status(&world, &session).await, says("completed", Value::Null));
}

#[tokio::test]
async fn a_session_said_completed_before_the_confirm_call() {
    for has_a_live_one in [false, true] {
        let world = World::new().await;
        if has_a_live_one {
            world.connect("t").await;
        }
        let link = journey(&world, "t", "approve").await;
        assert_eq!(session_status(&world, &link.0).await, says("awaiting_confirmation", Value::Null));
        assert_eq!(confirm_with(&world, &link).await.status, StatusCode::OK);
        assert_eq!(session_status(&world, &link.0).await, says("completed", Value::Null));
        // Neither a later link nor a disconnect changes that.
        journey(&world, "t", "approve").await;
        assert_eq!(session_status(&world, &link.0).await, says("completed", Value::Null));
        world.json(Method::DELETE, "/v1/connections/t", None).await;
        assert_eq!(session_status(&world, &link.0).await, says("completed", Value::Null));
    }
}

#[tokio::test]
async fn a_session_that_is_not_confirmed_in_time_has_failed_before_and_after_the_sweep() {
    for has_a_live_one in [false, true] {
        let world = World::new().await;
        if has_a_live_one {
            world.connect("t").await;
        }
        let (session, _) = journey(&world, "t", "approve").await;
        world.clock.advance(899);
        assert_eq!(session_status(&world, &session).await, says("awaiting_confirmation", Value::Null));
        world.clock.advance(1);
        assert_eq!(session_status(&world, &session).await, says("failed", json!("expired")));
        for _ in 0..2 {
            world.clock.advance(6000);
            world.sweep().await;
            assert_eq!(session_status(&world, &session).await, says("failed", json!("expired")));
        }
    }
}

#[tokio::test]
async fn a_session_whose_grant_was_overtaken_or_disconnected_says_so() {
    let world = World::new().await;
    let (first, _) = journey(&world, "t", "approve").await;
    let second = journey(&world, "t", "approve").await;
    assert_eq!(session_status(&world, &first).await, says("failed", json!("exists")));
    confirm_with(&world, &second).await;
    assert_eq!(session_status(&world, &first).await, says("failed", json!("exists")));

    let (third, _) = journey(&world, "t", "approve").await;
    world.connect("t").await;
    assert_eq!(session_status(&world, &third).await, says("failed", json!("exists")), "a later grant is live");

    let (fourth, _) = journey(&world, "u", "approve").await;
    world.json(Method::DELETE, "/v1/connections/u", None).await;
    assert_eq!(session_status(&world, &fourth).await, says("failed", json!("disconnected")));
}

#[tokio::test]
async fn a_confirm_call_can_be_repeated_although_a_later_link_was_followed_meanwhile() {
    let world = World::new().await;
    let link = journey(&world, "t", "approve").await;
    assert_eq!(confirm_with(&world, &link).await.status, StatusCode::OK);
    let later = journey(&world, "t", "approve").await;
    assert_eq!(confirm_with(&world, &link).await.status, StatusCode::OK, "its own pair is still the live one");
    assert_eq!(session_status(&world, &later.0).await, says("awaiting_confirmation", Value::Null));
    world.clock.advance(900);
    world.sweep().await;
    assert_eq!(session_status(&world, &later.0).await, says("failed", json!("expired")), "the other one's is live");
}

#[tokio::test]
async fn a_session_awaits_its_confirmation_although_its_journey_could_not_store_its_end() {
    let world = World::new().await;
    let link = journey(&world, "t", "approve").await;
    world.say_that_it_is_pending(link.0.text("session_id")).await;
    assert_eq!(session_status(&world, &link.0).await, says("awaiting_confirmation", Value::Null));
    assert_eq!(confirm_with(&world, &link).await.status, StatusCode::OK);
    assert_eq!(session_status(&world, &link.0).await, says("completed", Value::Null));
}

#[tokio::test]
async fn no_answer_and_no_event_shows_the_account_before_the_confirm_call() {
    let world = World::with(tests::world::Setup::default().asking_for_accounts()).await;
    world.simulation.grants.sign_in("7");
    let link = journey(&world, "t", "approve").await;
    assert_eq!(world.simulation.faults.requested("account"), 1, "it is known");
    let path = format!("/v1/connect-sessions/{}", link.0.text("session_id"));
    let mut answers = vec![json!(link.1.as_str()), json!(world.stream.events("tests").await.unwrap())];
    for path in ["/v1/connections/t", "/v1/connections", "/v1/connections?status=unconfirmed", &path] {
        answers.push(world.get(path).await.body);
    }
    answers.push(world.token("t").await.body);
    for answer in answers {
        assert!(!answer.to_string().contains("7.example") && !answer.to_string().contains("Company"), "{answer}");
    }
    assert_eq!(world.get("/v1/connections/t").await.body["account"], Value::Null);
    assert_eq!(confirm_with(&world, &link).await.body["account"]["id"], "7");
}
