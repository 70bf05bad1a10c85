//! The conditional writes that take a connection away.
//!
//! ```text
//! disconnect ──► acquire_revocation ──► bury      revoked: what is left is a tombstone
//!                        │
//!                        └──► settle              not revoked: back off, and again
//! ```

use super::superseded::Superseded;
use super::writes::{LEASE, no_backoff_is_running, status_is, token_set_is};
use super::{Connection, Status};
use crate::domain::account;
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{InconsistentItem, Item};
use crate::domain::schedule::TAKEN_AWAY;
use crate::domain::time::Timestamp;
use crate::domain::write::{Change, Test, Write, clause};

/// Takes a connection away: from now on it hands out no token, and nothing brings it back.
pub fn disconnect(id: &ConnectionId, now: Timestamp) -> Write {
    Write {
        name: "disconnect",
        key: id.as_str().to_owned(),
        clauses: vec![clause(
            "there is a connection, and nobody has taken it away",
            Test::Any(vec![status_is(Status::Active), status_is(Status::ReauthRequired)]),
        )],
        changes: taking_away(now),
    }
}

pub(super) fn taking_away(now: Timestamp) -> Vec<Change> {
    vec![
        Change::Set("status", Status::Disconnecting.as_str().into()),
        Change::Set("disconnecting_at", now.into()),
        // The schedule drives it on if this process dies.
        Change::Set("shard", i64::from(TAKEN_AWAY).into()),
        Change::Remove("attention"),
        Change::Remove("not_before"),
        Change::Remove("failures"),
        Change::Remove("confirm_by"),
    ]
}

/// Lease and read, for one attempt to revoke the newest pair. A refresh in flight is waited out: its pair is the newest.
pub fn acquire_revocation(id: &ConnectionId, me: &str, now: Timestamp) -> Write {
    Write {
        name: "acquire revocation",
        key: id.as_str().to_owned(),
        clauses: vec![
            clause("the connection is being taken away", status_is(Status::Disconnecting)),
            clause(
                "nobody holds the lease",
                Test::Any(vec![Test::Absent("lease_until"), Test::Below("lease_until", now.unix())]),
            ),
            no_backoff_is_running(now),
        ],
        changes: vec![
            Change::Set("lease_owner", me.into()),
            Change::Set("lease_until", (now + LEASE).into()),
            Change::Add("attempts", 1),
        ],
    }
}

/// What became of the newest pair of a connection that was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    Done,
    /// The provider has no endpoint for it.
    Off,
    /// Tried for a day.
    Failed,
}

impl Revocation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Off => "off",
            Self::Failed => "failed",
        }
    }

    /// Of a tombstone; `None` where the row is none.
    pub fn stored(tombstone: &Item) -> Result<Option<Self>, InconsistentItem> {
        let Some(text) = tombstone.optional_string("revocation")? else { return Ok(None) };
        let known = [Self::Done, Self::Off, Self::Failed].into_iter().find(|revocation| revocation.as_str() == text);
        known.map(Some).ok_or(InconsistentItem { attribute: "revocation" })
    }
}

/// Leaves a tombstone: no pair, no secret, in no index. The mark of its newest session stays, whose link is used.
pub fn bury(connection: &Connection, revocation: Revocation, now: Timestamp) -> Write {
    const OF_THE_LIVING: [&str; 25] = [
        "token_set",
        "sealed",
        "data_key",
        "token_type",
        "scope",
        "client_id",
        "created_at",
        "refreshed_at",
        "expires_at",
        "lifetime",
        "refresh_at",
        "shard",
        "lease_owner",
        "lease_until",
        "attempts",
        "answered",
        "failures",
        "not_before",
        "refused_at",
        "refused_window",
        "refused_set",
        "grant",
        "granted_at",
        "confirmation",
        // Of a pair that could not be opened: nobody need look at a tombstone.
        "attention",
    ];
    let mut changes = vec![
        Change::Set("status", "disconnected".into()),
        Change::Set("disconnected_at", now.into()),
        Change::Set("revocation", revocation.as_str().into()),
        Change::Remove("reason"),
        Change::Remove("disconnecting_at"),
    ];
    changes.extend(OF_THE_LIVING.map(Change::Remove));
    changes.extend(Superseded::changes(None));
    changes.extend(account::ATTRIBUTES.map(Change::Remove));
    Write {
        name: "bury",
        key: connection.id.as_str().to_owned(),
        // A refresh in flight may have stored a newer one, which is to be revoked too.
        clauses: vec![clause("the stored pair is the one that was revoked", token_set_is(connection.pair.token_set))],
        changes,
    }
}
