//! The promises to a large fleet. The tables of docs/performance.md have longer days of larger fleets.

use std::time::Duration;

use fleet::{Scenario, Trouble};

/// A scheduled run sends this many requests without asking for a slot.
const FREE: u32 = 10;

/// Eight hours: each token is refreshed five times.
fn fleet(connections: u32) -> Scenario {
    Scenario { hours: 8, ..Scenario::of(connections) }
}

#[test]
fn on_a_healthy_day_no_token_expires_and_no_second_has_more_requests_than_the_rate() {
    let seen = fleet(10_000).run();
    assert_eq!((seen.expired, seen.expired_at_the_end, seen.unfinished_runs, seen.throttled), (0, 0, 0, 0), "{seen:?}");
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
        assert!(alone.unfinished_runs > 0 && alone.expired > 0, "one run is too slow: {alone:?}");
        let together = Scenario { most_runs: 8, ..slow }.run();
        assert_eq!((together.expired, together.expired_at_the_end), (0, 0), "{together:?}");
        assert!(together.handed_on > 0, "{together:?}");
    }
}

#[test]
fn runs_that_wait_only_for_the_rate_start_no_other_runs() {
    let mut scenario = fleet(10_000);
    scenario.provider.most_a_second = Some(25);
    assert_eq!(scenario.run().handed_on, 0);
}

#[test]
fn an_hour_of_outage_is_made_up_for_within_the_rate_and_no_token_expires_long_after_it() {
    for trouble in [Trouble::Unreachable, Trouble::RetryAfter(60)] {
        let mut scenario = fleet(10_000);
        scenario.provider.trouble.push((3.0, 4.0, trouble));
        let seen = scenario.run();
        assert!(seen.expired > 0, "when a token is due, less than the hour is left of it: {seen:?}");
        assert!(seen.last_expired.unwrap() < 4.25, "{seen:?}");
        assert_eq!(seen.expired_at_the_end, 0, "{seen:?}");
        assert!(seen.most_requests_a_second <= 50 + FREE, "{seen:?}");
    }
}

#[test]
fn a_provider_that_allows_half_of_the_rate_answers_429_to_few_and_no_token_expires() {
    let mut scenario = fleet(10_000);
    scenario.provider.most_a_second = Some(25);
    let seen = scenario.run();
    assert_eq!((seen.expired, seen.expired_at_the_end), (0, 0), "{seen:?}");
    assert!(seen.throttled * 20 < seen.requests, "{seen:?}");
}

#[test]
fn a_fleet_below_the_documented_ceiling_is_kept_fresh_and_one_above_it_is_not() {
    let small = Scenario { most_requests: 2, ..fleet(0) };
    let with =
        |share: f64| Scenario { connections: (f64::from(small.ceiling()) * share) as u32, ..small.clone() }.run();
    let below = with(0.9);
    assert_eq!((below.expired, below.expired_at_the_end), (0, 0), "{below:?}");
    let above = with(1.3);
    assert!(above.expired > 0, "{above:?}");
}

#[test]
fn the_document_has_the_table_of_ceilings() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating.md")).unwrap();
    let table = fleet::ceiling::table();
    assert!(document.contains(&table), "`cargo fleet ceilings` prints what docs/operating.md must have:\n{table}");
}
