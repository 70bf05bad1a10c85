//! The pace of the scheduled runs: together they stay below the fleet's rate, a 429 halves it, and a run that cannot do
//! all its shards hands them on.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use local::deployment::Deployment;
use refresh::{OtherRuns, Refresh, Run};
use serde_json::{Value, json};
use shared::domain::time::Timestamp;
use shared::ports::{Clock, DueCursor, DuePage, FleetRows, ListDue, ProviderError, StartError, StartRun, StoreError};
use shared::protocol::pace::Pace;
use tests::clock::TestClock;
use tests::world::{TABLE, World};

use crate::log::{capture, captured};

const RATE: i64 = 40;

/// A run's pace, of a process that shares nothing with others but the table.
fn pace(world: &World, clock: &Arc<TestClock>, free: i64) -> Arc<Pace> {
    let rows: Arc<dyn FleetRows> = world.another().clients.connections(TABLE);
    Arc::new(Pace::new(rows, clock.clone(), RATE, free))
}

/// Runs that have more to do than they have time for, and in which seconds they sent.
async fn sent_in_each_second(paces: &[Arc<Pace>], clock: &Arc<TestClock>, seconds: i64) -> BTreeMap<Timestamp, i64> {
    let end = clock.now() + Duration::from_secs(seconds.unsigned_abs());
    let sent = Arc::new(Mutex::new(BTreeMap::new()));
    let runs = paces.iter().cloned().map(|pace| {
        let (clock, sent) = (clock.clone(), sent.clone());
        tokio::spawn(async move {
            while pace.turn(|| clock.now() >= end).await.is_some() {
                *sent.lock().unwrap().entry(clock.now()).or_insert(0) += 1;
            }
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
    Arc::into_inner(sent).unwrap().into_inner().unwrap()
}

#[tokio::test]
async fn all_runs_together_stay_below_the_rate_and_use_it() {
    let world = World::new().await;
    world.clock.waiting_counts(true);
    let runs = [0, 1, 2].map(|_| pace(&world, &world.clock, 0));
    let sent = sent_in_each_second(&runs, &world.clock, 10).await;
    assert!(sent.values().all(|sent| *sent <= RATE), "{sent:?}");
    assert!(sent.values().sum::<i64>() >= RATE * 8, "{sent:?}");
}

#[tokio::test]
async fn a_429_halves_the_rate_of_all_runs_once_and_it_grows_back() {
    capture();
    let world = World::new().await;
    world.clock.waiting_counts(true);
    let runs = [pace(&world, &world.clock, 0), pace(&world, &world.clock, 0)];
    sent_in_each_second(&runs, &world.clock, 2).await;
    let turns = [runs[0].turn(|| false).await.unwrap(), runs[1].turn(|| false).await.unwrap()];
    world.clock.advance(1);
    // Both requests were sent before the rate was lowered.
    for turn in turns {
        turn.failed(&ProviderError::Throttled { status: 429, retry_after: None }).await;
    }
    let lowered_at = world.clock.now();
    let after = sent_in_each_second(&runs, &world.clock, 60).await;
    let in_second = |second: u64| after.get(&(lowered_at + Duration::from_secs(second))).copied().unwrap_or(0);
    assert!((1..10).all(|second| in_second(second) <= RATE / 2 + 1 + second as i64), "{after:?}");
    assert!((2..10).map(in_second).sum::<i64>() >= RATE / 2 * 6, "halved once, and not twice: {after:?}");
    assert!((40..50).map(in_second).sum::<i64>() >= RATE * 8, "it has grown back: {after:?}");
    assert_eq!(captured().matches("the rate is halved").count(), 1);
}

#[tokio::test]
async fn a_run_that_cannot_use_the_row_keeps_to_the_rate_alone_and_says_so() {
    capture();
    let world = World::new().await;
    world.clock.waiting_counts(true);
    world.set("#rate", "second", AttributeValue::S("never a text".to_owned())).await;
    let sent = sent_in_each_second(&[pace(&world, &world.clock, 0)], &world.clock, 3).await;
    assert!(sent.values().all(|sent| *sent <= RATE), "{sent:?}");
    assert!(sent.values().sum::<i64>() >= RATE, "{sent:?}");
    assert!(captured().contains("this run keeps to it alone"));
}

#[tokio::test]
async fn a_second_without_slots_is_asked_once_and_not_written_to_again_and_again() {
    let world = World::new().await;
    let rows: Arc<dyn FleetRows> = world.clients.connections(TABLE);
    let [first, second] = [0, 1].map(|_| Pace::new(rows.clone(), world.clock.clone(), RATE, 0));
    for _ in 0..RATE {
        first.turn(|| false).await.unwrap();
    }
    world.calls.take();
    let looks = AtomicUsize::new(0);
    assert!(second.turn(|| looks.fetch_add(1, Relaxed) > 20).await.is_none());
    assert!(world.calls.take()["UpdateItem"] <= 2, "one that begins the second, and one that finds no slot");
}

#[tokio::test]
async fn a_run_of_few_refreshes_takes_no_slot_and_writes_nothing_for_it() {
    let world = World::new().await;
    for number in 0..10 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 10);
    assert!(world.row("#rate").await.is_none());
}

#[tokio::test]
async fn a_429_that_names_no_time_lowers_the_rate_and_the_run_goes_on() {
    let world = World::new().await;
    for number in 0..30 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    let answer = json!({ "status": { "status": 429, "error": null, "retry_after": null } });
    world.fault(json!({ "answer": answer, "grant_type": "refresh_token", "times": 5 }));
    let summary = world.sweep().await;
    assert_eq!((&summary["failed"], &summary["refreshed"]), (&json!({ "throttled": 5 }), &json!(25)), "{summary}");
    assert_eq!(summary["finished"], true);
}

/// The first look at the list takes twenty seconds.
struct Long {
    due: Arc<dyn ListDue>,
    clock: Arc<TestClock>,
    is_begun: AtomicBool,
}

#[async_trait]
impl ListDue for Long {
    async fn list(&self, shard: u8, after: Option<DueCursor>) -> Result<DuePage, StoreError> {
        if !self.is_begun.swap(true, Relaxed) {
            self.clock.advance(20);
        }
        self.due.list(shard, after).await
    }
}

/// What was started, in place of Lambda.
#[derive(Default)]
struct Started {
    runs: Mutex<Vec<Run>>,
    refuses: Mutex<usize>,
}

#[async_trait]
impl StartRun for Started {
    async fn start(&self, shards: &[u8], until: Timestamp) -> Result<(), StartError> {
        // Lambda takes its time: meanwhile the run goes on.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let mut refuses = self.refuses.lock().unwrap();
        if *refuses > 0 {
            *refuses -= 1;
            return Err(StartError("the service is down".to_owned()));
        }
        self.runs.lock().unwrap().push(Run { shards: shards.to_vec(), until: Some(until) });
        Ok(())
    }
}

fn long_run(world: &World, most: usize) -> (Refresh, Arc<Started>) {
    let Ok(deployment) = Arc::try_unwrap(world.another().deployment) else { panic!("it has one owner") };
    let Deployment { refresh, .. } = deployment;
    let started = Arc::new(Started::default());
    let due = Arc::new(Long { due: refresh.due.clone(), clock: world.clock.clone(), is_begun: AtomicBool::new(false) });
    (Refresh { due, others: Some(OtherRuns { starts: started.clone(), most }), ..refresh }, started)
}

/// Three connections, one in each of three shards, that are due.
async fn three_due() -> World {
    let world = World::new().await;
    for shard in [2, 7, 11] {
        world.connect(&crate::refresh::one_of_shard(shard, 0)).await;
    }
    world.clock.advance(6000);
    world
}

async fn run(refresh: &Refresh, run: Run, world: &World) -> Value {
    let deadline = world.clock.now() + Duration::from_secs(300);
    serde_json::to_value(refresh.run(run, deadline).await).unwrap()
}

#[tokio::test]
async fn a_run_that_is_at_work_for_long_hands_on_what_it_has_not_begun_and_every_connection_is_refreshed_once() {
    let world = three_due().await;
    let deadline = world.clock.now() + Duration::from_secs(300);
    let (refresh, started) = long_run(&world, 3);
    let first = run(&refresh, Run::scheduled(), &world).await;
    let handed_on = std::mem::take(&mut *started.runs.lock().unwrap());
    // Four shards are swept side by side; of the other thirteen it keeps three.
    assert_eq!(handed_on.iter().map(|run| run.shards.len()).collect::<Vec<_>>(), [4, 3, 3]);
    assert!(handed_on.iter().all(|run| run.until == Some(deadline)), "{handed_on:?}");
    assert_eq!((&first["handed_on"], &first["finished"]), (&json!(10), &json!(true)), "{first}");
    let mut refreshed = first["refreshed"].as_u64().unwrap();
    for handed_on in handed_on {
        let (another, started) = long_run(&world, 3);
        let summary = run(&another, handed_on, &world).await;
        assert_eq!((&summary["handed_on"], started.runs.lock().unwrap().len()), (&Value::Null, 0), "{summary}");
        refreshed += summary["refreshed"].as_u64().unwrap();
    }
    assert_eq!((refreshed, world.refreshes()), (3, 3));
}

#[tokio::test]
async fn while_started_runs_are_at_work_no_further_ones_are_started() {
    let world = World::new().await;
    for (advance, handed_on) in [(0, 7), (0, 0), (300, 7)] {
        world.clock.advance(advance);
        let (refresh, started) = long_run(&world, 1);
        run(&refresh, Run::scheduled(), &world).await;
        let shards: usize = started.runs.lock().unwrap().iter().map(|run| run.shards.len()).sum();
        assert_eq!(shards, handed_on, "the first may be at work for 300 seconds");
    }
}

#[tokio::test]
async fn shards_that_cannot_be_handed_on_are_swept_by_the_run_itself_also_if_it_had_come_to_its_end_meanwhile() {
    capture();
    let world = three_due().await;
    // So many that this run keeps no shard for itself.
    let (refresh, started) = long_run(&world, 15);
    *started.refuses.lock().unwrap() = 15;
    let summary = run(&refresh, Run::scheduled(), &world).await;
    assert_eq!((&summary["refreshed"], &summary["handed_on"]), (&json!(3), &Value::Null), "{summary}");
    assert_eq!(world.calls.take()["Query"], 17, "each shard is listed");
    assert!(captured().contains("shards could not be handed on"));
}

#[tokio::test]
async fn a_run_that_comes_too_late_begins_nothing() {
    let world = three_due().await;
    let (refresh, _) = long_run(&world, 1);
    let until = Some(world.clock.now() + Duration::from_secs(5));
    let summary = run(&refresh, Run { until, ..Run::scheduled() }, &world).await;
    assert_eq!((&summary["refreshed"], &summary["finished"]), (&json!(0), &json!(false)), "{summary}");
    assert_eq!(world.refreshes(), 0);
}
