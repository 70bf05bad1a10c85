//! The pace of the scheduled runs: together they stay below the fleet's rate, and a 429 halves it. A run that cannot do
//! all its shards passes the others on.

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
use crate::{faults, parts};

const RATE: i64 = 40;

/// The pace of a run, in a process that shares only the table with others.
fn pace(world: &World, clock: &Arc<TestClock>, free: i64) -> Arc<Pace> {
    let rows: Arc<dyn FleetRows> = world.another().clients.connections(TABLE);
    Arc::new(Pace::new(rows, clock.clone(), RATE, free))
}

/// Runs with more work than time. Returns how many requests they sent in each second.
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
async fn all_runs_together_use_the_rate_and_do_not_exceed_it() {
    let world = World::new().await;
    world.clock.waits_move_time(true);
    let runs = [0, 1, 2].map(|_| pace(&world, &world.clock, 0));
    let sent = sent_in_each_second(&runs, &world.clock, 10).await;
    assert!(sent.values().all(|sent| *sent <= RATE), "{sent:?}");
    assert!(sent.values().sum::<i64>() >= RATE * 8, "{sent:?}");
}

#[tokio::test]
async fn a_429_halves_the_rate_of_all_runs_once_and_it_grows_back() {
    capture();
    let world = World::new().await;
    world.clock.waits_move_time(true);
    let runs = [pace(&world, &world.clock, 0), pace(&world, &world.clock, 0)];
    sent_in_each_second(&runs, &world.clock, 2).await;
    let mut turns = Vec::new();
    for run in runs.iter().cycle().take(8) {
        turns.push(run.turn(|| false).await.unwrap());
    }
    world.clock.advance(1);
    // All were sent before the rate was lowered.
    for turn in turns {
        turn.failed(&ProviderError::Throttled { status: 429, retry_after: None }).await;
    }
    let lowered_at = world.clock.now();
    let after = sent_in_each_second(&runs, &world.clock, 60).await;
    let in_second = |second: u64| after.get(&(lowered_at + Duration::from_secs(second))).copied().unwrap_or(0);
    assert!((1..10).all(|second| in_second(second) <= RATE / 2 + 1 + second as i64), "{after:?}");
    assert!((2..10).map(in_second).sum::<i64>() >= RATE / 2 * 6, "the rate is halved once: {after:?}");
    assert!((40..50).map(in_second).sum::<i64>() >= RATE * 8, "the rate has grown again: {after:?}");
    assert_eq!(captured().matches("the rate is halved").count(), 1);
}

#[tokio::test]
async fn answers_of_429_to_few_customers_do_not_lower_the_rate() {
    capture();
    let world = World::new().await;
    world.clock.waits_move_time(true);
    let run = pace(&world, &world.clock, 0);
    for number in 0..400 {
        let turn = run.turn(|| false).await.unwrap();
        if number % 25 == 24 {
            turn.failed(&ProviderError::Throttled { status: 429, retry_after: None }).await;
        } else {
            turn.succeeded();
        }
    }
    assert!(
        !captured().contains("the rate is halved"),
        "only 4 % of the answers are 429: the limits of single customers"
    );
}

#[tokio::test]
async fn a_new_run_knows_the_lowered_rate_and_its_own_429_lowers_it_further() {
    let world = World::new().await;
    world.clock.waits_move_time(true);
    let first = pace(&world, &world.clock, 0);
    sent_in_each_second(std::slice::from_ref(&first), &world.clock, 1).await;
    for lowered_to in [RATE / 2, RATE / 4, RATE / 8] {
        world.clock.advance(1);
        // Each of these is a run that has sent requests without a slot.
        let run = pace(&world, &world.clock, 10);
        let mut turns = Vec::new();
        for _ in 0..3 {
            turns.push(run.turn(|| false).await.unwrap());
        }
        for turn in turns {
            turn.failed(&ProviderError::Throttled { status: 429, retry_after: None }).await;
        }
        let row = world.row("#rate").await.unwrap();
        let stored: i64 = row["lowered_to"].as_n().unwrap().parse().unwrap();
        assert!((lowered_to - 1..=lowered_to).contains(&stored), "{stored} after {lowered_to}");
    }
}

#[tokio::test]
async fn a_wrong_second_in_the_row_stops_no_run() {
    let world = World::new().await;
    world.clock.waits_move_time(true);
    let run = pace(&world, &world.clock, 0);
    sent_in_each_second(std::slice::from_ref(&run), &world.clock, 1).await;
    let far = world.clock.now() + Duration::from_secs(3600);
    world.set("#rate", "second", AttributeValue::N(far.unix().to_string())).await;
    let sent = sent_in_each_second(&[run], &world.clock, 3).await;
    assert!(sent.values().sum::<i64>() >= RATE * 2, "{sent:?}");
}

#[tokio::test]
async fn a_run_that_cannot_use_the_row_keeps_to_a_share_of_the_rate_and_logs_it() {
    capture();
    let world = World::new().await;
    world.clock.waits_move_time(true);
    world.set("#rate", "second", AttributeValue::S("never a text".to_owned())).await;
    let sent = sent_in_each_second(&[pace(&world, &world.clock, 0)], &world.clock, 3).await;
    // Other runs cannot use the row either.
    assert!(sent.values().all(|sent| (1..=RATE / 8).contains(sent)), "{sent:?}");
    assert!(captured().contains("this run keeps to an eighth of it"));
}

#[tokio::test]
async fn one_run_stays_below_the_write_limit_of_an_index_partition() {
    let world = World::new().await;
    world.clock.waits_move_time(true);
    let rows: Arc<dyn FleetRows> = world.clients.connections(TABLE);
    let run = Arc::new(Pace::new(rows, world.clock.clone(), 10_000, 0));
    let sent = sent_in_each_second(&[run], &world.clock, 3).await;
    assert!(sent.values().all(|sent| (400..500).contains(sent)), "each writes the index twice: {sent:?}");
}

#[tokio::test]
async fn a_run_asks_only_once_for_slots_of_a_second_that_is_full() {
    let world = World::new().await;
    let rows: Arc<dyn FleetRows> = world.clients.connections(TABLE);
    let [first, second] = [0, 1].map(|_| Pace::new(rows.clone(), world.clock.clone(), RATE, 0));
    for _ in 0..RATE {
        first.turn(|| false).await.unwrap();
    }
    world.calls.take();
    let looks = AtomicUsize::new(0);
    assert!(second.turn(|| looks.fetch_add(1, Relaxed) > 20).await.is_none());
    assert!(world.calls.take()["UpdateItem"] <= 2, "one write begins the second, and one finds no slot");
}

#[tokio::test]
async fn a_run_of_few_refreshes_writes_nothing_for_the_rate() {
    let world = World::new().await;
    for number in 0..10 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 10);
    assert!(world.row("#rate").await.is_none());
}

#[tokio::test]
async fn a_run_goes_on_after_answers_of_429_without_retry_after() {
    let world = World::new().await;
    for number in 0..30 {
        world.connect(&format!("t{number}")).await;
    }
    world.clock.advance(6000);
    let answer = faults::status(429);
    world.fault(json!({ "answer": answer, "grant_type": "refresh_token", "times": 5 }));
    let summary = world.sweep().await;
    assert_eq!((&summary["failed"], &summary["refreshed"]), (&json!({ "throttled": 5 }), &json!(25)), "{summary}");
    assert_eq!(summary["finished"], true);
}

/// A table in which the first read of the list takes twenty seconds.
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

/// Records the runs that would be started in Lambda.
#[derive(Default)]
struct Started {
    runs: Mutex<Vec<Run>>,
    refuses: Mutex<usize>,
}

#[async_trait]
impl StartRun for Started {
    async fn start(&self, shards: &[u8], until: Timestamp) -> Result<(), StartError> {
        // The start takes time, and the run continues meanwhile.
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
    let Deployment { refresh, .. } = parts::deployment(world);
    let started = Arc::new(Started::default());
    let due = Arc::new(Long { due: refresh.due.clone(), clock: world.clock.clone(), is_begun: AtomicBool::new(false) });
    (Refresh { due, others: Some(OtherRuns { starts: started.clone(), most }), ..refresh }, started)
}

/// Three due connections in each shard, and a provider that is slow at first.
async fn many_due() -> World {
    let world = World::new().await;
    for number in 0..48 {
        world.connect(&crate::refresh::one_of_shard(number % 16, number.into())).await;
    }
    world.clock.advance(6000);
    slow(&world);
    world
}

/// The next ten answers take a second, so the run has as many requests in flight as is allowed.
fn slow(world: &World) {
    world.fault(json!({ "answer": { "late": 1000 }, "grant_type": "refresh_token", "times": 10 }));
}

async fn run(refresh: &Refresh, run: Run, world: &World) -> Value {
    let deadline = world.clock.now() + Duration::from_secs(300);
    serde_json::to_value(refresh.run(run, deadline).await).unwrap()
}

#[tokio::test]
async fn a_long_run_hands_on_the_shards_that_it_has_not_begun_and_each_connection_is_refreshed_once() {
    let world = many_due().await;
    let deadline = world.clock.now() + Duration::from_secs(300);
    let (refresh, started) = long_run(&world, 3);
    let first = run(&refresh, Run::scheduled(), &world).await;
    let handed_on = std::mem::take(&mut *started.runs.lock().unwrap());
    let shards: Vec<usize> = handed_on.iter().map(|run| run.shards.len()).collect();
    assert!(shards.len() == 3 && shards.iter().max().unwrap() - shards.iter().min().unwrap() <= 1, "{shards:?}");
    assert!(handed_on.iter().all(|run| run.until == Some(deadline)), "{handed_on:?}");
    assert_eq!((&first["handed_on"], &first["finished"]), (&json!(shards.iter().sum::<usize>()), &json!(true)));
    let mut refreshed = first["refreshed"].as_u64().unwrap();
    for handed_on in handed_on {
        let (another, started) = long_run(&world, 3);
        slow(&world);
        let summary = run(&another, handed_on, &world).await;
        assert_eq!((&summary["handed_on"], started.runs.lock().unwrap().len()), (&Value::Null, 0), "{summary}");
        refreshed += summary["refreshed"].as_u64().unwrap();
    }
    assert_eq!((refreshed, world.refreshes()), (48, 48));
}

#[tokio::test]
async fn a_run_that_only_waits_for_the_rate_starts_no_others() {
    let world = many_due().await;
    world.simulation.faults.clear();
    let (refresh, started) = long_run(&world, 3);
    let few = Refresh { most_requests: 1, ..refresh };
    world.clock.waits_move_time(true);
    run(&few, Run::scheduled(), &world).await;
    assert!(started.runs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn while_started_runs_are_at_work_no_others_are_started() {
    let world = many_due().await;
    for (advance, hands_on) in [(0, true), (0, false), (6000, true)] {
        world.clock.advance(advance);
        slow(&world);
        let (refresh, started) = long_run(&world, 1);
        run(&refresh, Run::scheduled(), &world).await;
        assert_eq!(!started.runs.lock().unwrap().is_empty(), hands_on, "the first run has 300 seconds");
    }
}

#[tokio::test]
async fn shards_that_cannot_be_handed_on_are_swept_by_the_run_itself() {
    capture();
    let world = many_due().await;
    // So many connections are due that this run keeps no shard.
    let (refresh, started) = long_run(&world, 15);
    *started.refuses.lock().unwrap() = 15;
    let summary = run(&refresh, Run::scheduled(), &world).await;
    assert_eq!((&summary["refreshed"], &summary["handed_on"]), (&json!(48), &json!(null)), "{summary}");
    assert!(captured().contains("shards could not be handed on"));
}

#[tokio::test]
async fn a_run_that_comes_too_late_begins_nothing() {
    let world = many_due().await;
    let (refresh, _) = long_run(&world, 1);
    let until = Some(world.clock.now() + Duration::from_secs(5));
    let summary = run(&refresh, Run { until, ..Run::scheduled() }, &world).await;
    assert_eq!((&summary["refreshed"], &summary["finished"]), (&json!(0), &json!(false)), "{summary}");
    assert_eq!(world.refreshes(), 0);
}
