//! `/v1/connections/{id}/token`: answers a live access token.
//!
//! `GET ?min_ttl=` answers the stored token while it is fresh enough, and refreshes it otherwise.
//! `POST {rejected_version}` says that WebinarGeek refused the token of that version: it is refreshed if it is still the
//! current one, and never answered again.
//!
//! 1. read the row: one that is fresh enough is opened and answered; a pair that arrived after its connection had been given
//!    up revives it before
//! 2. refresh, as [`shared::refreshing`] does it for the schedule too
//! 3. somebody else is at it: wait for their pair, and adopt it
//! 4. no new pair to be had: a stored token that still lives is answered, otherwise the caller learns why and until when
//!
//! The answer: `{access_token, token_type, expires_at, version, cache_until}`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::json;
use shared::domain::connection::writes::Need;
use shared::domain::connection::{Connection, Status};
use shared::domain::connection_id::ConnectionId;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::TokenPair;
use shared::failure::FailureClass;
use shared::http::body::Members;
use shared::http::problem::{Code, Problem};
use shared::http::query::Query;
use shared::http::{Endpoint, Invocation, Request, Response, path, reply};
use shared::ports::{Clock, Entropy, ReadConnections};
use shared::refreshing::{Failure, Outcome, Refreshing};

const MIN_TTL_DEFAULT: u64 = 120;
const MIN_TTL_LONGEST: u64 = 86_400;

/// How often, and about how far apart, a caller looks for the pair of somebody else's refresh: 10 s in all.
const LOOKS: u32 = 40;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

pub struct Token {
    pub refreshing: Arc<Refreshing>,
    pub connections: Arc<dyn ReadConnections>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Why no token is answered.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the request is not valid")]
    Invalid(Problem),
    #[error("there is no such connection, it is being disconnected, or nobody has confirmed it")]
    NotFound,
    #[error("the customer must connect again")]
    ReauthRequired(ConnectionId),
    #[error("somebody else's refresh has not ended yet")]
    Wait { until: Timestamp },
    /// Now, or before, and it backs off. Its cause stands in the log where it failed.
    #[error("no token that lives: {}", .class.as_str())]
    Failed { class: FailureClass, retry_at: Option<Timestamp> },
}

/// What a caller will take.
struct Wanted {
    min_ttl: Duration,
    /// Only tokens of later versions will do.
    rejected: i64,
}

impl Wanted {
    fn is_met_by(&self, connection: &Connection, now: Timestamp) -> bool {
        connection.version > self.rejected && connection.is_fresh_for(self.min_ttl, now)
    }

    /// Whether a token is better than none.
    fn accepts(&self, connection: &Connection, now: Timestamp) -> bool {
        connection.version > self.rejected && connection.access_token_lives(now)
    }
}

#[async_trait]
impl Endpoint for Token {
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response {
        match self.answer(&request, invocation).await {
            Ok((connection, pair)) => found(&connection, &pair),
            Err(error) => self.refusal(error).reply(&invocation.request_id),
        }
    }
}

impl Token {
    async fn answer(&self, request: &Request, invocation: &Invocation) -> Result<(Connection, TokenPair), TokenError> {
        let segments = path::segments(request);
        let ["v1", "connections", id, "token"] = segments.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
            return Err(TokenError::NotFound);
        };
        let id = ConnectionId::parse(id).map_err(|error| Problem::field("id", error.to_string()))?;
        tracing::Span::current().record("connection", id.as_str());
        let wanted = match *request.method() {
            Method::GET => Wanted { min_ttl: min_ttl(request)?, rejected: 0 },
            Method::POST => {
                Wanted { min_ttl: Duration::from_secs(MIN_TTL_DEFAULT), rejected: rejected_version(request)? }
            }
            _ => return Err(Problem::method_not_allowed("GET, POST").into()),
        };
        let mut connection = self.read(&id).await?;
        if wanted.rejected > connection.version {
            let detail = format!("the connection's version is {}", connection.version);
            return Err(Problem::field("rejected_version", detail).into());
        }
        if connection.was_revived() {
            // Before any lease is asked for: a request for one that is refused, and repeated by its transport, would get it
            // once the connection is revived (found by the simulator).
            let revived = self.refreshing.revive(&connection).await.map_err(|error| failed(error.into()))?;
            connection = revived.ok_or(TokenError::NotFound)?;
        }
        self.token(connection, &wanted, invocation.deadline).await
    }

    async fn token(
        &self,
        mut connection: Connection,
        wanted: &Wanted,
        deadline: Timestamp,
    ) -> Result<(Connection, TokenPair), TokenError> {
        let id = connection.id.clone();
        let mut looks = LOOKS;
        let (error, stored) = loop {
            // 1.
            if connection.status == Status::Active && wanted.is_met_by(&connection, self.clock.now()) {
                return self.open(connection).await;
            }
            // 2. A row that was given up goes there too, and is told what became of it.
            let need = if connection.version == wanted.rejected {
                Need::Rejected { seen: connection.pair.token_set }
            } else {
                Need::OnDemand { seen: connection.pair.token_set }
            };
            match self.refreshing.refresh(&id, &need, deadline).await {
                Outcome::Refreshed(connection, pair) => return Ok((connection, pair)),
                Outcome::Adopted(adopted) => break (TokenError::Wait { until: adopted.refresh_at }, adopted),
                // 3.
                Outcome::Busy { until } => match self.watch(&id, wanted, &mut looks).await? {
                    Some(changed) => connection = changed,
                    None => break (TokenError::Wait { until }, connection),
                },
                Outcome::Waiting { until, connection } => {
                    let class = connection.reason.as_deref().and_then(FailureClass::parse);
                    let error = class.map_or(TokenError::Wait { until }, |class| backs_off(class, until));
                    break (error, connection);
                }
                Outcome::ReauthRequired(_) => return Err(TokenError::ReauthRequired(id)),
                Outcome::Paused { until } => break (backs_off(FailureClass::Throttled, until), connection),
                Outcome::Gone | Outcome::Disconnecting | Outcome::Unconfirmed { .. } => {
                    return Err(TokenError::NotFound);
                }
                Outcome::Failed { failure, retry_at, connection: stored } => {
                    break (TokenError::Failed { class: failure.class(), retry_at }, stored.unwrap_or(connection));
                }
                Outcome::NoTime => break (TokenError::Wait { until: self.clock.now() }, connection),
            }
        };
        // 4.
        if stored.status == Status::Active && wanted.accepts(&stored, self.clock.now()) {
            tracing::info!(reason = %error, "the stored token is answered");
            return self.open(stored).await;
        }
        Err(match error {
            TokenError::Failed { class: FailureClass::NoRefreshToken, .. } => TokenError::ReauthRequired(id),
            error => error,
        })
    }

    /// Looks at the row until it has what is wanted, or its lease is released. `None` when that takes too long, or whoever
    /// had the lease has died.
    async fn watch(
        &self,
        id: &ConnectionId,
        wanted: &Wanted,
        looks: &mut u32,
    ) -> Result<Option<Connection>, TokenError> {
        while *looks > 0 {
            *looks -= 1;
            self.clock.sleep(BETWEEN_LOOKS + self.entropy.jitter(BETWEEN_LOOKS / 2)).await;
            let stored = self.read(id).await?;
            if wanted.is_met_by(&stored, self.clock.now()) {
                return Ok(Some(stored));
            }
            match stored.lease_until {
                None => return Ok(Some(stored)),
                Some(until) if until < self.clock.now() => return Ok(None),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    async fn read(&self, id: &ConnectionId) -> Result<Connection, TokenError> {
        match self.connections.read(id).await {
            Ok(Some(connection)) if connection.status != Status::Disconnecting && connection.is_confirmed() => {
                Ok(connection)
            }
            Ok(Some(_)) | Ok(None) => Err(TokenError::NotFound),
            Err(error) => Err(failed(error.into())),
        }
    }

    async fn open(&self, connection: Connection) -> Result<(Connection, TokenPair), TokenError> {
        match self.refreshing.open(&connection).await {
            Ok(pair) => Ok((connection, pair)),
            Err(failure) => Err(failed(failure)),
        }
    }

    fn refusal(&self, error: TokenError) -> Problem {
        tracing::info!(reason = %error, "no token is answered");
        let seconds_until = |until: Timestamp| self.clock.now().seconds_until(until).clamp(1, 900);
        match error {
            TokenError::Invalid(problem) => problem,
            TokenError::NotFound => Problem::new(Code::NotFound, "there is no such connection"),
            TokenError::ReauthRequired(id) => Problem::new(
                Code::ReauthRequired,
                format!(
                    "send the customer through a new connect session: POST /v1/connect-sessions with connection_id {id}"
                ),
            ),
            TokenError::Wait { until } => {
                Problem::new(Code::Unavailable, "a new token is on its way").retry_after(seconds_until(until))
            }
            TokenError::Failed { class, retry_at } => {
                let (code, detail) = explain(class);
                Problem::new(code, detail).retry_after(retry_at.map_or(5, seconds_until))
            }
        }
    }
}

/// A failure outside of a refresh, which logs its own.
fn failed(failure: Failure) -> TokenError {
    failure.log();
    TokenError::Failed { class: failure.class(), retry_at: None }
}

/// An earlier failure is waited after.
fn backs_off(class: FailureClass, until: Timestamp) -> TokenError {
    TokenError::Failed { class, retry_at: Some(until) }
}

fn explain(class: FailureClass) -> (Code, &'static str) {
    match class {
        FailureClass::StoreUnavailable => (Code::Unavailable, "the table could not be used"),
        FailureClass::KeyUnavailable => (Code::Unavailable, "the key could not be used"),
        FailureClass::PairInEscrow => (Code::Unavailable, "a new token waits to be stored"),
        FailureClass::BusUnavailable => (Code::Unavailable, "the event bus could not be used"),
        FailureClass::Frozen => (Code::Unavailable, "the process stood still for too long"),
        FailureClass::InconsistentRow => (Code::Misconfigured, "the stored row makes no sense"),
        FailureClass::Panic => (Code::Misconfigured, "a defect of ours"),
        FailureClass::Unopenable => (Code::Misconfigured, "the stored tokens do not open with this stack's key"),
        FailureClass::SecretUnavailable => (Code::Misconfigured, "the client secret could not be read"),
        FailureClass::InvalidClient => (Code::Misconfigured, "WebinarGeek does not accept the client id and secret"),
        FailureClass::ForeignClient => (Code::Misconfigured, "the connection belongs to another client id"),
        FailureClass::Unreachable
        | FailureClass::Throttled
        | FailureClass::UnknownOutcome
        | FailureClass::InvalidGrant
        | FailureClass::AmbiguousRotation
        | FailureClass::Refused => {
            (Code::ProviderUnavailable, "the token has expired, and WebinarGeek has given no new one yet")
        }
        FailureClass::NoRefreshToken => (Code::ReauthRequired, "WebinarGeek has granted no refresh token"),
    }
}

impl From<Problem> for TokenError {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem)
    }
}

/// Seconds.
fn min_ttl(request: &Request) -> Result<Duration, Problem> {
    let query = Query::parse(request.uri().query());
    if let Some(unknown) = query.names().find(|name| *name != "min_ttl") {
        return Err(Problem::field(unknown.to_owned(), "is unknown; the only parameter is min_ttl"));
    }
    let invalid = || Problem::field("min_ttl", format!("must be a number of seconds between 0 and {MIN_TTL_LONGEST}"));
    let seconds = match query.only("min_ttl").map_err(|_| Problem::field("min_ttl", "is there more than once"))? {
        None => MIN_TTL_DEFAULT,
        Some(text) if text.starts_with('+') => return Err(invalid()),
        Some(text) => text.parse().map_err(|_| invalid())?,
    };
    if seconds > MIN_TTL_LONGEST { Err(invalid()) } else { Ok(Duration::from_secs(seconds)) }
}

fn rejected_version(request: &Request) -> Result<i64, Problem> {
    let members = Members::parse(request, &["rejected_version"])?;
    match members.integer("rejected_version")? {
        Some(version) if version >= 1 => Ok(version),
        Some(_) => Err(Problem::field("rejected_version", "must be a version, which starts at 1")),
        None => Err(Problem::field("rejected_version", "is required")),
    }
}

fn found(connection: &Connection, pair: &TokenPair) -> Response {
    reply::json(
        StatusCode::OK,
        &json!({
            "access_token": pair.access_token.expose(),
            "token_type": connection.token_type,
            "expires_at": connection.expires_at.rfc3339(),
            "version": connection.version,
            "cache_until": connection.cache_until().rfc3339(),
        }),
    )
}
