//! Maintenance: a new sealing key, and rows that have been of no use for long.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use local::keys::{KEY_ARN, NEXT_KEY_ARN};
use maintenance::{Event, Maintenance};
use serde_json::{Value, json};
use shared::aws::dynamodb::ConnectionsTable;
use shared::aws::kms::DataKeyOpener;
use shared::domain::connection::disconnect::disconnect as take_away;
use shared::domain::connection::refresh::{self as writes, RefreshReason};
use shared::domain::connection_id::ConnectionId;
use shared::domain::secret::{ClientSecret, RefreshToken};
use shared::domain::token_pair::TokenResponse;
use shared::domain::write::{Delete, Written};
use shared::failure::FailureClass;
use shared::ports::{
    Clock, DeleteConnections, KeyError, OpenedDataKey, Page, ProviderError, RefreshPair, Segment, StoreError,
    TraceDataKeys, WalkConnections, WriteConnections,
};
use shared::protocol::refresh::{Outcome, Refreshing};
use tests::clock::TestClock;
use tests::world::{Setup, TABLE, World};
use token::Token;

const DAY: i64 = 24 * 3600;

async fn run(world: &World, event: Value) -> Value {
    run_for(&world.deployment.maintenance, world, 300, event).await
}

async fn run_for(maintenance: &Maintenance, world: &World, seconds: u64, event: Value) -> Value {
    let deadline = world.clock.now() + Duration::from_secs(seconds);
    serde_json::to_value(maintenance.run(&Event::parse(&event).unwrap(), deadline).await).unwrap()
}

/// Connections of a stack whose sealing key is then changed.
async fn changed(ids: &[&str]) -> (World, World) {
    let before = World::new().await;
    for id in ids {
        before.connect(id).await;
    }
    let after = before.redeployed(&[("KMS_KEY_ID", NEXT_KEY_ARN)]);
    (before, after)
}

fn opener(world: &World) -> DataKeyOpener {
    DataKeyOpener { client: world.clients.kms.clone(), stack: "tests".to_owned() }
}

async fn wrapped_by(world: &World, id: &str) -> String {
    let data_key = world.stored(id).await.unwrap().pair.data_key;
    opener(world).trace(&ConnectionId::parse(id).unwrap(), &data_key).await.unwrap().wrapped_by
}

async fn rows(world: &World) -> HashMap<String, HashMap<String, AttributeValue>> {
    let items = world.clients.dynamodb.scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    items.into_iter().map(|row| (row["id"].as_s().unwrap().clone(), row)).collect()
}

/// Opens data keys; something happens at each call.
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

/// A deployment's maintenance, with a KMS in which each call takes this many seconds.
fn slow(world: &World, seconds: i64) -> Maintenance {
    let another = world.another();
    let Ok(deployment) = Arc::try_unwrap(another.deployment) else { panic!("it is shared") };
    let clock = world.clock.clone();
    Maintenance { keys: Arc::new(Slow { opener: opener(world), clock, seconds }), ..deployment.maintenance }
}

#[tokio::test]
async fn a_dry_run_is_the_default_and_only_counts_what_would_change() {
    let (_, world) = changed(&["a", "b", "c"]).await;
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

#[tokio::test]
async fn a_run_seals_every_pair_under_the_new_key_and_refreshes_go_on() {
    let ids = ["a", "b", "c"];
    let (before, world) = changed(&ids).await;
    let tokens = async |world: &World| {
        let mut tokens = Vec::new();
        for id in ids {
            tokens.push(world.token(id).await.text("access_token").to_owned());
        }
        tokens
    };
    let given_out = tokens(&before).await;
    let report = run(&world, json!({ "task": "reseal", "dry_run": false })).await;
    assert_eq!((&report["changed"], &report["failed"], &report["finished"]), (&json!(3), &json!({}), &json!(true)));
    for id in ids {
        assert_eq!(wrapped_by(&world, id).await, NEXT_KEY_ARN, "{id}");
    }
    // The same pairs, also for processes from before the change.
    assert_eq!((tokens(&world).await, tokens(&before).await), (given_out.clone(), given_out));
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 3);
    for id in ids {
        let token = world.token(id).await;
        assert_eq!(token.body["version"], 2);
        assert!(world.is_live(token.text("access_token")));
        assert_eq!(wrapped_by(&world, id).await, NEXT_KEY_ARN, "a refresh keeps its data key");
    }
    let again = run(&world, json!({ "task": "reseal", "dry_run": false })).await;
    assert_eq!((&again["changed"], &again["skipped"]), (&json!(0), &json!(3)));
}

#[tokio::test]
async fn the_next_run_does_the_rest_with_the_cursor_or_without_it() {
    for with_cursor in [true, false] {
        let ids: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
        let (_, world) = changed(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let (mut scanned, mut changed, mut runs, mut cursor) = (0, 0, 0, Value::Null);
        loop {
            let event = json!({ "task": "reseal", "dry_run": false, "cursor": cursor });
            // Without the cursor it begins again, and needs time to read the finished rows.
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
        assert_eq!(changed, 20, "each of them once");
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
    let (_, world) = changed(&["a"]).await;
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
    let (_, world) = changed(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let scan = world.clients.dynamodb.scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    let in_order: Vec<&String> = scan.iter().map(|row| row["id"].as_s().unwrap()).collect();
    let in_order: Vec<&String> = in_order.into_iter().filter(|key| !key.starts_with('#')).collect();
    let report = run(&world, json!({ "task": "reseal", "dry_run": false, "cursor": in_order[3] })).await;
    assert_eq!((&report["changed"], &report["finished"], &report["cursor"]), (&json!(5), &json!(true), &Value::Null));
    for (place, id) in in_order.into_iter().enumerate() {
        assert_eq!(wrapped_by(&world, id).await == NEXT_KEY_ARN, place > 3, "{id}");
    }
}

/// Notes how many rows are opened at a time, and each segment's pages.
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
        // Every other row gets as far as its own conditions let it.
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
    let (_, world) = changed(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let Ok(deployment) = Arc::try_unwrap(world.another().deployment) else { panic!("it is shared") };
    let watched = Arc::new(Watched {
        opener: opener(&world),
        table: world.clients.connections(TABLE),
        at_a_time: AtomicUsize::new(0),
        most_at_a_time: AtomicUsize::new(0),
        segments: Mutex::default(),
    });
    let maintenance = Maintenance { keys: watched.clone(), rows: watched.clone(), ..deployment.maintenance };
    let report = run_for(&maintenance, &world, 300, json!({ "task": "reseal", "dry_run": false })).await;
    assert_eq!((&report["changed"], &report["finished"]), (&json!(40), &json!(true)), "{report}");
    assert_eq!(watched.most_at_a_time.load(Ordering::SeqCst), 8);
    assert_eq!(*watched.segments.lock().unwrap(), (0..8).collect());
}

/// A segment that cannot be read. The others can.
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
    let (_, world) = changed(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let Ok(deployment) = Arc::try_unwrap(world.another().deployment) else { panic!("it is shared") };
    let rows = Arc::new(OneIsOut(world.clients.connections(TABLE)));
    let maintenance = Maintenance { rows, ..deployment.maintenance };
    let event = json!({ "task": "reseal", "dry_run": false });
    let first = run_for(&maintenance, &world, 300, event.clone()).await;
    assert_eq!((&first["failed"], &first["finished"]), (&json!({ "store_unavailable": 1 }), &json!(false)));
    assert_eq!(first["cursor"], json!({ "segments": 8, "open": [{ "segment": 5, "after": null }] }));
    let next = run(&world, json!({ "task": "reseal", "dry_run": false, "cursor": first["cursor"] })).await;
    assert_eq!((&next["failed"], &next["finished"], &next["cursor"]), (&json!({}), &json!(true), &Value::Null));
    let changed = |report: &Value| report["changed"].as_u64().unwrap();
    assert!(changed(&first) > 0 && changed(&next) > 0, "{first} {next}");
    assert_eq!(changed(&first) + changed(&next), 40, "each of them once");
}

/// A refresh comes between opening the pair and writing it.
struct Overtaken {
    opener: DataKeyOpener,
    world: World,
    times: AtomicUsize,
}

#[async_trait]
impl TraceDataKeys for Overtaken {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError> {
        let opened = self.opener.trace(connection, wrapped).await;
        // The first of a row's two calls.
        if opened.as_ref().is_ok_and(|opened| opened.wrapped_by == KEY_ARN)
            && self.times.fetch_sub(1, Ordering::SeqCst) > 0
        {
            self.world.clock.advance(6000);
            assert_eq!(self.world.sweep().await["refreshed"], 1);
        }
        opened
    }
}

fn overtaken(world: &World, before: &World, times: usize) -> Maintenance {
    let Ok(deployment) = Arc::try_unwrap(world.another().deployment) else { panic!("it is shared") };
    let times = times.into();
    let keys = Overtaken { opener: opener(world), world: before.another(), times };
    Maintenance { keys: Arc::new(keys), ..deployment.maintenance }
}

#[tokio::test]
async fn after_a_refresh_in_between_the_new_pair_is_resealed() {
    let (before, world) = changed(&["t"]).await;
    let event = json!({ "task": "reseal", "dry_run": false });
    let report = run_for(&overtaken(&world, &before, 1), &world, 30_000, event).await;
    assert_eq!((&report["changed"], &report["failed"]), (&json!(1), &json!({})));
    assert_eq!(wrapped_by(&world, "t").await, NEXT_KEY_ARN);
    let token = world.token("t").await;
    assert_eq!(token.body["version"], 2);
    assert!(world.is_live(token.text("access_token")));
}

#[tokio::test]
async fn a_row_that_is_refreshed_during_each_try_is_reported_and_left_to_the_next_run() {
    let (before, world) = changed(&["t"]).await;
    let event = json!({ "task": "reseal", "dry_run": false });
    let report = run_for(&overtaken(&world, &before, 3), &world, 30_000, event.clone()).await;
    assert_eq!((&report["changed"], &report["failed"]), (&json!(0), &json!({ "store_unavailable": 1 })));
    assert_eq!(world.token("t").await.body["version"], 4);
    assert_eq!(run(&world, event).await["changed"], 1);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

/// A whole run of maintenance, during the request to the provider.
struct Meanwhile {
    provider: Arc<dyn RefreshPair>,
    world: World,
}

#[async_trait]
impl RefreshPair for Meanwhile {
    async fn refresh(
        &self,
        refresh_token: &RefreshToken,
        secret: &ClientSecret,
    ) -> Result<TokenResponse, ProviderError> {
        let report = run(&self.world, json!({ "task": "reseal", "dry_run": false })).await;
        assert_eq!((&report["changed"], &report["finished"]), (&json!(1), &json!(true)));
        assert_eq!(wrapped_by(&self.world, "t").await, NEXT_KEY_ARN);
        self.provider.refresh(refresh_token, secret).await
    }
}

#[tokio::test]
async fn a_refresh_that_began_before_the_run_keeps_the_earlier_key_and_the_next_run_reseals_its_pair() {
    let (before, world) = changed(&["t"]).await;
    world.clock.advance(6000);
    let Ok(deployment) = Arc::try_unwrap(before.another().deployment) else { panic!("it is shared") };
    let Token { refreshing, .. } = deployment.token;
    drop((deployment.connections, deployment.refresh, deployment.replaying));
    let Ok(refreshing) = Arc::try_unwrap(refreshing) else { panic!("it is shared") };
    let provider = Arc::new(Meanwhile { provider: refreshing.provider.clone(), world: world.another() });
    let refreshing = Refreshing { provider, ..refreshing };
    let deadline = world.clock.now() + Duration::from_secs(300);
    let outcome = refreshing.refresh(&ConnectionId::parse("t").unwrap(), &RefreshReason::Scheduled, deadline).await;
    assert!(matches!(outcome, Outcome::Refreshed(..)));

    assert_eq!(wrapped_by(&world, "t").await, KEY_ARN, "it had read its data key before");
    let token = world.token("t").await;
    assert_eq!(token.body["version"], 2);
    assert!(world.is_live(token.text("access_token")));
    assert_eq!(run(&world, json!({ "task": "reseal", "dry_run": false })).await["changed"], 1);
    assert_eq!(wrapped_by(&world, "t").await, NEXT_KEY_ARN);
    assert_eq!(world.token("t").await.text("access_token"), token.text("access_token"));
}

#[tokio::test]
async fn a_grant_to_revoke_is_resealed_too_and_can_still_be_revoked() {
    let before = World::with(Setup::default().asking_for_accounts()).await;
    for account in ["1", "2"] {
        before.simulation.grants.sign_in(account);
        before.connect("t").await;
        before.clock.advance(1);
    }
    let world = before.redeployed(&[("KMS_KEY_ID", NEXT_KEY_ARN)]);
    assert_eq!(run(&world, json!({ "task": "reseal", "dry_run": false })).await["changed"], 1);
    let row = world.stored("t").await.unwrap();
    let replaced = &row.revocations.iter().next().unwrap().pair;
    let id = ConnectionId::parse("t").unwrap();
    assert_eq!(opener(&world).trace(&id, &replaced.data_key).await.unwrap().wrapped_by, NEXT_KEY_ARN);
    world.clock.advance(6000);
    world.sweep().await;
    assert_eq!(world.simulation.faults.requested("revoke"), 1);
    assert!(world.stored("t").await.unwrap().revocations.is_empty());
    assert_eq!(run(&world, json!({ "task": "reseal" })).await["would_change"], 0);
}

#[tokio::test]
async fn rows_that_do_not_open_or_cannot_be_read_are_reported_and_left_alone() {
    let (_, world) = changed(&["fine", "flipped", "foreign", "senseless"]).await;
    let bytes = |bytes: Vec<u8>| AttributeValue::B(Blob::new(bytes));
    let mut sealed = world.stored("flipped").await.unwrap().pair.sealed;
    sealed[20] ^= 1;
    world.set("flipped", "sealed", bytes(sealed)).await;
    let another = world.stored("fine").await.unwrap().pair.data_key;
    world.set("foreign", "data_key", bytes(another)).await;
    world.set("senseless", "version", AttributeValue::S("three".to_owned())).await;
    let before = rows(&world).await;
    for dry_run in [true, false] {
        let report = run(&world, json!({ "task": "reseal", "dry_run": dry_run })).await;
        assert_eq!(report["failed"], json!({ "inconsistent_row": 1, "unopenable": 2 }));
        assert_eq!((&report["scanned"], &report["finished"]), (&json!(4), &json!(true)));
        let after = rows(&world).await;
        for id in ["flipped", "foreign"] {
            assert_eq!(after[id], before[id], "{id}");
        }
        assert_eq!(after["senseless"].contains_key("attention"), !dry_run, "put off, and listed for a person");
        assert_eq!(after["senseless"]["sealed"], before["senseless"]["sealed"]);
        assert_eq!(after["senseless"] == before["senseless"], dry_run);
    }
    assert_eq!(wrapped_by(&world, "fine").await, NEXT_KEY_ARN);
}

#[tokio::test]
async fn an_outage_ends_the_walk_or_is_counted_for_each_row_and_loses_nothing() {
    let (_, world) = changed(&["a", "b"]).await;
    let event = json!({ "task": "reseal", "dry_run": false });
    world.outage_of(&["Scan"]);
    let report = run(&world, event.clone()).await;
    assert_eq!((&report["failed"], &report["finished"]), (&json!({ "store_unavailable": 1 }), &json!(false)));
    for (operation, class) in
        [("Decrypt", "key_unavailable"), ("GenerateDataKey", "key_unavailable"), ("UpdateItem", "store_unavailable")]
    {
        world.outage_of(&[operation]);
        let report = run(&world, event.clone()).await;
        assert_eq!((&report["changed"], &report["failed"][class]), (&json!(0), &json!(2)), "{operation}");
    }
    world.outage_of(&[]);
    for id in ["a", "b"] {
        assert!(world.is_live(world.token(id).await.text("access_token")));
    }
    assert_eq!(run(&world, event).await["changed"], 2);
}

async fn disconnect(world: &World, id: &str) {
    let deadline = world.clock.now() + Duration::from_secs(60);
    let id = ConnectionId::parse(id).unwrap();
    world.deployment.connections.disconnecting.disconnect(&id, deadline).await.unwrap();
}

/// Each delete takes a second.
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

/// As after the second `invalid_grant`.
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
    // A row of the fleet is no connection's.
    let pause = world.clients.dynamodb.put_item().table_name(TABLE).item("id", AttributeValue::S("#pause".to_owned()));
    pause.item("until", AttributeValue::N("1".to_owned())).send().await.unwrap();

    let before = rows(&world).await;
    let looked = run(&world, json!({ "task": "reap" })).await;
    assert_eq!(
        (&looked["dry_run"], &looked["would_change"], &looked["skipped"], &looked["scanned"]),
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

    // Its customer comes back: a connection like a new one.
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
        let Ok(deployment) = Arc::try_unwrap(world.another().deployment) else { panic!("it is shared") };
        let deletes = Arc::new(SlowDeletes { table: world.clients.connections(TABLE), clock: world.clock.clone() });
        let maintenance = Maintenance { deletes, ..deployment.maintenance };
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

/// Opens data keys, and two other runs pass by at the first: one to the next key, and a later one to the first again.
struct PassedBy {
    opener: DataKeyOpener,
    others: [World; 2],
    has_happened: AtomicBool,
}

#[async_trait]
impl TraceDataKeys for PassedBy {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError> {
        let opened = self.opener.trace(connection, wrapped).await;
        if !self.has_happened.swap(true, Ordering::SeqCst) {
            for other in &self.others {
                assert_eq!(run(other, json!({ "task": "reseal", "dry_run": false })).await["changed"], 1);
            }
        }
        opened
    }
}

#[tokio::test]
async fn a_run_that_another_run_has_overtaken_leaves_the_row_under_the_key_of_the_other() {
    let (before, world) = changed(&["t"]).await;
    let Ok(deployment) = Arc::try_unwrap(world.another().deployment) else { panic!("nobody else has it") };
    let others = [world.another(), before.another()];
    let keys = Arc::new(PassedBy { opener: opener(&world), others, has_happened: false.into() });
    let overtaken = Maintenance { keys, ..deployment.maintenance };
    let report = run_for(&overtaken, &world, 300, json!({ "task": "reseal", "dry_run": false })).await;
    assert_eq!((&report["changed"], &report["failed"]), (&json!(0), &json!({ "store_unavailable": 1 })), "{report}");
    assert_eq!(wrapped_by(&world, "t").await, KEY_ARN);
}
