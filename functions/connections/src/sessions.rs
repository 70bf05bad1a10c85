//! `/v1/connect-sessions`: a link for one customer's journey, and the journey's outcome.

use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;
use serde_json::json;
use shared::domain::attempt::JourneyFailure;
use shared::domain::connection::Row;
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::language::Language;
use shared::domain::return_to::ReturnTo;
use shared::domain::secret::SessionToken;
use shared::domain::session::{Session, SessionId, SessionStatus};
use shared::http::body::Members;
use shared::http::problem::Problem;
use shared::http::{Invocation, Request, Response, reply};
use shared::ports::StoreError;

use crate::confirm::awaiting;
use crate::{Connections, ConnectionsError};

/// Seconds that a link may be valid.
const EXPIRES_IN: std::ops::RangeInclusive<i64> = 60..=86_400;
const EXPIRES_IN_DEFAULT: i64 = 3600;

impl Connections {
    pub(crate) async fn begin_session(
        &self,
        request: &Request,
        invocation: &Invocation,
    ) -> Result<Response, ConnectionsError> {
        let members = Members::parse(
            request,
            &[
                "connection_id",
                "return_to",
                "expires_in",
                "confirm_page",
                "confirm",
                "same_account",
                "throw_away",
                "ui_locale",
            ],
        )?;
        let connection_id = match members.text("connection_id")? {
            Some(text) => {
                ConnectionId::parse(text).map_err(|error| Problem::field("connection_id", error.to_string()))?
            }
            None => ConnectionId::generated(self.entropy.bytes()),
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
        let confirm = members.boolean("confirm")?.unwrap_or(return_to.is_some());
        let throw_away = members.boolean("throw_away")?.unwrap_or(false);
        if confirm && return_to.is_none() {
            return Err(Problem::field("return_to", "is required with confirm: it brings the confirmation back").into());
        }
        let same_account = members.boolean("same_account")?.unwrap_or(false);
        if same_account && self.settings.account_url.is_none() {
            let detail = "needs AccountUrl, the parameter that says where WebinarGeek tells whose account it is";
            return Err(Problem::field("same_account", detail).into());
        }
        let ui_locale = members.text("ui_locale")?.map(|text| {
            Language::parse(text).ok_or_else(|| Problem::field("ui_locale", "must be one of en, nl and de"))
        });
        let ui_locale = ui_locale.transpose()?;

        // The place of the session in the order of the id's events: a later link may be used before this one.
        let order = self.orders.take(&connection_id).await?;
        let token = SessionToken::new(digest::base64url(self.entropy.bytes::<32>()));
        let now = self.clock.now();
        let session = Session {
            id: SessionId::of(&token).expect("32 bytes in base64url"),
            connection_id,
            return_to,
            confirm_page,
            confirm,
            same_account,
            throw_away,
            ui_locale,
            status: SessionStatus::Pending,
            is_confirmed: false,
            order,
            begun_at: now,
            expires_at: now + Duration::from_secs(expires_in as u64),
        };
        // 256 random bits are new. So this fails only if the row is ours, and the SDK has repeated its write.
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
        let grant_status = self.grant_status(&session).await?;
        let is_expired = session.expires_at <= self.clock.now();
        let (status, reason, reference) = match &session.status {
            _ if let Some((status, reason)) = grant_status => (status, reason, None),
            SessionStatus::Pending if is_expired => ("expired", Some(JourneyFailure::Expired.as_str()), None),
            SessionStatus::Failed(failed) => {
                (failed.why.status(), Some(failed.why.as_str()), failed.reference.as_deref())
            }
            status => (status.as_str(), None, None),
        };
        Ok(reply::json(
            StatusCode::OK,
            &json!({
                "session_id": session.id.as_str(),
                "connection_id": session.connection_id.as_str(),
                "status": status,
                "reason": reason,
                "reference": reference,
                "expires_at": session.expires_at.rfc3339(),
            }),
        ))
    }

    /// Status and reason of the grant that a journey of the session has made; `None` if there is no grant. The row may
    /// have the grant although the session does not say so: the process ended before it could store the outcome, or the
    /// pair was stored from the queue since. A later journey of the same link may have been refused because of this
    /// grant; that does not change its status.
    async fn grant_status(
        &self,
        session: &Session,
    ) -> Result<Option<(&'static str, Option<&'static str>)>, ConnectionsError> {
        let is_completed = session.status == SessionStatus::Completed;
        let is_awaited = session.confirm && !session.is_confirmed;
        if is_completed && !is_awaited {
            return Ok(Some(("completed", None)));
        }
        // If a grant was refused because of its account, the row says nothing about it any more.
        if session.same_account
            && let SessionStatus::Failed(failed) = &session.status
            && matches!(failed.why, JourneyFailure::OtherAccount | JourneyFailure::Provider)
        {
            return Ok(None);
        }
        let row = self.connections.row(&session.connection_id).await?;
        let is_marked = row.as_ref().and_then(Row::session).is_some_and(|mark| mark.id == session.id);
        Ok(match row {
            Some(Row::Unreadable(unreadable)) if is_completed => return Err(StoreError::from(unreadable).into()),
            // With `same_account`, a pair waits for the backend only when its account is known: then the callback
            // completes the session.
            Some(row) if is_awaited && (is_completed || (is_marked && !session.same_account)) => {
                Some(awaiting(session, &row, self.clock.now()))
            }
            // The row was deleted, long after the connection was taken away.
            None if is_completed => Some(("failed", Some("disconnected"))),
            Some(row) if session.same_account => row.is_confirmed(&session.id, None).then_some(("completed", None)),
            _ => is_marked.then_some(("completed", None)),
        })
    }

    pub(crate) async fn session(&self, id: &str) -> Result<Session, ConnectionsError> {
        let id = SessionId::parse(id).ok_or(ConnectionsError::NoSuchSession)?;
        let session = self.session_reads.session(&id).await?.ok_or(ConnectionsError::NoSuchSession)?;
        tracing::Span::current().record("connection", session.connection_id.as_str());
        Ok(session)
    }
}
