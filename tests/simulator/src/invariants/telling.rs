//! What a listener is told of each write.

use events::event::Event;
use events::state::{READ, State};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Item;
use shared::domain::write::Write;

use super::{Invariant, Ledger};

impl Ledger {
    /// The stream delivers a change again and again, and by the id a listener tells that from another change.
    pub(super) fn told(&mut self, now: u64, write: &Write, old: Option<&Item>, new: &Item) {
        // A lease changes nothing that anybody is told of.
        if write.changes.iter().all(|change| !READ.contains(&change.attribute())) {
            return;
        }
        let (Ok(id), Ok(old), Ok(new)) = (ConnectionId::parse(&write.key), State::of(old), State::of(Some(new))) else {
            return;
        };
        let Some(event) = Event::between(id, &old, &new) else { return };
        let id = event.id();
        if !self.told.insert(id.clone()) {
            self.violate(now, Invariant::ToldOnce, || format!("{id} names a second change"));
        }
    }
}
