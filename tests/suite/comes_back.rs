//! A customer comes back after a disconnect, and is connected at once: in the same second too, and after any answer of
//! the revocation endpoint. The clock stands still, unless a test moves it.

use std::sync::Arc;

use async_trait::async_trait;
use callback::Callback;
use http::{Method, StatusCode};
use local::deployment::Deployment;
use serde_json::{Value, json};
use shared::domain::secret::{AuthorizationCode, ClientSecret, CodeVerifier};
use shared::domain::token_pair::TokenResponse;
use shared::ports::{Clock, ExchangeCode, ProviderError};
use tests::tokens;
use tests::world::{Answer, CLIENT_SECRET, Setup, World};

use crate::confirmation::{says, session_status};
use crate::log::{capture, captured};
use crate::reported::{event_ids, revocations};
use crate::{faults, parts};

async fn delete(world: &World, id: &str) -> Answer {
    world.json(Method::DELETE, &format!("/v1/connections/{id}"), None).await
}

/// The refresh token of a customer in another system.
async fn refresh_token(world: &World, elsewhere: &str) -> String {
    world.connect(elsewhere).await;
    tokens::live(world, elsewhere).await.refresh_token.unwrap().expose().to_owned()
}

async fn import(world: &World, id: &str, refresh_token: &str) -> Answer {
    let body = json!({ "refresh_token": refresh_token });
    world.json(Method::PUT, &format!("/v1/connections/{id}"), Some(body)).await
}

#[tokio::test]
async fn a_customer_can_connect_and_disconnect_ten_times_in_one_second() {
    let world = World::new().await;
    let second = world.clock.now();
    for version in 1..=10 {
        world.connect("t").await;
        let token = world.token("t").await;
        assert_eq!(token.body["version"], version);
        assert!(world.is_live(token.text("access_token")));
        assert_eq!(delete(&world, "t").await.body, json!({ "revocation": "done" }));
        assert!(!world.is_live(token.text("access_token")));
    }
    assert_eq!((world.clock.now(), revocations(&world)), (second, 10));
    let expected: Vec<String> = (1..=10)
        .flat_map(|version| ["connected", "disconnected"].map(|what| format!("t/{version}/connection.{what}")))
        .collect();
    assert_eq!(event_ids(&world).await, expected);
}

#[tokio::test]
async fn an_import_can_connect_and_be_disconnected_ten_times_in_one_second() {
    let world = World::new().await;
    for number in 1..=10 {
        let refresh_token = refresh_token(&world, &format!("elsewhere{number}")).await;
        let imported = import(&world, "t", &refresh_token).await;
        assert_eq!((imported.status, imported.text("status")), (StatusCode::CREATED, "active"));
        assert!(world.is_live(world.token("t").await.text("access_token")));
        assert_eq!(delete(&world, "t").await.body, json!({ "revocation": "done" }));
    }
}

#[tokio::test]
async fn a_link_that_was_made_before_the_disconnect_connects_after_it() {
    let world = World::new().await;
    world.connect("t").await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    delete(&world, "t").await;
    let page = world.browser().journey(session.text("url"), "approve").await;
    assert_eq!(page.status(), StatusCode::OK, "{}", page.body());
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn links_that_were_made_in_one_second_connect_in_their_order_and_each_only_once() {
    let world = World::new().await;
    for number in 0..12 {
        let id = format!("t{number}");
        let links = [
            world.session(json!({ "connection_id": id })).await,
            world.session(json!({ "connection_id": id })).await,
            world.session(json!({ "connection_id": id })).await,
        ];
        let [first, second, third] = links.each_ref().map(|session| session.text("url").to_owned());
        for (link, version) in [(&first, 1), (&third, 2)] {
            let page = world.browser().journey(link, "approve").await;
            assert_eq!(page.status(), StatusCode::OK, "{}", page.body());
            assert_eq!(world.token(&id).await.body["version"], version);
        }
        let exchanges = world.simulation.faults.requested("authorization_code");
        let row = world.row(&id).await;
        for link in [&first, &third] {
            let page = world.browser().get(link).await;
            assert!(page.body().contains("This link has been used"), "{}", page.body());
        }
        let page = world.browser().journey(&second, "approve").await;
        assert!(page.body().contains("This link has been used"), "an earlier one: {}", page.body());
        assert_eq!(world.row(&id).await, row);
        assert_eq!(world.simulation.faults.requested("authorization_code"), exchanges, "no code was spent");
    }
}

/// Answers of the revocation endpoint: the fault, what `DELETE` answers, and how many requests that takes.
fn answers() -> Vec<(Value, &'static str, usize)> {
    let once = |answer: Value| json!({ "answer": answer, "grant_type": "revoke" });
    let each_time = |answer: Value| json!({ "answer": answer, "grant_type": "revoke", "times": 2 });
    vec![
        (Value::Null, "done", 1),
        (once(faults::error(400, "invalid_token")), "failed", 1),
        (once(faults::status(401)), "failed", 1),
        (once(faults::status(403)), "failed", 1),
        (once(faults::status(404)), "failed", 1),
        (once(faults::status(405)), "failed", 1),
        (once(faults::status(410)), "failed", 1),
        (once(faults::status(302)), "failed", 1),
        (once(faults::status(307)), "failed", 1),
        (once(faults::error(400, "unsupported_token_type")), "done", 2),
        (each_time(faults::error(400, "unsupported_token_type")), "failed", 2),
        (once(faults::status(408)), "pending", 1),
        (once(faults::status(429)), "pending", 1),
        (once(faults::error(403, "unauthorized_client")), "pending", 1),
        (once(faults::error(401, "invalid_client")), "pending", 1),
        (once(faults::status(500)), "pending", 1),
        (once(faults::status(503)), "pending", 1),
        (once(json!("hang")), "pending", 1),
        (once(json!("break")), "pending", 1),
    ]
}

#[tokio::test]
async fn a_customer_can_come_back_after_any_answer_of_the_revocation_endpoint() {
    let world = World::new().await;
    for (number, (fault, says, requests)) in answers().into_iter().enumerate() {
        let imported = refresh_token(&world, &format!("elsewhere{number}")).await;
        for by_a_link in [true, false] {
            let id = format!("t{number}-{by_a_link}");
            world.connect(&id).await;
            let before = tokens::live(&world, &id).await;
            if !fault.is_null() {
                world.fault(fault.clone());
            }
            let sent = revocations(&world);
            let answer = delete(&world, &id).await;
            world.simulation.faults.clear();
            let code = if says == "pending" { StatusCode::ACCEPTED } else { StatusCode::OK };
            assert_eq!((answer.status, answer.text("revocation")), (code, says), "{fault}");
            assert_eq!(revocations(&world) - sent, requests, "{fault}");
            assert_eq!(world.token(&id).await.status, 404, "{fault}");
            assert_eq!(!world.is_live(before.access_token.expose()), says == "done", "{fault}");
            if by_a_link {
                world.connect(&id).await;
            } else {
                assert_eq!(import(&world, &id, &imported).await.status, StatusCode::CREATED, "{fault}");
            }
            let token = world.token(&id).await;
            assert!(world.is_live(token.text("access_token")), "{fault}: {token:?}");
        }
    }
}

#[tokio::test]
async fn a_complete_refusal_to_revoke_is_final_and_logged_once_and_rings_no_alarm() {
    for (fault, says, requests) in answers() {
        if says != "failed" {
            continue;
        }
        let world = World::new().await;
        world.connect("t").await;
        let pair = String::from(world.stored("t").await.unwrap().pair.id);
        world.fault(fault.clone());
        capture();
        assert_eq!(delete(&world, "t").await.body, json!({ "revocation": "failed" }));
        for _ in 0..10 {
            world.clock.advance(6 * 3600);
            assert_eq!(world.sweep().await["due"], 0, "{fault}");
        }
        let log = captured();
        assert_eq!(log.matches("grants_not_revoked=1").count(), 1, "{fault}: {log}");
        assert!(log.contains(&pair), "{fault}: {log}");
        assert!(!log.contains("ERROR") && !log.contains("failures="), "{fault}: {log}");
        assert_eq!(revocations(&world), requests, "{fault}");
        let row = world.row("t").await.unwrap();
        assert_eq!(row["revocation"].as_s().unwrap(), "failed", "{fault}");
        assert!(!row.contains_key("shard") && !row.contains_key("revoke_0"), "{fault}: {row:?}");
        assert_eq!(world.get("/v1/connections/t").await.status, 404);
        assert_eq!(
            delete(&world, "t").await.body,
            json!({ "revocation": "failed" }),
            "a second request answers the outcome"
        );
    }
}

#[tokio::test]
async fn a_revocation_is_tried_with_backoff_until_the_outage_ends() {
    let world = World::new().await;
    world.connect("t").await;
    let token = tokens::live(&world, "t").await;
    let down = faults::status(500);
    world.fault(json!({ "answer": down, "grant_type": "revoke", "times": 5 }));
    assert_eq!(delete(&world, "t").await.body, json!({ "revocation": "pending" }));
    let mut tried_after = vec![0];
    for minute in 1..=31 {
        world.clock.advance(60);
        let before = revocations(&world);
        world.sweep().await;
        if revocations(&world) > before {
            tried_after.push(minute * 60);
        }
    }
    assert_eq!(tried_after, [0, 60, 180, 420, 900, 1800]);
    assert!(!world.is_live(token.access_token.expose()));
    assert_eq!(delete(&world, "t").await.body, json!({ "revocation": "done" }));
    assert_eq!(revocations(&world), 6);
}

#[tokio::test]
async fn a_revocation_tries_the_next_client_secret_if_the_first_is_refused() {
    let list = json!(["not-yet-known-to-the-provider", CLIENT_SECRET]).to_string();
    let world = World::with(Setup { client_secret: list, ..Setup::default() }).await;
    world.connect("t").await;
    let token = tokens::live(&world, "t").await;
    // Another process does not know which secret is accepted.
    let another = world.another();
    assert_eq!(delete(&another, "t").await.body, json!({ "revocation": "done" }));
    assert_eq!(revocations(&world), 2);
    assert!(!world.is_live(token.access_token.expose()));
}

/// The answer to a code has arrived, and the process stands still while something else happens.
struct StandsStill {
    provider: Arc<dyn ExchangeCode>,
    world: World,
    meanwhile: Meanwhile,
}

#[derive(Clone, Copy)]
pub(crate) enum Meanwhile {
    Deleted,
    ConnectedByAnotherLink,
}

#[async_trait]
impl ExchangeCode for StandsStill {
    async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
        verifier: Option<&CodeVerifier>,
        secret: &ClientSecret,
    ) -> Result<TokenResponse, ProviderError> {
        let granted = self.provider.exchange(code, redirect_uri, verifier, secret).await;
        match self.meanwhile {
            Meanwhile::Deleted => assert_eq!(delete(&self.world, "t").await.status, StatusCode::OK),
            Meanwhile::ConnectedByAnotherLink => self.world.connect("t").await,
        }
        granted
    }
}

/// A process whose callback stands still after each code's answer.
pub(crate) fn slow(world: &World, meanwhile: Meanwhile) -> World {
    let deployment = parts::deployment(world);
    let provider = deployment.callback.provider.clone();
    let provider = Arc::new(StandsStill { provider, world: world.another(), meanwhile });
    let callback = Callback { provider, ..deployment.callback };
    parts::process(world, Deployment { callback, ..deployment })
}

#[tokio::test]
async fn a_journey_that_began_before_the_disconnect_connects_nothing_and_sends_no_code() {
    let world = World::new().await;
    world.connect("t").await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    delete(&world, "t").await;
    let page = browser.get(&callback).await;
    assert!(page.body().contains("ended in the meantime"), "{}", page.body());
    assert!(world.stored("t").await.is_none());
    assert_eq!(world.simulation.faults.requested("authorization_code"), 1, "of the first journey");
    assert_eq!(session_status(&world, &session).await, says("failed", json!("disconnected")));
    // The same link begins another journey, after the disconnect.
    assert_eq!(browser.journey(session.text("url"), "approve").await.status(), StatusCode::OK);
    assert_eq!(session_status(&world, &session).await, says("completed", Value::Null));
}

#[tokio::test]
async fn a_grant_whose_connection_was_disconnected_during_the_exchange_is_revoked_by_the_next_sweep() {
    let world = World::new().await;
    world.connect("t").await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let slow = slow(&world, Meanwhile::Deleted);
    let page = slow.browser().journey(session.text("url"), "approve").await;
    assert!(page.body().contains("ended in the meantime"), "{}", page.body());
    assert!(world.stored("t").await.is_none());
    let left = tokens::to_revoke(&world, "t").await;
    assert_eq!((left.len(), revocations(&world)), (1, 1));
    assert!(world.is_live(left[0].access_token.expose()));
    world.sweep().await;
    assert!(!world.is_live(left[0].access_token.expose()));
    assert_eq!(revocations(&world), 2);
    assert_eq!(event_ids(&world).await, ["t/1/connection.connected", "t/1/connection.disconnected"]);
    assert_eq!(delete(&world, "t").await.body, json!({ "revocation": "done" }));
}

#[tokio::test]
async fn a_journey_that_another_link_has_overtaken_fails_and_leaves_the_live_connection_alone() {
    let world = World::new().await;
    world.connect("t").await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let slow = slow(&world, Meanwhile::ConnectedByAnotherLink);
    let browser = slow.browser();
    let callback = browser.to_callback(session.text("url")).await;
    for _ in 0..2 {
        let page = browser.get(&callback).await;
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert_eq!(session_status(&world, &session).await, says("failed", json!("session_used")));
    }
    world.clock.advance(6000);
    world.sweep().await;
    assert!(world.is_live(world.token("t").await.text("access_token")));
    assert_eq!(revocations(&world), 0, "nothing is revoked beside a live connection whose account is not known");
    // Three grants: the first, the refused one, and the live one.
    assert_eq!(delete(&world, "t").await.body, json!({ "revocation": "done" }));
    assert_eq!(revocations(&world), 3);
}
