//! A connection as its integrator sees it, in one image of its row.

use shared::domain::connection::{Connection, Row, State};
use shared::failure::FailureClass;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Active,
    /// Its refreshes fail, and a token may soon be missing.
    Degraded,
    ReauthRequired,
    /// An import has replaced it, and has no token yet.
    NotRefreshed,
}

/// What the published events say about a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is no connection: no row, a tombstone, a grant that waits for its confirmation, or an import where nothing
    /// was connected, as long as it was not refreshed.
    Absent,
    Present {
        health: Health,
        version: i64,
        /// The customer's grant that its pair was refreshed from.
        grant: String,
        reason: Option<FailureClass>,
        /// False for an import that needs its customer before it ever had a token: no `connected` was published.
        was_connected: bool,
    },
    /// A row that cannot be read.
    Unreadable,
}

impl Seen {
    pub fn of(image: Option<&Row>) -> Self {
        match image {
            None | Some(Row::Tombstone(_)) => Self::Absent,
            Some(Row::Connection(connection)) => Self::of_connection(connection),
            Some(Row::Unreadable(_)) => Self::Unreadable,
        }
    }

    fn of_connection(connection: &Connection) -> Self {
        let (health, reason) = match connection.state {
            State::NeedsCustomer { why, .. } => (Health::ReauthRequired, Some(why)),
            _ if !connection.was_connected => return Self::Absent,
            _ if !connection.has_been_refreshed => (Health::NotRefreshed, connection.journal.reason),
            _ if connection.is_degraded() => (Health::Degraded, connection.journal.reason),
            _ => (Health::Active, connection.journal.reason),
        };
        Self::Present {
            health,
            version: connection.version,
            grant: connection.granted_by.name.clone(),
            reason,
            was_connected: connection.was_connected,
        }
    }
}
