//! Each alarm of the template is tested with a fault that makes it ring. No other alarm rings without a reason, which
//! is written here. Afterwards all alarms are silent again. On a day without a fault, no alarm rings.
//!
//! docs/operating.md has the results as a table.

use std::collections::BTreeSet;

use serde_json::json;
use tests::world::Setup;
use tokio::runtime;

use crate::stack::Stack;

mod cloudwatch;
mod collector;
mod expression;
mod operation;
mod proofs;
mod queue;

use cloudwatch::{Alarm, children};
use operation::{MINUTE, Operation};
use proofs::{FURTHER, Fault, PROOFS};

/// Runs a task on this thread alone, since the log's metrics are collected by thread.
fn on_this_thread<T>(task: impl Future<Output = T>) -> T {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task)
}

#[test]
fn each_alarm_rings_for_its_fault_and_no_other_one_and_the_operators_page_says_when() {
    let stack = on_this_thread(Stack::with(&[]));
    let alarms = Alarm::all(&stack);
    let at_risk = children(&stack, "TokensAtRiskAlarm", &alarms);
    let mut table = "| fault | rings | after minutes | rings too |\n|---|---|---|---|\n".to_owned();
    let mut proven = BTreeSet::new();
    let mut wrong = Vec::new();
    let rehearsed = std::thread::scope(|scope| {
        let (stack, alarms) = (&stack, &alarms);
        let threads = PROOFS.each_ref().map(|proof| scope.spawn(move || on_this_thread(proof.rehearse(stack, alarms))));
        threads.map(|thread| thread.join().unwrap())
    });
    for (proof, rung) in PROOFS.iter().zip(rehearsed) {
        let expected: BTreeSet<&str> =
            proof.alarms.iter().copied().chain(proof.also.iter().map(|(alarm, _)| *alarm)).collect();
        if rung.keys().map(String::as_str).collect::<BTreeSet<_>>() != expected {
            wrong.push(format!("{}: expected {expected:?}, and {rung:?} rang", proof.says));
            continue;
        }
        for alarm in proof.alarms {
            proven.insert((*alarm).to_owned());
            let also: Vec<String> = proof.also.iter().map(|(alarm, why)| format!("`{alarm}`: {why}")).collect();
            let pages = if at_risk.iter().any(|one| one == alarm) { " *" } else { "" };
            table += &format!("| {} | `{alarm}`{pages} | {} | {} |\n", proof.says, rung[*alarm], also.join("; "));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let all: BTreeSet<String> = alarms.iter().map(|alarm| alarm.id.clone()).collect();
    assert_eq!(proven, all, "each alarm of the template is proven");
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md")).unwrap();
    assert!(document.contains(&table), "docs/operating.md must have this table:\n{table}");
    for alarm in &all {
        assert!(document.contains(&format!("\n| `{alarm}`")), "docs/operating.md does not say what to do at {alarm}");
    }
}

/// One would first think of an alarm on the age, with the longest time of a replay as its threshold.
#[test]
fn an_alarm_on_the_age_stays_silent_about_a_message_that_waits_and_ours_rings() {
    let stack = on_this_thread(Stack::with(&[]));
    let queue = stack.arn("Escrow").rsplit(':').next().unwrap();
    let on_the_age = json!({
        "physical_id": "on-the-age",
        "Properties": {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{ "Name": "QueueName", "Value": queue }],
            "Statistic": "Maximum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Threshold": 600,
            "TreatMissingData": "notBreaching",
        },
    });
    let mut alarms = Alarm::all(&stack);
    alarms.push(Alarm::of("OnTheAge", &on_the_age));
    for fault in [Fault::MessageUnreadable, Fault::PairsNotStored] {
        let proof = PROOFS.iter().find(|proof| proof.fault == fault).unwrap();
        let rung = on_this_thread(async {
            let mut operation = Operation::begin(&stack, &alarms, Setup::default()).await;
            proof.begin(&mut operation).await;
            let mut rung = BTreeSet::new();
            for _ in 0..180 {
                operation.minute().await;
                rung.extend(operation.ringing(FURTHER));
            }
            assert!(operation.ringing(FURTHER).contains(&"EscrowAlarm"), "{}: the message still waits", proof.says);
            rung
        });
        assert!(rung.contains("EscrowAlarm") && !rung.contains("OnTheAge"), "{}: {rung:?}", proof.says);
    }
}

/// Runs of any length, up to the longest.
const LONG_RUNS: fn(i64) -> i64 = |number| [4, 290, 12, 180, 299, 40][number as usize % 6];

/// Checks two distances that CloudWatch may look back.
async fn a_day_is_silent(interval: &str, minutes: i64, run_takes: fn(i64) -> i64) {
    let stack = Stack::with(&[("RefreshIntervalMinutes", interval)]).await;
    let alarms = Alarm::all(&stack);
    let mut operation = Operation::begin(&stack, &alarms, Setup::default()).await;
    operation.run_takes = run_takes;
    let end = operation.now() + minutes * MINUTE;
    while operation.now() < end {
        operation.minute().await;
        for further in [0, FURTHER] {
            assert_eq!(operation.ringing(further), [""; 0], "{interval} minutes, looking {further} further back");
        }
    }
}

#[tokio::test]
async fn a_day_without_a_fault_rings_no_alarm() {
    a_day_is_silent("5", 24 * 60, LONG_RUNS).await;
}

#[tokio::test]
async fn one_minute_intervals_with_a_slow_provider_ring_no_alarm() {
    a_day_is_silent("1", 240, LONG_RUNS).await;
    // The first long run after short ones: nothing ends for five minutes.
    a_day_is_silent("1", 60, |number| if number % 40 < 20 { 1 } else { 299 }).await;
}
