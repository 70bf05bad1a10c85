//! Checks of the leases of the refreshes.

use shared::domain::connection::refresh::LEASE;
use shared::domain::connection::{Row, State};
use shared::domain::failure_class::FailureClass;

use super::storing::Facts;
use super::{Invariant, Ledger};
use crate::world::ProcessId;

/// The youngest age at which a pair may be refreshed: half of the shortest lifetime is left, and a rejection needs a
/// minute.
const YOUNG: i64 = 59;

/// A lease, from the moment that the table had it.
pub(super) struct Lease {
    pub(super) process: ProcessId,
    pub(super) owner: String,
    pub(super) acquired_at: i64,
    pub(super) until: i64,
    /// Its owner has noted how it ended.
    pub(super) settled: bool,
}

impl Ledger {
    pub(super) fn leased(&mut self, facts: &Facts<'_>) {
        let Facts { times, process, write, new, .. } = *facts;
        let connection = match new {
            Row::Connection(connection) => connection,
            // It is put off at once.
            Row::Unreadable(_) => return self.leased_unreadable(facts),
            Row::Tombstone(_) => {
                return self.violate(times.now, Invariant::RowIsConsistent, || {
                    format!("{} is leased without a live pair", write.key)
                });
            }
        };
        let Some(lease) = &connection.lease else { return };
        if let State::NeedsCustomer { why, .. } = connection.state
            && why != FailureClass::Refused
        {
            return self.violate(times.now, Invariant::NoNeedlessRefresh, || {
                format!("{} is leased for a refresh, but only its customer can help", write.key)
            });
        }
        let Some(current) = self.current.get(&write.key) else { return };
        let acquired_at = lease.until.unix() - LEASE.as_secs() as i64;
        let token = current.pair.refresh.clone();
        let young = connection.has_been_refreshed && acquired_at - connection.refreshed_at.unix() < YOUNG;
        let is_due = facts.old.and_then(Row::live).is_none_or(|old| old.refresh_at.unix() <= acquired_at);
        let unseen = connection.has_been_refreshed && current.stored_at > times.last_read_at && !is_due;
        if young || unseen {
            let why = if young { "is young" } else { "was stored after its process had read the row" };
            return self.violate(times.now, Invariant::NoNeedlessRefresh, || {
                format!("{token} is leased for a refresh, but {why}")
            });
        }
        if times.is_early && !is_due {
            self.early.insert(current.pair.access.clone());
        }
        self.leases.entry(token).or_default().push(Lease {
            process,
            owner: lease.owner.clone(),
            acquired_at,
            until: lease.until.unix(),
            settled: false,
        });
    }

    fn leased_unreadable(&mut self, facts: &Facts<'_>) {
        let Some(current) = self.current.get(&facts.write.key) else { return };
        let (Ok(owner), Ok(until)) = (facts.item.string("lease_owner"), facts.item.number("lease_until")) else {
            return;
        };
        self.leases.entry(current.pair.refresh.clone()).or_default().push(Lease {
            process: facts.process,
            owner: owner.to_owned(),
            acquired_at: until - LEASE.as_secs() as i64,
            until,
            settled: false,
        });
    }

    pub(super) fn settled(&mut self, facts: &Facts<'_>) {
        self.is_of_its_lease(facts);
        let Some(current) = self.current.get(&facts.write.key) else { return };
        for lease in self.leases.get_mut(&current.pair.refresh).into_iter().flatten() {
            lease.settled |= lease.process == facts.process;
        }
        if let Ok(not_before) = facts.item.number("not_before") {
            self.not_before.insert(current.pair.refresh.clone(), not_before);
        }
    }

    /// A failure is noted only by the worker that has the lease on the pair.
    pub(super) fn is_of_its_lease(&mut self, facts: &Facts<'_>) {
        let Some(current) = self.current.get(&facts.write.key) else { return };
        let leases = self.leases.get(&current.pair.refresh).map(Vec::as_slice).unwrap_or_default();
        let newest = leases.iter().max_by_key(|lease| lease.acquired_at);
        if newest.is_some_and(|newest| newest.process != facts.process && !newest.settled)
            || !leases.iter().any(|lease| lease.process == facts.process)
        {
            let write = facts.write;
            self.violate(facts.times.now, Invariant::OneSender, || {
                format!("\"{}\" of {} by a worker that has no lease on its pair", write.name, write.key)
            });
        }
    }
}
