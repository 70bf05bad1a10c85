//! Runs seed after seed, until enough refreshes were stored or a promise is broken.

use crate::history::History;
use crate::invariants::Counts;
use crate::mutant::Mutant;
use crate::provider::Class;
use crate::scenario::{Plan, Report, Scenario};

/// The result of a campaign.
pub struct Campaign {
    pub counts: Counts,
    pub runs: u64,
    pub virtual_seconds: u64,
    /// The first run in which a promise was broken.
    pub failed: Option<(Plan, Report)>,
}

pub fn run(class: Class, first_seed: u64, refreshes: u64) -> Campaign {
    let mut campaign = Campaign { counts: Counts::default(), runs: 0, virtual_seconds: 0, failed: None };
    let mut seed = first_seed;
    while campaign.counts.refreshes < refreshes {
        // One run in eight has many faults, and stores few refreshes.
        let plan = if seed.is_multiple_of(8) { Plan::with_many_faults(seed, class) } else { Plan::drawn(seed, class) };
        let report = Scenario::new(plan, None, History::default()).run();
        campaign.counts.add(&report.counts);
        campaign.runs += 1;
        campaign.virtual_seconds += report.virtual_seconds;
        if report.violation.is_some() {
            campaign.failed = Some((plan, report));
            break;
        }
        seed += 1;
    }
    campaign
}

/// The same run, with its history.
pub fn replay(plan: Plan, mutant: Option<Mutant>) -> Report {
    Scenario::new(plan, mutant, History::on()).run()
}

/// The end of the run's history, and the promise that was broken.
pub fn explain(report: &Report, events: usize) -> String {
    let mut text = report.history.picture(events);
    match &report.violation {
        Some(violation) => {
            let crate::invariants::Violation { invariant, time, what } = violation;
            text.push_str(&format!("\nseed {}: {invariant:?} broken at {} s: {what}\n", report.seed, time / 1000));
        }
        None => text.push_str(&format!("\nseed {}: no promise was broken\n", report.seed)),
    }
    text
}
