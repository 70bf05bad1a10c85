//! What a stack costs in a month: calls that are counted here, times list prices. docs/operating.md has the table.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tests::world::{Setup, World};

use crate::stack::Stack;

/// us-east-1, in dollars, without free allowances.
mod price {
    pub(super) const WRITE_UNITS: f64 = 0.625e-6;
    pub(super) const READ_UNITS: f64 = 0.125e-6;
    pub(super) const KMS_REQUESTS: f64 = 3e-6;
    pub(super) const LAMBDA_REQUESTS: f64 = 0.20e-6;
    pub(super) const ARM_GIGABYTE_SECONDS: f64 = 13.3334e-6;
    pub(super) const HTTP_API_REQUESTS: f64 = 1e-6;
    pub(super) const LOG_GIGABYTES: f64 = 0.50;
    pub(super) const QUEUE_REQUESTS: f64 = 0.40e-6;
    pub(super) const KEYS: f64 = 1.0;
    pub(super) const SECRETS: f64 = 0.40;
    pub(super) const ALARM_METRICS: f64 = 0.10;
    pub(super) const COMPOSITE_ALARMS: f64 = 0.50;
    pub(super) const CUSTOM_METRICS: f64 = 0.30;
    pub(super) const DASHBOARDS: f64 = 3.0;
    pub(super) const TRACES: f64 = 5e-6;
    pub(super) const TRAIL_EVENTS: f64 = 20e-6;
}

/// Of a month of 30 days. The assumptions that docs/operating.md lists.
mod assumed {
    pub(super) const REFRESHES: f64 = 16.0 * 30.0;
    pub(super) const READS: f64 = 24.0 * 30.0;
    pub(super) const RUNS: f64 = 12.0 * 24.0 * 30.0;
    /// What a row of the tests lacks: a lease, and a data key as KMS wraps it, which is 184 bytes.
    pub(super) const MORE_BYTES_OF_A_ROW: usize = 300;
    /// An entry of the index is deleted and written anew.
    pub(super) const WRITE_UNITS_OF_AN_INDEX_MOVE: f64 = 2.0;
    /// By each of two processes, which keep a key for four hours: one refreshes every 90 minutes, one reads every hour.
    pub(super) const KEYS_OPENED: f64 = (24.0 / 4.5 + 24.0 / 4.0) * 30.0;
    /// Of one process: with more connections, a key is mostly gone when it is needed again.
    pub(super) const KEYS_KEPT: f64 = 10_000.0;
    pub(super) const INDEX_ENTRY_BYTES: f64 = 130.0;
    pub(super) const READ_SECONDS: f64 = 0.05;
    pub(super) const RUN_SECONDS: f64 = 2.0;
    /// 300 ms at the provider, ten at a time.
    pub(super) const RUN_SECONDS_OF_A_REFRESH: f64 = 0.03;
    /// Our line has 0.35 KB, and Lambda's three have 0.3; CloudWatch adds 26 bytes to each.
    pub(super) const LOG_KILOBYTES_OF_A_READ: f64 = 1.0;
    pub(super) const LOG_KILOBYTES_OF_A_RUN: f64 = 2.0;
    /// Lambda asks a queue with five connections, each for 20 seconds.
    pub(super) const QUEUE_REQUESTS: f64 = 15.0 * 60.0 * 24.0 * 30.0;
}

/// Calls to AWS of one refresh, one token read and one scheduled run; and the size of a row.
struct Counted {
    row_bytes: usize,
    refresh: BTreeMap<String, usize>,
    read: BTreeMap<String, usize>,
    run: BTreeMap<String, usize>,
}

async fn counted() -> Counted {
    // What is kept is counted by an assumption: here each key is opened at each use.
    let world = World::with(Setup::default().variable("DATA_KEY_MINUTES", "0")).await;
    world.connect("a").await;
    world.sweep().await;
    world.calls.take();
    world.sweep().await;
    let run = world.calls.take();
    world.token("a").await;
    let read = world.calls.take();
    let refreshing = async || {
        world.clock.advance(6000);
        world.calls.take();
        world.sweep().await;
        world.calls.take()
    };
    let one = refreshing().await;
    world.connect("b").await;
    let mut refresh = refreshing().await;
    refresh.iter_mut().for_each(|(operation, count)| *count -= one.get(operation).copied().unwrap_or_default());
    // Refreshes that begin at once may each read the fleet's pause.
    refresh.remove("GetItem");
    refresh.retain(|_, count| *count > 0);
    Counted { row_bytes: bytes_of(&world.row("a").await.expect("it is connected")), refresh, read, run }
}

/// As DynamoDB counts the size of an item:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn bytes_of(row: &HashMap<String, AttributeValue>) -> usize {
    let of_value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        other => panic!("a row of the tests has no such value: {other:?}"),
    };
    row.iter().map(|(name, value)| name.len() + of_value(value)).sum()
}

fn calls(of: &BTreeMap<String, usize>, operation: &str) -> f64 {
    of.get(operation).copied().unwrap_or_default() as f64
}

struct Line {
    what: String,
    dollars: Vec<f64>,
}

const FLEETS: [f64; 4] = [100.0, 1_000.0, 100_000.0, 1_000_000.0];

fn line(what: &str, dollars: impl Fn(f64) -> f64) -> Line {
    Line { what: what.to_owned(), dollars: FLEETS.iter().map(|fleet| dollars(*fleet)).collect() }
}

/// Every metric that an alarm watches is priced as an alarm.
fn alarm_metrics(stack: &Stack) -> f64 {
    let watched = |alarm: &Value| match alarm["Properties"]["Metrics"].as_array() {
        Some(several) => several.iter().filter(|one| one.get("MetricStat").is_some()).count(),
        None => 1,
    };
    stack.of_type("AWS::CloudWatch::Alarm").into_iter().map(|(_, alarm)| watched(alarm)).sum::<usize>() as f64
}

fn money(dollars: f64) -> String {
    let cents = format!("{dollars:.2}");
    let (whole, rest) = cents.split_once('.').unwrap();
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}.{rest}")
}

fn row(line: &Line) -> String {
    let dollars: Vec<String> = line.dollars.iter().map(|it| money(*it)).collect();
    format!("| {} | {} |\n", line.what, dollars.join(" | "))
}

fn sum(what: &str, lines: &[Line]) -> Line {
    let dollars = (0..FLEETS.len()).map(|fleet| lines.iter().map(|line| line.dollars[fleet]).sum()).collect();
    Line { what: format!("**{what}**"), dollars }
}

#[tokio::test]
async fn the_documents_say_what_the_counted_calls_cost() {
    let counted = counted().await;
    let stack = Stack::with(&[]).await;
    assert_eq!(calls(&counted.refresh, "UpdateItem"), 2.0, "the lease and the commit: {:?}", counted.refresh);
    let kms_at_each_use = |fleet: f64| {
        let of_refreshes = assumed::REFRESHES * calls(&counted.refresh, "Decrypt");
        fleet * (of_refreshes + assumed::READS * calls(&counted.read, "Decrypt"))
    };
    let kms = |fleet: f64| {
        let kept = (assumed::KEYS_KEPT / fleet).min(1.0);
        kept * fleet * assumed::KEYS_OPENED + (1.0 - kept) * kms_at_each_use(fleet)
    };
    let read_units = |fleet: f64| {
        let shards = calls(&counted.run, "Query");
        let due = fleet * assumed::REFRESHES / assumed::RUNS / shards;
        // A query reads what is due, and a page of what is not; it need not be consistent.
        let entries = (fleet / shards).min(due + 100.0);
        let of_a_query = (entries * assumed::INDEX_ENTRY_BYTES / 4096.0).ceil().max(1.0) / 2.0;
        fleet * assumed::READS * calls(&counted.read, "GetItem") + assumed::RUNS * shards * of_a_query
    };
    let gigabyte_seconds = |fleet: f64| {
        let reads = fleet * assumed::READS * assumed::READ_SECONDS * 0.25;
        let refreshes = fleet * assumed::REFRESHES * assumed::RUN_SECONDS_OF_A_REFRESH;
        reads + (assumed::RUNS * assumed::RUN_SECONDS + refreshes) * 0.5
    };
    let logs = |fleet: f64| {
        let reads = fleet * assumed::READS * assumed::LOG_KILOBYTES_OF_A_READ;
        (reads + assumed::RUNS * assumed::LOG_KILOBYTES_OF_A_RUN) / 1e6
    };
    let requests = |fleet: f64| fleet * assumed::READS + assumed::RUNS;
    // The lease writes the row, the commit writes it and moves its entry in the index.
    let of_a_row = (counted.row_bytes + assumed::MORE_BYTES_OF_A_ROW).div_ceil(1024) as f64;
    let of_a_refresh = of_a_row * calls(&counted.refresh, "UpdateItem") + assumed::WRITE_UNITS_OF_AN_INDEX_MOVE;
    let of_use = [
        line("DynamoDB writes", |fleet| fleet * assumed::REFRESHES * of_a_refresh * price::WRITE_UNITS),
        line("DynamoDB reads", |fleet| read_units(fleet) * price::READ_UNITS),
        line("KMS requests", |fleet| kms(fleet) * price::KMS_REQUESTS),
        line("Lambda requests", |fleet| requests(fleet) * price::LAMBDA_REQUESTS),
        line("Lambda time", |fleet| gigabyte_seconds(fleet) * price::ARM_GIGABYTE_SECONDS),
        line("HTTP API", |fleet| fleet * assumed::READS * price::HTTP_API_REQUESTS),
        line("logs", |fleet| logs(fleet) * price::LOG_GIGABYTES),
    ];
    let watched = alarm_metrics(&stack);
    let composite = stack.of_type("AWS::CloudWatch::CompositeAlarm").len() as f64;
    let keys = stack.of_type("AWS::KMS::Key").len() as f64;
    let of_the_stack = [
        line(&format!("{keys} KMS keys, 1 secret"), |_| keys * price::KEYS + price::SECRETS),
        line(&format!("alarms on {watched} metrics, {composite} over them"), |_| {
            watched * price::ALARM_METRICS + composite * price::COMPOSITE_ALARMS
        }),
        line("3 custom metrics, 1 dashboard", |_| 3.0 * price::CUSTOM_METRICS + price::DASHBOARDS),
        line("queue", |_| assumed::QUEUE_REQUESTS * price::QUEUE_REQUESTS),
    ];
    let (used, standing) = (sum("for connections", &of_use), sum("for the stack", &of_the_stack));
    let total = Line {
        what: "**together**".to_owned(),
        dollars: used.dollars.iter().zip(&standing.dollars).map(|(one, other)| one + other).collect(),
    };
    let on_top = [
        line("`DataKeyMinutes=0`: KMS at each use", |fleet| {
            (kms_at_each_use(fleet) - kms(fleet)) * price::KMS_REQUESTS
        }),
        line("`Tracing=on`: X-Ray", |fleet| requests(fleet) * price::TRACES),
        line("a second CloudTrail trail, which has each KMS request", |fleet| kms(fleet) * price::TRAIL_EVENTS),
    ];
    let mut table =
        "| $ a month, connections: | 100 | 1,000 | 100,000 | 1,000,000 |\n|---|---|---|---|---|\n".to_owned();
    let parts = of_use.iter().chain([&used]).chain(&of_the_stack).chain([&standing, &total]).chain(&on_top);
    parts.for_each(|line| table += &row(line));

    let operating = include_str!("../../docs/operating.md");
    assert!(operating.contains(&table), "docs/operating.md must have this table:\n{table}");
    let sentence = format!("{} dollars a month for 1,000 connections", money(total.dollars[1]));
    assert!(include_str!("../../README.md").contains(&sentence), "README.md must say: {sentence}");
}
