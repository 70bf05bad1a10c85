//! `GET /v1/connections`.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;
use serde_json::{Value, json};
use tests::world::World;

use crate::connections::assert_problem;

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
async fn every_connection_is_on_one_page_and_no_row_of_the_fleet() {
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
async fn those_that_need_their_customer_are_found_without_a_look_at_all_others() {
    let world = World::new().await;
    for number in 0..7 {
        world.connect(&format!("t{number}")).await;
    }
    world.simulation.grants.revoke_all();
    // Too few for a freeze.
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
async fn an_unreadable_row_hides_no_other_and_is_listed_for_a_person() {
    let world = World::new().await;
    for id in ["t", "u", "v"] {
        world.connect(id).await;
    }
    world.set("u", "version", AttributeValue::S("one".to_owned())).await;
    world.set("v", "expires_at", AttributeValue::Bool(true)).await;
    assert_eq!(sorted(pages(&world, "").await), ["t", "u", "v"]);
    assert_eq!(sorted(pages(&world, "status=quarantined").await), ["u", "v"], "put off by the worker that found them");
    assert_eq!(sorted(pages(&world, "status=active").await), ["t"]);
    let shown = world.get("/v1/connections/u").await;
    assert_eq!((shown.text("status"), shown.text("reason")), ("unreadable", "inconsistent_row"));
    assert_eq!((&shown.body["version"], &shown.body["expires_at"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn each_status_lists_its_own() {
    let world = World::new().await;
    world.connect("active").await;
    crate::confirmation::journey(&world, "unconfirmed", "approve").await;
    world.connect("disconnecting").await;
    world.fault(
        json!({ "answer": { "status": { "status": 500, "error": null, "retry_after": null } }, "grant_type": "revoke" }),
    );
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
async fn a_parameter_that_is_not_ours_is_named() {
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
