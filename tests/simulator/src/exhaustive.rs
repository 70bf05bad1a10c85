//! Every interleaving: two workers on one connection, every order of the steps that others can see, and every
//! combination of faults, up to a number of faults.
//!
//! A run follows a path of choices. It is left as soon as it reaches a state that was seen before. To add a worker, add
//! a line to [`Setup::begin`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared::domain::connection::refresh::{LONGEST_INVOCATION, RefreshReason};
use shared::ports::Clock;

use crate::chooser::{Enumeration, Odds, Position};
use crate::history::History;
use crate::mutant::{Mutant, Ordering};
use crate::ports::Ports;
use crate::provider::Class;
use crate::scenario::{Plan, Scenario};
use crate::world::Turn;

/// One search.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub class: Class,
    /// Seconds after which the second worker starts: at once, or when the lease and its grace are over.
    pub second_after: u64,
    /// Whether the access token has expired.
    pub expired: bool,
    /// Whether the connection is taken away meanwhile.
    pub disconnects: bool,
    pub most_faults: usize,
    /// An order of steps that the protocol forbids. A test uses it to show that the search finds a broken promise.
    pub forbidden: Option<Ordering>,
}

#[derive(Default)]
pub struct Found {
    pub states: u64,
    /// Runs that came to their end. Each is an interleaving of its own.
    pub interleavings: u64,
    /// Runs that were left at a state that an earlier run had reached.
    pub pruned: u64,
    pub lost: u64,
    /// The history of the first run in which something is wrong.
    pub violation: Option<String>,
}

impl Setup {
    pub fn all(most_faults: usize) -> Vec<Self> {
        let mut setups = Vec::new();
        for class in Class::ALL {
            for (second_after, expired) in [(0, false), (160, false), (160, true)] {
                let setup = Self { class, second_after, expired, disconnects: false, most_faults, forbidden: None };
                setups.extend([setup, Self { disconnects: true, ..setup }]);
            }
        }
        setups
    }

    fn plan(self) -> Plan {
        let odds = Odds {
            fault: 0.0,
            slow: 0.0,
            closed: 0.0,
            no_refresh_token: 0.0,
            access_token_only: 0.0,
            unrevocable: 0.0,
        };
        let mut plan = Plan::drawn(1, self.class);
        (plan.connections, plan.lifetime, plan.sweep_every, plan.odds, plan.orderly) = (1, 7200, 300, odds, false);
        plan
    }

    fn begin(self, position: &Arc<Mutex<Position>>, history: History) -> Scenario {
        let chooser = Enumeration { position: position.clone(), most_faults: self.most_faults };
        let mut scenario =
            Scenario::with(self.plan(), Box::new(chooser), self.forbidden.map(Mutant::Ordering), history);
        scenario.begin_connected(0);
        let start = if self.expired { 7_201_000 } else { 6_000_000 };
        let seen = {
            let mut world = scenario.scheduler.world.lock();
            world.now = start;
            world.merges_local_steps = true;
            world.ends_invocations = false;
            world.ledger.current[scenario.ids[0].as_str()].pair.pair_id
        };
        self.worker(&mut scenario, "schedule", start, RefreshReason::Scheduled);
        self.worker(&mut scenario, "on demand", start + self.second_after * 1000, RefreshReason::OnDemand { seen });
        if self.disconnects {
            scenario.disconnect(0);
        }
        scenario
    }

    fn worker(self, scenario: &mut Scenario, name: &str, start: u64, need: RefreshReason) {
        let (deployment, id) = (scenario.deployment(), scenario.ids[0].clone());
        let times = (start, start + LONGEST_INVOCATION.as_millis() as u64);
        scenario.scheduler.spawn(name.to_owned(), times, move |ports: Ports| async move {
            let ports = Arc::new(ports);
            ports.has_just_read();
            let deadline = Clock::now(&*ports) + Duration::from_secs(600);
            let outcome = deployment.refreshing(&ports).refresh(&id, &need, deadline).await;
            ports.world.lock().note(ports.process, || format!("= {outcome:?}").chars().take(30).collect());
        });
    }
}

pub fn search(setup: Setup) -> Found {
    let position = Arc::new(Mutex::new(Position::default()));
    let locked = || position.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut found = Found::default();
    // For each state, the fewest faults with which it was reached: with fewer faults so far, more can still come.
    let mut seen = HashMap::new();
    loop {
        let mut scenario = setup.begin(&position, History::default());
        let came_to_its_end = loop {
            if locked().is_unexplored() {
                let (state, faults) = (scenario.scheduler.world.lock().fingerprint(), locked().faults() as u8);
                let fewest = seen.entry(state).or_insert(u8::MAX);
                if *fewest <= faults {
                    found.pruned += 1;
                    break false;
                }
                *fewest = faults;
            }
            if matches!(scenario.scheduler.step(), Turn::End) {
                break true;
            }
            if scenario.is_wrong() {
                break true;
            }
        };
        if came_to_its_end {
            found.interleavings += 1;
            locked().close();
            scenario.begin_sweeps();
            scenario.conclude();
            let report = scenario.report();
            found.lost += report.counts.lost;
            if let Some(violation) = report.violation {
                found.violation = Some(format!("{}\n{setup:?}: {violation:?}\n", picture(setup, &position)));
                break;
            }
        }
        if !locked().advance() {
            break;
        }
    }
    found.states = seen.len() as u64;
    found
}

/// Runs the current path once more, with its history. The sweeps at its end add little to the history.
fn picture(setup: Setup, position: &Arc<Mutex<Position>>) -> String {
    let locked = || position.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    locked().rewind();
    let mut scenario = setup.begin(position, History::on());
    while !scenario.is_wrong() && !matches!(scenario.scheduler.step(), Turn::End) {}
    scenario.report().history.picture(100)
}
