//! Tries every mutant until it breaks an invariant, which kills it.
//!
//! The conditions to weaken are those that the code uses while it runs. So no condition can be forgotten in a list.

use std::collections::BTreeMap;

use crate::history::History;
use crate::invariants::Violation;
use crate::mutant::{Mutant, Ordering};
use crate::provider::Class;
use crate::scenario::{Plan, Scenario};

/// The result for a mutant.
pub struct MutantResult {
    pub mutant: Mutant,
    pub runs: u64,
    pub killed_by: Option<(Plan, Violation)>,
}

/// The mutants of all conditions that the runs of some seeds of each class have used.
pub fn find(seeds: u64) -> Vec<Mutant> {
    let mut found = BTreeMap::new();
    for seed in 0..seeds {
        let class = Class::ALL[(seed % 5) as usize];
        let scenario = Scenario::new(Plan::with_many_faults(seed, class), None, History::default());
        scenario.scheduler.world.lock().collects_conditions = true;
        let seen = scenario.run().conditions;
        for mutant in seen.iter().flat_map(|(name, clauses)| Mutant::of(*name, clauses)) {
            found.insert(mutant, ());
        }
    }
    let orderings = Ordering::ALL.into_iter().map(Mutant::Ordering);
    found.into_keys().chain(orderings).collect()
}

/// Seeds that were the first to kill mutants that are hard to kill. After a change of [`Plan`] they may kill none; that
/// is no error.
const SEEDS_THAT_KILLED: [u64; 18] =
    [3644, 3394, 3915, 1443, 2644, 312, 768, 399, 71, 922, 586, 217, 1260, 636, 313, 539, 1380, 266];

/// Runs with many faults on every class of provider, as long as `goes_on` allows.
pub fn try_to_kill(mutant: &Mutant, mut goes_on: impl FnMut() -> bool) -> MutantResult {
    let mut seeds = SEEDS_THAT_KILLED.into_iter().chain(0..);
    let mut runs = 0;
    while goes_on() {
        let Some(seed) = seeds.next() else { break };
        // P2 and P4 first: they are the strictest.
        let class = [Class::P2, Class::P4, Class::P1, Class::P2, Class::P0, Class::P3][(seed % 6) as usize];
        let plan = Plan::with_many_faults(seed, class);
        let report = Scenario::new(plan, Some(mutant.clone()), History::default()).run();
        runs += 1;
        // If the run also breaks a promise without the mutant, that is no kill.
        let is_killed = || Scenario::new(plan, None, History::default()).run().violation.is_none();
        if let Some(violation) = report.violation.filter(|_| is_killed()) {
            return MutantResult { mutant: mutant.clone(), runs, killed_by: Some((plan, violation)) };
        }
    }
    MutantResult { mutant: mutant.clone(), runs, killed_by: None }
}
