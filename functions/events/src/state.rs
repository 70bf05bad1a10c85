//! What the integrator knows of a connection, derived from one image of its row.

use shared::domain::connection::{Connection, Row, State};
use shared::failure::FailureClass;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Active,
    /// Its refreshes fail, and a token may soon be missing.
    Degraded,
    ReauthRequired,
    /// An import has replaced its pair, and has no access token yet.
    NotRefreshed,
    /// A new grant has replaced its pair, and WebinarGeek is being asked whose account the grant is for.
    NotIdentified,
}

/// What the published events say about a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is no connection: no row, a tombstone, or a grant that waits for its confirmation. An import over such a
    /// row is not a connection until it is refreshed.
    Absent,
    Present {
        health: Health,
        version: i64,
        /// The grant that its pair was refreshed from.
        grant: String,
        reason: Option<FailureClass>,
        /// The id of the account that it was for before, if it is for another account now.
        account_changed_from: Option<String>,
        /// False for an import that never had an access token and needs its customer: no `connected` was published.
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
            _ if connection.is_being_identified => (Health::NotIdentified, connection.journal.reason),
            _ => (Health::Active, connection.journal.reason),
        };
        Self::Present {
            health,
            version: connection.version,
            grant: connection.granted_by.name.clone(),
            reason,
            account_changed_from: connection.account_changed_from().map(str::to_owned),
            was_connected: connection.was_connected,
        }
    }
}
