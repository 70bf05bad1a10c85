//! What each operation costs, in calls to AWS. Their prices and latencies are the product's running costs.

use std::collections::BTreeMap;

use serde_json::json;
use tests::world::World;

fn total(calls: &BTreeMap<String, usize>) -> usize {
    calls.values().sum()
}

#[tokio::test]
async fn authorize_is_one_call_and_two_with_a_session() {
    let world = World::new().await;
    world.browser().confirm("/authorize").await;
    assert_eq!(world.calls.take(), BTreeMap::from([("UpdateItem".to_owned(), 1)]));

    let session = world.session(json!({ "confirm_page": false })).await;
    world.calls.take();
    world.browser().get(session.text("url")).await;
    assert_eq!(world.calls.take(), BTreeMap::from([("GetItem".to_owned(), 1), ("UpdateItem".to_owned(), 1)]));
}

#[tokio::test]
async fn callback_is_five_calls_and_six_with_a_session_beside_the_first_read_of_the_secret() {
    let world = World::new().await;
    let session = world.session(json!({})).await;
    for (url, expected) in [("/authorize", 5), (session.text("url"), 6)] {
        let browser = world.browser();
        let callback = browser.to_callback(url).await;
        world.calls.take();
        browser.get(&callback).await;
        let mut calls = world.calls.take();
        calls.remove("GetSecretValue");
        assert_eq!(total(&calls), expected, "{calls:?}");
    }
}

#[tokio::test]
async fn a_fresh_token_is_two_calls_and_a_refresh_three() {
    let world = World::new().await;
    world.connect("t").await;
    world.calls.take();
    world.token("t").await;
    assert_eq!(world.calls.take(), BTreeMap::from([("Decrypt".to_owned(), 1), ("GetItem".to_owned(), 1)]));

    world.clock.advance(6000);
    world.sweep().await;
    let mut calls = world.calls.take();
    assert_eq!(calls.remove("Query"), Some(16));
    assert_eq!(calls, BTreeMap::from([("Decrypt".to_owned(), 1), ("UpdateItem".to_owned(), 2)]));
}
