//! A connect session shows how its own journey ended: `completed` if it connected, and otherwise the reason.

use aws_sdk_dynamodb::types::AttributeValue;
use http::{Method, StatusCode};
use local::tables::ATTEMPTS;
use serde_json::{Value, json};
use tests::world::{STORING_A_PAIR, World};

use crate::confirmation::{says, session_status};

fn completed() -> (String, Value) {
    says("completed", json!(null))
}

fn failed(reason: &str) -> (String, Value) {
    says("failed", json!(reason))
}

#[tokio::test]
async fn a_journey_of_an_earlier_link_fails_if_a_later_one_has_connected() {
    let world = World::new().await;
    let (first, second) =
        (world.session(json!({ "connection_id": "t" })).await, world.session(json!({ "connection_id": "t" })).await);
    let browser = world.browser();
    let callback = browser.to_callback(first.text("url")).await;
    world.browser().journey(second.text("url"), "approve").await;
    assert_eq!(session_status(&world, &first).await, says("pending", json!(null)));
    let page = browser.get(&callback).await;
    assert!(page.body().contains("has been used"), "{}", page.body());
    assert_eq!(session_status(&world, &first).await, failed("session_used"));
    assert_eq!(session_status(&world, &second).await, completed());
}

#[tokio::test]
async fn a_journey_to_be_confirmed_that_another_one_overtakes_fails_and_revokes_nothing() {
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/" });
    let awaited = world.session(body).await;
    let browser = world.browser();
    let callback = browser.to_callback(awaited.text("url")).await;
    world.connect("t").await;
    let back = browser.get(&callback).await;
    assert!(back.headers()["location"].to_str().unwrap().contains("status=failed"), "{:?}", back.headers());
    assert_eq!(session_status(&world, &awaited).await, failed("session_used"));
    world.sweep().await;
    assert_eq!(
        world.simulation.faults.requested("revoke"),
        0,
        "the provider may have given both journeys the same token"
    );
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn of_two_browsers_with_one_link_one_connects_and_the_session_stays_completed() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let (one, other) = (world.browser(), world.browser());
    let callbacks = (one.to_callback(session.text("url")).await, other.to_callback(session.text("url")).await);
    let pages = tokio::join!(one.get(&callbacks.0), other.get(&callbacks.1));
    let connected = [&pages.0, &pages.1].into_iter().filter(|page| page.status() == StatusCode::OK).count();
    assert_eq!(connected, 1, "{} {}", pages.0.body(), pages.1.body());
    assert_eq!(session_status(&world, &session).await, completed());
    for page in [one.get(&callbacks.0).await, other.get(&callbacks.1).await] {
        let says = [StatusCode::OK, StatusCode::BAD_REQUEST].contains(&page.status());
        assert!(says, "a reload says the same: {}", page.body());
    }
    assert_eq!(session_status(&world, &session).await, completed());
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_journey_that_an_import_has_overtaken_fails_with_exists() {
    let world = World::new().await;
    world.connect("source").await;
    let source = world.stored("source").await.unwrap();
    let pair = world.deployment.token.refreshing.open(&source).await.unwrap();
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    let body = json!({ "refresh_token": pair.refresh_token.unwrap().expose() });
    let imported = world.json(Method::PUT, "/v1/connections/t", Some(body)).await;
    assert!(imported.status.is_success(), "{imported:?}");
    let page = browser.get(&callback).await;
    assert_ne!(page.status(), StatusCode::OK, "{}", page.body());
    assert_eq!(session_status(&world, &session).await, failed("exists"));
}

#[tokio::test]
async fn a_journey_whose_connection_was_disconnected_meanwhile_fails_with_disconnected() {
    let world = World::new().await;
    world.connect("t").await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    let page = browser.get(&callback).await;
    assert_ne!(page.status(), StatusCode::OK, "{}", page.body());
    assert_eq!(session_status(&world, &session).await, failed("disconnected"));
    assert_eq!(world.get("/v1/connections/t").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn after_a_failure_of_the_provider_or_a_denial_the_same_link_may_be_tried_again() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    world.fault(json!({ "answer": "garbage", "grant_type": "authorization_code" }));
    world.browser().journey(session.text("url"), "approve").await;
    assert_eq!(session_status(&world, &session).await, failed("provider"));
    world.browser().journey(session.text("url"), "deny").await;
    assert_eq!(session_status(&world, &session).await, says("denied", json!("denied")), "the last answer counts");
    world.browser().journey(session.text("url"), "approve").await;
    assert_eq!(session_status(&world, &session).await, completed());
}

#[tokio::test]
async fn a_pair_from_escrow_does_not_complete_its_session_after_a_later_link_has_connected() {
    let world = World::new().await;
    let first = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(first.text("url")).await;
    world.outage_of(&[STORING_A_PAIR]);
    browser.get(&callback).await;
    world.outage_of(&[]);
    world.connect("t").await;
    world.replay(&world.escrow.take().remove(0)).await;
    assert_eq!(
        session_status(&world, &first).await,
        failed("not_stored"),
        "the connection of the other session does not count"
    );
    assert_ne!(browser.get(&callback).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_session_of_a_pair_from_escrow_awaits_its_confirmation() {
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/" });
    let session = world.session(body).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    world.outage_of(&[STORING_A_PAIR]);
    browser.get(&callback).await;
    world.outage_of(&[]);
    assert_eq!(session_status(&world, &session).await, failed("not_stored"));
    world.replay(&world.escrow.take().remove(0)).await;
    assert_eq!(session_status(&world, &session).await, says("awaiting_confirmation", json!(null)));
    let back = browser.get(&callback).await;
    let back = back.headers()["location"].to_str().unwrap();
    assert!(back.contains("status=connected") && back.contains("confirmation="), "{back}");
}

#[tokio::test]
async fn a_counter_that_cannot_be_increased_is_unreadable_and_crashes_no_process() {
    let world = World::new().await;
    for number in [i64::MAX, i64::MAX - 1, i64::MIN, -1] {
        let id = format!("t{number}");
        world.session(json!({ "connection_id": id })).await;
        let update = world.clients.dynamodb.update_item().table_name(ATTEMPTS);
        let update = update.key("pk", AttributeValue::S(format!("order#{id}")));
        let update = update.update_expression("SET #last = :number").expression_attribute_names("#last", "last");
        update.expression_attribute_values(":number", AttributeValue::N(number.to_string())).send().await.unwrap();
        let body = json!({ "connection_id": id });
        let answer = world.json(Method::POST, "/v1/connect-sessions", Some(body)).await;
        if number < 0 {
            // The counter is behind the clock, so the present moment is the higher number.
            assert_eq!(answer.status, StatusCode::CREATED, "{number}: {answer:?}");
        } else {
            assert_eq!((answer.status.as_u16(), answer.text("code")), (503, "misconfigured"), "{number}: {answer:?}");
        }
    }
}
