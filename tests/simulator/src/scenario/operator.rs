//! What an operator does by hand, and rows that make no sense for a while.

use std::sync::Arc;

use maintenance::{Event, Task};
use shared::domain::connection::disconnecting::{Revocation, bury};
use shared::domain::connection::writes::{LONGEST_INVOCATION, give_up};
use shared::domain::connection::{Connection, Status};
use shared::domain::item::Value;
use shared::failure::FailureClass;
use shared::ports::Clock;

use super::{Actor, Scenario};
use crate::provider::Class;
use crate::world::Step;

/// Seconds; longer than the shortest time after which the dead are reaped.
const LONG_AGO: i64 = 40 * 86_400;

impl Scenario {
    pub(super) fn maintain(&mut self, task: Task) {
        let (deployment, now) = (self.deployment(), self.now());
        let kms_key = {
            let mut world = self.scheduler.world.lock();
            // A new key, as a rule; or a run that goes on with what another one has left.
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

    /// Somebody's hand, or a deployment that writes what another one cannot read. Not in P3: nobody gets through in time then.
    pub(super) fn damage(&mut self, index: usize) {
        if self.plan.class == Class::P3 {
            return;
        }
        let after = self.random.between(1_000, 400_000);
        let mut world = self.scheduler.world.lock();
        let Some(row) = world.store.connections.get_mut(self.ids[index].as_str()) else { return };
        if matches!(Connection::stored(row), Ok(Some(stored)) if stored.status == Status::Active) {
            row.0.insert("token_type".into(), Value::N(0));
            let time = world.now + after;
            world.schedule(time, Step::Drive(Actor::Mend(index).pack()));
        }
    }

    /// Unless a new pair has mended it.
    pub(super) fn mend(&mut self, index: usize) {
        let mut world = self.scheduler.world.lock();
        let Some(row) = world.store.connections.get_mut(self.ids[index].as_str()) else { return };
        if row.0.get("token_type") == Some(&Value::N(0)) {
            row.0.insert("token_type".into(), "Bearer".into());
        }
    }

    /// A connection that was given up, or taken away, long before the run.
    pub(super) fn begin_dead(&mut self, index: usize) {
        self.begin_connected(index);
        self.lie_in_wait_for_the_dead(index);
        let was_given_up = self.random.chance(0.5);
        let id = self.ids[index].as_str();
        let mut world = self.scheduler.world.lock();
        let world = &mut *world;
        let Some(row) = world.store.connections.get_mut(id) else { return };
        for time in ["refreshed_at", "granted_at", "expires_at", "created_at"] {
            if let Some(Value::N(time)) = row.0.get_mut(time) {
                *time -= LONG_AGO;
            }
        }
        let Ok(Some(connection)) = Connection::stored(row) else { return };
        *row = if was_given_up {
            give_up(&connection, "a refresh of those days", FailureClass::InvalidGrant.as_str()).apply(Some(row))
        } else {
            bury(&connection, Revocation::Done, connection.expires_at).apply(Some(row))
        };
        if let Some(pair) = world.ledger.current.remove(id) {
            world.provider.revoke(&pair.refresh);
        }
    }
}
