//! Everything outside the code under test: time, tables, keys, the provider, live processes, and the next steps.
//!
//! A port registers a call. The chooser decides its fate. Then the call is a few steps in the queue: its effect (none,
//! one, or two), and the delivery of its answer. [`crate::scheduler`] takes one step after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use shared::domain::time::Timestamp;
use shared::domain::write::{Clause, Write, WriteName};

use crate::call::{Answer, CallError, Request, Service, Table};
use crate::chooser::{Chooser, Fate, Weather};
use crate::history::History;
use crate::invariants::Ledger;
use crate::mutant::{Mutant, Ordering};
use crate::provider::{Class, Provider};
use crate::queue::Queue;
use crate::random::Random;
use crate::store::Store;

mod effect;
mod fingerprint;
mod ordering;

/// Virtual time begins here, in seconds.
const EPOCH: i64 = 1_800_000_000;

pub type ProcessId = usize;
pub type CallId = u64;

/// A point at which something happens.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A process begins, or one of its waits ends.
    Run(ProcessId),
    Wake(CallId),
    Effect(CallId),
    Deliver(CallId),
    Crash(ProcessId),
    /// The scenario's turn.
    Drive(u32),
}

/// What the scheduler has to do after a step.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    Poll(ProcessId),
    Drop(ProcessId),
    Drive(u32),
    /// The step belonged to no live process.
    Nothing,
    /// There are no more steps.
    End,
}

/// One invocation.
pub struct Process {
    pub name: String,
    pub alive: bool,
    /// Column of the history.
    pub lane: usize,
    frozen_until: u64,
    /// Its answers so far, as a hash.
    heard: u64,
    /// The effect in which it last read a connection or the index.
    pub looked_at: u64,
    /// The process of a caller who wants a token before its time.
    pub is_early: bool,
    pub entropy: Random,
    /// Another browser than the one that started the journey.
    pub is_foreign: bool,
    /// Set by a mutant: its data key does not open.
    key_fails: bool,
    /// The key that it seals under, as its environment says.
    pub kms_key: u8,
}

struct Call {
    process: ProcessId,
    request: Request,
    fate: Fate,
    created_at: u64,
    /// The last read of its process when the call was made: a late effect was decided from that read.
    looked_at: u64,
    /// The hash of its process's answers when the call was made: they decide what the call asks for.
    heard: u64,
    waker: Waker,
    /// The outcome of its last effect, on the way to the caller.
    outcome: Option<Answer>,
    delivered: Option<Answer>,
    /// The number of its steps that are still in the queue.
    steps: u8,
    /// The caller has its answer.
    is_over: bool,
}

pub struct World {
    /// Milliseconds since the beginning: this orders the steps.
    pub now: u64,
    /// How far the clocks are behind, since they have stood still. The provider's clock stands still with ours.
    stood_still: u64,
    /// The moment since which the clocks stand still.
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
    /// True after the faults have ended.
    pub calm: bool,
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
            calm: false,
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

    pub fn schedule(&mut self, time: u64, step: Step) {
        self.sequence += 1;
        self.steps.insert((time, self.sequence), step);
    }

    pub fn spawn(&mut self, name: String, start: u64, deadline: u64) -> ProcessId {
        let id = self.processes.len();
        let lane = self.history.open_lane();
        self.processes.push(Process {
            name,
            alive: true,
            lane,
            frozen_until: 0,
            heard: 0,
            looked_at: 0,
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

    /// The remaining steps of an ended process that no other process can see change nothing. So a search does not
    /// choose when they come.
    fn forget(&mut self, process: ProcessId) {
        for (key, step) in std::mem::take(&mut self.steps) {
            let (is_its_own, call) = match step {
                Step::Run(of) | Step::Crash(of) => (of == process, None),
                Step::Wake(id) | Step::Deliver(id) => {
                    (self.calls.get(&id).is_none_or(|call| call.process == process), Some(id))
                }
                Step::Effect(id) => {
                    let is_its_own = |call: &Call| call.process == process && !call.request.is_seen_by_others();
                    (self.calls.get(&id).is_none_or(|call| is_its_own(call)), Some(id))
                }
                Step::Drive(_) => (false, None),
            };
            if !is_its_own {
                self.steps.insert(key, step);
            } else if let Some(id) = call {
                self.used_up(id);
            }
        }
    }

    pub fn note(&mut self, process: ProcessId, text: impl FnOnce() -> String) {
        if self.history.is_on() {
            let Process { name, lane, .. } = &self.processes[process];
            self.history.add(self.now, *lane, name, text());
        }
    }

    pub fn register(&mut self, process: ProcessId, mut request: Request, waker: Waker) -> CallId {
        self.reorder_request(process, &mut request);
        self.check_before_sending(process, &request);
        self.collect(&request);
        let weather = self.weather(&request);
        let mut fate = self.chooser.fate(&request, weather);
        if self.is_table_down && !weather.calm && matches!(request, Request::Write { table: Table::Connections, .. }) {
            fate = Fate::FailBefore;
        }
        if self.is_late_end(&request) && !weather.calm && self.lags.below(3) == 0 {
            fate = Fate::LateEffect(self.lags.between(10_000, 60_000));
        }
        self.ledger.met(fate);
        if fate.is_fault() && matches!(request, Request::Escrow { .. }) {
            self.ledger.offer_fails(process);
        }
        self.sequence += 1;
        let id = self.sequence;
        let service = request.service();
        let (there, back) = (self.chooser.latency(service), self.chooser.latency(service));
        let sent_at = self.now.max(self.processes[process].frozen_until);
        if self.history.is_on() {
            let told = if fate == Fate::Succeed { String::new() } else { format!("  ✗ {fate:?}") };
            let text = format!("→ {}{told}", request.name());
            self.note(process, || text);
        }
        let mut steps: Vec<(u64, Step)> = Vec::with_capacity(3);
        let effect = (sent_at + there, Step::Effect(id));
        let deliver = (sent_at + there + back, Step::Deliver(id));
        match fate {
            Fate::Succeed | Fate::Html | Fate::NoRefreshToken | Fate::Bare | Fate::FalseRefusal => {
                steps.extend([effect, deliver]);
            }
            Fate::LostAnswer => steps.extend([effect, deliver]),
            Fate::FailBefore | Fate::Throttled { .. } | Fate::ServerError | Fate::Refused => steps.push(deliver),
            Fate::LateEffect(late) => {
                let timeout = sent_at + client_timeout(service);
                steps.extend([(timeout + late, Step::Effect(id)), (timeout, Step::Deliver(id))]);
            }
            Fate::Retried => {
                let again = effect.0 + back + there;
                steps.extend([effect, (again, Step::Effect(id)), (again + back, Step::Deliver(id))]);
            }
            Fate::Repeated(late) => steps.extend([effect, deliver, (deliver.0 + late, Step::Effect(id))]),
            Fate::CrashBefore => self.schedule(self.now, Step::Crash(process)),
            Fate::CrashAfter => steps.push(effect),
            Fate::FreezeBefore(time) => {
                self.freeze(process, self.now + time);
                steps.extend([(effect.0 + time, effect.1), (deliver.0 + time, deliver.1)]);
            }
            Fate::FreezeAfter(time) => {
                self.freeze(process, deliver.0 + time);
                steps.extend([effect, deliver]);
            }
        }
        let count = steps.len() as u8;
        for (time, step) in steps {
            self.schedule(time, step);
        }
        if fate == Fate::CrashAfter {
            // In the search, the clock stands still here, and the order is chosen differently.
            let later = u64::from(!self.merges_local_steps);
            self.schedule(effect.0 + later, Step::Crash(process));
        }
        let steps = count + self.reorder_steps(id, &request, effect.0);
        self.await_answer(id, process, request, fate, steps, waker);
        id
    }

    fn collect(&mut self, request: &Request) {
        let asked: &[(WriteName, &Vec<Clause>)] = match request {
            _ if !self.collects_conditions => return,
            Request::Write { write, .. } => &[(write.name, &write.clauses)],
            Request::WriteBoth(first, second) => &[(first.name, &first.clauses), (second.name, &second.clauses)],
            Request::Delete(delete) => &[(delete.name, &delete.clauses)],
            _ => return,
        };
        for (name, clauses) in asked {
            let shape = crate::mutant::shape_of(clauses);
            self.conditions.entry((*name, shape)).or_insert_with(|| (*clauses).clone());
        }
    }

    fn await_answer(&mut self, id: CallId, process: ProcessId, request: Request, fate: Fate, steps: u8, waker: Waker) {
        let (outcome, delivered, is_over) = (None, None, false);
        let created_at = self.time();
        let Process { looked_at, heard, .. } = self.processes[process];
        let call =
            Call { process, request, fate, created_at, looked_at, heard, waker, outcome, delivered, steps, is_over };
        self.calls.insert(id, Box::new(call));
    }

    pub fn looks(&mut self, process: ProcessId) {
        self.processes[process].looked_at = self.sequence;
    }

    pub fn sleep(&mut self, process: ProcessId, milliseconds: u64, waker: Waker) -> CallId {
        self.sequence += 1;
        let id = self.sequence;
        self.await_answer(id, process, Request::Secret, Fate::Succeed, 1, waker);
        self.schedule(self.now + milliseconds, Step::Wake(id));
        id
    }

    /// The answer, once it is there.
    pub fn take_answer(&mut self, call: CallId, waker: &Waker) -> Option<Answer> {
        let found = self.calls.get_mut(&call)?;
        let answer = found.delivered.take();
        match &answer {
            None => found.waker.clone_from(waker),
            Some(_) if found.steps == 0 => {
                self.calls.remove(&call);
            }
            Some(_) => found.is_over = true,
        }
        answer
    }

    fn freeze(&mut self, process: ProcessId, until: u64) {
        self.ledger.process_frozen(process, until - self.now);
        let frozen = &mut self.processes[process].frozen_until;
        *frozen = (*frozen).max(until);
    }

    fn weather(&self, request: &Request) -> Weather {
        let falsely = match request {
            Request::Refresh { refresh_token } => {
                self.provider.refresh_tokens.get(refresh_token).is_some_and(|token| !token.refused_falsely)
            }
            _ => false,
        };
        Weather { calm: self.calm || self.window_is_closing(), may_refuse_falsely: falsely }
    }

    /// P3's promise holds if a request succeeds within the window: after a third of the window there are no faults.
    fn window_is_closing(&self) -> bool {
        self.provider.class == Class::P3 && self.ledger.rotated_without_trace(self.time(), self.provider.window / 3)
    }

    /// Takes the next step.
    pub fn turn(&mut self) -> Turn {
        let chosen = if self.merges_local_steps { self.local_or_chosen() } else { self.chosen() };
        let Some(key) = chosen else { return Turn::End };
        let Some(step) = self.steps.remove(&key) else { return Turn::End };
        self.now = self.now.max(key.0);
        match step {
            Step::Drive(actor) => Turn::Drive(actor),
            Step::Run(process) => self.runnable(process, step).map_or(Turn::Nothing, Turn::Poll),
            Step::Crash(process) => self.crash(process),
            Step::Effect(call) => self.take_effect(call),
            Step::Wake(call) | Step::Deliver(call) => self.deliver(call, step),
        }
    }

    fn chosen(&mut self) -> Option<(u64, u64)> {
        let index = self.chooser.next(self.steps.len());
        self.steps.keys().nth(index).copied()
    }

    fn local_or_chosen(&mut self) -> Option<(u64, u64)> {
        let can_come: Vec<_> = self.steps.iter().filter(|(_, step)| self.can_come(step)).collect();
        let is_local = |step: &Step| match step {
            Step::Run(_) | Step::Wake(_) | Step::Deliver(_) | Step::Crash(_) => true,
            Step::Effect(id) => self.calls.get(id).is_some_and(|call| call.request.is_of_one_process()),
            Step::Drive(_) => false,
        };
        // A process waits by its own clock, and that time passes for all processes.
        let is_wait = |step: &Step| match step {
            Step::Wake(_) => true,
            Step::Deliver(id) => self.calls.get(id).is_some_and(|call| matches!(call.fate, Fate::LateEffect(_))),
            _ => false,
        };
        let comes_at_once = |(time, _): &(u64, u64), step: &Step| *time <= self.now && is_local(step) || is_wait(step);
        let local = can_come.iter().find(|(key, step)| comes_at_once(key, step));
        match local {
            Some((key, _)) => Some(**key),
            None => can_come.get(self.chooser.next(can_come.len())).map(|(key, _)| **key),
        }
    }

    /// If time does not order the steps, an answer must still come after its effect.
    fn can_come(&self, step: &Step) -> bool {
        let id = match step {
            Step::Deliver(id) => id,
            Step::Crash(process) => {
                let is_before =
                    |call: &Call| call.process == *process && call.fate == Fate::CrashAfter && call.outcome.is_none();
                return !self.calls.values().any(|call| is_before(call));
            }
            _ => return true,
        };
        self.calls.get(id).is_none_or(|call| match call.fate {
            Fate::FailBefore | Fate::Throttled { .. } | Fate::ServerError | Fate::Refused | Fate::LateEffect(_) => true,
            Fate::Retried => call.steps == 1,
            _ => call.outcome.is_some(),
        })
    }

    fn crash(&mut self, process: ProcessId) -> Turn {
        if !self.processes[process].alive {
            return Turn::Nothing;
        }
        self.note(process, || "✝ the process is gone".to_owned());
        self.ledger.process_crashed(process);
        self.finished(process);
        Turn::Drop(process)
    }

    fn runnable(&mut self, process: ProcessId, step: Step) -> Option<ProcessId> {
        let &Process { alive, frozen_until, .. } = &self.processes[process];
        if alive && frozen_until > self.now {
            self.schedule(frozen_until, step);
            return None;
        }
        alive.then_some(process)
    }

    fn deliver(&mut self, id: CallId, step: Step) -> Turn {
        let Some(process) = self.calls.get(&id).map(|call| call.process) else { return Turn::Nothing };
        if !self.processes[process].alive {
            self.used_up(id);
            return Turn::Nothing;
        }
        if self.runnable(process, step).is_none() {
            return Turn::Nothing;
        }
        self.used_up(id);
        let Some(call) = self.calls.get_mut(&id) else { return Turn::Nothing };
        let is_wait = matches!(step, Step::Wake(_));
        match (&call.request, call.fate) {
            (Request::Revoke { token }, Fate::Refused) => {
                self.ledger.revocation_refused(self.provider.refresh_of(token));
            }
            (Request::Refresh { refresh_token }, Fate::Refused) => self.provider.refused_otherwise(refresh_token),
            _ => {}
        }
        let truth = call.outcome.take();
        let answer = match call.fate {
            _ if is_wait => Answer::Secret,
            Fate::Refused if matches!(call.request, Request::Revoke { .. }) => Answer::NotRevoked,
            Fate::Refused => Answer::Failed(CallError::Refused),
            Fate::FailBefore if call.request.service() == Service::Provider => Answer::Failed(CallError::NotSent),
            Fate::Throttled { status, retry_after } => Answer::Failed(CallError::Throttled { status, retry_after }),
            Fate::FailBefore | Fate::LostAnswer | Fate::LateEffect(_) | Fate::ServerError | Fate::Html => {
                Answer::Failed(CallError::Unavailable)
            }
            _ => truth.unwrap_or(Answer::Failed(CallError::Unavailable)),
        };
        let answer = self.reorder_answer(process, id, answer);
        if self.history.is_on() && !is_wait {
            let text = match self.calls.get(&id) {
                Some(call) => format!("← {}: {}", call.request.name(), answer.name()),
                None => String::new(),
            };
            self.note(process, || text);
        }
        if self.merges_local_steps {
            self.hear(process, &answer);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.delivered = Some(answer);
            call.waker.wake_by_ref();
        }
        Turn::Poll(process)
    }

    /// One step of the call is done. If no process waits for the call any more, it ends with its last step.
    fn used_up(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.steps = call.steps.saturating_sub(1);
        let is_awaited = self.processes[call.process].alive && !call.is_over;
        if call.steps == 0 && !is_awaited {
            self.calls.remove(&id);
        }
    }

    /// Whether a write is on its way to a connection's row.
    pub fn is_writing(&self, name: WriteName, id: &str) -> bool {
        let is_it = |write: &Write| write.name == name && write.key == id;
        self.calls.values().any(|call| matches!(&call.request, Request::Write { write, .. } if is_it(write)))
    }

    /// Whether a refresh token is on its way to the provider, or its pair on its way to the table.
    pub fn is_refreshing(&self) -> bool {
        let is_of_a_refresh = |request: &Request| match request {
            Request::Refresh { .. } => true,
            Request::Write { write, .. } => write.name == WriteName::Commit,
            _ => false,
        };
        let is_awaited = |call: &Call| !call.is_over && self.processes[call.process].alive;
        self.calls.values().any(|call| is_awaited(call) && is_of_a_refresh(&call.request))
    }

    /// Whether a code is on its way to the provider.
    pub fn is_exchanging(&self) -> bool {
        self.calls.values().any(|call| !call.is_over && matches!(call.request, Request::Exchange { .. }))
    }

    pub fn ordering(&self) -> Option<Ordering> {
        Mutant::ordering(self.mutant.as_ref())
    }
}

/// How long a client waits: the SDK's operation timeout, and the provider's request budget.
fn client_timeout(service: Service) -> u64 {
    match service {
        Service::Store | Service::Keys | Service::Secrets | Service::Queue => 8_000,
        Service::Provider | Service::Api => shared::ports::REQUEST_BUDGET.as_millis() as u64,
    }
}
