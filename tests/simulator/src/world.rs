//! Everything outside the code under test: time, tables, keys, the provider, live processes, and the next steps.
//!
//! A port registers a call. The chooser decides its fate. Then the call is a few steps in the queue: its effect (none,
//! one, or two), and the delivery of its answer. [`crate::scheduler`] takes one step after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use shared::domain::time::Timestamp;
use shared::domain::write::{Clause, WriteName};

use crate::chooser::Chooser;
use crate::history::History;
use crate::invariants::Ledger;
use crate::mutant::{Mutant, Ordering};
use crate::provider::Provider;
use crate::queue::Queue;
use crate::random::Random;
use crate::store::Store;

mod calls;
mod effect;
mod fingerprint;
mod ordering;
mod steps;

use calls::Call;
pub use steps::{Step, Turn};

/// Virtual time begins here, in seconds.
const EPOCH: i64 = 1_800_000_000;

pub type ProcessId = usize;
pub type CallId = u64;

/// One invocation.
pub struct Process {
    pub name: String,
    pub alive: bool,
    /// Column of the history.
    pub lane: usize,
    frozen_until: u64,
    /// Its answers so far, as a hash.
    answers_hash: u64,
    /// The effect in which it last read a connection or the index.
    pub last_read_at: u64,
    /// It serves a caller that wants the token refreshed before it is due.
    pub is_early: bool,
    pub entropy: Random,
    /// It serves another browser than the one that started the journey.
    pub is_foreign: bool,
    /// Set by a mutant: its data key does not open.
    key_fails: bool,
    /// The key that it seals under, as its environment says.
    pub kms_key: u8,
}

pub struct World {
    /// Milliseconds since the beginning: this orders the steps.
    pub now: u64,
    /// How far all clocks are behind, since they were stopped. The provider's clock stops with ours.
    stood_still: u64,
    /// The moment since which the clocks are stopped.
    still_since: Option<u64>,
    pub store: Store,
    pub queue: Queue,
    pub provider: Provider,
    pub ledger: Ledger,
    pub history: History,
    pub mutant: Option<Mutant>,
    pub processes: Vec<Process>,
    /// The key that new processes seal under: the newest.
    pub kms_key: u8,
    /// True at the end of a run, which has no faults.
    pub faults_have_ended: bool,
    /// No row of a connection can be written at present.
    pub is_table_down: bool,
    /// Whether an invocation is ended at its deadline. The exhaustive search has none that runs for so long.
    pub ends_invocations: bool,
    /// Steps of one process alone are taken at once. The chooser decides only about steps that others can see.
    pub merges_local_steps: bool,
    chooser: Box<dyn Chooser>,
    steps: BTreeMap<(u64, u64), Step>,
    /// The number of steps, calls and effects so far, for their order.
    pub sequence: u64,
    calls: BTreeMap<CallId, Box<Call>>,
    /// The process that asked for a connection's lease, and the owner's name.
    owners: HashMap<(ProcessId, String), String>,
    /// One of each condition that was used, by name and shape. The mutants are made from these.
    pub conditions: HashMap<(WriteName, String), Vec<Clause>>,
    pub collects_conditions: bool,
    /// Randomness for the delays of the queue's count.
    lags: Random,
    seed: u64,
}

#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl World {
    pub fn new(seed: u64, provider: Provider, chooser: Box<dyn Chooser>) -> Self {
        Self {
            now: 0,
            stood_still: 0,
            still_since: None,
            store: Store::default(),
            queue: Queue::default(),
            ledger: Ledger::default(),
            history: History::default(),
            mutant: None,
            processes: Vec::new(),
            kms_key: 0,
            faults_have_ended: false,
            is_table_down: false,
            ends_invocations: true,
            merges_local_steps: false,
            chooser,
            steps: BTreeMap::new(),
            sequence: 0,
            calls: BTreeMap::new(),
            owners: HashMap::new(),
            conditions: HashMap::new(),
            collects_conditions: false,
            provider,
            lags: Random::new(seed ^ 0x1A65),
            seed,
        }
    }

    /// Milliseconds on every clock.
    pub fn time(&self) -> u64 {
        self.still_since.unwrap_or(self.now) - self.stood_still
    }

    /// Stops all clocks, while everything else goes on; or starts them again.
    pub fn stop_clocks(&mut self, are_still: bool) {
        if let Some(since) = self.still_since.take() {
            self.stood_still += self.now - since;
        }
        self.still_since = are_still.then_some(self.now);
    }

    /// What a process reads on its clock.
    pub fn clock(&self) -> Timestamp {
        Self::clock_at(self.time())
    }

    /// Milliseconds on the clocks at the time of a row's attribute.
    pub fn at(time: i64) -> u64 {
        u64::try_from(time - EPOCH).unwrap_or_default() * 1000
    }

    /// The reverse.
    pub fn clock_at(milliseconds: u64) -> Timestamp {
        Timestamp::from_unix(EPOCH + (milliseconds / 1000) as i64)
    }

    pub fn spawn(&mut self, name: String, start: u64, deadline: u64) -> ProcessId {
        let id = self.processes.len();
        let lane = self.history.open_lane();
        self.processes.push(Process {
            name,
            alive: true,
            lane,
            frozen_until: 0,
            answers_hash: 0,
            last_read_at: 0,
            is_early: false,
            // Its own stream: its numbers do not depend on how it is interleaved with others.
            entropy: Random::new(self.seed ^ ((id as u64 + 1) << 32)),
            is_foreign: false,
            key_fails: false,
            kms_key: self.kms_key,
        });
        self.schedule(start, Step::Run(id));
        if self.ends_invocations {
            self.schedule(deadline, Step::Crash(id));
        }
        id
    }

    /// The process has come to its end.
    pub fn finished(&mut self, process: ProcessId) {
        self.processes[process].alive = false;
        self.history.close_lane(self.processes[process].lane);
        self.ledger.process_ended(process);
        if self.merges_local_steps {
            self.forget(process);
        }
    }

    pub fn note(&mut self, process: ProcessId, text: impl FnOnce() -> String) {
        if self.history.is_on() {
            let Process { name, lane, .. } = &self.processes[process];
            self.history.add(self.now, *lane, name, text());
        }
    }

    pub fn has_just_read(&mut self, process: ProcessId) {
        self.processes[process].last_read_at = self.sequence;
    }

    fn freeze(&mut self, process: ProcessId, until: u64) {
        self.ledger.process_frozen(process, until - self.now);
        let frozen = &mut self.processes[process].frozen_until;
        *frozen = (*frozen).max(until);
    }

    pub fn ordering(&self) -> Option<Ordering> {
        Mutant::ordering(self.mutant.as_ref())
    }
}
