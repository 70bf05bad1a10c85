//! `GET /v1/connections`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use connections::Connections;
use http::StatusCode;
use local::deployment::Deployment;
use serde_json::{Value, json};
use shared::domain::time::Timestamp;
use shared::ports::Clock;
use tests::clock::TestClock;
use tests::world::World;

use crate::connections::assert_problem;
use crate::{faults, parts};

async fn pages(world: &World, parameters: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = world.get(&format!("/v1/connections?{parameters}{cursor}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let ids = answer.body["connections"].as_array().unwrap().iter();
        pages.push(ids.map(|connection| connection["id"].as_str().unwrap().to_owned()).collect());
        match &answer.body["next_cursor"] {
            Value::Null => return pages,
            next => cursor = format!("&cursor={}", next.as_str().unwrap()),
        }
    }
}

fn sorted(pages: Vec<Vec<String>>) -> Vec<String> {
    let mut ids = pages.concat();
    ids.sort();
    ids
}

#[tokio::test]
async fn each_connection_is_listed_once_and_no_row_of_the_fleet() {
    let world = World::new().await;
    assert_eq!(pages(&world, "").await, [[""; 0]]);
    for number in 0..5 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    world.sweep().await;
    for limit in [1, 2, 3, 100] {
        let pages = pages(&world, &format!("limit={limit}")).await;
        assert!(pages.iter().all(|page| page.len() <= limit), "{pages:?}");
        assert_eq!(sorted(pages), ["t0", "t1", "t2", "t3", "t4"]);
    }
    let shown = world.get("/v1/connections").await.body["connections"][0].clone();
    assert_eq!(shown, world.get(&format!("/v1/connections/{}", shown["id"].as_str().unwrap())).await.body);
}

#[tokio::test]
async fn eighteen_connections_in_threes_were_nine_pages_and_two_of_them_empty() {
    let world = World::new().await;
    for number in 0..18 {
        world.connect(&format!("t{number}")).await;
    }
    // Rows that no list shows: a pause, counts, tombstones.
    world.clock.advance(6000);
    world.sweep().await;
    for number in 0..5 {
        world.connect(&format!("gone{number}")).await;
        world.json(http::Method::DELETE, &format!("/v1/connections/gone{number}"), None).await;
    }
    for (parameters, limit) in [("", 3), ("", 5), ("", 18), ("", 50), ("status=active&", 3), ("status=active&", 17)] {
        let pages = pages(&world, &format!("{parameters}limit={limit}")).await;
        let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
        let full = std::iter::repeat_n(limit, 18 / limit);
        let expected: Vec<usize> = full.chain((18 % limit > 0).then_some(18 % limit)).collect();
        assert_eq!(sizes, expected, "{parameters}limit={limit}");
        assert_eq!(sorted(pages).len(), 18);
    }
    assert_eq!(pages(&world, "status=pending&limit=1").await, [[""; 0]], "an empty list is one empty page");
}

#[tokio::test]
async fn a_page_ends_after_two_seconds_and_its_cursor_continues_there() {
    let world = World::new().await;
    for number in 0..9 {
        world.connect(&format!("t{number}")).await;
    }
    crate::confirmation::journey(&world, "u", "approve").await;
    let deployment = parts::deployment(&world);
    let connections = Connections { clock: Arc::new(Slow(world.clock.clone())), ..deployment.connections };
    let slow = parts::process(&world, Deployment { connections, ..deployment });
    let pages = pages(&slow, "status=unconfirmed&limit=1").await;
    assert_eq!(pages.concat(), ["u"]);
    assert!(pages.len() > 1, "{pages:?}");
}

/// A clock on which a second passes each time that it is read.
struct Slow(Arc<TestClock>);

#[async_trait]
impl Clock for Slow {
    fn now(&self) -> Timestamp {
        self.0.advance(1);
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

#[tokio::test]
async fn a_forged_cursor_reads_only_the_list_that_it_belongs_to() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(6000);
    world.sweep().await;
    let forged = |text: &str| shared::domain::digest::base64url(text);
    for last in ["#success", "#account#x", "t", "nobody"] {
        for filter in ["", "active"] {
            let status = if filter.is_empty() { String::new() } else { format!("status={filter}&") };
            let page =
                world.get(&format!("/v1/connections?{status}cursor={}", forged(&format!("{filter}/{last}")))).await;
            let listed = page.body["connections"].as_array().unwrap();
            assert!(listed.iter().all(|connection| connection["id"] == "t"), "{last}: {listed:?}");
        }
    }
}

#[tokio::test]
async fn connections_that_need_their_customer_are_listed_without_a_scan() {
    let world = World::new().await;
    for number in 0..7 {
        world.connect(&format!("t{number}")).await;
    }
    world.simulation.grants.revoke_all();
    // Three failures do not stop the run.
    for number in 3..7 {
        world.json(http::Method::DELETE, &format!("/v1/connections/t{number}"), None).await;
    }
    for _ in 0..3 {
        world.clock.advance(6000);
        world.sweep().await;
    }
    world.clock.advance(1);
    world.connect("t1").await;
    world.calls.take();
    assert_eq!(sorted(pages(&world, "status=reauth_required&limit=1").await), ["t0", "t2"]);
    let calls: BTreeSet<String> = world.calls.take().into_keys().collect();
    assert_eq!(calls, ["BatchGetItem", "Query"].map(str::to_owned).into());
    assert_eq!(sorted(pages(&world, "status=active").await), ["t1"]);
    assert!(sorted(pages(&world, "status=disconnecting").await).is_empty());
}

#[tokio::test]
async fn an_unreadable_row_hides_no_other_and_is_listed_as_quarantined() {
    let world = World::new().await;
    for id in ["t", "u", "v"] {
        world.connect(id).await;
    }
    world.set("u", "version", AttributeValue::S("one".to_owned())).await;
    world.set("v", "expires_at", AttributeValue::Bool(true)).await;
    assert_eq!(sorted(pages(&world, "").await), ["t", "u", "v"]);
    assert_eq!(
        sorted(pages(&world, "status=quarantined").await),
        ["u", "v"],
        "the worker that found the rows has put them off"
    );
    assert_eq!(sorted(pages(&world, "status=active").await), ["t"]);
    let shown = world.get("/v1/connections/u").await;
    assert_eq!((shown.text("status"), shown.text("reason")), ("unreadable", "inconsistent_row"));
    assert_eq!((&shown.body["version"], &shown.body["expires_at"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn each_status_lists_only_its_own_connections() {
    let world = World::new().await;
    world.connect("active").await;
    crate::confirmation::journey(&world, "unconfirmed", "approve").await;
    world.connect("disconnecting").await;
    world.fault(json!({ "answer": faults::status(500), "grant_type": "revoke" }));
    world.json(http::Method::DELETE, "/v1/connections/disconnecting", None).await;
    world.connect("gone").await;
    world.json(http::Method::DELETE, "/v1/connections/gone", None).await;
    for status in ["active", "unconfirmed", "disconnecting"] {
        assert_eq!(sorted(pages(&world, &format!("status={status}")).await), [status]);
        assert_eq!(world.get(&format!("/v1/connections/{status}")).await.text("status"), status);
    }
    assert_eq!(sorted(pages(&world, "").await), ["active", "disconnecting", "unconfirmed"]);
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let world = World::new().await;
    world.connect("t").await;
    world.connect("u").await;
    let page = world.get("/v1/connections?limit=1").await;
    let of_another_list = page.text("next_cursor");
    for (parameters, field) in [
        ("status=dead", "status"),
        ("status=", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=+5", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        (&format!("status=active&cursor={of_another_list}"), "cursor"),
        ("page=2", "page"),
    ] {
        let answer = world.get(&format!("/v1/connections?{parameters}")).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
        assert_eq!(answer.body["field"], json!(field), "{parameters}");
    }
}
