//! Short forms of the simulator's commands.

use shared::domain::write::WriteName;
use simulator::campaign;
use simulator::exhaustive::{Setup, search};
use simulator::mutant::{Mutant, Ordering};
use simulator::mutation;
use simulator::provider::Class;

/// Runs of a thousand refreshes, with a fault possible at every call.
fn losses_are_unavoidable(class: Class) -> campaign::Campaign {
    let campaign = campaign::run(class, 0, 1000);
    if let Some((plan, _)) = &campaign.failed {
        panic!("{}", campaign::explain(&campaign::replay(*plan, None), 80));
    }
    assert_eq!(campaign.counts.lost, campaign.counts.unavoidable);
    assert!(campaign.counts.faults > 100 && campaign.counts.crashes > 20, "there were too few faults");
    campaign
}

#[test]
fn no_connection_is_lost_where_the_provider_makes_that_possible() {
    for class in [Class::P0, Class::P1, Class::P3] {
        assert_eq!(losses_are_unavoidable(class).counts.lost, 0, "{class:?}");
    }
}

#[test]
fn every_loss_at_a_provider_that_rotates_at_once_is_unavoidable_and_labelled() {
    for class in [Class::P2, Class::P4] {
        assert!(losses_are_unavoidable(class).counts.lost > 0, "{class:?}: there was no loss to check");
    }
}

#[test]
fn every_interleaving_of_two_workers_with_one_fault_keeps_every_promise() {
    // With a disconnect there are ten times as many states: `cargo simulator exhaustive`.
    let is_short = |setup: &Setup| matches!(setup.class, Class::P1 | Class::P4) && !setup.disconnects;
    for setup in Setup::all(1).into_iter().filter(is_short) {
        let found = search(setup);
        assert!(found.violation.is_none(), "{}", found.violation.unwrap_or_default());
        assert!(found.states > 900, "{} states", found.states);
    }
}

/// A search that takes two different states for the same one would not find them. It has no codes.
#[test]
fn the_search_finds_every_forbidden_order_of_the_steps_of_a_refresh() {
    let searched = Ordering::ALL.into_iter().filter(|ordering| *ordering != Ordering::CodeSentAgain);
    let is_meant =
        |setup: &Setup| setup.class == Class::P2 && setup.second_after > 0 && !setup.expired && !setup.disconnects;
    for forbidden in searched {
        let setups = Setup::all(1).into_iter().filter(is_meant);
        let found = setups.map(|setup| search(Setup { forbidden: Some(forbidden), ..setup }));
        assert_eq!(found.filter(|found| found.violation.is_some()).count(), 1, "{forbidden:?} is not found");
    }
}

#[test]
fn every_forbidden_order_of_steps_breaks_a_promise() {
    for ordering in Ordering::ALL {
        let mut runs = 0;
        let result = mutation::try_to_kill(&Mutant::Ordering(ordering), || {
            runs += 1;
            runs < 250
        });
        assert!(result.killed_by.is_some(), "{ordering:?} survived");
    }
}

#[test]
fn a_seed_is_a_history() {
    let picture = |seed| {
        let plan = simulator::scenario::Plan::with_many_faults(seed, Class::P2);
        campaign::replay(plan, None).history.picture(10_000)
    };
    assert_eq!(picture(3), picture(3));
    assert_ne!(picture(3), picture(4));
}

/// Otherwise its clauses would not be mutants. Only large fleets hand shards on, or are answered many 429:
/// tests/fleet, and tests/suite/pace.rs.
#[test]
fn every_conditional_write_of_the_domain_is_made_in_some_run() {
    let made: Vec<WriteName> = (mutation::find(600).into_iter())
        .filter_map(|mutant| match mutant {
            Mutant::Condition { write, .. } => Some(write),
            Mutant::Ordering(_) => None,
        })
        .collect();
    let of_large_fleets = [WriteName::HandOn, WriteName::LowerRate];
    for name in WriteName::ALL.iter().filter(|name| !of_large_fleets.contains(name)) {
        assert!(made.contains(name), "\"{name}\"");
    }
}
