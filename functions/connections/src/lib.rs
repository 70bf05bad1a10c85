//! `/v1/…`: the integrator's routes that hand out no token.
//!
//! | route | answer |
//! |---|---|
//! | `POST /v1/connect-sessions` | a link for one customer's browser journey |
//! | `GET /v1/connections/{id}` | how a connection is, never a secret |
//!
//! Whatever else begins with `/v1` ends here too, with 404 or 405.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::LOCATION;
use http::{Method, StatusCode};
use serde_json::json;
use shared::config::Environment;
use shared::domain::connection::{Connection, Status};
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::return_to::{ReturnTo, ReturnToOrigins};
use shared::domain::secret::SessionToken;
use shared::domain::session::{Session, SessionId, SessionStatus};
use shared::domain::write::Written;
use shared::failure::FailureClass;
use shared::http::body::Members;
use shared::http::problem::{Code, Problem};
use shared::http::{Endpoint, Invocation, Request, Response, path, reply};
use shared::ports::{Clock, Entropy, ReadConnections, StoreError, WriteAttempts};

/// Seconds that a link may be good for.
const EXPIRES_IN: std::ops::RangeInclusive<i64> = 60..=86_400;
const EXPIRES_IN_DEFAULT: i64 = 3600;

pub struct Settings {
    /// Names the deployment in its log and metrics.
    pub stack: String,
    pub attempts_table: String,
    pub connections_table: String,
    /// The custom domain, where there is one.
    pub public_origin: Option<String>,
    pub return_to_origins: ReturnToOrigins,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            stack: env.stack(),
            attempts_table: env.required("ATTEMPTS_TABLE"),
            connections_table: env.required("CONNECTIONS_TABLE"),
            public_origin: env.origin("PUBLIC_ORIGIN"),
            return_to_origins: env.return_to_origins(),
        }
    }
}

pub struct Connections {
    pub settings: Settings,
    pub sessions: Arc<dyn WriteAttempts>,
    pub connections: Arc<dyn ReadConnections>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectionsError {
    #[error("the request is not valid: {}", .0.detail)]
    Invalid(Problem),
    #[error("there is no such route")]
    NoSuchRoute,
    #[error("there is no such connection")]
    NoSuchConnection,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Problem> for ConnectionsError {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem)
    }
}

#[async_trait]
impl Endpoint for Connections {
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response {
        self.route(&request, invocation).await.unwrap_or_else(|error| refusal(error).reply(&invocation.request_id))
    }
}

impl Connections {
    async fn route(&self, request: &Request, invocation: &Invocation) -> Result<Response, ConnectionsError> {
        let segments = path::segments(request);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.method(), &segments[..]) {
            (&Method::POST, ["v1", "connect-sessions"]) => self.begin_session(request, invocation).await,
            (&Method::GET, ["v1", "connections", id]) => self.show(id).await,
            (_, ["v1", "connect-sessions"]) => Err(Problem::method_not_allowed("POST").into()),
            // Routes of a later version, not wrong methods.
            (&Method::PUT | &Method::DELETE, ["v1", "connections", _]) => Err(ConnectionsError::NoSuchRoute),
            (_, ["v1", "connections", _]) => Err(Problem::method_not_allowed("GET").into()),
            (_, ["v1", "connections", _, "token"]) => Err(Problem::method_not_allowed("GET, POST").into()),
            _ => Err(ConnectionsError::NoSuchRoute),
        }
    }

    async fn begin_session(&self, request: &Request, invocation: &Invocation) -> Result<Response, ConnectionsError> {
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
        if members.boolean("confirm")?.unwrap_or(false) {
            return Err(Problem::field("confirm", "is not available in this version").into());
        }

        let token = SessionToken::new(digest::base64url(self.entropy.bytes::<32>()));
        let now = self.clock.now();
        let session = Session {
            id: SessionId::of(&token).expect("a token of ours is one"),
            connection_id,
            return_to,
            confirm_page,
            status: SessionStatus::Pending,
            begun_at: now,
            expires_at: now + Duration::from_secs(expires_in as u64),
        };
        match self.sessions.write(&session.begin()).await? {
            Written::Applied(_) => {}
            // 256 random bits are new: the row is ours, written before the SDK asked again.
            Written::Refused(_) => {}
        }
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

    async fn show(&self, id: &str) -> Result<Response, ConnectionsError> {
        let id = ConnectionId::parse(id).map_err(|error| Problem::field("id", error.to_string()))?;
        tracing::Span::current().record("connection", id.as_str());
        let connection = self.connections.read(&id).await?.ok_or(ConnectionsError::NoSuchConnection)?;
        Ok(reply::json(StatusCode::OK, &status(&connection)))
    }
}

fn status(connection: &Connection) -> serde_json::Value {
    // A pair that arrived after the connection had been given up has revived it; the next read of its token writes that down.
    let status = if connection.was_revived() { Status::Active } else { connection.status };
    let next_refresh_at = (status == Status::Active).then(|| connection.refresh_at.rfc3339());
    json!({
        "id": connection.id.as_str(),
        "status": status.as_str(),
        "reason": connection.reason,
        "version": connection.version,
        "expires_at": connection.expires_at.rfc3339(),
        "refreshed_at": connection.refreshed_at.rfc3339(),
        "next_refresh_at": next_refresh_at,
        "failures": connection.failures,
        "scope": connection.scope,
        "account": null,
    })
}

fn refusal(error: ConnectionsError) -> Problem {
    match &error {
        ConnectionsError::Store(error) => FailureClass::from(error).log(error),
        ConnectionsError::Invalid(_) | ConnectionsError::NoSuchRoute | ConnectionsError::NoSuchConnection => {
            tracing::info!(reason = %error, "a request was refused");
        }
    }
    match error {
        ConnectionsError::Invalid(problem) => problem,
        ConnectionsError::NoSuchRoute => Problem::new(Code::NotFound, "there is no such route"),
        ConnectionsError::NoSuchConnection => Problem::new(Code::NotFound, "there is no such connection"),
        ConnectionsError::Store(_) => Problem::new(Code::Unavailable, "the table could not be used").retry_after(5),
    }
}
