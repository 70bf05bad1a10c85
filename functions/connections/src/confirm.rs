//! `POST /v1/connect-sessions/{id}/confirm`: the integrator's own user has come back with the confirmation. Also the
//! status of a session before that.
//!
//! The attack that it stops: [`shared::domain::connection::waiting`].

use http::StatusCode;
use shared::domain::connection::Row;
use shared::domain::digest;
use shared::domain::secret::Confirmation;
use shared::domain::session::Session;
use shared::domain::time::Timestamp;
use shared::http::body::Members;
use shared::http::problem::Problem;
use shared::http::{Request, Response, reply};

use crate::{Connections, ConnectionsError, status};

impl Connections {
    pub(crate) async fn confirm(&self, session_id: &str, request: &Request) -> Result<Response, ConnectionsError> {
        let members = Members::parse(request, &["confirmation"])?;
        let confirmation = members
            .text("confirmation")?
            .filter(|text| digest::is_base64url_of_32_bytes(text))
            .map(Confirmation::new)
            .ok_or_else(|| Problem::field("confirmation", "is required: the value that return_to received"))?;
        let session = self.session(session_id).await?;
        // The session exists, but no pair waits for this confirmation.
        let row = self.confirming.confirm(&session, &confirmation).await?.ok_or_else(|| {
            Problem::field("confirmation", "does not belong to what this session has connected, or comes too late")
        })?;
        tracing::info!("a connection was confirmed");
        Ok(reply::json(StatusCode::OK, &status::show(&row)))
    }
}

/// Status and reason of a session that has brought a grant to `row`, which its backend has to confirm.
pub(crate) fn awaiting(session: &Session, row: &Row, now: Timestamp) -> (&'static str, Option<&'static str>) {
    let waits = row.waiting().filter(|waits| waits.is_of(&session.id));
    match waits {
        _ if row.is_confirmed(&session.id, None) => ("completed", None),
        Some(waits) if waits.is_superseded(row) => ("failed", Some("exists")),
        Some(waits) if waits.until > now => ("awaiting_confirmation", None),
        Some(_) => ("failed", Some("expired")),
        None if row.disconnected().is_some_and(|order| order > session.order) => ("failed", Some("disconnected")),
        // The grant of a later link has replaced this one.
        None if row.session().is_some_and(|newest| newest.id != session.id) => ("failed", Some("exists")),
        None => ("failed", Some("expired")),
    }
}
