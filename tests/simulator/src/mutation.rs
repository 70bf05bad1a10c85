//! Every mutant, until an invariant has killed it.
//!
//! The conditions to weaken are those that the code uses while it runs. No list is written by hand, so none is
//! forgotten.

use std::collections::BTreeMap;

use crate::history::History;
use crate::invariants::Violation;
use crate::mutant::{Mutant, Ordering};
use crate::provider::Class;
use crate::scenario::{Plan, Scenario};

/// The result for a mutant.
pub struct Fall {
    pub mutant: Mutant,
    pub runs: u64,
    pub killed_by: Option<(Plan, Violation)>,
}

/// Every conditional write's clauses, as seen over some seeds of each class.
pub fn find(seeds: u64) -> Vec<Mutant> {
    let mut found = BTreeMap::new();
    for seed in 0..seeds {
        let class = Class::ALL[(seed % 5) as usize];
        let scenario = Scenario::new(Plan::stormy(seed, class), None, History::default());
        scenario.scheduler.world.lock().collects_conditions = true;
        let seen = scenario.run().conditions;
        for mutant in seen.iter().flat_map(|(name, clauses)| Mutant::of(*name, clauses)) {
            found.insert(mutant, ());
        }
    }
    let orderings = Ordering::ALL.into_iter().map(Mutant::Ordering);
    found.into_keys().chain(orderings).collect()
}

/// Seeds that were the first to kill a mutant that is hard to kill. After a change of [`Plan`] they have no effect, but
/// cause no error.
const PROVEN: [u64; 18] =
    [3644, 3394, 3915, 1443, 2644, 312, 768, 399, 71, 922, 586, 217, 1260, 636, 313, 539, 1380, 266];

/// Stormy runs on every class of provider, as long as `goes_on` allows.
pub fn hunt(mutant: &Mutant, mut goes_on: impl FnMut() -> bool) -> Fall {
    let mut seeds = PROVEN.into_iter().chain(0..);
    let mut runs = 0;
    while goes_on() {
        let Some(seed) = seeds.next() else { break };
        // P2 and P4 first: they are the strictest.
        let class = [Class::P2, Class::P4, Class::P1, Class::P2, Class::P0, Class::P3][(seed % 6) as usize];
        let plan = Plan::stormy(seed, class);
        let report = Scenario::new(plan, Some(mutant.clone()), History::default()).run();
        runs += 1;
        // A run that is also wrong without the mutant does not count as a kill.
        let is_killed = || Scenario::new(plan, None, History::default()).run().violation.is_none();
        if let Some(violation) = report.violation.filter(|_| is_killed()) {
            return Fall { mutant: mutant.clone(), runs, killed_by: Some((plan, violation)) };
        }
    }
    Fall { mutant: mutant.clone(), runs, killed_by: None }
}
