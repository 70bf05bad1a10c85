//! The conditional writes of a refresh. **The safety of the product is in these conditions**: each clause excludes a
//! way in which a live pair would be lost, or an ended connection revived.
//!
//! ```text
//!   acquire ──┬──► commit    the new pair is stored over its predecessor, in every state of the connection
//!             ├──► settle    a failure: back off, release the lease
//!             └──► give up   only the customer can help; a pair that is committed later revives the connection
//! ```

use std::time::Duration;

use super::attributes::{
    ANSWERED, ATTENTION, CONNECTED, FAILURES, ID, INVALID_GRANT_AT, LEASE_OWNER, LEASE_UNTIL, LEASES, NEEDS_CUSTOMER,
    NEEDS_CUSTOMER_SINCE, NEEDS_CUSTOMER_WHY, NOT_BEFORE, OF_THE_PAIR, QUARANTINED, REASON, REFRESH_AT, REFRESHED_AT,
    REFUSAL_WINDOW, REVISION, SHARD, STATUS,
};
use super::grant::{NewPair, pair_is};
use super::revision::NEXT_REVISION;
use super::schedule::enter_vacant_shard;
use crate::domain::connection_id::ConnectionId;
use crate::domain::failure_class::FailureClass;
use crate::domain::item::{Unreadable, Value};
use crate::domain::schedule::shard;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::{Change, Clause, Test, Write, WriteName, clause};

/// A lease is long enough for two requests to the provider (13 s each), the key, and the commit.
pub const LEASE: Duration = Duration::from_secs(35);

/// How long a lease that ran out without being settled is not taken over: its process died, or its pair waits in the
/// queue. In this time the pair arrives in the table, or the queue's count shows it: SQS counts may be late by a
/// minute or more.
pub const UNSETTLED_GRACE: Duration = Duration::from_secs(120);

/// A caller's report that the provider refused this version is believed only if the version is older than this: an
/// answer from before a refresh must not cause another refresh.
pub const REJECTION_AGE: Duration = Duration::from_secs(60);

/// The shortest time between the first `invalid_grant` and the one that confirms it.
pub const CONFIRM_AFTER: Duration = Duration::from_secs(60);

/// The longest that an invocation of any function may run.
pub const LONGEST_INVOCATION: Duration = Duration::from_secs(300);

/// Why a refresh is wanted. It decides the clause that checks whether it is still wanted.
#[derive(Clone, Copy, Debug)]
pub enum RefreshReason {
    /// The row is due in the schedule.
    Scheduled,
    /// A caller needs an access token that is valid for longer than the one of this pair.
    OnDemand {
        /// The live pair that the caller has read.
        seen: PairId,
    },
    /// A caller reports that the provider has refused the access token of this pair.
    Rejected {
        /// The pair whose access token was refused, by the caller's report.
        seen: PairId,
    },
}

/// Takes the lease, reads the row and writes the journal in one call.
pub fn acquire(id: &ConnectionId, reason: &RefreshReason, lease_owner: &str, now: Timestamp) -> Write {
    let wanted = match reason {
        RefreshReason::Scheduled => Test::AtMost(REFRESH_AT, now.unix()),
        RefreshReason::OnDemand { seen } | RefreshReason::Rejected { seen } => pair_is(*seen),
    };
    let mut clauses = vec![
        // This also proves that the row exists: an update of an absent row would create it.
        clause("there is a live pair", Test::Equals(STATUS, CONNECTED.into())),
        clause(
            "its customer is not needed, or only because of refusals that may end",
            Test::Any(vec![
                Test::Absent(NEEDS_CUSTOMER_SINCE),
                Test::Equals(NEEDS_CUSTOMER_WHY, FailureClass::Refused.as_str().into()),
            ]),
        ),
        // A worker that comes second adopts the pair that the first one stored.
        clause("a refresh is still wanted", wanted),
        clause(
            "no other worker holds the lease, and the pair of an unsettled lease cannot arrive any more",
            Test::Any(vec![Test::Absent(LEASE_UNTIL), Test::Below(LEASE_UNTIL, (now - UNSETTLED_GRACE).unix())]),
        ),
        clause(
            "no backoff is running",
            Test::Any(vec![Test::Absent(NOT_BEFORE), Test::AtMost(NOT_BEFORE, now.unix())]),
        ),
    ];
    if let RefreshReason::Rejected { .. } = reason {
        let is_believed = Test::AtMost(REFRESHED_AT, (now - REJECTION_AGE).unix());
        clauses.push(clause("the pair is old enough for its rejection to be believed", is_believed));
    }
    let mut changes = vec![
        Change::Set(LEASE_OWNER, lease_owner.into()),
        Change::Set(LEASE_UNTIL, (now + LEASE).into()),
        Change::Add(LEASES, 1),
    ];
    match reason {
        RefreshReason::Scheduled => {}
        // The refresh is long before its due time. If this process dies, and a provider honours the old refresh token
        // for some minutes only, the schedule must try again at once (found by the simulator).
        RefreshReason::OnDemand { .. } | RefreshReason::Rejected { .. } => {
            changes.push(Change::Set(REFRESH_AT, (now + LEASE + Duration::from_secs(1)).into()));
        }
    }
    Write { name: WriteName::Acquire, key: id.as_str().to_owned(), clauses, changes }
}

/// Stores a refreshed pair over the one that it was made from.
///
/// The predecessor is the only clause. The lease is not checked: a late but valid pair is the only live one. The state
/// is not checked: a pair that arrives after the connection was given up revives it, and removes the notes of that.
/// Only a connection that was taken away has no predecessor; its late pair goes to the list of grants to revoke.
pub fn commit(id: &ConnectionId, old: PairId, version: i64, new: &NewPair, refresh_every: Duration) -> Write {
    let mut changes = new.changes(id, version, refresh_every);
    changes.extend(OF_THE_PAIR.map(Change::Remove));
    changes.push(NEXT_REVISION);
    // A connection that was given up is not in the index: this puts it back.
    changes.push(Change::Set(SHARD, i64::from(shard(id)).into()));
    Write {
        name: WriteName::Commit,
        key: id.as_str().to_owned(),
        clauses: vec![clause("the stored pair is the predecessor", pair_is(old))],
        changes,
    }
}

/// How a refresh that stored nothing ended.
pub struct Settlement {
    /// What has failed.
    pub reason: FailureClass,
    /// Whether the row is quarantined.
    pub needs_a_person: bool,
    /// Until when no refresh is tried; the row is due then.
    pub not_before: Timestamp,
    /// Whether the provider has certainly not rotated the pair.
    pub is_answered: bool,
    /// The present time, if the provider's answer was `invalid_grant`.
    pub invalid_grant_at: Option<Timestamp>,
    /// The window of the fleet's count in which this refusal is counted.
    pub refusal_window: Option<i64>,
}

/// Notes a failure, releases the lease, and puts the next try off.
pub fn settle(id: &ConnectionId, lease_owner: &str, settlement: &Settlement) -> Write {
    let mut changes = vec![
        Change::Set(REASON, settlement.reason.as_str().into()),
        Change::Set(NOT_BEFORE, settlement.not_before.into()),
        // Without this, rows that wait would fill the first pages of the index and hide the ones that are due.
        Change::Set(REFRESH_AT, settlement.not_before.into()),
        Change::Add(FAILURES, 1),
        Change::Remove(LEASE_OWNER),
        Change::Remove(LEASE_UNTIL),
    ];
    if settlement.is_answered {
        changes.push(Change::Add(ANSWERED, 1));
    }
    if let Some(invalid_grant_at) = settlement.invalid_grant_at {
        changes.push(Change::SetIfAbsent(INVALID_GRANT_AT, invalid_grant_at.into()));
    }
    if let Some(window) = settlement.refusal_window {
        changes.push(Change::Set(REFUSAL_WINDOW, window.into()));
    }
    if settlement.needs_a_person {
        changes.push(Change::Set(ATTENTION, QUARANTINED.into()));
    }
    Write { name: WriteName::Settle, key: id.as_str().to_owned(), clauses: vec![lease_is_ours(lease_owner)], changes }
}

/// This also proves that the stored pair is still the leased one: a new pair removes the lease, and no two leases have
/// the same owner.
fn lease_is_ours(lease_owner: &str) -> Clause {
    clause("the lease is ours", Test::Equals(LEASE_OWNER, lease_owner.into()))
}

/// From now on only the customer can help.
///
/// If the reason is refusals that say nothing about the grant (`why` is `refused`), the connection stays in the
/// schedule, at `not_before`: a refresh that succeeds revives it.
pub fn give_up(
    id: &ConnectionId,
    lease_owner: &str,
    why: FailureClass,
    now: Timestamp,
    not_before: Timestamp,
) -> Write {
    let mut changes = vec![
        NEXT_REVISION,
        Change::Set(NEEDS_CUSTOMER_SINCE, now.into()),
        Change::Set(NEEDS_CUSTOMER_WHY, why.as_str().into()),
        Change::Set(ATTENTION, NEEDS_CUSTOMER.into()),
        Change::Set(REASON, why.as_str().into()),
        Change::Add(FAILURES, 1),
        Change::Remove(LEASE_OWNER),
        Change::Remove(LEASE_UNTIL),
    ];
    if why == FailureClass::Refused {
        changes.extend([
            Change::Set(NOT_BEFORE, not_before.into()),
            Change::Set(REFRESH_AT, not_before.into()),
            Change::Add(ANSWERED, 1),
        ]);
    } else {
        // A pair may wait for its confirmation beside it, and grants may be left to revoke: the schedule does this
        // work, and then takes the row out of the index.
        changes.extend(enter_vacant_shard(now));
    }
    Write { name: WriteName::GiveUp, key: id.as_str().to_owned(), clauses: vec![lease_is_ours(lease_owner)], changes }
}

/// Who found that a row cannot be read.
#[derive(Clone, Copy, Debug)]
pub enum PutOffBy<'a> {
    /// The worker that has taken the lease of this owner; the lease is released.
    Lease(&'a str),
    /// The schedule. The row moves back in its shard, so that it does not stay the first one.
    Schedule,
    /// A request, or a worker that holds no lease. Whether the row is due is not known.
    Caller,
}

/// Puts off a row that cannot be read, and lists it for a person. The rest of the row does not change, and it stays in
/// the index: a wrong deployment that cannot read any row must not empty the schedule.
pub fn quarantine(unreadable: &Unreadable, by: PutOffBy<'_>, not_before: Timestamp, now: Timestamp) -> Write {
    let mut clauses = Vec::new();
    if unreadable.found.iter().all(|(_, value)| value.is_none()) {
        // An update of an absent row would create it.
        clauses.push(clause("there is a row", Test::Exists(ID)));
    }
    clauses.extend(unreadable.found.iter().map(|(attribute, value)| {
        let is_as_it_was = match value {
            None => Test::Absent(attribute),
            Some(Value::Other) => Test::Exists(attribute),
            Some(value) => Test::Equals(attribute, value.clone()),
        };
        match *attribute {
            // The row may have been deleted meanwhile, and its customer may have connected again. In the new row, the
            // attribute that was missing may be missing for a good reason.
            REVISION => clause("it is the row that was read", is_as_it_was),
            // The row may have been repaired meanwhile.
            _ => clause("what could not be read is as it was", is_as_it_was),
        }
    }));
    let mut changes = vec![
        Change::Set(ATTENTION, QUARANTINED.into()),
        Change::Set(REASON, FailureClass::InconsistentRow.as_str().into()),
        Change::Set(NOT_BEFORE, not_before.into()),
        Change::Remove(LEASE_OWNER),
        Change::Remove(LEASE_UNTIL),
    ];
    match by {
        PutOffBy::Lease(_) | PutOffBy::Schedule => changes.push(Change::Set(REFRESH_AT, not_before.into())),
        // Whether it is due is not known here. If the row is repaired, no refresh may end its token before the
        // `cache_until` that callers were told.
        PutOffBy::Caller => {}
    }
    // A worker of another version, which can read the row, may hold the lease.
    match by {
        PutOffBy::Lease(owner) => clauses.push(lease_is_ours(owner)),
        PutOffBy::Schedule | PutOffBy::Caller => {
            let is_over = Test::Any(vec![Test::Absent(LEASE_UNTIL), Test::Below(LEASE_UNTIL, now.unix())]);
            // Otherwise a caller that repeats its request would put the row off again and again, and the schedule,
            // which counts it, would never find it due.
            let is_due = Test::Any(vec![Test::Absent(NOT_BEFORE), Test::AtMost(NOT_BEFORE, now.unix())]);
            let asked = [
                (LEASE_UNTIL, clause("no worker holds the lease", is_over)),
                (NOT_BEFORE, clause("it is not put off already", is_due)),
            ];
            // A time that cannot be read cannot be compared: its clause would never hold, and the row would never be
            // put off.
            let readable = asked.into_iter().filter(|(attribute, _)| *attribute != unreadable.attribute);
            clauses.extend(readable.map(|(_, clause)| clause));
        }
    }
    Write { name: WriteName::Quarantine, key: unreadable.key.clone(), clauses, changes }
}
