//! A run: a small fleet of connections, all events of the run, and the checks at its end.
//!
//! | actor | does |
//! |---|---|
//! | sweep | `refresh::Refresh::run`, on schedule, often two at once |
//! | reader | `token::Token`, then the token at the provider's API; reports a refused one |
//! | customer | `authorize::Authorize`, the consent, `callback::Callback`: double click, reload, stranger, delay |
//! | disconnect | `disconnecting::Disconnecting`, at the worst moment |
//! | confirm | the integrator's backend, some sessions: in time, too late, or with a guess |
//! | import | `connections::import::Importing`, a grant made elsewhere, over the present row |
//! | maintenance | `maintenance::Maintenance::run`, some runs: all pairs under a new key, or rows of no use reaped |
//! | damage | a row is unreadable, until an operator repairs it |
//! | replay | `refresh::replay`, of messages in the queue |
//!
//! After the duration of the plan the faults stop, the sweeps go on, and each connection is judged.

use std::time::Duration;

use maintenance::Task;
use shared::domain::connection_id::ConnectionId;
use shared::domain::schedule;
use shared::domain::write::{Clause, WriteName};

use crate::chooser::{Chooser, Dice};
use crate::history::History;
use crate::invariants::{Counts, Invariant, Verdict, Violation};
use crate::mutant::Mutant;
use crate::named;
use crate::provider::{Class, Provider};
use crate::random::Random;
use crate::scheduler::Scheduler;
use crate::world::{Shared, Step, Turn, World};

mod ambush;
mod customer;
mod fleet;
mod import;
mod operator;

mod plan;
mod reader;

pub use fleet::{Deployment, RATE, STACK};
pub use plan::Plan;

use ambush::Ambush;
use customer::{Journey, Link};

/// The virtual time for which sweeps go on without faults. It covers the longest Retry-After, two refusals six minutes
/// apart, and leases.
const QUIET: u64 = 2_100_000;

/// The actor of a turn. Packed into the number of a [`Step::Drive`].
#[derive(Clone, Copy, Debug)]
enum Actor {
    Sweep,
    Reader(usize),
    Customer(usize),
    /// A browser comes back from the provider, for a journey.
    Return(usize),
    Disconnect(usize),
    /// The queue delivers its messages.
    Replay,
    /// A connection of another system is imported.
    Import(usize),
    /// The integrator's backend confirms what a journey has connected.
    Confirm(usize),
    Maintain,
    Damage(usize),
    Mend(usize),
    /// Browsers follow a link.
    SetOut(usize),
    /// All clocks stand still, or go on.
    StopClocks,
    StartClocks,
    /// The table stops accepting writes, or accepts them again.
    StopTable,
    StartTable,
}

/// [`Actor::Replay`], packed.
pub const REPLAY: u32 = 5 << 24;

impl Actor {
    fn pack(self) -> u32 {
        let (kind, index) = match self {
            Self::Sweep => (0, 0),
            Self::Reader(index) => (1, index),
            Self::Customer(index) => (2, index),
            Self::Return(index) => (3, index),
            Self::Disconnect(index) => (4, index),
            Self::Replay => (REPLAY >> 24, 0),
            Self::Import(index) => (6, index),
            Self::Confirm(index) => (7, index),
            Self::Maintain => (8, 0),
            Self::Damage(index) => (9, index),
            Self::Mend(index) => (10, index),
            Self::SetOut(index) => (11, index),
            Self::StopClocks => (12, 0),
            Self::StartClocks => (13, 0),
            Self::StopTable => (14, 0),
            Self::StartTable => (15, 0),
        };
        (kind << 24) | index as u32
    }

    fn unpack(number: u32) -> Self {
        let index = (number & 0xFF_FFFF) as usize;
        match number >> 24 {
            0 => Self::Sweep,
            1 => Self::Reader(index),
            2 => Self::Customer(index),
            3 => Self::Return(index),
            4 => Self::Disconnect(index),
            6 => Self::Import(index),
            7 => Self::Confirm(index),
            8 => Self::Maintain,
            9 => Self::Damage(index),
            10 => Self::Mend(index),
            11 => Self::SetOut(index),
            12 => Self::StopClocks,
            13 => Self::StartClocks,
            14 => Self::StopTable,
            15 => Self::StartTable,
            _ => Self::Replay,
        }
    }
}

pub struct Scenario {
    pub scheduler: Scheduler,
    pub plan: Plan,
    random: Random,
    pub ids: Vec<ConnectionId>,
    shards: Vec<u8>,
    links: Vec<Link>,
    journeys: Vec<Journey>,
    cached: reader::Caches,
    quiet: bool,
    ambushes: Vec<Ambush>,
}

/// How a run ended.
pub struct Report {
    pub seed: u64,
    pub counts: Counts,
    pub violation: Option<Violation>,
    pub history: History,
    /// Every condition that was used, once per name and shape.
    pub conditions: Vec<(WriteName, Vec<Clause>)>,
    pub virtual_seconds: u64,
}

impl Scenario {
    pub fn new(plan: Plan, mutant: Option<Mutant>, history: History) -> Self {
        let dice = Box::new(Dice::new(plan.seed, plan.odds));
        Self::with(plan, dice, mutant, history)
    }

    pub fn with(plan: Plan, chooser: Box<dyn Chooser>, mutant: Option<Mutant>, history: History) -> Self {
        let provider = Provider::new(plan.class, plan.lifetime * 1000, plan.window * 1000);
        let mut world = World::new(plan.seed, provider, chooser);
        world.provider.revokes = plan.revokes;
        world.mutant = mutant;
        world.history = history;
        let ids = fleet::ids(plan.connections);
        let mut shards: Vec<u8> = ids.iter().map(schedule::shard).collect();
        shards.dedup();
        shards.push(schedule::VACANT_SHARD);
        let random = Random::new(plan.seed ^ 0x5CE_4A10);
        named::listen();
        let scheduler = Scheduler::new(Shared::new(world));
        let cached = reader::Caches::new(plan.connections);
        Self {
            scheduler,
            plan,
            random,
            ids,
            shards,
            links: Vec::new(),
            journeys: Vec::new(),
            cached,
            quiet: false,
            ambushes: Vec::new(),
        }
    }

    /// The whole run.
    pub fn run(mut self) -> Report {
        for index in 0..self.ids.len() {
            if self.plan.refused > 0.0 && self.random.chance(self.plan.refused) {
                self.begin_refused(index);
            } else if !self.random.chance(self.plan.unconnected) {
                self.begin_connected(index);
            } else if self.plan.maintain_every.is_some() {
                self.begin_dead(index);
            }
        }
        self.begin_actors();
        let end = self.plan.duration * 1000;
        self.play_until(end);
        self.conclude();
        self.report()
    }

    pub fn begin_sweeps(&mut self) {
        self.drive(0, Actor::Sweep);
    }

    /// Ends the faults, and judges each connection a while later.
    pub fn conclude(&mut self) {
        self.quiet = true;
        {
            let mut world = self.scheduler.world.lock();
            world.calm = true;
            world.stop_clocks(false);
            world.is_table_down = false;
        }
        // The search through every order has no turns of the scenario before its end.
        self.drive(0, Actor::Replay);
        // In P4 a pair may end after it was stored. The next refresh shows that.
        let until_refreshed = if self.plan.class == Class::P4 { self.plan.lifetime * 1000 } else { 0 };
        let judged_at = self.now() + QUIET + until_refreshed;
        self.play_until(judged_at);
        // A pair that is on its way to the table is not lost.
        while self.scheduler.world.lock().is_refreshing() && !self.is_wrong() {
            let soon = self.now() + 100;
            self.play_until(soon);
        }
        self.judge();
    }

    pub fn is_wrong(&self) -> bool {
        self.scheduler.world.lock().ledger.violation.is_some()
    }

    fn begin_actors(&mut self) {
        self.begin_sweeps();
        self.later(self.plan.maintain_every, Actor::Maintain);
        self.later(self.plan.outages.then_some(self.plan.duration / 10), Actor::StopTable);
        self.later(self.plan.stands_still.then_some(self.plan.duration / 10), Actor::StopClocks);
        for index in 0..self.ids.len() {
            let Plan { read_every, reconnect_every, import_every, maintain_every, disconnects, duration, .. } =
                self.plan;
            self.later(read_every, Actor::Reader(index));
            self.later(reconnect_every, Actor::Customer(index));
            self.later(import_every, Actor::Import(index));
            self.later(maintain_every.map(|_| duration / 3), Actor::Damage(index));
            if disconnects && self.random.chance(0.5) {
                self.later(Some(duration / 3), Actor::Disconnect(index));
            }
        }
    }

    fn now(&self) -> u64 {
        self.scheduler.world.lock().now
    }

    fn drive(&mut self, after: u64, actor: Actor) {
        let mut world = self.scheduler.world.lock();
        let time = world.now + after;
        world.schedule(time, Step::Drive(actor.pack()));
    }

    /// Plans a turn at a random moment, on average after that many seconds. Without a number there is no turn.
    fn later(&mut self, seconds: Option<u64>, actor: Actor) {
        if let Some(seconds) = seconds {
            let after = self.random.between(1, seconds * 2000);
            self.drive(after, actor);
        }
    }

    /// Takes steps until a moment of virtual time, or until a promise is broken.
    pub fn play_until(&mut self, end: u64) {
        loop {
            match self.scheduler.step() {
                Turn::Drive(actor) => self.act(Actor::unpack(actor)),
                Turn::End => return,
                Turn::Poll(_) if !self.ambushes.is_empty() && !self.quiet => self.strike(),
                Turn::Poll(_) | Turn::Drop(_) | Turn::Nothing => {}
            }
            let world = self.scheduler.world.lock();
            if world.now >= end || world.ledger.violation.is_some() {
                return;
            }
        }
    }

    fn act(&mut self, actor: Actor) {
        match actor {
            Actor::Sweep => {
                let twice = !self.quiet && self.random.chance(self.plan.double_sweep);
                self.sweep(false);
                if twice {
                    self.sweep(true);
                }
                self.drive(self.plan.sweep_every * 1000, Actor::Sweep);
            }
            Actor::Replay => self.replay(),
            Actor::Reader(index) if !self.quiet => {
                self.read(index);
                self.later(self.plan.read_every, Actor::Reader(index));
            }
            Actor::Customer(index) if !self.quiet => {
                self.begin_journey(index);
                self.later(self.plan.reconnect_every, Actor::Customer(index));
            }
            Actor::Import(index) if !self.quiet => {
                self.import(index);
                self.later(self.plan.import_every, Actor::Import(index));
            }
            Actor::Confirm(journey) => self.confirm(journey),
            Actor::Maintain if !self.quiet => {
                let task = if self.random.chance(0.7) { Task::Reseal } else { Task::Reap };
                self.maintain(task);
                self.later(self.plan.maintain_every, Actor::Maintain);
            }
            Actor::Damage(index) if !self.quiet => {
                self.damage(index);
                if self.random.chance(0.4) {
                    self.lie_in_wait_for_the_unreadable(index);
                }
                self.later(Some(self.plan.duration / 8), Actor::Damage(index));
            }
            Actor::Mend(index) => self.mend(index),
            Actor::StopTable if !self.quiet => {
                self.scheduler.world.lock().is_table_down = true;
                self.later(Some(6), Actor::StartTable);
            }
            Actor::StartTable if !self.quiet => {
                self.scheduler.world.lock().is_table_down = false;
                self.later(Some(self.plan.duration / 20), Actor::StopTable);
            }
            Actor::StopClocks if !self.quiet => {
                self.scheduler.world.lock().stop_clocks(true);
                self.later(Some(60), Actor::StartClocks);
            }
            Actor::StartClocks if !self.quiet => {
                self.scheduler.world.lock().stop_clocks(false);
                self.later(Some(self.plan.duration / 10), Actor::StopClocks);
            }
            Actor::SetOut(link) if !self.quiet => self.follow(link),
            Actor::Return(journey) if !self.quiet => self.come_back(journey),
            Actor::Disconnect(index) if !self.quiet => {
                self.lie_in_wait(index);
                self.later(Some(self.plan.duration / 3), Actor::Disconnect(index));
            }
            Actor::Reader(_)
            | Actor::Customer(_)
            | Actor::SetOut(_)
            | Actor::Return(_)
            | Actor::Disconnect(_)
            | Actor::Import(_)
            | Actor::Maintain
            | Actor::StopClocks
            | Actor::StartClocks
            | Actor::StopTable
            | Actor::StartTable
            | Actor::Damage(_) => {}
        }
    }

    /// Checks that each connection yields a token that the provider accepts, or says why it cannot.
    fn judge(&mut self) {
        for index in 0..self.ids.len() {
            let verdict = {
                let mut world = self.scheduler.world.lock();
                let world = &mut *world;
                if world.ledger.violation.is_some() {
                    return;
                }
                let (id, now) = (self.ids[index].as_str(), world.time());
                let times = (now, Duration::from_secs(self.plan.sweep_every));
                world.ledger.judge(times, id, world.store.connections.get(id), &world.provider)
            };
            if verdict == Verdict::Lives {
                self.must_yield(index);
            }
        }
    }

    fn must_yield(&mut self, index: usize) {
        let (id, answered) = (self.ids[index].clone(), self.cached.answers());
        // In P2 a sweep may end a token on its way to the API.
        for _ in 0..3 {
            self.read(index);
            let end = self.now() + 60_000;
            self.play_until(end);
            if self.cached.answers() > answered {
                return;
            }
        }
        let mut world = self.scheduler.world.lock();
        let now = world.time();
        world.ledger.violate(now, Invariant::NoneLost, || format!("{id} could live, and yields no token"));
    }

    pub fn report(self) -> Report {
        let mut world = self.scheduler.world.lock();
        Report {
            seed: self.plan.seed,
            counts: world.ledger.counts,
            violation: world.ledger.violation.take(),
            history: std::mem::take(&mut world.history),
            conditions: (std::mem::take(&mut world.conditions).into_iter())
                .map(|((name, _), clauses)| (name, clauses))
                .collect(),
            virtual_seconds: world.now / 1000,
        }
    }
}
