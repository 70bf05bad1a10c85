//! The event that is published about a change of a connection's row.

use serde_json::json;
use shared::domain::connection_id::ConnectionId;
use shared::domain::time::Timestamp;
use shared::failure::FailureClass;
use shared::ports::BusEntry;

use crate::state::{Health, Seen};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Connected,
    Reconnected,
    Degraded,
    ReauthRequired,
    Recovered,
    Disconnected,
}

impl Kind {
    /// `detail-type` on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connection.connected",
            Self::Reconnected => "connection.reconnected",
            Self::Degraded => "connection.degraded",
            Self::ReauthRequired => "connection.reauth_required",
            Self::Recovered => "connection.recovered",
            Self::Disconnected => "connection.disconnected",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: Kind,
    pub connection: ConnectionId,
    pub version: i64,
    /// Why it is degraded, or must be connected again.
    pub reason: Option<FailureClass>,
    /// The id of the account that it was for, if a customer has reconnected it with another account.
    pub account_changed_from: Option<String>,
}

impl Event {
    /// The event of a change, if it has one. Each event happens at most once to a version of a connection:
    ///
    /// - every grant and every refresh stores a pair with a new version. A tombstone keeps the version, so the next
    ///   connection of the id continues from it
    /// - until a new pair is stored, the number of failures only grows, and a quarantine does not end: a version becomes
    ///   degraded at most once
    /// - only a new pair revives a connection that was given up
    pub fn between(connection: ConnectionId, old: &Seen, new: &Seen) -> Option<Self> {
        let (kind, version, reason) = match (old, new) {
            (Seen::Absent, Seen::Absent | Seen::Unreadable) | (Seen::Unreadable, Seen::Unreadable) => {
                return None;
            }
            // The version that was taken away, which its tombstone keeps. Only if `connected` was published.
            (Seen::Present { version, was_connected: true, .. }, Seen::Absent) => (Kind::Disconnected, *version, None),
            (Seen::Present { was_connected: false, .. } | Seen::Unreadable, Seen::Absent) => return None,
            (Seen::Present { health: Health::Degraded, .. }, Seen::Unreadable) => return None,
            (Seen::Present { version, .. }, Seen::Unreadable) => {
                (Kind::Degraded, *version, Some(FailureClass::InconsistentRow))
            }
            (
                Seen::Absent | Seen::Present { was_connected: false, .. },
                Seen::Present { version, was_connected: true, .. },
            ) => (Kind::Connected, *version, None),
            (Seen::Absent, Seen::Present { version, reason, .. }) => (Kind::ReauthRequired, *version, *reason),
            (Seen::Unreadable, Seen::Present { health, version, reason, .. }) => match health {
                Health::Active => (Kind::Recovered, *version, None),
                Health::Degraded | Health::NotRefreshed | Health::NotIdentified => return None,
                Health::ReauthRequired => (Kind::ReauthRequired, *version, *reason),
            },
            (
                Seen::Present { health: before, grant: old_grant, .. },
                Seen::Present { health: after, grant, version, reason, .. },
            ) => match (before, after) {
                // Its event is published when its first refresh has succeeded.
                (_, Health::NotRefreshed) => return None,
                // Its event is published when its account is known, or cannot be found out.
                (_, Health::NotIdentified) => return None,
                (Health::NotRefreshed | Health::NotIdentified, Health::Active | Health::Degraded) => {
                    (Kind::Reconnected, *version, None)
                }
                (_, Health::Active | Health::Degraded) if old_grant != grant => (Kind::Reconnected, *version, None),
                _ if before == after && old_grant == grant => return None,
                (_, Health::ReauthRequired) => (Kind::ReauthRequired, *version, *reason),
                (_, Health::Degraded) => (Kind::Degraded, *version, *reason),
                (_, Health::Active) => (Kind::Recovered, *version, None),
            },
        };
        let account_changed_from = match (kind, new) {
            (Kind::Reconnected, Seen::Present { account_changed_from, .. }) => account_changed_from.clone(),
            _ => None,
        };
        Some(Self { kind, connection, version, reason, account_changed_from })
    }

    /// It is the same when the change is delivered again. Connection ids contain no slash.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.connection, self.version, self.kind.as_str())
    }

    /// As docs/events.schema.json describes it.
    pub fn entry(&self, stack: &str, at: Timestamp) -> BusEntry {
        let detail = json!({
            "id": self.id(),
            "type": self.kind.as_str(),
            "stack": stack,
            "connection_id": self.connection.as_str(),
            "version": self.version,
            "reason": self.reason.map(FailureClass::as_str),
            "account_changed_from": self.account_changed_from,
            "occurred_at": at.rfc3339(),
        });
        BusEntry { detail_type: self.kind.as_str(), detail: detail.to_string(), at }
    }
}

#[cfg(test)]
mod tests;
