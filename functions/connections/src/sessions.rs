//! `/v1/connect-sessions`: a link for one customer's browser journey, and how that went.

use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;
use serde_json::json;
use shared::domain::attempt::{FailedJourney, JourneyFailure};
use shared::domain::connection::Row;
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::return_to::ReturnTo;
use shared::domain::secret::SessionToken;
use shared::domain::session::{Session, SessionId, SessionStatus};
use shared::http::body::Members;
use shared::http::problem::Problem;
use shared::http::{Invocation, Request, Response, reply};

use crate::{Connections, ConnectionsError};

/// Seconds that a link may be good for.
const EXPIRES_IN: std::ops::RangeInclusive<i64> = 60..=86_400;
const EXPIRES_IN_DEFAULT: i64 = 3600;

impl Connections {
    pub(crate) async fn begin_session(
        &self,
        request: &Request,
        invocation: &Invocation,
    ) -> Result<Response, ConnectionsError> {
        let members =
            Members::parse(request, &["connection_id", "return_to", "expires_in", "confirm_page", "confirm"])?;
        let connection_id = match members.text("connection_id")? {
            Some(text) => {
                ConnectionId::parse(text).map_err(|error| Problem::field("connection_id", error.to_string()))?
            }
            None => ConnectionId::minted(self.entropy.bytes()),
        };
        let return_to = members
            .text("return_to")?
            .map(|text| ReturnTo::parse(text, &self.settings.return_to_origins))
            .transpose()
            .map_err(|error| Problem::field("return_to", error.to_string()))?;
        let expires_in = members.integer("expires_in")?.unwrap_or(EXPIRES_IN_DEFAULT);
        if !EXPIRES_IN.contains(&expires_in) {
            return Err(Problem::field("expires_in", "must be a number of seconds between 60 and 86400").into());
        }
        let confirm_page = members.boolean("confirm_page")?.unwrap_or(true);
        let confirm = members.boolean("confirm")?.unwrap_or(false);
        if confirm && return_to.is_none() {
            return Err(Problem::field("return_to", "is required with confirm: it brings the confirmation back").into());
        }

        // Its place among all that happens to the id: a link that was made later may be used after this one.
        let order = self.orders.take(&connection_id).await?;
        let token = SessionToken::new(digest::base64url(self.entropy.bytes::<32>()));
        let now = self.clock.now();
        let session = Session {
            id: SessionId::of(&token).expect("a token of ours is one"),
            connection_id,
            return_to,
            confirm_page,
            confirm,
            status: SessionStatus::Pending,
            order,
            begun_at: now,
            expires_at: now + Duration::from_secs(expires_in as u64),
        };
        // Refused only where the row is ours, written before the SDK asked again: 256 random bits are new.
        self.sessions.session(&session.begin()).await?;
        let origin = self.settings.public_origin.as_ref().unwrap_or(&invocation.origin);
        let mut response = reply::json(
            StatusCode::CREATED,
            &json!({
                "session_id": session.id.as_str(),
                "connection_id": session.connection_id.as_str(),
                "url": format!("{origin}/authorize?session={}", token.expose()),
                "expires_at": session.expires_at.rfc3339(),
            }),
        );
        reply::set(&mut response, LOCATION, &format!("/v1/connect-sessions/{}", session.id.as_str()));
        tracing::Span::current().record("connection", session.connection_id.as_str());
        tracing::info!("a connect session was made");
        Ok(response)
    }

    pub(crate) async fn show_session(&self, id: &str) -> Result<Response, ConnectionsError> {
        let session = self.session(id).await?;
        let status = match &session.status {
            _ if self.has_connected(&session).await? => SessionStatus::Completed,
            SessionStatus::Pending if session.expires_at <= self.clock.now() => {
                SessionStatus::Failed(FailedJourney { why: JourneyFailure::Expired, reference: None })
            }
            status => status.clone(),
        };
        let failed = match &status {
            SessionStatus::Failed(failed) => Some(failed),
            SessionStatus::Pending | SessionStatus::Completed => None,
        };
        Ok(reply::json(
            StatusCode::OK,
            &json!({
                "session_id": session.id.as_str(),
                "connection_id": session.connection_id.as_str(),
                "status": status.as_str(),
                "reason": failed.map(|failed| failed.why.as_str()),
                "reference": failed.and_then(|failed| failed.reference.as_deref()),
                "expires_at": session.expires_at.rfc3339(),
            }),
        ))
    }

    /// Whether a journey of the session has connected although its row does not say so: the process died before it
    /// could say so, or the pair has come out of the queue since. A later journey by the same link, which was refused
    /// because of that, changes nothing about it.
    async fn has_connected(&self, session: &Session) -> Result<bool, ConnectionsError> {
        if session.status == SessionStatus::Completed {
            return Ok(false);
        }
        let row = self.connections.row(&session.connection_id).await?;
        Ok(row.as_ref().and_then(Row::session).is_some_and(|mark| mark.id == session.id))
    }

    pub(crate) async fn session(&self, id: &str) -> Result<Session, ConnectionsError> {
        let id = SessionId::parse(id).ok_or(ConnectionsError::NoSuchSession)?;
        let session = self.session_reads.session(&id).await?.ok_or(ConnectionsError::NoSuchSession)?;
        tracing::Span::current().record("connection", session.connection_id.as_str());
        Ok(session)
    }
}
