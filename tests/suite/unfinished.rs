//! A run that does not do all its work reports that, in its summary and as metrics. Otherwise a fleet that cannot be
//! listed would look like a fleet in which nothing is due.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
use refresh::{Refresh, Run};
use serde_json::{Value, json};
use shared::domain::connection_id::ConnectionId;
use shared::domain::schedule::shard;
use shared::metrics::directive;
use shared::ports::{Clock, DueCursor, DuePage, ListDue, StoreError};
use tests::world::{TABLE, World};

use crate::faults;
use crate::log::{capture, captured};
use crate::reported::counted;

/// The members of a summary that CloudWatch counts.
fn metrics_of(summary: &Value, world: &World) -> Vec<String> {
    let directive = directive(|name| summary[name].is_number(), world.clock.now()).unwrap();
    let names = directive["CloudWatchMetrics"].as_array().unwrap().iter();
    names.map(|metric| metric["Metrics"][0]["Name"].as_str().unwrap().to_owned()).collect()
}

async fn two_due() -> World {
    let world = World::new().await;
    for id in ["a", "b"] {
        world.connect(id).await;
    }
    world.clock.advance(6000);
    world
}

fn says_that_nothing_could_be_listed(summary: &Value, log: &str, world: &World) {
    assert_eq!((&summary["due"], &summary["finished"]), (&json!(0), &json!(false)), "{summary}");
    assert_eq!(
        summary["failed"],
        json!({ "store_unavailable": 17 }),
        "sixteen shards, and the shard of the rows without a live pair"
    );
    assert_eq!(summary["least_remaining_seconds"], json!(null));
    assert_eq!(summary["unfinished_runs"], 1);
    assert!(metrics_of(summary, world).contains(&"unfinished_runs".to_owned()));
    assert_eq!(counted(log, "store_unavailable"), 17, "{log}");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn a_run_without_the_index_reports_that_it_could_list_nothing() {
    capture();
    let world = two_due().await;
    let gone = DeleteGlobalSecondaryIndexAction::builder().index_name("due").build().unwrap();
    let update = GlobalSecondaryIndexUpdate::builder().delete(gone).build();
    let table = world.clients.dynamodb.update_table().table_name(TABLE);
    table.global_secondary_index_updates(update).send().await.unwrap();
    let summary = world.sweep().await;
    says_that_nothing_could_be_listed(&summary, &captured(), &world);
}

#[tokio::test]
async fn a_run_whose_queries_fail_reports_that_it_could_list_nothing() {
    capture();
    let world = two_due().await;
    world.outage_of(&["Query"]);
    let summary = world.sweep().await;
    says_that_nothing_could_be_listed(&summary, &captured(), &world);
    world.outage_of(&[]);
    let summary = world.sweep().await;
    assert_eq!((&summary["refreshed"], &summary["finished"]), (&json!(2), &json!(true)));
    assert!(!metrics_of(&summary, &world).contains(&"unfinished_runs".to_owned()), "{summary}");
}

/// A table in which one shard cannot be listed, from this page on.
struct OneShardIsDown {
    table: Arc<dyn ListDue>,
    shard: u8,
    from_page: usize,
}

#[async_trait]
impl ListDue for OneShardIsDown {
    async fn list(&self, shard: u8, after: Option<DueCursor>) -> Result<DuePage, StoreError> {
        let page = usize::from(after.is_some());
        if shard == self.shard && page >= self.from_page {
            return Err(StoreError::Unavailable("the shard is down".to_owned()));
        }
        self.table.list(shard, after).await
    }
}

fn with_a_shard_down(world: &World, shard: u8, from_page: usize) -> Refresh {
    let whole = &world.deployment.refresh;
    Refresh {
        rows: whole.rows.clone(),
        fleet: whole.fleet.clone(),
        most_requests: whole.most_requests,
        others: None,
        due: Arc::new(OneShardIsDown { table: whole.due.clone(), shard, from_page }),
        clock: whole.clock.clone(),
        entropy: whole.entropy.clone(),
    }
}

async fn run(refresh: &Refresh, world: &World) -> Value {
    let deadline = world.clock.now() + std::time::Duration::from_secs(300);
    serde_json::to_value(refresh.run(Run::scheduled(), deadline).await).unwrap()
}

#[tokio::test]
async fn a_shard_that_cannot_be_listed_is_counted_and_stops_no_other() {
    capture();
    let world = two_due().await;
    let [down, other] = ["a", "b"].map(|id| shard(&ConnectionId::parse(id).unwrap()));
    assert_ne!(down, other);
    let summary = run(&with_a_shard_down(&world, down, 0), &world).await;
    assert_eq!((&summary["due"], &summary["refreshed"]), (&json!(1), &json!(1)), "{summary}");
    assert_eq!(summary["failed"], json!({ "store_unavailable": 1 }));
    assert_eq!((&summary["finished"], &summary["unfinished_runs"]), (&json!(false), &json!(1)));
    assert_eq!(counted(&captured(), "store_unavailable"), 1);
}

#[tokio::test]
async fn a_shard_whose_second_page_cannot_be_read_is_reported_as_unfinished() {
    let world = World::new().await;
    let mut candidates = (0..).map(|number| format!("tenant-{number}"));
    let mut of_one_shard = candidates.by_ref().filter(|id| shard(&ConnectionId::parse(id).unwrap()) == 0);
    for id in of_one_shard.by_ref().take(101) {
        world.connect(&id).await;
    }
    world.clock.advance(6000);
    let summary = run(&with_a_shard_down(&world, 0, 1), &world).await;
    assert_eq!((&summary["due"], &summary["refreshed"]), (&json!(100), &json!(100)), "{summary}");
    assert_eq!((&summary["failed"], &summary["finished"]), (&json!({ "store_unavailable": 1 }), &json!(false)));
    assert_eq!(world.sweep().await["refreshed"], 1, "the connection of the second page");
}

#[tokio::test]
async fn a_run_that_stops_early_is_counted_with_its_class() {
    capture();
    let world = two_due().await;
    let deadline = world.clock.now() + std::time::Duration::from_secs(30);
    let no_time = world.deployment.refresh.run(Run::scheduled(), deadline).await;
    let no_time = serde_json::to_value(no_time).unwrap();
    assert_eq!((&no_time["failed"], &no_time["deferred"]), (&json!({ "out_of_time": 1 }), &json!(2)), "{no_time}");
    assert_eq!(counted(&captured(), "out_of_time"), 1);

    let answer = faults::retry_after(503, "600");
    world.fault(json!({ "answer": answer, "grant_type": "refresh_token", "times": 2 }));
    let asked_to_wait = world.sweep().await;
    assert_eq!(asked_to_wait["failed"]["throttled"].as_u64().unwrap() + asked_to_wait["deferred"].as_u64().unwrap(), 2);
    // The first answer may have stopped the run before the other request. A sent one backs off, the other is due.
    for id in ["a", "b"] {
        world.set(id, "refresh_at", AttributeValue::N(world.clock.now().unix().to_string())).await;
    }
    capture();
    let waits = world.another().sweep().await;
    assert_eq!((&waits["failed"], &waits["deferred"]), (&json!({ "throttled": 1 }), &json!(2)), "{waits}");
    assert_eq!(counted(&captured(), "throttled"), 1);
    for summary in [no_time, asked_to_wait, waits] {
        assert_eq!((&summary["finished"], &summary["unfinished_runs"]), (&json!(false), &json!(1)), "{summary}");
        assert!(metrics_of(&summary, &world).contains(&"unfinished_runs".to_owned()), "{summary}");
    }
}
