//! Connections that are taken away, at the worst moment that can be had.
//!
//! The status only, in one stroke: the use case itself is another worker kind, and comes with the shared code's.

use shared::domain::item::Value;

use super::Scenario;

/// Waits for its moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ambush {
    index: usize,
    moment: Moment,
}

#[derive(Clone, Copy, Debug)]
enum Moment {
    Any,
    /// A lease is held on a pair that was refused before: it may be given up in a moment.
    AboutToGiveUp,
    /// A code is at the provider, or its pair on its way to the table.
    AboutToConnect,
    /// A lease is held.
    AboutToCommit,
}

impl Scenario {
    pub(super) fn lie_in_wait(&mut self, index: usize) {
        let moments = [Moment::Any, Moment::AboutToGiveUp, Moment::AboutToConnect, Moment::AboutToCommit];
        let moment = moments[self.random.below(4) as usize];
        self.ambushes.push(Ambush { index, moment });
    }

    pub(super) fn strike(&mut self) {
        let mut world = self.scheduler.world.lock();
        let now = world.now;
        let ids = &self.ids;
        self.ambushes.retain(|Ambush { index, moment }| {
            let id = ids[*index].as_str();
            let Some(item) = world.store.connections.get(id) else { return true };
            let has = |name: &str| item.0.contains_key(name);
            let is_now = match moment {
                Moment::Any => true,
                Moment::AboutToGiveUp => has("refused_at") && has("lease_owner"),
                Moment::AboutToConnect => world.is_connecting(id),
                Moment::AboutToCommit => has("lease_owner"),
            };
            if is_now && let Some(item) = world.store.connections.get_mut(id) {
                item.0.insert("status".to_owned(), Value::from("disconnecting"));
                world.ledger.disconnected.insert(id.to_owned(), now);
            }
            !is_now
        });
    }
}
