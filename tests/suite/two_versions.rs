//! An update while runs are in flight, and back again: rows that another version of this code has written.

use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;
use serde_json::json;
use tests::world::World;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

#[tokio::test]
async fn what_a_later_version_has_added_to_a_row_outlives_the_writes_of_this_one() {
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
async fn a_row_of_a_later_format_is_left_as_it_is_and_goes_on_when_its_version_is_back() {
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
    // When it is looked at again, and that a person should: nothing of the pair or its grant.
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
