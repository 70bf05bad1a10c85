//! Checks of what an operator does, and of rows that make no sense.

use shared::domain::connection::Connection;
use shared::domain::item::Item;
use shared::domain::write::{Delete, Write};

use super::accounts::replaced;
use super::storing::newest;
use super::{Invariant, Ledger};
use crate::keys;
use crate::world::{ProcessId, World};

/// Seconds; the least that the function may be asked for.
const LONG_DEAD: i64 = 30 * 86_400;

impl Ledger {
    /// The same pair, under a key that is no older: but for a run of an earlier deployment that comes to a row of a later one.
    pub(super) fn resealed(&mut self, (now, looked_at): (u64, u64), write: &Write, old: Option<&Item>, new: &Item) {
        // Somebody has made nonsense of the rest of it meanwhile.
        let (Some(Ok(Some(was))), Ok(Some(is))) = (old.map(Connection::stored), Connection::stored(new)) else {
            return;
        };
        if was.superseded.is_some() && (replaced(&is).is_none() || replaced(&is) != replaced(&was)) {
            self.violate(now, Invariant::MaintenanceIsHarmless, || {
                format!("{} no longer opens what it has replaced", write.key)
            });
        }
        let is_of_the_replaced = write.changes.iter().any(|change| change.attribute() == "superseded_key");
        let data_key = if is_of_the_replaced { "superseded_key" } else { "data_key" };
        let before = self.resealed.insert((write.key.clone(), data_key), now);
        let kms_key = |item: &Item| keys::wrapped_by(&write.key, item.bytes(data_key).ok()?);
        let (pair, expected) = (newest(now, new), self.current.get(&write.key));
        let is_the_pair = match (&pair, expected) {
            (Some(pair), Some(expected)) => pair.access == expected.access && pair.refresh == expected.refresh,
            // A connection that was dead before the run.
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !is_the_pair {
            self.violate(now, Invariant::MaintenanceIsHarmless, || {
                format!("{} is no longer the pair that it was", write.key)
            });
        } else if old.and_then(kms_key) > kms_key(new) && before.is_some_and(|at| at > looked_at) {
            self.violate(now, Invariant::MaintenanceIsHarmless, || {
                format!("{} is under an older key again", write.key)
            });
        }
    }

    pub fn deleted(&mut self, now: u64, delete: &Delete, row: &Item) {
        self.identified.remove(&delete.key);
        self.orders.remove(&delete.key);
        // Its versions begin anew, and so do the ids of its events: a listener forgets them sooner (decision 0010).
        let of_it = format!("{}/", delete.key);
        self.told.retain(|id| !id.starts_with(&of_it));
        let is_long_ago =
            |name: &'static str| row.number(name).is_ok_and(|time| time < World::time(now).unix() - LONG_DEAD);
        let is_dead = match row.string("status").unwrap_or_default() {
            "disconnected" => is_long_ago("disconnected_at"),
            "reauth_required" => is_long_ago("expires_at"),
            _ => false,
        };
        if !is_dead {
            self.violate(now, Invariant::MaintenanceIsHarmless, || format!("{} was deleted, and lived", delete.key));
        }
    }

    /// Only by the one whose lease stands in the row: any other lease is of somebody who can read it.
    pub(super) fn quarantined(&mut self, now: u64, process: ProcessId, write: &Write, old: Option<&Item>) {
        let owner = old.and_then(|old| old.string("lease_owner").ok()).unwrap_or_default();
        let is_ours = |lease: &super::Lease| lease.process == process && lease.owner == owner;
        if !self.leases.values().flatten().any(is_ours) {
            self.violate(now, Invariant::PutOffByItsLease, || {
                format!("{} was put off by somebody without a lease", write.key)
            });
        }
    }
}
