//! Every mutant, until an invariant has killed it.
//!
//! The conditions to weaken are those that the code asks for while it runs: none is listed by hand, so none is forgotten.

use std::collections::BTreeMap;

use crate::history::History;
use crate::invariants::Violation;
use crate::mutant::{Mutant, Ordering};
use crate::provider::Class;
use crate::scenario::{Plan, Scenario};

/// How a mutant ended.
pub struct Fall {
    pub mutant: Mutant,
    pub runs: u64,
    pub killed_by: Option<(Plan, Violation)>,
}

/// Conditions that another one, or the code before them, makes superfluous: a second line, whose removal changes nothing.
/// A mutant of these may live; one that dies all the same has found a way that this page does not know.
pub const EQUIVALENT: &[(&str, &str, &str)] = &[
    ("end attempt", "this invocation has taken it", "nobody can take an attempt over; but a write must ask something"),
    (
        "expire",
        "it is too late to confirm it",
        "by how much does not matter, since whoever asks for it has looked at the time: what matters is that it still waits",
    ),
    (
        "revive",
        "the stored pair is the one that arrived",
        "another pair would have to be stored, and refused twice, a minute apart, while this write is on its way: no run has \
         met that",
    ),
    (
        "reap a connection that was given up",
        "the stored pair is the one that was refused",
        "its customer would have to connect, and be refused twice, a minute apart, while this delete is on its way: as above",
    ),
    ("end session", "the session exists", "rows that TTL deletes are not simulated, and none may be made anew"),
];

pub fn is_equivalent(mutant: &Mutant) -> Option<&'static str> {
    let Mutant::Condition { write, clause, .. } = mutant else { return None };
    let found = EQUIVALENT.iter().find(|(of_write, of_clause, _)| of_write == write && of_clause == clause);
    found.map(|(_, _, why)| *why)
}

/// What every conditional write was seen to ask, over some seeds of each class.
pub fn find(seeds: u64) -> Vec<Mutant> {
    let mut found = BTreeMap::new();
    for seed in 0..seeds {
        let class = Class::ALL[(seed % 5) as usize];
        let scenario = Scenario::new(Plan::stormy(seed, class), None, History::default());
        scenario.scheduler.world.lock().collects_conditions = true;
        let seen = scenario.run().conditions;
        for mutant in seen.iter().flat_map(|(name, clauses)| Mutant::of(name, clauses)) {
            found.insert(mutant, ());
        }
    }
    let orderings = Ordering::ALL.into_iter().map(Mutant::Ordering);
    found.into_keys().chain(orderings).collect()
}

/// Seeds that were the first to kill a mutant that is hard to kill. Stale after a change of [`Plan`], and then only useless.
const PROVEN: [u64; 15] = [1233, 296, 312, 570, 226, 1991, 1968, 1861, 1727, 497, 421, 332, 272, 246, 152];

/// Stormy runs on every class of provider, until `goes_on` says that it is enough.
pub fn hunt(mutant: &Mutant, mut goes_on: impl FnMut() -> bool) -> Fall {
    let mut seeds = PROVEN.into_iter().chain(0..);
    let mut runs = 0;
    while goes_on() {
        let Some(seed) = seeds.next() else { break };
        // P2 and P4 first: they forgive least.
        let class = [Class::P2, Class::P4, Class::P1, Class::P2, Class::P0, Class::P3][(seed % 6) as usize];
        let plan = Plan::stormy(seed, class);
        let report = Scenario::new(plan, Some(mutant.clone()), History::default()).run();
        runs += 1;
        if let Some(violation) = report.violation {
            return Fall { mutant: mutant.clone(), runs, killed_by: Some((plan, violation)) };
        }
    }
    Fall { mutant: mutant.clone(), runs, killed_by: None }
}
