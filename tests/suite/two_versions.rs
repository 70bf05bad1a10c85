//! An update and a rollback while runs are under way: rows that another version of this code wrote.

use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;
use local::tables::ATTEMPTS;
use refresh::Message;
use serde_json::{Value, json};
use shared::domain::escrow::Escrowed;
use shared::ports::Clock;
use tests::world::{STORING_A_PAIR, Setup, World};

use crate::events::events;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

#[tokio::test]
async fn an_attribute_of_a_later_version_survives_the_writes_of_this_one() {
    let world = World::new().await;
    world.connect("t").await;
    world.set("t", "invented_later", text("a value")).await;
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    assert_eq!(world.reject("t", 2).await.status, StatusCode::SERVICE_UNAVAILABLE);
    world.connect("t").await;
    let row = world.row("t").await.unwrap();
    assert_eq!(row["invented_later"], text("a value"));
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_row_of_a_later_format_is_not_changed_and_goes_on_when_its_version_is_back() {
    let world = World::new().await;
    for id in ["later", "ours"] {
        world.connect(id).await;
    }
    world.set("later", "format", number("2")).await;
    let before = world.row("later").await.unwrap();
    world.clock.advance(6000);
    let swept = world.sweep().await;
    assert_eq!((&swept["refreshed"], &swept["failed"]), (&json!(1), &json!({ "inconsistent_row": 1 })), "{swept}");
    assert_eq!(world.token("later").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let after = world.row("later").await.unwrap();
    // The write sets the time of the next try and the mark for an operator. It changes neither pair nor grant.
    for (attribute, value) in &before {
        if !["refresh_at", "attention", "lease_owner", "lease_until", "leases"].contains(&attribute.as_str()) {
            assert_eq!(after.get(attribute), Some(value), "{attribute}");
        }
    }
    assert_eq!(world.refreshes(), 1, "its refresh token is not sent");

    world.set("later", "format", number("1")).await;
    world.clock.advance(900);
    world.sweep().await;
    let token = world.token("later").await;
    assert_eq!((token.status, &token.body["version"]), (StatusCode::OK, &json!(2)), "{token:?}");
    assert!(world.is_live(token.text("access_token")));
}

/// How many records SQS must deliver again.
async fn not_replayed(world: &World, body: &str) -> usize {
    let message = Message { id: "m".to_owned(), escrowed: Escrowed::from_json(body) };
    refresh::replay(&world.deployment.replaying, vec![message]).await.batch_item_failures.len()
}

#[tokio::test]
async fn a_message_of_a_later_version_waits_in_the_queue_until_that_version_is_back() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(8000);
    world.outage_of(&[STORING_A_PAIR]);
    world.token("t").await;
    world.outage_of(&[]);
    let ours = world.escrow.take().remove(0).to_json();
    let before = world.row("t").await;
    let of_another_format = ours.replacen("\"format\":1", "\"format\":2", 1);
    let with_a_new_member = ours.replacen("\"format\":1", "\"format\":1,\"invented_later\":true", 1);
    for later in [of_another_format, with_a_new_member] {
        assert_ne!(later, ours);
        assert_eq!(not_replayed(&world, &later).await, 1, "the message is not deleted: {later}");
        assert_eq!(world.row("t").await, before, "nothing of the message is stored");
    }
    assert_eq!(not_replayed(&world, &ours).await, 0);
    let token = world.token("t").await;
    assert_eq!((&token.body["version"], world.refreshes()), (&json!(2), 1));
    assert!(world.is_live(token.text("access_token")));
}

#[tokio::test]
async fn a_lease_of_another_version_is_respected_until_it_has_run_out() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(6000);
    // A run of the other version writes these before it sends the refresh token.
    let until = world.clock.now().unix() + 180;
    for (attribute, value) in [
        ("lease_owner", text("a run of another version")),
        ("lease_until", number(&until.to_string())),
        ("leases", number("1")),
        ("invented_later", text("a value")),
    ] {
        world.set("t", attribute, value).await;
    }
    let swept = world.sweep().await;
    assert_eq!((&swept["refreshed"], world.refreshes()), (&json!(0), 0), "{swept}");
    assert_eq!(world.token("t").await.status, StatusCode::OK, "readers keep the stored token");

    // That run was stopped. Its lease ends, and then the time in which its pair may still arrive.
    world.clock.advance(180 + 121);
    let swept = world.sweep().await;
    assert_eq!((&swept["refreshed"], world.refreshes()), (&json!(1), 1), "{swept}");
    assert_eq!(world.row("t").await.unwrap()["invented_later"], text("a value"));
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_row_of_a_later_format_has_the_event_degraded_and_never_disconnected() {
    let world = World::new().await;
    world.connect("t").await;
    world.set("t", "format", number("2")).await;
    world.clock.advance(6000);
    world.sweep().await;
    // The later version is back, and refreshes the connection.
    world.set("t", "format", number("1")).await;
    world.clock.advance(900);
    world.sweep().await;
    world.set("t", "invented_later", text("a value")).await;

    let (bus, follower) = events();
    let records = world.stream.records().await.unwrap();
    let answer = follower.deliver(&json!({ "Records": records })).await;
    assert!(answer.batch_item_failures.is_empty(), "a record of an unknown form does not stop the others");
    let types: Vec<Value> = bus.details().into_iter().map(|detail| detail["type"].clone()).collect();
    assert_eq!(types, ["connection.connected", "connection.degraded", "connection.recovered"]);
}

async fn set_journey(world: &World, attribute: &str, value: AttributeValue) {
    let rows = world.clients.dynamodb.scan().table_name(ATTEMPTS).send().await.unwrap().items.unwrap();
    for row in rows.into_iter().filter(|row| !row["pk"].as_s().unwrap().starts_with("order#")) {
        let update = world.clients.dynamodb.update_item().table_name(ATTEMPTS).key("pk", row["pk"].clone());
        let update =
            update.update_expression("SET #attribute = :value").expression_attribute_names("#attribute", attribute);
        update.expression_attribute_values(":value", value.clone()).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_journey_that_began_under_another_version_ends_under_this_one() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    set_journey(&world, "invented_later", text("a value")).await;
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK);
    let shown = world.get(&format!("/v1/connect-sessions/{}", session.text("session_id"))).await;
    assert_eq!(shown.text("status"), "completed");
    assert!(world.is_live(world.token("t").await.text("access_token")));
    let rows = world.clients.dynamodb.scan().table_name(ATTEMPTS).send().await.unwrap().items.unwrap();
    let kept = rows.iter().filter(|row| row.get("invented_later") == Some(&text("a value"))).count();
    assert_eq!(kept, 2, "one in the session, one in the attempt");
}

#[tokio::test]
async fn an_attempt_in_a_phase_of_a_later_version_sends_no_code_and_goes_on_when_that_version_is_back() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    set_journey(&world, "phase", text("invented_later")).await;
    assert!(browser.get(&callback).await.status().is_server_error());
    assert_eq!(world.simulation.faults.requested("authorization_code"), 0, "the code can still be used");
    set_journey(&world, "phase", text("pending")).await;
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}
