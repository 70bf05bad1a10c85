//! `POST /v1/connect-sessions/{id}/confirm`: the integrator's own user has come back with the confirmation.
//!
//! What it stops: [`shared::domain::connection::confirming`].

use http::StatusCode;
use shared::domain::connection::confirming::{Awaited, confirm};
use shared::domain::connection::{Connection, Status};
use shared::domain::digest;
use shared::domain::secret::Confirmation;
use shared::domain::session::Session;
use shared::domain::write::Written;
use shared::http::body::Members;
use shared::http::problem::Problem;
use shared::http::{Request, Response, reply};
use shared::ports::StoreError;

use crate::{Connections, ConnectionsError, status};

impl Connections {
    pub(crate) async fn confirm(&self, session_id: &str, request: &Request) -> Result<Response, ConnectionsError> {
        let members = Members::parse(request, &["confirmation"])?;
        let confirmation = members
            .text("confirmation")?
            .filter(|text| digest::is_base64url_of_32_bytes(text))
            .map(Confirmation::new)
            .ok_or_else(|| Problem::field("confirmation", "is required, as return_to has brought it"))?;
        let session = self.session(session_id).await?;
        // The session is there: that nothing is connected yet, or nothing any more, makes the confirmation wrong.
        let wrong =
            || Problem::field("confirmation", "does not belong to what this session has connected, or comes too late");
        let seen = self.connections.read(&session.connection_id).await?.ok_or_else(wrong)?;
        let now = self.clock.now();
        let write = confirm(&seen, &session.id, &confirmation, now, self.settings.refreshing.refresh_every);
        let stored = match self.connection_writes.write(&write).await? {
            Written::Applied(item) => Connection::stored(&item).map_err(StoreError::from)?,
            Written::Refused(image) => {
                let stored =
                    image.map(|item| Connection::stored(&item)).transpose().map_err(StoreError::from)?.flatten();
                stored.filter(|stored| is_confirmed_by(stored, &session, &Awaited::new(&confirmation, now).hash))
            }
        };
        let stored = stored.ok_or_else(wrong)?;
        tracing::info!("a connection was confirmed");
        Ok(reply::json(StatusCode::OK, &status::show(&stored)))
    }
}

/// Confirmed by an earlier request, whose answer may have been lost.
fn is_confirmed_by(stored: &Connection, session: &Session, hash: &str) -> bool {
    stored.status == Status::Active
        && stored.is_confirmed()
        && stored.session.as_ref().is_some_and(|mark| mark.id == session.id)
        && stored.confirmation.as_deref() == Some(hash)
}
