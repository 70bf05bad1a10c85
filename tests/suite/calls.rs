//! What each operation costs in calls to AWS. These calls are most of the product's price and of its latency.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;
use tests::world::World;

use crate::confirmation::journey;

#[tokio::test]
async fn authorize_is_one_call_or_three_with_a_session_and_a_new_session_is_two() {
    let world = World::new().await;
    world.browser().confirm("/authorize").await;
    assert_eq!(world.calls.take(), BTreeMap::from([("UpdateItem".to_owned(), 1)]));

    let session = world.session(json!({ "confirm_page": false })).await;
    assert_eq!(
        world.calls.take(),
        BTreeMap::from([("UpdateItem".to_owned(), 2)]),
        "the order of its events, and the session"
    );
    world.browser().get(session.text("url")).await;
    assert_eq!(
        world.calls.take(),
        BTreeMap::from([("GetItem".to_owned(), 2), ("UpdateItem".to_owned(), 1)]),
        "the session, the order of its id's events, and the attempt"
    );
}

#[tokio::test]
async fn callback_is_five_calls_without_the_first_read_of_the_secret() {
    let world = World::new().await;
    let session = world.session(json!({})).await;
    for url in ["/authorize", session.text("url")] {
        let browser = world.browser();
        let callback = browser.to_callback(url).await;
        world.calls.take();
        browser.get(&callback).await;
        let mut calls = world.calls.take();
        calls.remove("GetSecretValue");
        assert_eq!(calls.values().sum::<usize>(), 5, "{calls:?}");
    }
}

#[tokio::test]
async fn reading_a_fresh_token_is_one_call_and_two_the_first_time_in_a_process() {
    let world = World::new().await;
    world.connect("t").await;
    let calls = async |world: &World| {
        world.calls.take();
        world.token("t").await;
        world.calls.take()
    };
    let of_the_table = BTreeMap::from([("GetItem".to_owned(), 1)]);
    let with_the_key = BTreeMap::from([("Decrypt".to_owned(), 1), ("GetItem".to_owned(), 1)]);
    assert_eq!(calls(&world).await, with_the_key);
    assert_eq!(calls(&world).await, of_the_table);
    assert_eq!(calls(&world.another()).await, with_the_key, "another process has not opened the data key");
    let keeps_none = world.redeployed(&[("DATA_KEY_MINUTES", "0")]);
    for _ in 0..2 {
        assert_eq!(calls(&keeps_none).await, with_the_key);
    }
}

#[tokio::test]
async fn a_data_key_is_opened_again_after_four_hours() {
    let world = World::new().await;
    world.connect("t").await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        world.clock.advance(6000);
        world.calls.take();
        world.token("t").await;
        opened.push(world.calls.take().contains_key("Decrypt"));
    }
    assert_eq!(opened, [true, false, false, true, false]);
}

#[tokio::test]
async fn with_kept_data_keys_reads_and_refreshes_go_on_during_an_outage_of_kms() {
    let world = World::new().await;
    world.connect("t").await;
    world.token("t").await;
    world.outage_of(&["Decrypt"]);
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    assert_eq!(world.token("t").await.body["version"], 2);
    world.connect("u").await;
    assert_eq!(world.token("u").await.status, 503, "this process never opened its data key");
}

#[tokio::test]
async fn a_refresh_is_two_calls_without_the_first_opening_of_its_key() {
    let world = World::new().await;
    world.connect("t").await;

    // A run lists each shard, reads the fleet's pause and counts its results.
    let run = async || {
        world.clock.advance(6000);
        world.calls.take();
        world.sweep().await;
        world.calls.take()
    };
    let with_one = run().await;
    world.connect("u").await;
    let mut with_two = run().await;
    assert_eq!(with_two["Query"], 17, "sixteen shards, and the shard of the rows without a live pair");
    with_two.iter_mut().for_each(|(operation, count)| *count -= with_one[operation]);
    // Refreshes that begin at the same time may each read the fleet's pause.
    with_two.remove("GetItem");
    with_two.retain(|_, count| *count > 0);
    assert_eq!(with_two, BTreeMap::from([("UpdateItem".to_owned(), 2)]), "each run has opened one key");
    assert_eq!(with_one["Decrypt"], 1);
}

#[tokio::test]
async fn a_waiting_pair_is_not_read_before_its_time_is_over() {
    let world = World::new().await;
    world.connect("given-up").await;
    world.every_grant_ends().await;
    // Without a connection, beside one that needs its customer, and after a disconnect.
    world.connect("gone").await;
    world.json(Method::DELETE, "/v1/connections/gone", None).await;
    let waiting = ["new", "given-up", "gone"];
    for id in waiting {
        journey(&world, id, "approve").await;
    }
    for _ in 0..2 {
        world.clock.advance(449);
        world.calls.take();
        world.sweep().await;
        assert_eq!(world.calls.take(), BTreeMap::from([("Query".to_owned(), 17)]));
    }
    let revoked = world.simulation.faults.requested("revoke");
    world.clock.advance(2);
    world.sweep().await;
    assert_eq!(world.simulation.faults.requested("revoke") - revoked, 2, "the account of the third is not known");
    for id in waiting {
        assert!(!world.row(id).await.unwrap().contains_key("shard"), "{id}");
    }
}

#[tokio::test]
async fn ten_refreshes_at_a_cold_start_read_the_secret_once() {
    let world = World::new().await;
    for number in 0..10 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    let cold = world.another();
    world.calls.take();
    assert_eq!(cold.sweep().await["refreshed"], 10);
    assert_eq!(world.calls.take()["GetSecretValue"], 1);
}
