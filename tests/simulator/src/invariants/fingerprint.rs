//! The ledger's part of a search's state. Two states are equal only if every later check decides alike for both.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Ledger;

impl Ledger {
    /// The effects that the time of a worker's last read is compared with.
    pub fn moments(&self) -> impl Iterator<Item = u64> {
        let stored = self.current.values().map(|stored| stored.stored_at);
        stored.chain(self.identified.values().map(|(_, since)| *since))
    }

    /// `place` gives the place of an effect among those that are compared. The search has neither readers nor journeys,
    /// so values that only their checks need are left out.
    pub fn hash_what_decides(&self, place: impl Fn(u64) -> usize, hasher: &mut impl Hasher) {
        let current = self.current.iter().map(|(id, stored)| (id, stored.pair.pair_id, place(stored.stored_at)));
        let identified = self.identified.iter().map(|(id, (claim, since))| (id, claim, place(*since)));
        let leases = self.leases.iter().flat_map(|(token, leases)| leases.iter().map(move |lease| (token, lease)));
        let leases = leases.map(|(token, lease)| (token, lease.process, lease.acquired_at, lease.until, lease.settled));
        let senders = self.senders.iter().flat_map(|(token, senders)| senders.iter().map(move |by| (token, by)));
        (in_any_order(current), in_any_order(identified), in_any_order(leases), in_any_order(senders)).hash(hasher);
        (in_any_order(&self.ever_identified), in_any_order(&self.not_before)).hash(hasher);
        (in_any_order(&self.spent), in_any_order(&self.holding), in_any_order(&self.open)).hash(hasher);
        (in_any_order(self.excused_tokens.keys()), in_any_order(self.excused_families.keys())).hash(hasher);
        (in_any_order(&self.has_queued_successor), in_any_order(&self.stored)).hash(hasher);
        (in_any_order(&self.owned), in_any_order(self.dealt_with.keys()), in_any_order(&self.brought_late))
            .hash(hasher);
        in_any_order(&self.crashed).hash(hasher);
        (in_any_order(&self.claims), in_any_order(&self.refused_revocations)).hash(hasher);
        (in_any_order(&self.connected), in_any_order(&self.event_ids)).hash(hasher);
    }
}

/// The hash of a set. The order of its elements does not matter.
fn in_any_order<T: Hash>(elements: impl IntoIterator<Item = T>) -> u64 {
    let one = |element: T| {
        let mut hasher = DefaultHasher::new();
        element.hash(&mut hasher);
        hasher.finish()
    };
    elements.into_iter().map(one).fold(0, u64::wrapping_add)
}
