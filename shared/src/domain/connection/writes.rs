//! The conditional writes of a connection. **These conditions are the product**: each clause excludes a way in which a
//! live pair would be lost, or a dead connection revived.
//!
//! ```text
//!            create / reconnect (callback)
//!                  │
//!   acquire ──► commit ──► (revive, if a rival had given the connection up)
//!      │
//!      ├──► settle   a failure: back off, release the lease
//!      └──► give_up  the second invalid_grant: the customer must connect again
//! ```
//!
//! [`super::connecting`] holds the callback's, [`super::disconnecting`] those that take a connection away.

use std::time::Duration;

use super::confirming::is_confirmed;
use super::{Connection, SealedPair, Status};
use crate::domain::connection_id::ConnectionId;
use crate::domain::fleet;
use crate::domain::item::Value;
use crate::domain::schedule::{self, shard};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenSet;
use crate::domain::write::{Change, Clause, Test, Write, clause};

/// A lease covers two requests to the provider (13 s each), the key, and the commit.
pub const LEASE: Duration = Duration::from_secs(35);

/// A lease that ran out without being settled is a process that died, or a pair that waits to be stored. While the
/// access token still lives there is time to let that pair arrive.
pub const UNSETTLED_GRACE: Duration = Duration::from_secs(120);

/// "The provider refused this version" is believed once the version is older than this: an answer that crossed a
/// refresh on its way must not cause the next one.
pub const REJECTION_AGE: Duration = Duration::from_secs(60);

/// Between the first `invalid_grant` and the one that confirms it.
pub const CONFIRM_AFTER: Duration = Duration::from_secs(60);

/// The longest that an invocation of any function may run.
pub const LONGEST_INVOCATION: Duration = Duration::from_secs(300);

/// Why a refresh is wanted, and the clause that says it still is.
#[derive(Clone, Debug)]
pub enum Need {
    /// The schedule has come to it.
    Scheduled,
    /// A caller found too little life left in this token set.
    OnDemand { seen: TokenSet },
    /// A caller was refused by the provider with this token set.
    Rejected { seen: TokenSet },
}

pub(super) fn token_set_is(set: TokenSet) -> Test {
    Test::Equals("token_set", Value::B(set.as_bytes().to_vec()))
}

pub(super) fn status_is(status: Status) -> Test {
    Test::Equals("status", status.as_str().into())
}

pub(super) fn no_backoff_is_running(now: Timestamp) -> Clause {
    let over = Test::Any(vec![Test::Absent("not_before"), Test::AtMost("not_before", now.unix())]);
    clause("no backoff is running", over)
}

/// What goes when a new pair is stored: the old one's lease, journal and failures.
fn forget_old_pair() -> impl Iterator<Item = Change> {
    const OF_THE_OLD_PAIR: [&str; 10] = [
        "lease_owner",
        "lease_until",
        "attempts",
        "answered",
        "failures",
        "not_before",
        "reason",
        "refused_at",
        "refused_window",
        // A row that needed a person needs none any more.
        "attention",
    ];
    OF_THE_OLD_PAIR.into_iter().map(Change::Remove)
}

/// Lease, read and journal in one call.
pub fn acquire(id: &ConnectionId, need: &Need, me: &str, now: Timestamp) -> Write {
    let wanted = match need {
        Need::Scheduled => Test::AtMost("refresh_at", now.unix()),
        Need::OnDemand { seen } | Need::Rejected { seen } => token_set_is(*seen),
    };
    let mut clauses = vec![
        // Also the proof that the row exists: an update of an absent row would create it.
        clause("the connection is active", status_is(Status::Active)),
        // Whoever came second adopts what the first one stored.
        clause("a refresh is still wanted", wanted),
        clause(
            "nobody holds the lease",
            Test::Any(vec![
                Test::Absent("lease_until"),
                Test::Below("lease_until", (now - UNSETTLED_GRACE).unix()),
                Test::All(vec![Test::Below("lease_until", now.unix()), Test::AtMost("expires_at", now.unix())]),
            ]),
        ),
        no_backoff_is_running(now),
        is_confirmed(),
    ];
    if let Need::Rejected { .. } = need {
        let is_believed = Test::AtMost("refreshed_at", (now - REJECTION_AGE).unix());
        clauses.push(clause("the pair is old enough for its rejection to be believed", is_believed));
    }
    let mut changes = vec![
        Change::Set("lease_owner", me.into()),
        Change::Set("lease_until", (now + LEASE).into()),
        Change::Add("attempts", 1),
    ];
    match need {
        Need::Scheduled => {}
        // Long before the schedule would come to it. If this process dies, and a provider honours the old refresh token for
        // some minutes only, the schedule must come at once (found by the simulator).
        Need::OnDemand { .. } | Need::Rejected { .. } => {
            changes.push(Change::Set("refresh_at", (now + LEASE + Duration::from_secs(1)).into()));
        }
    }
    Write { name: "acquire", key: id.as_str().to_owned(), clauses, changes }
}

/// `attention` of a row that a person must look at.
pub const QUARANTINED: &str = "quarantined";

/// A grant about to be stored.
#[derive(Clone)]
pub struct NewPair {
    pub pair: SealedPair,
    pub token_type: String,
    pub scope: Option<String>,
    pub granted_at: Timestamp,
    pub expires_at: Timestamp,
    /// Of the version that this pair becomes.
    pub refresh_at: Timestamp,
}

impl NewPair {
    pub(super) fn changes(&self) -> Vec<Change> {
        let lifetime = self.granted_at.seconds_until(self.expires_at).max(0);
        let mut changes = vec![
            Change::Set("token_set", self.pair.token_set.as_bytes().to_vec().into()),
            Change::Set("sealed", self.pair.sealed.clone().into()),
            Change::Set("data_key", self.pair.data_key.clone().into()),
            Change::Set("token_type", self.token_type.as_str().into()),
            Change::Set("expires_at", self.expires_at.into()),
            Change::Set("lifetime", lifetime.into()),
            Change::Set("refreshed_at", self.granted_at.into()),
            Change::Set("refresh_at", self.refresh_at.into()),
            Change::Add("version", 1),
        ];
        if let Some(scope) = &self.scope {
            changes.push(Change::Set("scope", scope.as_str().into()));
        }
        changes.extend(forget_old_pair());
        changes
    }
}

/// Stores a refreshed pair over the one that it was made from.
///
/// The predecessor is the only clause. No lease: a late but valid pair is the only live one. No status: a pair that
/// arrives while the connection is being disconnected must be stored to be revoked, and one that arrives after a rival
/// has given up revives the connection (see [`revive`]). So the write leaves `status` alone, and brings only a row that was
/// given up back into the schedule: should this process die before it can revive it, the schedule does.
pub fn commit(id: &ConnectionId, old: TokenSet, new: &NewPair) -> Write {
    let mut changes = new.changes();
    changes.push(Change::SetIfAbsent("shard", i64::from(shard(id)).into()));
    Write {
        name: "commit",
        key: id.as_str().to_owned(),
        clauses: vec![clause("the stored pair is the predecessor", token_set_is(old))],
        changes,
    }
}

/// Makes a connection active again whose pair arrived after it had been given up.
pub fn revive(connection: &Connection) -> Write {
    Write {
        name: "revive",
        key: connection.id.as_str().to_owned(),
        clauses: vec![
            clause("the stored pair is the one that arrived", token_set_is(connection.pair.token_set)),
            clause("the connection was given up", status_is(Status::ReauthRequired)),
        ],
        changes: vec![
            Change::Set("status", Status::Active.as_str().into()),
            Change::Set("shard", i64::from(shard(&connection.id)).into()),
            Change::Remove("attention"),
            Change::Remove("reason"),
            Change::Remove("refused_set"),
        ],
    }
}

/// How a refresh that stored nothing ended.
pub struct Settlement {
    pub reason: &'static str,
    /// The row is kept as it is until a person has looked at it.
    pub needs_a_person: bool,
    pub not_before: Timestamp,
    /// It is certain that the provider has not rotated the pair.
    pub known: bool,
    /// The provider's answer was `invalid_grant`, now.
    pub refused_at: Option<Timestamp>,
}

/// Releases the lease after a failure and waits.
pub fn settle(id: &ConnectionId, me: &str, settlement: &Settlement) -> Write {
    let mut changes = vec![
        Change::Set("reason", settlement.reason.into()),
        Change::Set("not_before", settlement.not_before.into()),
        // Without this, rows that wait would fill the head of the index and hide the ones that are due.
        Change::Set("refresh_at", settlement.not_before.into()),
        Change::Add("failures", 1),
        Change::Remove("lease_owner"),
        Change::Remove("lease_until"),
    ];
    if settlement.known {
        changes.push(Change::Add("answered", 1));
    }
    if let Some(refused_at) = settlement.refused_at {
        changes.push(Change::SetIfAbsent("refused_at", refused_at.into()));
        changes.push(Change::Set("refused_window", fleet::window(refused_at).into()));
    }
    if settlement.needs_a_person {
        changes.push(Change::Set("attention", QUARANTINED.into()));
    }
    Write { name: "settle", key: id.as_str().to_owned(), clauses: vec![lease_is_ours(me)], changes }
}

/// Puts off a row that was leased and makes no sense, which nobody could settle. It stays as it is, and due: a wrong
/// deployment that makes every row unreadable must not empty the schedule.
pub fn quarantine(id: &ConnectionId, me: &str, reason: &'static str, not_before: Timestamp) -> Write {
    Write {
        name: "quarantine",
        key: id.as_str().to_owned(),
        // Meanwhile it may have been mended, and leased by somebody who can read it.
        clauses: vec![lease_is_ours(me)],
        changes: vec![
            Change::Set("attention", QUARANTINED.into()),
            Change::Set("reason", reason.into()),
            Change::Set("not_before", not_before.into()),
            Change::Set("refresh_at", not_before.into()),
            Change::Remove("lease_owner"),
            Change::Remove("lease_until"),
        ],
    }
}

/// Also says that the stored pair is still the one that was leased: a new one takes the lease away, and no two leases have
/// the same owner.
fn lease_is_ours(me: &str) -> Clause {
    clause("the lease is ours", Test::Equals("lease_owner", me.into()))
}

/// Ends a connection whose refresh token the provider has refused, and refused again.
pub fn give_up(connection: &Connection, me: &str, reason: &'static str) -> Write {
    Write {
        name: "give up",
        key: connection.id.as_str().to_owned(),
        clauses: vec![lease_is_ours(me), clause("the connection is active", status_is(Status::Active))],
        changes: vec![
            Change::Set("status", Status::ReauthRequired.as_str().into()),
            Change::Set("attention", Status::ReauthRequired.as_str().into()),
            Change::Set("reason", reason.into()),
            Change::Set("refused_set", connection.pair.token_set.as_bytes().to_vec().into()),
            Change::Remove("shard"),
            Change::Remove("lease_owner"),
            Change::Remove("lease_until"),
        ],
    }
}

/// When a pair that is granted now will be due, as the given version.
pub fn new_pair(
    id: &ConnectionId,
    version: i64,
    pair: SealedPair,
    token_type: String,
    scope: Option<String>,
    (granted_at, expires_at): (Timestamp, Timestamp),
    refresh_every: Duration,
) -> NewPair {
    let refresh_at = schedule::refresh_at(id, version, granted_at, expires_at, refresh_every);
    NewPair { pair, token_type, scope, granted_at, expires_at, refresh_at }
}
