//! How a run reads the table: in segments, within its time, and from the cursor of an earlier run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use local::keys::NEXT_KEY_ARN;
use maintenance::Maintenance;
use serde_json::{Value, json};
use shared::aws::dynamodb::ConnectionsTable;
use shared::aws::kms::DataKeyOpener;
use shared::domain::connection_id::ConnectionId;
use shared::ports::{KeyError, OpenedDataKey, Page, Segment, StoreError, TraceDataKeys, WalkConnections};
use tests::clock::TestClock;
use tests::world::{TABLE, World};

use super::{opener, reseal_event, rows, run, run_for, with_a_new_key, wrapped_by};
use crate::parts;

#[tokio::test]
async fn a_dry_run_is_the_default_and_only_counts_what_would_change() {
    let (_, world) = with_a_new_key(&["a", "b", "c"]).await;
    let before = rows(&world).await;
    world.calls.take();
    let report = run(&world, json!({ "task": "reseal" })).await;
    assert_eq!(
        report,
        json!({
            "task": "reseal", "dry_run": true, "scanned": 3, "would_change": 3, "skipped": 0, "failed": {},
            "finished": true, "cursor": null,
        })
    );
    let calls = world.calls.take();
    assert_eq!(calls.keys().map(String::as_str).collect::<Vec<_>>(), ["Decrypt", "Scan"]);
    assert_eq!(rows(&world).await, before);
}

/// A KMS in which each call takes this many seconds.
struct Slow {
    opener: DataKeyOpener,
    clock: Arc<TestClock>,
    seconds: i64,
}

#[async_trait]
impl TraceDataKeys for Slow {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError> {
        self.clock.advance(self.seconds);
        self.opener.trace(connection, wrapped).await
    }
}

fn slow(world: &World, seconds: i64) -> Maintenance {
    let keys = Arc::new(Slow { opener: opener(world), clock: world.clock.clone(), seconds });
    Maintenance { keys, ..parts::deployment(world).maintenance }
}

#[tokio::test]
async fn the_next_run_does_the_rest_with_the_cursor_or_without_it() {
    for with_cursor in [true, false] {
        let ids: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
        let (_, world) = with_a_new_key(&ids).await;
        let (mut scanned, mut changed, mut runs, mut cursor) = (0, 0, 0, Value::Null);
        loop {
            let event = json!({ "task": "reseal", "dry_run": false, "cursor": cursor });
            // Without the cursor a run begins again, and needs time to read the finished rows.
            let time = if with_cursor || runs == 0 { 90 } else { 300 };
            let report = run_for(&slow(&world, 5), &world, time, event).await;
            assert_eq!(report["failed"], json!({}));
            scanned += report["scanned"].as_u64().unwrap();
            changed += report["changed"].as_u64().unwrap();
            runs += 1;
            if report["finished"] == true {
                assert_eq!(report["cursor"], Value::Null);
                break;
            }
            assert!(report["cursor"].is_object() && runs < 20, "{report}");
            if with_cursor {
                cursor = report["cursor"].clone();
            }
        }
        assert_eq!(changed, 20, "each row once");
        assert!(runs > 1, "it did stop");
        assert_eq!(scanned == 20, with_cursor, "{scanned} rows");
        for id in &ids {
            assert_eq!(wrapped_by(&world, id).await, NEXT_KEY_ARN);
            assert!(world.is_live(world.token(id).await.text("access_token")));
        }
    }
}

#[tokio::test]
async fn a_run_without_time_changes_nothing_and_answers_the_same_cursor() {
    let (_, world) = with_a_new_key(&["a"]).await;
    let cursor = json!({ "segments": 8, "open": [{ "segment": 3, "after": "b" }] });
    for cursor in [cursor, Value::Null] {
        let event = json!({ "task": "reseal", "dry_run": false, "cursor": cursor });
        let report = run_for(&world.deployment.maintenance, &world, 30, event).await;
        assert_eq!((&report["scanned"], &report["finished"], &report["cursor"]), (&json!(0), &json!(false), &cursor));
    }
}

#[tokio::test]
async fn a_cursor_of_an_earlier_version_continues_after_its_key_and_leaves_out_no_row() {
    let ids: Vec<String> = (0..9).map(|number| format!("c{number}")).collect();
    let (_, world) = with_a_new_key(&ids).await;
    let scan = world.clients.dynamodb.scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    let in_order: Vec<&String> = scan.iter().map(|row| row["id"].as_s().unwrap()).collect();
    let in_order: Vec<&String> = in_order.into_iter().filter(|key| !key.starts_with('#')).collect();
    let report = run(&world, json!({ "task": "reseal", "dry_run": false, "cursor": in_order[3] })).await;
    assert_eq!((&report["changed"], &report["finished"], &report["cursor"]), (&json!(5), &json!(true), &Value::Null));
    for (place, id) in in_order.into_iter().enumerate() {
        assert_eq!(wrapped_by(&world, id).await == NEXT_KEY_ARN, place > 3, "{id}");
    }
}

/// Counts how many rows are opened at the same time, and records the segments that are read.
struct Watched {
    opener: DataKeyOpener,
    table: Arc<ConnectionsTable>,
    at_a_time: AtomicUsize,
    most_at_a_time: AtomicUsize,
    segments: Mutex<BTreeSet<u16>>,
}

#[async_trait]
impl TraceDataKeys for Watched {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError> {
        let now = self.at_a_time.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_a_time.fetch_max(now, Ordering::SeqCst);
        // The other rows get time to reach this point too.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let opened = self.opener.trace(connection, wrapped).await;
        self.at_a_time.fetch_sub(1, Ordering::SeqCst);
        opened
    }
}

#[async_trait]
impl WalkConnections for Watched {
    async fn page(&self, segment: Segment, after: Option<&str>) -> Result<Page, StoreError> {
        self.segments.lock().unwrap().insert(segment.number);
        self.table.page(segment, after).await
    }
}

#[tokio::test]
async fn segments_are_walked_in_parallel_with_at_most_eight_rows_in_work() {
    let ids: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    let (_, world) = with_a_new_key(&ids).await;
    let watched = Arc::new(Watched {
        opener: opener(&world),
        table: world.clients.connections(TABLE),
        at_a_time: AtomicUsize::new(0),
        most_at_a_time: AtomicUsize::new(0),
        segments: Mutex::default(),
    });
    let maintenance =
        Maintenance { keys: watched.clone(), rows: watched.clone(), ..parts::deployment(&world).maintenance };
    let report = run_for(&maintenance, &world, 300, reseal_event()).await;
    assert_eq!((&report["changed"], &report["finished"]), (&json!(40), &json!(true)), "{report}");
    assert_eq!(watched.most_at_a_time.load(Ordering::SeqCst), 8);
    assert_eq!(*watched.segments.lock().unwrap(), (0..8).collect());
}

/// A table whose segment 5 cannot be read.
struct OneIsOut(Arc<ConnectionsTable>);

#[async_trait]
impl WalkConnections for OneIsOut {
    async fn page(&self, segment: Segment, after: Option<&str>) -> Result<Page, StoreError> {
        if segment.number == 5 {
            return Err(StoreError::Unavailable("its partition is throttled".to_owned()));
        }
        self.0.page(segment, after).await
    }
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_is_left_for_the_next_run_and_delays_no_other() {
    let ids: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    let (_, world) = with_a_new_key(&ids).await;
    let rows = Arc::new(OneIsOut(world.clients.connections(TABLE)));
    let maintenance = Maintenance { rows, ..parts::deployment(&world).maintenance };
    let event = reseal_event();
    let first = run_for(&maintenance, &world, 300, event.clone()).await;
    assert_eq!((&first["failed"], &first["finished"]), (&json!({ "store_unavailable": 1 }), &json!(false)));
    assert_eq!(first["cursor"], json!({ "segments": 8, "open": [{ "segment": 5, "after": null }] }));
    let next = run(&world, json!({ "task": "reseal", "dry_run": false, "cursor": first["cursor"] })).await;
    assert_eq!((&next["failed"], &next["finished"], &next["cursor"]), (&json!({}), &json!(true), &Value::Null));
    let changed = |report: &Value| report["changed"].as_u64().unwrap();
    assert!(changed(&first) > 0 && changed(&next) > 0, "{first} {next}");
    assert_eq!(changed(&first) + changed(&next), 40, "each row once");
}
