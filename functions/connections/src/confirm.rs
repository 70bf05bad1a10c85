//! `POST /v1/connect-sessions/{id}/confirm`: the integrator's own user has come back with the confirmation.
//!
//! What it stops: [`shared::domain::connection::waiting`].

use http::StatusCode;
use shared::domain::connection::{Row, waiting};
use shared::domain::digest;
use shared::domain::secret::Confirmation;
use shared::domain::session::Session;
use shared::domain::write::Written;
use shared::http::body::Members;
use shared::http::problem::Problem;
use shared::http::{Request, Response, reply};
use shared::ports::StoreError;
use shared::protocol::revoke::log_dropped;

use crate::{Connections, ConnectionsError, status};

/// How often the row may change meanwhile.
const TRIES: usize = 5;

impl Connections {
    pub(crate) async fn confirm(&self, session_id: &str, request: &Request) -> Result<Response, ConnectionsError> {
        let members = Members::parse(request, &["confirmation"])?;
        let confirmation = members
            .text("confirmation")?
            .filter(|text| digest::is_base64url_of_32_bytes(text))
            .map(Confirmation::new)
            .ok_or_else(|| Problem::field("confirmation", "is required, as return_to has brought it"))?;
        let session = self.session(session_id).await?;
        // The session is there: that nothing waits, or nothing any more, makes the confirmation wrong.
        let wrong =
            || Problem::field("confirmation", "does not belong to what this session has connected, or comes too late");
        let mut row = self.connections.row(&session.connection_id).await?;
        for _ in 0..TRIES {
            let seen = row.ok_or_else(wrong)?;
            if let Row::Unreadable(unreadable) = seen {
                return Err(StoreError::from(unreadable).into());
            }
            if is_confirmed_by(&seen, &session, &waiting::hash(&confirmation)) {
                return Ok(reply::json(StatusCode::OK, &status::show(&seen)));
            }
            let now = self.clock.now();
            let waits = seen.waiting().filter(|waits| waits.is_confirmed_by(&session.mark(), &confirmation, now));
            let waits = waits.filter(|waits| !is_superseded(&seen, waits)).ok_or_else(wrong)?;
            let refresh_every = self.settings.refreshing.refresh_every;
            let (write, dropped) = waiting::confirm(&seen, waits, refresh_every, now);
            log_dropped(dropped);
            row = match self.connection_writes.write(&write).await? {
                Written::Applied(row) => {
                    tracing::info!("a connection was confirmed");
                    if let Row::Connection(connection) = &row {
                        self.accounts.claim_confirmed(connection).await;
                    }
                    return Ok(reply::json(StatusCode::OK, &status::show(&row)));
                }
                Written::ConditionFailed(image) => image,
            };
        }
        Err(StoreError::changed_at_every_try().into())
    }
}

/// Confirmed by an earlier request, whose answer may have been lost.
fn is_confirmed_by(row: &Row, session: &Session, hash: &str) -> bool {
    match row {
        Row::Connection(connection) => {
            connection.confirmed.as_deref() == Some(hash)
                && connection.session.as_ref().is_some_and(|mark| mark.id == session.id)
        }
        Row::Tombstone(_) | Row::Unreadable(_) => false,
    }
}

/// A later grant is live.
fn is_superseded(row: &Row, waits: &waiting::Waiting) -> bool {
    matches!(row, Row::Connection(connection) if connection.granted_by.order > waits.grant.order)
}
