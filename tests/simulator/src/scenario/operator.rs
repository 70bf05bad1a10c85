//! An operator's acts by hand, and rows that are unreadable for a while.

use std::sync::Arc;

use maintenance::{Event, Task};
use shared::domain::connection::disconnect::{RevocationOutcome, disconnect};
use shared::domain::connection::refresh::{LONGEST_INVOCATION, give_up};
use shared::domain::connection::revocation::remove;
use shared::domain::connection::{Row, State};
use shared::domain::failure_class::FailureClass;
use shared::domain::item::Value;
use shared::domain::order::Order;
use shared::ports::Clock;

use super::{Actor, Scenario};
use crate::provider::Class;
use crate::world::Step;

/// In seconds; longer than the shortest time after which rows may be deleted.
const LONG_AGO: i64 = 40 * 86_400;

impl Scenario {
    pub(super) fn maintain(&mut self, task: Task) {
        let (deployment, now) = (self.deployment(), self.now());
        let kms_key = {
            let mut world = self.scheduler.world.lock();
            // Usually a new key; sometimes a run that continues the work of another one.
            if matches!(task, Task::Reseal) && self.random.chance(0.7) {
                world.kms_key = world.kms_key.saturating_add(1);
            }
            world.kms_key
        };
        let event = Event { task, dry_run: false, cursor: None, days: 30 };
        let times = (now, now + LONGEST_INVOCATION.as_millis() as u64);
        self.scheduler.spawn(format!("{task:?}").to_lowercase(), times, move |ports| async move {
            let ports = Arc::new(ports);
            let deadline = Clock::now(&*ports) + LONGEST_INVOCATION;
            deployment.maintenance(&ports, kms_key).run(&event, deadline).await;
        });
    }

    /// A row becomes unreadable, by a mistake of an operator or by another version of the code. Not with P3: there, no
    /// request would come in time.
    pub(super) fn damage(&mut self, index: usize) {
        if self.plan.class == Class::P3 {
            return;
        }
        let after = self.random.between(1_000, 400_000);
        // The attribute has another value, is missing, or has a type that cannot be compared.
        let bad = [("token_type", Some(Value::N(0))), ("token_type", None), ("scope", Some(Value::Other))];
        let (name, bad) = bad[self.random.below(3) as usize].clone();
        let id = self.ids[index].as_str();
        let mut world = self.scheduler.world.lock();
        let row = world.store.connections.get(id).map(|item| Row::parse(id, item));
        if row.is_some_and(|row| matches!(row.state(), Ok(State::Active))) {
            world.touch(id, |item| {
                match bad {
                    Some(bad) => item.0.insert(name.into(), bad),
                    None => item.0.remove(name),
                };
            });
            let time = world.now + after;
            world.schedule(time, Step::Act(Actor::Repair(index).pack()));
        }
    }

    /// Does nothing if a new pair has repaired the row.
    pub(super) fn repair(&mut self, index: usize) {
        let id = self.ids[index].as_str();
        let mut world = self.scheduler.world.lock();
        let row = world.store.connections.get(id).map(|item| Row::parse(id, item));
        if matches!(row, Some(Row::Unreadable(_))) {
            world.touch(id, |item| {
                item.0.insert("token_type".into(), "Bearer".into());
                if item.0.get("scope") == Some(&Value::Other) {
                    item.0.remove("scope");
                }
            });
        }
    }

    /// An operator removes a row that cannot be read.
    pub(super) fn remove_by_hand(&mut self, index: usize) {
        let id = self.ids[index].as_str();
        let mut world = self.scheduler.world.lock();
        let world = &mut *world;
        world.sequence += 1;
        world.store.connections.remove(id);
        world.ledger.touched(world.sequence, id, None);
    }

    /// A connection that was given up or taken away long before the run.
    pub(super) fn begin_dead(&mut self, index: usize) {
        self.begin_connected(index);
        self.reap_when_a_row_is_about_to_change(index);
        let was_given_up = self.random.chance(0.5);
        let id = self.ids[index].as_str();
        let mut world = self.scheduler.world.lock();
        let world = &mut *world;
        world.touch(id, |row| {
            for time in ["refreshed_at", "expires_at", "refresh_at", "created_at"] {
                if let Some(Value::N(time)) = row.0.get_mut(time) {
                    *time -= LONG_AGO;
                }
            }
            let Row::Connection(connection) = Row::parse(id, row) else { return };
            let then = connection.expires_at;
            if was_given_up {
                let why = FailureClass::InvalidGrant;
                *row = give_up(&connection.id, "a refresh of those days", why, then, then).apply(Some(row));
                return;
            }
            let seen = Row::Connection(connection);
            let Some((write, _)) = disconnect(&seen, Order::at(then), then) else { return };
            *row = write.apply(Some(row));
            let buried = Row::parse(id, row);
            let grant = buried.revocations().and_then(|list| list.iter().next().cloned());
            let write = grant.and_then(|grant| remove(&buried, grant.pair.id, RevocationOutcome::Done));
            if let Some(write) = write {
                *row = write.apply(Some(row));
            }
        });
        let Some(pair) = world.ledger.current.remove(id) else { return };
        world.provider.revoke(&pair.pair.refresh);
        let row = world.store.connections.get(id).map(|item| Row::parse(id, item));
        world.ledger.begins_dead(id, row.as_ref());
    }
}
