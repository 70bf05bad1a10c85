//! How many connections a deployment keeps fresh, by its parameters.

use std::time::Duration;

use shared::protocol::pace::MOST_IN_FLIGHT;
use shared::protocol::refresh::INVOCATION_BUDGET;

use crate::{INTERVAL, Scenario};

/// The time between two refreshes of a connection, for tokens of two hours: three quarters of their life.
const BETWEEN_REFRESHES: Duration = Duration::from_secs(5400);

impl Scenario {
    /// The most connections that are kept fresh on a healthy day. With half as many, an hour of outage is made up for.
    pub fn ceiling(&self) -> u32 {
        let round_trip = self.provider.latency + self.write * 2;
        let of_a_run = (MOST_IN_FLIGHT as f64 / round_trip.as_secs_f64()).min(1.0 / self.processor.as_secs_f64());
        let a_second = (of_a_run * self.most_runs as f64).min(self.most_requests as f64);
        // A run begins no refresh that could end after the run's deadline.
        let share = (INTERVAL - INVOCATION_BUDGET).as_secs_f64() / INTERVAL.as_secs_f64();
        (a_second * share * BETWEEN_REFRESHES.as_secs_f64()) as u32
    }
}

/// The table of docs/operating.md.
pub fn table() -> String {
    let mut rows = String::from(
        "| `ProviderRequestsPerSecond` | `ParallelRuns` | at 150 ms an answer | at 500 ms | at 800 ms |\n|---|---|---|---|---|\n",
    );
    for (most_requests, most_runs) in [(50, 1), (50, 4), (200, 4), (500, 4), (1000, 8), (2500, 16), (5000, 16)] {
        let cells = [150, 500, 800].map(|milliseconds| {
            let mut scenario = Scenario { most_requests, most_runs, ..Scenario::of(0) };
            scenario.provider.latency = Duration::from_millis(milliseconds);
            thousands(scenario.ceiling() / 2 / 1000 * 1000)
        });
        rows.push_str(&format!("| {most_requests} | {most_runs} | {} |\n", cells.join(" | ")));
    }
    rows
}

fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}
