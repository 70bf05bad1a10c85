//! A row that cannot be read affects only itself: it hides no other, keeps no lease, and is listed for an operator.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use events::record::Read;
use http::StatusCode;
use serde_json::{Value, json};
use shared::domain::connection_id::ConnectionId;
use shared::domain::schedule::shard;
use tests::world::{TABLE, World};

use crate::log::{capture, captured};
use crate::maintenance::run;
use crate::reported::{counted, events_of};

type Row = HashMap<String, AttributeValue>;

/// Three connections of one shard, and the first of them in the schedule.
async fn three_of_one_shard() -> (World, String) {
    let world = World::new().await;
    let mut candidates = (0..).map(|number| format!("tenant-{number}"));
    let of_one_shard = candidates.by_ref().filter(|id| shard(&ConnectionId::parse(id).unwrap()) == 5);
    let mut first = Vec::new();
    for id in of_one_shard.take(3) {
        world.connect(&id).await;
        first.push((world.stored(&id).await.unwrap().refresh_at, id));
    }
    first.sort();
    (world, first.remove(0).1)
}

async fn put(world: &World, row: Row) {
    world.clients.dynamodb.put_item().table_name(TABLE).set_item(Some(row)).send().await.unwrap();
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn ids(page: &Value) -> Vec<&str> {
    page["connections"].as_array().unwrap().iter().map(|shown| shown["id"].as_str().unwrap()).collect()
}

/// The result for a row with an odd attribute, and for its neighbours.
async fn affects_only_its_row(attribute: &str, odd: Option<AttributeValue>) {
    let context = format!("{attribute}: {odd:?}");
    let (world, id) = three_of_one_shard().await;
    let whole = world.row(&id).await.unwrap();
    let mut broken = whole.clone();
    match odd {
        Some(odd) => drop(broken.insert(attribute.to_owned(), odd)),
        None => assert!(broken.remove(attribute).is_some(), "{context}"),
    }
    put(&world, broken.clone()).await;
    world.clock.advance(6000);

    // The sweep.
    capture();
    let swept = world.sweep().await;
    let log = captured();
    assert_eq!((&swept["due"], &swept["refreshed"]), (&json!(3), &json!(2)), "{context}: {swept}");
    assert_eq!(swept["failed"], json!({ "inconsistent_row": 1 }), "{context}");
    assert_eq!(swept["finished"], true, "{context}: {swept}");
    assert_eq!(counted(&log, "inconsistent_row"), 1, "{context}: {log}");
    let quarantined = world.row(&id).await.unwrap();
    assert!(!quarantined.contains_key("lease_owner"), "{context}: {quarantined:?}");
    assert_eq!(quarantined["attention"], text("quarantined"), "{context}");
    assert_eq!(quarantined.get("sealed"), broken.get("sealed"), "{context}: the pair is not overwritten");
    assert_eq!(world.sweep().await["due"], 0, "{context}: the row does not stay at the head of the index");

    // The routes.
    capture();
    let shown = world.get(&format!("/v1/connections/{id}")).await;
    assert_eq!((shown.text("status"), shown.text("reason")), ("unreadable", "inconsistent_row"), "{context}");
    let listed = world.get("/v1/connections?status=quarantined").await;
    assert_eq!(listed.body["connections"], json!([shown.body]), "{context}");
    let all = world.get("/v1/connections").await;
    assert_eq!((all.status, ids(&all.body).len()), (StatusCode::OK, 3), "{context}: {all:?}");
    assert_eq!(ids(&world.get("/v1/connections?status=active").await.body).len(), 2, "{context}");
    assert_eq!(
        counted(&captured(), "inconsistent_row"),
        0,
        "{context}: the failure is counted only when the row is due"
    );
    let token = world.token(&id).await;
    assert_eq!((token.status.as_u16(), token.text("code")), (503, "misconfigured"), "{context}: {token:?}");
    assert_eq!(events_of(&world, &id).await, ["connected/1", "degraded/1 inconsistent_row"], "{context}");

    let records = world.stream.records().await.unwrap();
    let counts = records.iter().filter(|record| Read::of(record).unwrap().unreadable.is_some()).count();
    assert_eq!(counts, 1, "{context}: one event for the change, and none for later leases and delays");

    // Maintenance.
    let report = run(&world, json!({ "task": "reseal" })).await;
    assert_eq!((&report["scanned"], &report["skipped"]), (&json!(3), &json!(2)), "{context}: {report}");
    assert_eq!(
        (&report["failed"], &report["finished"]),
        (&json!({ "inconsistent_row": 1 }), &json!(true)),
        "{context}"
    );

    // An operator repairs this one attribute.
    let mut mended = world.row(&id).await.unwrap();
    match whole.get(attribute) {
        Some(value) => drop(mended.insert(attribute.to_owned(), value.clone())),
        None => drop(mended.remove(attribute)),
    }
    put(&world, mended).await;
    world.clock.advance(301);
    assert_eq!(world.sweep().await["refreshed"], 1, "{context}: a repaired row is refreshed without a further action");
    assert!(!world.row(&id).await.unwrap().contains_key("attention"), "{context}");
    assert_eq!(world.get(&format!("/v1/connections/{id}")).await.text("status"), "active", "{context}");
    assert_eq!(events_of(&world, &id).await.last().unwrap(), "recovered/2", "{context}");
    assert!(world.is_live(world.token(&id).await.text("access_token")), "{context}");
}

#[tokio::test]
async fn an_attribute_of_another_type_affects_only_its_row() {
    for attribute in ["expires_at", "lifetime", "version", "refreshable", "format"] {
        affects_only_its_row(attribute, Some(text("soon"))).await;
    }
    for attribute in ["status", "token_type", "client_id", "granted_by", "sealed", "pair_id", "scope"] {
        affects_only_its_row(attribute, Some(number("7"))).await;
    }
}

#[tokio::test]
async fn a_missing_attribute_affects_only_its_row() {
    for attribute in ["expires_at", "sealed", "data_key", "format", "grant_order", "client_id"] {
        affects_only_its_row(attribute, None).await;
    }
}

#[tokio::test]
async fn a_value_that_is_never_written_affects_only_its_row() {
    for (attribute, odd) in [
        ("expires_at", number("1800007200.5")),
        ("lifetime", number("-1")),
        ("format", number("2")),
        ("status", text("active")),
        ("revoke_3", text("{}")),
        ("needs_customer_since", text("yesterday")),
        ("expires_at", AttributeValue::Bool(true)),
        ("account_id", AttributeValue::L(Vec::new())),
        ("waiting_id", text("no bytes")),
    ] {
        affects_only_its_row(attribute, Some(odd)).await;
    }
}

#[tokio::test]
async fn a_counter_of_another_type_affects_only_its_row() {
    for attribute in ["leases", "answered", "failures", "invalid_grant_at", "refusal_window"] {
        affects_only_its_row(attribute, Some(text("odd"))).await;
    }
}

/// The attributes that are written when the row is put off.
#[tokio::test]
async fn a_row_is_quarantined_although_the_attributes_for_that_are_unreadable_themselves() {
    for (attribute, odd) in [
        ("lease_until", text("odd")),
        ("not_before", text("odd")),
        ("not_before", AttributeValue::Null(true)),
        ("reason", text("something else")),
    ] {
        let context = format!("{attribute}: {odd:?}");
        let (world, id) = three_of_one_shard().await;
        world.set(&id, attribute, odd).await;
        world.clock.advance(6000);
        let swept = world.sweep().await;
        assert_eq!(
            (&swept["refreshed"], &swept["failed"]),
            (&json!(2), &json!({ "inconsistent_row": 1 })),
            "{context}"
        );
        let listed = world.get("/v1/connections?status=quarantined").await;
        assert_eq!(ids(&listed.body), [&id], "{context}");
        world.clock.advance(301);
        assert_eq!(world.sweep().await["refreshed"], 1, "{context}");
        assert_eq!(world.get(&format!("/v1/connections/{id}")).await.text("status"), "active", "{context}");
    }
}

#[tokio::test]
async fn an_unreadable_row_is_neither_disconnected_nor_overwritten() {
    let (world, id) = three_of_one_shard().await;
    world.set(&id, "lifetime", text("long")).await;
    let path = format!("/v1/connections/{id}");
    let deleted = world.json(http::Method::DELETE, &path, None).await;
    assert_eq!((deleted.status.as_u16(), deleted.text("code")), (503, "misconfigured"), "{deleted:?}");
    let import = json!({ "refresh_token": "a-refresh-token", "replace": true });
    let imported = world.json(http::Method::PUT, &path, Some(import)).await;
    assert_eq!((imported.status.as_u16(), imported.text("code")), (503, "misconfigured"), "{imported:?}");
    let session = world.session(json!({ "connection_id": id })).await;
    let page = world.browser().journey(session.text("url"), "approve").await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", page.body());
    assert_eq!(world.simulation.faults.requested("authorization_code"), 3, "the code was not sent");

    world.set(&id, "lifetime", number("7200")).await;
    assert!(world.is_live(world.token(&id).await.text("access_token")), "nothing was lost");
}
