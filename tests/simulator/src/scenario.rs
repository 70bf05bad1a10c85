//! A run: a small fleet of connections, all events of the run, and the checks at its end.
//!
//! | actor | does |
//! |---|---|
//! | sweep | `refresh::Refresh::run`, on schedule, often two at once |
//! | reader | `token::Token`, then the token at the provider's API; reports a refused one |
//! | customer | `authorize::Authorize`, the consent, `callback::Callback`: double click, reload, stranger, delay |
//! | disconnect | `disconnecting::Disconnecting`, at a moment when it is most likely to do harm |
//! | confirm | the integrator's backend, some sessions: in time, too late, or with a guess |
//! | import | `connections::import::Importing`, a grant made elsewhere, over the present row |
//! | maintenance | `maintenance::Maintenance::run`, some runs: all pairs under a new key, or rows of no use reaped |
//! | damage | a row becomes unreadable, until an operator repairs it |
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

mod actor;
mod customer;
mod fleet;
mod import;
mod moment;
mod operator;
mod plan;
mod reader;

pub use actor::REPLAY;
pub use fleet::{Deployment, RATE, STACK};
pub use plan::Plan;

use actor::Actor;
use customer::{Journey, Link};
use moment::Awaited;

/// The virtual time of the sweeps without faults at the end. It covers the longest Retry-After, two refusals six
/// minutes apart, and leases.
const WITHOUT_FAULTS: u64 = 2_100_000;

pub struct Scenario {
    pub scheduler: Scheduler,
    pub plan: Plan,
    random: Random,
    pub ids: Vec<ConnectionId>,
    shards: Vec<u8>,
    links: Vec<Link>,
    journeys: Vec<Journey>,
    cached: reader::Caches,
    is_concluding: bool,
    awaited: Vec<Awaited>,
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
            is_concluding: false,
            awaited: Vec::new(),
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
        self.plan_turn(0, Actor::Sweep);
    }

    /// Ends the faults, and judges each connection a while later.
    pub fn conclude(&mut self) {
        self.is_concluding = true;
        {
            let mut world = self.scheduler.world.lock();
            world.faults_have_ended = true;
            world.stop_clocks(false);
            world.is_table_down = false;
        }
        // In the exhaustive search no actor has a turn before the end.
        self.plan_turn(0, Actor::Replay);
        // With P4 a pair may end after it was stored. The next refresh shows that.
        let until_refreshed = if self.plan.class == Class::P4 { self.plan.lifetime * 1000 } else { 0 };
        let judged_at = self.now() + WITHOUT_FAULTS + until_refreshed;
        self.play_until(judged_at);
        // A pair that is still on its way to the table is not lost.
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
        self.later(self.plan.stops_clocks.then_some(self.plan.duration / 10), Actor::StopClocks);
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

    fn plan_turn(&mut self, after: u64, actor: Actor) {
        let mut world = self.scheduler.world.lock();
        let time = world.now + after;
        world.schedule(time, Step::Act(actor.pack()));
    }

    /// Plans a turn at a random moment, on average after so many seconds. With `None` there is no turn.
    fn later(&mut self, seconds: Option<u64>, actor: Actor) {
        if let Some(seconds) = seconds {
            let after = self.random.between(1, seconds * 2000);
            self.plan_turn(after, actor);
        }
    }

    /// Takes steps until a moment of virtual time, or until a promise is broken.
    pub fn play_until(&mut self, end: u64) {
        loop {
            match self.scheduler.step() {
                Turn::Act(actor) => self.act(Actor::unpack(actor)),
                Turn::End => return,
                Turn::Poll(_) if !self.awaited.is_empty() && !self.is_concluding => self.act_at_awaited_moments(),
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
                let twice = !self.is_concluding && self.random.chance(self.plan.double_sweep);
                self.sweep(false);
                if twice {
                    self.sweep(true);
                }
                self.plan_turn(self.plan.sweep_every * 1000, Actor::Sweep);
            }
            Actor::Replay => self.replay(),
            Actor::Reader(index) if !self.is_concluding => {
                self.read(index);
                self.later(self.plan.read_every, Actor::Reader(index));
            }
            Actor::Customer(index) if !self.is_concluding => {
                self.begin_journey(index);
                self.later(self.plan.reconnect_every, Actor::Customer(index));
            }
            Actor::Import(index) if !self.is_concluding => {
                self.import(index);
                self.later(self.plan.import_every, Actor::Import(index));
            }
            Actor::Confirm(journey) => self.confirm(journey),
            Actor::Maintain if !self.is_concluding => {
                let task = if self.random.chance(0.7) { Task::Reseal } else { Task::Reap };
                self.maintain(task);
                self.later(self.plan.maintain_every, Actor::Maintain);
            }
            Actor::Damage(index) if !self.is_concluding => {
                self.damage(index);
                if self.random.chance(0.4) {
                    self.repair_or_remove_at_a_quarantine(index);
                }
                self.later(Some(self.plan.duration / 8), Actor::Damage(index));
            }
            Actor::Repair(index) => self.repair(index),
            Actor::StopTable if !self.is_concluding => {
                self.scheduler.world.lock().is_table_down = true;
                self.later(Some(6), Actor::StartTable);
            }
            Actor::StartTable if !self.is_concluding => {
                self.scheduler.world.lock().is_table_down = false;
                self.later(Some(self.plan.duration / 20), Actor::StopTable);
            }
            Actor::StopClocks if !self.is_concluding => {
                self.scheduler.world.lock().stop_clocks(true);
                self.later(Some(60), Actor::StartClocks);
            }
            Actor::StartClocks if !self.is_concluding => {
                self.scheduler.world.lock().stop_clocks(false);
                self.later(Some(self.plan.duration / 10), Actor::StopClocks);
            }
            Actor::FollowLink(link) if !self.is_concluding => self.follow(link),
            Actor::Return(journey) if !self.is_concluding => self.come_back(journey),
            Actor::Disconnect(index) if !self.is_concluding => {
                self.disconnect_at_the_worst_moment(index);
                self.later(Some(self.plan.duration / 3), Actor::Disconnect(index));
            }
            Actor::Reader(_)
            | Actor::Customer(_)
            | Actor::FollowLink(_)
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

    /// A caller must get a token that the provider accepts.
    fn must_yield(&mut self, index: usize) {
        let (id, answered) = (self.ids[index].clone(), self.cached.answers());
        // With P2 a sweep may end a token that is on its way to the API.
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
        world.ledger.violate(now, Invariant::NoneLost, || format!("{id} should yield a token, and does not"));
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
