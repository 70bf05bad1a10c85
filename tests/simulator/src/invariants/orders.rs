//! Checks of the order of all events of a connection id: the first event takes effect first.

use shared::domain::item::Item;
use shared::domain::write::Write;

use super::storing::Times;
use super::{Invariant, Ledger};
use crate::world::ProcessId;

impl Ledger {
    /// A number is taken. No event of this id may have this number, or a later one.
    pub(super) fn order_taken(
        &mut self,
        times: Times,
        process: ProcessId,
        write: &Write,
        old: Option<&Item>,
        new: &Item,
    ) {
        let last = |item: &Item| item.number("last").unwrap_or_default();
        if old.is_some_and(|old| last(old) >= last(new)) {
            self.violate(times.now, Invariant::OrdersIncrease, || {
                format!("{} changes from {:?} to {}", write.key, old.map(last), last(new))
            });
        }
        self.order_seen.insert(process, times.at);
    }

    /// A journey begins with the last number that it reads.
    pub fn order_read(&mut self, process: ProcessId, at: u64) {
        self.order_seen.insert(process, at);
    }

    /// A grant that exists before the run: it comes from no journey and no import.
    pub fn begins(&mut self, name: &str, at: u64) {
        self.begun.insert(name.to_owned(), at);
    }

    /// A grant is stored. Its journey or import must have begun after the last disconnect.
    pub(super) fn grant_stored(&mut self, times: Times, process: ProcessId, id: &str, name: &str) {
        // An import begins when it takes its number.
        if name.starts_with("import#") && !self.begun.contains_key(name) {
            let began = self.order_seen.get(&process).copied().unwrap_or(times.at);
            self.begun.insert(name.to_owned(), began);
        }
        let (Some(began), disconnected) = (self.begun.get(name).copied(), self.disconnected.get(id)) else { return };
        if disconnected.is_some_and(|disconnected| began < *disconnected) {
            self.violate(times.now, Invariant::DisconnectWins, || {
                format!("{id} is back by {name}, which began before it was taken away")
            });
        }
        let latest = self.granted.entry(id.to_owned()).or_default();
        *latest = began.max(*latest);
    }

    /// The row is a tombstone now. Maintenance takes no number, so its tombstone refuses no journey.
    pub(super) fn taken_away(&mut self, process: ProcessId, id: &str) {
        if let Some(taken) = self.order_seen.get(&process) {
            let latest = self.disconnected.entry(id.to_owned()).or_default();
            *latest = (*taken).max(*latest);
        }
    }
}
