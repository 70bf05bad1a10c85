//! `/v1/…`: the integrator's routes that hand out no token.
//!
//! | route | answer | file |
//! |---|---|---|
//! | `POST /v1/connect-sessions` | a link for one customer's journey | `sessions.rs` |
//! | `GET /v1/connect-sessions/{id}` | the outcome of that journey | `sessions.rs` |
//! | `POST /v1/connect-sessions/{id}/confirm` | makes a waiting connection live | `confirm.rs` |
//! | `GET /v1/connections` | the status of connections, page by page | `list.rs` |
//! | `GET /v1/connections/{id}` | the status of a connection, never a secret | `status.rs` |
//! | `PUT /v1/connections/{id}` | takes over a connection from another system | `import.rs` |
//! | `DELETE /v1/connections/{id}` | takes a connection away, revokes its tokens | [`shared::protocol::disconnect`] |
//! | `GET /v1/doctor` | finds what would keep a customer from connecting | [`doctor`] |
//! | `POST /v1/doctor` | finds out how refresh tokens rotate, on a throw-away connection | `doctor/rotation.rs` |
//!
//! All other paths under `/v1` are answered here too, with 404 or 405.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::json;
use shared::aws::dynamodb::ConnectionsTable;
use shared::config::{Environment, RefreshSettings};
use shared::domain::connection::refresh::PutOffBy;
use shared::domain::connection::{Row, State};
use shared::domain::connection_id::ConnectionId;
use shared::domain::return_to::ReturnToOrigins;
use shared::failure::FailureClass;
use shared::http::problem::{Code, Problem};
use shared::http::{Endpoint, Invocation, Request, Response, path, reply};
use shared::ports::{
    Clock, Entropy, MakeDataKeys, ReadAttempts, ReadConnections, StoreError, WriteAttempts, WriteConnections,
    WriteOrders,
};
use shared::protocol::account::AccountLookup;
use shared::protocol::composition::Refreshes;
use shared::protocol::confirm::Confirming;
use shared::protocol::disconnect::{Disconnecting, Disconnection};
use shared::protocol::import::{ImportError, Importing};
use shared::protocol::orders::Orders;
use shared::protocol::quarantine::Quarantine;
use url::Url;

use crate::doctor::Doctor;

mod confirm;
pub mod doctor;
mod import;
mod list;
mod sessions;
mod status;

pub struct Settings {
    pub refreshing: RefreshSettings,
    pub attempts_table: String,
    pub kms_key_id: String,
    /// The origin of the custom domain, if there is one.
    pub public_origin: Option<String>,
    pub return_to_origins: ReturnToOrigins,
    pub account_url: Option<Url>,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            refreshing: RefreshSettings::read(env),
            attempts_table: env.required("ATTEMPTS_TABLE"),
            kms_key_id: env.required("KMS_KEY_ID"),
            public_origin: env.origin("PUBLIC_ORIGIN"),
            return_to_origins: env.return_to_origins(),
            account_url: env.account_url(),
        }
    }
}

pub struct Connections {
    pub settings: Settings,
    pub session_reads: Arc<dyn ReadAttempts>,
    pub sessions: Arc<dyn WriteAttempts>,
    pub connections: Arc<dyn ReadConnections>,
    pub listing: Arc<ConnectionsTable>,
    pub orders: Orders,
    pub importing: Importing,
    pub disconnecting: Disconnecting,
    pub confirming: Confirming,
    pub accounts: Arc<AccountLookup>,
    pub quarantine: Quarantine,
    pub doctor: Doctor,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// The services that [`Connections`] needs besides those for refreshing.
pub struct Services {
    pub session_reads: Arc<dyn ReadAttempts>,
    pub sessions: Arc<dyn WriteAttempts>,
    pub orders: Arc<dyn WriteOrders>,
    pub connections: Arc<dyn ReadConnections>,
    pub connection_writes: Arc<dyn WriteConnections>,
    pub listing: Arc<ConnectionsTable>,
    pub keys: Arc<dyn MakeDataKeys>,
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
    #[error("there is no such connect session")]
    NoSuchSession,
    #[error("the connection was not imported: {0}")]
    Import(#[source] ImportError),
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
        self.route(&request, invocation).await.unwrap_or_else(|error| answer(error).reply(&invocation.request_id))
    }
}

impl Connections {
    pub fn new(settings: Settings, services: Services, refreshes: &Refreshes, doctor: Doctor) -> Self {
        let Services { session_reads, sessions, orders, connections, connection_writes, listing, keys, clock, entropy } =
            services;
        let orders = Orders::new(orders, clock.clone());
        Self {
            settings,
            session_reads,
            sessions: sessions.clone(),
            connections,
            quarantine: Quarantine { writes: connection_writes, clock: clock.clone() },
            listing,
            importing: refreshes.importing(&orders, keys),
            disconnecting: refreshes.disconnecting(&orders),
            confirming: refreshes.confirming(sessions),
            orders,
            accounts: refreshes.grants.accounts.clone(),
            doctor,
            clock,
            entropy,
        }
    }

    async fn route(&self, request: &Request, invocation: &Invocation) -> Result<Response, ConnectionsError> {
        let segments = path::segments(request);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.method(), &segments[..]) {
            (&Method::POST, ["v1", "connect-sessions"]) => self.begin_session(request, invocation).await,
            (&Method::GET, ["v1", "connect-sessions", id]) => self.show_session(id).await,
            (&Method::POST, ["v1", "connect-sessions", id, "confirm"]) => self.confirm(id, request).await,
            (&Method::GET, ["v1", "connections"]) => self.list(request).await,
            (&Method::GET, ["v1", "connections", id]) => self.show(&connection_id(id)?).await,
            (&Method::PUT, ["v1", "connections", id]) => self.import(connection_id(id)?, request, invocation).await,
            (&Method::DELETE, ["v1", "connections", id]) => self.disconnect(&connection_id(id)?, invocation).await,
            (&Method::GET, ["v1", "doctor"]) => {
                Ok(self.doctor.reply(self.settings.public_origin.as_ref().unwrap_or(&invocation.origin)).await)
            }
            (&Method::POST, ["v1", "doctor"]) => self.try_rotation(request, invocation).await,
            (_, ["v1", "doctor"]) => Err(Problem::method_not_allowed("GET, POST").into()),
            (_, ["v1", "connect-sessions"]) => Err(Problem::method_not_allowed("POST").into()),
            (_, ["v1", "connect-sessions", _]) => Err(Problem::method_not_allowed("GET").into()),
            (_, ["v1", "connect-sessions", _, "confirm"]) => Err(Problem::method_not_allowed("POST").into()),
            (_, ["v1", "connections"]) => Err(Problem::method_not_allowed("GET").into()),
            (_, ["v1", "connections", _]) => Err(Problem::method_not_allowed("GET, PUT, DELETE").into()),
            (_, ["v1", "connections", _, "token"]) => Err(Problem::method_not_allowed("GET, POST").into()),
            _ => Err(ConnectionsError::NoSuchRoute),
        }
    }

    async fn show(&self, id: &ConnectionId) -> Result<Response, ConnectionsError> {
        let row = self.row(id).await?;
        if let Row::Unreadable(unreadable) = &row {
            self.quarantine.put_off(unreadable, PutOffBy::Caller).await;
        }
        Ok(reply::json(StatusCode::OK, &status::show(&row)))
    }

    /// The row, if it is more than a tombstone.
    async fn row(&self, id: &ConnectionId) -> Result<Row, ConnectionsError> {
        let row = self.connections.row(id).await?;
        let row = row.filter(|row| !matches!(row.state(), Ok(State::Tombstone)));
        row.ok_or(ConnectionsError::NoSuchConnection)
    }

    async fn disconnect(&self, id: &ConnectionId, invocation: &Invocation) -> Result<Response, ConnectionsError> {
        let (code, revocation) = match self.disconnecting.disconnect(id, invocation.deadline).await? {
            Disconnection::Ended(revocation) => (StatusCode::OK, revocation.as_str()),
            Disconnection::Pending => (StatusCode::ACCEPTED, "pending"),
            Disconnection::NotFound => return Err(ConnectionsError::NoSuchConnection),
        };
        tracing::info!(revocation, "a connection was taken away");
        Ok(reply::json(code, &json!({ "revocation": revocation })))
    }
}

fn connection_id(segment: &str) -> Result<ConnectionId, Problem> {
    let id = ConnectionId::parse(segment).map_err(|error| Problem::field("id", error.to_string()))?;
    tracing::Span::current().record("connection", id.as_str());
    Ok(id)
}

fn answer(error: ConnectionsError) -> Problem {
    match &error {
        ConnectionsError::Store(error) => FailureClass::from(error).log(error),
        ConnectionsError::Import(error) => import::log(error),
        ConnectionsError::Invalid(_)
        | ConnectionsError::NoSuchRoute
        | ConnectionsError::NoSuchConnection
        | ConnectionsError::NoSuchSession => tracing::info!(reason = %error, "a request was refused"),
    }
    match error {
        ConnectionsError::Invalid(problem) => problem,
        ConnectionsError::NoSuchRoute => Problem::new(Code::NotFound, "there is no such route"),
        ConnectionsError::NoSuchConnection => Problem::new(Code::NotFound, "there is no such connection"),
        ConnectionsError::NoSuchSession => Problem::new(Code::NotFound, "there is no such connect session"),
        ConnectionsError::Import(error) => import::problem(&error),
        ConnectionsError::Store(error) => store_problem(&error),
    }
}

fn store_problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => Problem::new(Code::Unavailable, "the table could not be used").retry_after(5),
        StoreError::Unreadable(_) => {
            Problem::new(Code::Misconfigured, "the stored row cannot be read").retry_after(300)
        }
    }
}
