//! `reap`: deletes rows that are no longer of use.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use maintenance::Maintenance;
use serde_json::{Value, json};
use shared::aws::dynamodb::ConnectionsTable;
use shared::domain::connection::disconnect::disconnect as take_away;
use shared::domain::connection::refresh as writes;
use shared::domain::connection_id::ConnectionId;
use shared::domain::write::{Delete, Written};
use shared::failure::FailureClass;
use shared::ports::{Clock, DeleteConnections, StoreError, WriteConnections};
use tests::clock::TestClock;
use tests::world::{TABLE, World};

use super::{DAY, rows, run, run_for};
use crate::parts;

async fn disconnect(world: &World, id: &str) {
    let deadline = world.clock.now() + Duration::from_secs(60);
    let id = ConnectionId::parse(id).unwrap();
    world.deployment.connections.disconnecting.disconnect(&id, deadline).await.unwrap();
}

/// A table in which each delete takes a second.
struct SlowDeletes {
    table: Arc<ConnectionsTable>,
    clock: Arc<TestClock>,
}

#[async_trait]
impl DeleteConnections for SlowDeletes {
    async fn delete(&self, delete: &Delete) -> Result<bool, StoreError> {
        self.clock.advance(1);
        self.table.delete(delete).await
    }
}

/// Gives a connection up, as the second `invalid_grant` does.
async fn give_up(world: &World, id: &str) {
    let id = ConnectionId::parse(id).unwrap();
    let (table, now) = (world.clients.connections(TABLE), world.clock.now());
    world.set(id.as_str(), "lease_owner", AttributeValue::S("tests".to_owned())).await;
    let given_up = table.write(&writes::give_up(&id, "tests", FailureClass::InvalidGrant, now, now)).await.unwrap();
    assert!(matches!(given_up, Written::Applied(_)));
}

#[tokio::test]
async fn only_rows_that_were_of_no_use_for_long_enough_are_reaped() {
    let world = World::new().await;
    for id in ["alive", "gone", "given-up", "gone-later", "given-up-later"] {
        world.connect(id).await;
    }
    disconnect(&world, "gone").await;
    give_up(&world, "given-up").await;
    world.clock.advance(60 * DAY);
    disconnect(&world, "gone-later").await;
    give_up(&world, "given-up-later").await;
    world.clock.advance(31 * DAY);
    // A row that belongs to the fleet, and not to a connection.
    let pause = world.clients.dynamodb.put_item().table_name(TABLE).item("id", AttributeValue::S("#pause".to_owned()));
    pause.item("until", AttributeValue::N("1".to_owned())).send().await.unwrap();

    let before = rows(&world).await;
    let dry = run(&world, json!({ "task": "reap" })).await;
    assert_eq!(
        (&dry["dry_run"], &dry["would_change"], &dry["skipped"], &dry["scanned"]),
        (&json!(true), &json!(2), &json!(3), &json!(5))
    );
    assert_eq!(rows(&world).await, before);

    let report = run(&world, json!({ "task": "reap", "dry_run": false })).await;
    assert_eq!((&report["changed"], &report["failed"], &report["finished"]), (&json!(2), &json!({}), &json!(true)));
    let mut left: Vec<String> = rows(&world).await.into_keys().filter(|id| !id.starts_with('#')).collect();
    left.sort();
    assert_eq!(left, ["alive", "given-up-later", "gone-later"]);

    let sooner = run(&world, json!({ "task": "reap", "dry_run": false, "days": 30 })).await;
    assert_eq!(sooner["changed"], 2);
    assert_eq!(rows(&world).await.into_keys().filter(|id| !id.starts_with('#')).collect::<Vec<_>>(), ["alive"]);

    // The customer connects again: the connection is like a new one.
    world.connect("gone").await;
    let token = world.token("gone").await;
    assert_eq!(token.body["version"], 1);
    assert!(world.is_live(token.text("access_token")));
}

#[tokio::test]
async fn a_run_that_stops_continues_after_the_last_row_that_it_has_deleted() {
    let world = World::new().await;
    for number in 0..120 {
        let row =
            world.clients.dynamodb.put_item().table_name(TABLE).item("id", AttributeValue::S(format!("t{number}")));
        let row = row.item("format", AttributeValue::N("1".to_owned()));
        let row = row.item("revision", AttributeValue::N("1".to_owned()));
        let row = row.item("status", AttributeValue::S("vacant".to_owned()));
        row.item("vacant_since", AttributeValue::N("1".to_owned())).send().await.unwrap();
    }
    world.connect("alive").await;
    let (mut changed, mut cursor, mut runs) = (0, Value::Null, 0);
    loop {
        let deletes = Arc::new(SlowDeletes { table: world.clients.connections(TABLE), clock: world.clock.clone() });
        let maintenance = Maintenance { deletes, ..parts::deployment(&world).maintenance };
        let event = json!({ "task": "reap", "dry_run": false, "cursor": cursor });
        let report = run_for(&maintenance, &world, 85, event).await;
        changed += report["changed"].as_u64().unwrap();
        runs += 1;
        if report["finished"] == true {
            break;
        }
        for place in report["cursor"]["open"].as_array().unwrap() {
            let Some(last) = place["after"].as_str() else { continue };
            assert!(last == "alive" || world.row(last).await.is_none(), "{last} is the last one that was deleted");
        }
        cursor = report["cursor"].clone();
    }
    assert_eq!(changed, 120);
    assert!(runs > 2, "{runs}");
    assert!(world.is_live(world.token("alive").await.text("access_token")));
}

#[tokio::test]
async fn a_worker_that_read_a_row_before_it_was_reaped_does_not_overwrite_its_successor() {
    let world = World::new().await;
    world.connect("t").await;
    let before = world.parsed("t").await.unwrap();
    disconnect(&world, "t").await;
    world.clock.advance(91 * DAY);
    assert_eq!(run(&world, json!({ "task": "reap", "dry_run": false })).await["changed"], 1);
    world.connect("t").await;
    let (late, _) = take_away(&before, before.live().unwrap().granted_by.order, world.clock.now()).unwrap();
    let written = world.clients.connections(TABLE).write(&late).await.unwrap();
    assert!(matches!(written, Written::ConditionFailed(Some(_))), "{written:?}");
    assert!(world.is_live(world.token("t").await.text("access_token")));
}
