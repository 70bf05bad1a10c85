//! Acts that come at the moment when they are most likely to do harm: a connection is taken away, or rows are deleted.

use std::sync::Arc;
use std::time::Duration;

use maintenance::Task;
use shared::domain::write::WriteName;
use shared::ports::Clock;

use super::Scenario;
use crate::ports::Ports;

/// The longest invocation of the function that answers `DELETE`, in milliseconds.
const TIMEOUT: u64 = 60_000;

/// A moment that is awaited for a connection. Then an act follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    index: usize,
    moment: Moment,
}

#[derive(Clone, Copy, Debug)]
enum Moment {
    Any,
    /// A lease is held on a pair that was refused before: the next answer may end the connection.
    AboutToGiveUp,
    /// A code is at the provider, or its pair on its way to the table.
    AboutToConnect,
    /// A lease is held.
    AboutToCommit,
    /// A worker is about to lease it.
    AboutToAcquire,
    /// A late pair is about to be added to the list of grants to revoke. Then the connection is imported.
    AboutToAdd,
    /// Its grants are about to be revoked.
    AboutToRevoke,
    /// A row that has long been of no use is about to change. Then an operator deletes such rows.
    AboutToChange,
    /// A row that cannot be read is about to be put off. Then an operator repairs it; or an operator removes it, and
    /// the customer connects again.
    AboutToQuarantine,
}

impl Scenario {
    pub(super) fn disconnect_at_the_worst_moment(&mut self, index: usize) {
        let moments = [
            Moment::Any,
            Moment::AboutToGiveUp,
            Moment::AboutToConnect,
            Moment::AboutToCommit,
            Moment::AboutToRevoke,
            Moment::AboutToAcquire,
        ];
        let moment = moments[self.random.below(6) as usize];
        self.awaited.push(Awaited { index, moment: Moment::AboutToAdd });
        self.awaited.push(Awaited { index, moment });
    }

    pub(super) fn repair_or_remove_at_a_quarantine(&mut self, index: usize) {
        self.awaited.push(Awaited { index, moment: Moment::AboutToQuarantine });
    }

    pub(super) fn reap_when_a_row_is_about_to_change(&mut self, index: usize) {
        self.awaited.push(Awaited { index, moment: Moment::AboutToChange });
    }

    pub(super) fn act_at_awaited_moments(&mut self) {
        let mut due = Vec::new();
        {
            let world = self.scheduler.world.lock();
            let ids = &self.ids;
            self.awaited.retain(|Awaited { index, moment }| {
                let id = ids[*index].as_str();
                let Some(item) = world.store.connections.get(id) else { return true };
                let has = |name: &str| item.0.contains_key(name);
                let is_now = match moment {
                    Moment::Any => true,
                    Moment::AboutToGiveUp => has("invalid_grant_at") && has("lease_owner"),
                    Moment::AboutToConnect => {
                        world.is_exchanging()
                            || world.is_writing(WriteName::Connect, id)
                            || world.is_writing(WriteName::AwaitConfirmation, id)
                    }
                    Moment::AboutToCommit => has("lease_owner"),
                    Moment::AboutToAdd => world.is_writing(WriteName::AddRevocation, id),
                    Moment::AboutToAcquire => world.is_writing(WriteName::Acquire, id),
                    Moment::AboutToRevoke => world.is_writing(WriteName::ClaimRevocation, id),
                    Moment::AboutToChange => {
                        let names = [WriteName::Connect, WriteName::AwaitConfirmation, WriteName::Disconnect];
                        names.into_iter().any(|name| world.is_writing(name, id))
                    }
                    Moment::AboutToQuarantine => world.is_writing(WriteName::Quarantine, id),
                };
                if is_now {
                    due.push((*index, *moment));
                }
                !is_now
            });
        }
        for (index, moment) in due {
            match moment {
                Moment::AboutToChange => self.maintain(Task::Reap),
                Moment::AboutToAdd => self.import(index),
                Moment::AboutToQuarantine if self.random.chance(0.3) => {
                    self.remove_by_hand(index);
                    self.connect_at_once(index);
                }
                Moment::AboutToQuarantine => self.repair(index),
                Moment::Any
                | Moment::AboutToGiveUp
                | Moment::AboutToConnect
                | Moment::AboutToCommit
                | Moment::AboutToAcquire
                | Moment::AboutToRevoke => self.disconnect(index),
            }
        }
    }

    pub fn disconnect(&mut self, index: usize) {
        let (deployment, id) = (self.deployment(), self.ids[index].clone());
        let now = self.now();
        self.scheduler.spawn("disconnect".to_owned(), (now, now + TIMEOUT), move |ports: Ports| async move {
            let ports = Arc::new(ports);
            let deadline = Clock::now(&*ports) + Duration::from_millis(TIMEOUT);
            // Its effect is checked, and its answer is not. The schedule does the rest.
            let _ = deployment.disconnecting(&ports).disconnect(&id, deadline).await;
        });
    }
}
