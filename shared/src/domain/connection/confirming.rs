//! A connection that hands out nothing until the integrator's backend has confirmed it.
//!
//! The attack that this stops: somebody makes a link for his own connection and passes it on; whoever follows it and approves
//! would hand over their account. The backend confirms only what its own logged-in user has come back with, so a stranger's
//! approval is taken away again.
//!
//! ```text
//! connect, awaited ──┬──► confirm    from now on like any other
//!                    └──► expire     too late: taken away, and its pair revoked
//! ```

use std::time::Duration;

use super::Connection;
use super::disconnecting::taking_away;
use crate::domain::connection_id::ConnectionId;
use crate::domain::digest;
use crate::domain::schedule::{self, shard};
use crate::domain::secret::Confirmation;
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::write::{Change, Clause, Test, Write, clause};

/// From the customer's approval on: their browser comes back at once.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(900);

/// What a new connection waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// `base64url(sha256(confirmation))`.
    pub hash: String,
    pub until: Timestamp,
}

impl Awaited {
    pub fn new(confirmation: &Confirmation, now: Timestamp) -> Self {
        Self { hash: digest::sha256(confirmation.expose()), until: now + CONFIRM_WITHIN }
    }

    pub(super) fn changes(&self) -> [Change; 2] {
        [Change::Set("confirmation", self.hash.as_str().into()), Change::Set("confirm_by", self.until.into())]
    }
}

/// The clause of every write that would use a connection.
pub(super) fn is_confirmed() -> Clause {
    clause("nobody has to confirm the connection", Test::Absent("confirm_by"))
}

/// Ends the wait. Only an active connection waits: whatever ends that removes `confirm_by`. The hash stays, so that a repetition after a lost acknowledgement finds its own success.
pub fn confirm(
    seen: &Connection,
    session: &SessionId,
    confirmation: &Confirmation,
    now: Timestamp,
    refresh_every: Duration,
) -> Write {
    let refresh_at = schedule::refresh_at(&seen.id, seen.version, seen.refreshed_at, seen.expires_at, refresh_every);
    Write {
        name: "confirm",
        key: seen.id.as_str().to_owned(),
        clauses: vec![
            clause("the session has made the connection", Test::Equals("session", session.as_str().into())),
            clause(
                "the confirmation is its own",
                Test::Equals("confirmation", Awaited::new(confirmation, now).hash.into()),
            ),
            clause("it is not too late", Test::Above("confirm_by", now.unix())),
        ],
        changes: vec![
            Change::Remove("confirm_by"),
            Change::Set("shard", i64::from(shard(&seen.id)).into()),
            Change::Set("refresh_at", refresh_at.into()),
        ],
    }
}

/// Takes a connection away that nobody has confirmed in time.
pub fn expire(id: &ConnectionId, now: Timestamp) -> Write {
    Write {
        name: "expire",
        key: id.as_str().to_owned(),
        clauses: vec![clause("it is too late to confirm it", Test::AtMost("confirm_by", now.unix()))],
        changes: taking_away(now),
    }
}
