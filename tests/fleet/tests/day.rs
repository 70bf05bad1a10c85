//! What a large fleet is promised. The tables of docs/performance.md are the same days, longer and larger.

use std::time::Duration;

use fleet::{Scenario, Trouble};

/// A scheduled run sends so many requests without asking for a slot.
const FREE: u32 = 10;

/// Eight hours: each token is refreshed five times.
fn fleet(connections: u32) -> Scenario {
    Scenario { hours: 8, ..Scenario::of(connections) }
}

#[test]
fn on_a_healthy_day_no_token_ends_and_no_second_has_more_requests_than_the_rate() {
    let seen = fleet(10_000).run();
    assert_eq!((seen.ended, seen.ended_at_last, seen.unfinished_runs, seen.throttled), (0, 0, 0, 0), "{seen:?}");
    assert!(seen.refreshed > 10_000 * 4, "{seen:?}");
    assert!(seen.most_requests_a_second <= 50 + FREE, "{seen:?}");
}

#[test]
fn a_run_that_is_slow_starts_others_and_together_they_keep_every_token_valid() {
    let slow_processor = Scenario { processor: Duration::from_millis(800), ..fleet(10_000) };
    let mut slow_provider = fleet(30_000);
    slow_provider.provider.latency = Duration::from_secs(12);
    for slow in [slow_processor, slow_provider] {
        let alone = Scenario { most_runs: 1, ..slow.clone() }.run();
        assert!(alone.unfinished_runs > 0 && alone.ended > 0, "one run cannot do it: {alone:?}");
        let together = Scenario { most_runs: 8, ..slow }.run();
        assert_eq!((together.ended, together.ended_at_last), (0, 0), "{together:?}");
        assert!(together.handed_on > 0, "{together:?}");
    }
}

#[test]
fn runs_that_wait_for_the_rate_alone_start_no_others() {
    let mut scenario = fleet(10_000);
    scenario.provider.most_a_second = Some(25);
    assert_eq!(scenario.run().handed_on, 0);
}

#[test]
fn an_hour_of_outage_is_made_up_for_within_the_rate_and_no_token_ends_long_after_it() {
    for trouble in [Trouble::Out, Trouble::Waits(60)] {
        let mut scenario = fleet(10_000);
        scenario.provider.trouble.push((3.0, 4.0, trouble));
        let seen = scenario.run();
        assert!(seen.ended > 0, "the hour is longer than what is left of a token when it is due: {seen:?}");
        assert!(seen.last_ended.unwrap() < 4.25, "{seen:?}");
        assert_eq!(seen.ended_at_last, 0, "{seen:?}");
        assert!(seen.most_requests_a_second <= 50 + FREE, "{seen:?}");
    }
}

#[test]
fn a_provider_that_allows_half_of_the_rate_answers_429_to_few_and_no_token_ends() {
    let mut scenario = fleet(10_000);
    scenario.provider.most_a_second = Some(25);
    let seen = scenario.run();
    assert_eq!((seen.ended, seen.ended_at_last), (0, 0), "{seen:?}");
    assert!(seen.throttled * 20 < seen.requests, "{seen:?}");
}

#[test]
fn the_documented_ceiling_is_where_a_fleet_ceases_to_be_fresh() {
    let small = Scenario { most_requests: 2, ..fleet(0) };
    let with =
        |share: f64| Scenario { connections: (f64::from(small.ceiling()) * share) as u32, ..small.clone() }.run();
    let below = with(0.9);
    assert_eq!((below.ended, below.ended_at_last), (0, 0), "{below:?}");
    let above = with(1.3);
    assert!(above.ended > 0, "{above:?}");
}

#[test]
fn the_document_has_the_table_of_ceilings() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating.md")).unwrap();
    let table = fleet::ceiling::table();
    assert!(document.contains(&table), "`cargo fleet ceilings` prints what docs/operating.md must have:\n{table}");
}
