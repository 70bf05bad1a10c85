//! `cargo fleet`: days of large fleets, as a table, for three fleets. With three numbers it is for one fleet:
//! connections, `ProviderRequestsPerSecond`, `ParallelRuns`; with a day's name behind them, for one day.
//! `cargo fleet ceilings`: the table of docs/operating.md.

use std::time::Duration;

use fleet::{Scenario, Seen, Trouble};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("ceilings") {
        return print!("{}", fleet::ceiling::table());
    }
    let numbers: Vec<u32> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let only = std::env::args().nth(4);
    println!("{HEAD}");
    if let [connections, most_requests, most_runs] = numbers[..] {
        let days = scenarios(connections, most_requests, most_runs);
        for (name, scenario) in days.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| name == only)) {
            print_row(name, scenario, &scenario.run());
        }
        return;
    }
    for (connections, most_requests, most_runs) in [(10_000, 50, 4), (100_000, 100, 4), (1_000_000, 1000, 8)] {
        for (name, scenario) in scenarios(connections, most_requests, most_runs) {
            print_row(name, &scenario, &scenario.run());
        }
    }
}

const HEAD: &str = "\
| connections | `ProviderRequestsPerSecond` | `ParallelRuns` | the day | requests | most in a second | answered 429 | most index \
writes a second in a shard | tokens that expired before their refresh | the last of them, hour | tokens that are expired at the \
end | runs, unfinished | shards handed on | longest run, s |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

/// A healthy day, and a day with each kind of trouble.
fn scenarios(connections: u32, most_requests: u32, most_runs: u32) -> Vec<(&'static str, Scenario)> {
    let base =
        Scenario { most_requests: most_requests.into(), most_runs: most_runs as usize, ..Scenario::of(connections) };
    let with = |trouble: (f64, f64, Trouble)| {
        let mut scenario = base.clone();
        scenario.provider.trouble.push(trouble);
        scenario
    };
    let mut limited = base.clone();
    limited.provider.most_a_second = Some(most_requests / 2);
    let mut far = base.clone();
    far.provider.latency = Duration::from_millis(800);
    vec![
        ("healthy", base.clone()),
        ("each answer takes 800 ms", far),
        ("429 above half of the rate", limited),
        ("an hour in which the provider is unreachable", with((6.0, 7.0, Trouble::Unreachable))),
        ("an hour of 503 with Retry-After 60", with((6.0, 7.0, Trouble::RetryAfter(60)))),
        ("an hour in which each answer takes 5 s", with((6.0, 7.0, Trouble::Slow(5000)))),
    ]
}

fn print_row(name: &str, scenario: &Scenario, seen: &Seen) {
    let last = seen.last_expired.map_or_else(|| "–".to_owned(), |hours| format!("{hours:.2}"));
    println!(
        "| {} | {} | {} | {name} | {} | {} | {} | {} | {} | {last} | {} | {}, {} | {} | {} |",
        scenario.connections,
        scenario.most_requests,
        scenario.most_runs,
        seen.requests,
        seen.most_requests_a_second,
        seen.throttled,
        seen.most_index_writes_a_second,
        seen.expired,
        seen.expired_at_the_end,
        seen.runs,
        seen.unfinished_runs,
        seen.handed_on,
        seen.longest_run,
    );
}
