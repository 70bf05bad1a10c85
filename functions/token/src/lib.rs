//! `/v1/connections/{id}/token`: answers a live access token.
//!
//! `GET ?min_ttl=` answers the stored token while it is fresh enough, and refreshes it otherwise. `POST
//! {rejected_version}` reports that WebinarGeek refused the token of that version: it is refreshed if it is still the
//! current one, and is not answered to this request.
//!
//! 1. read the row: a token that is fresh enough, and not due for the schedule, is opened and answered
//! 2. a refresh is under way: wait for its end, for two seconds if the stored token is still valid
//! 3. refresh by [`shared::protocol::refresh`], as the schedule does
//! 4. no new pair is available: answer the stored token if it is still valid, otherwise the reason and the time to wait
//!
//! The answer: `{access_token, token_type, expires_at, version, cache_until}`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::json;
use shared::domain::connection::refresh::{PutOffBy, RefreshReason};
use shared::domain::connection::{Connection, Row, State};
use shared::domain::connection_id::ConnectionId;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::TokenPair;
use shared::failure::FailureClass;
use shared::http::body::Members;
use shared::http::problem::{Code, Problem};
use shared::http::query::Query;
use shared::http::{Endpoint, Invocation, Request, Response, path, reply};
use shared::ports::{Clock, Entropy, ReadConnections, StoreError};
use shared::protocol::refresh::{Failure, Outcome, Refreshing};

const MIN_TTL_DEFAULT: u64 = 120;
const MIN_TTL_LONGEST: u64 = 86_400;

/// How often, and at what interval, a request looks for the pair of a refresh that is under way: for 10 s in all, or
/// for 2 s at most if the stored token is still valid.
const POLL_EVERY: Duration = Duration::from_millis(200);
const POLL_ATTEMPTS: u32 = 40;
const POLL_ATTEMPTS_WITH_A_TOKEN: u32 = 8;

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
    #[error("there is no live connection of this id")]
    NotFound,
    #[error("the connection waits for its confirmation")]
    Unconfirmed,
    #[error("the customer must connect again")]
    ReauthRequired(ConnectionId),
    #[error("a refresh has not ended yet")]
    Wait { until: Timestamp },
    #[error("the rejected token was granted less than a minute ago")]
    RejectedTooEarly { until: Timestamp },
    /// The refresh failed now, or failed before and the next try must wait. The failure was logged when it happened.
    #[error("a failure of class {}", .class.as_str())]
    Failed { class: FailureClass, retry_at: Option<Timestamp> },
}

/// Which tokens the caller accepts.
struct Wanted {
    min_ttl: Duration,
    /// Only tokens of later versions are accepted.
    rejected: i64,
}

impl Wanted {
    /// From its due time on, a token is refreshed and not handed out: a refresh by the schedule may end it at any
    /// moment. So may a refresh that is under way.
    fn is_met_by(&self, connection: &Connection, now: Timestamp) -> bool {
        let is_about_to_end =
            connection.has_refresh_token && (connection.refresh_at <= now || is_leased(connection, now));
        self.accepts(connection, now) && connection.is_fresh_for(self.min_ttl, now) && !is_about_to_end
    }

    /// Whether the caller accepts this token when there is no newer one.
    fn accepts(&self, connection: &Connection, now: Timestamp) -> bool {
        connection.version > self.rejected && connection.access_token_lives(now)
    }
}

fn is_leased(connection: &Connection, now: Timestamp) -> bool {
    connection.lease.as_ref().is_some_and(|lease| lease.until >= now)
}

/// For a refresh that is under way, or may be. It may end the stored token at any moment, so `cache_until` must not be
/// later than now. `refresh_at` does not show this: a refresh on demand moves it to the end of its lease.
fn about_to_end(mut connection: Connection, now: Timestamp) -> Connection {
    connection.refresh_at = connection.refresh_at.min(now);
    connection
}

#[async_trait]
impl Endpoint for Token {
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response {
        match self.answer(&request, invocation).await {
            Ok((connection, pair)) => {
                // This line says who had this customer's token, and when. The span adds the id of the connection.
                let principal = invocation.principal.as_deref().unwrap_or("none");
                tracing::info!(version = connection.version, principal, "a token is handed out");
                found(&connection, &pair)
            }
            Err(error) => self.problem(error).reply(&invocation.request_id),
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
        let connection = self.read(&id).await?;
        if wanted.rejected > connection.version {
            let detail = format!("the connection's version is {}", connection.version);
            return Err(Problem::field("rejected_version", detail).into());
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
        let mut polls = POLL_ATTEMPTS;
        let (error, stored) = loop {
            let now = self.clock.now();
            if let State::NeedsCustomer { .. } = connection.state {
                return Err(TokenError::ReauthRequired(id));
            }
            // 1.
            if wanted.is_met_by(&connection, now) {
                return self.open(connection).await;
            }
            if !connection.has_refresh_token && connection.access_token_lives(now) {
                let (class, retry_at) = (FailureClass::NoRefreshToken, Some(connection.expires_at));
                break (TokenError::Failed { class, retry_at }, connection);
            }
            // 2.
            if let Some(until) = connection.lease.as_ref().map(|lease| lease.until).filter(|until| *until >= now) {
                match self.watch(&id, wanted, &connection, &mut polls).await? {
                    Some(changed) => connection = changed,
                    None => break (TokenError::Wait { until }, about_to_end(connection, now)),
                }
                continue;
            }
            // 3.
            let reason = if connection.version == wanted.rejected {
                RefreshReason::Rejected { seen: connection.pair.id }
            } else {
                RefreshReason::OnDemand { seen: connection.pair.id }
            };
            match self.refreshing.refresh(&id, &reason, deadline).await {
                Outcome::Refreshed(connection, pair) => return Ok((*connection, pair)),
                Outcome::Adopted(adopted) if wanted.is_met_by(&adopted, self.clock.now()) => connection = *adopted,
                Outcome::Adopted(adopted) => break (TokenError::Wait { until: adopted.refresh_at }, *adopted),
                Outcome::Busy { until } => match self.watch(&id, wanted, &connection, &mut polls).await? {
                    Some(changed) => connection = changed,
                    None => break (TokenError::Wait { until }, about_to_end(connection, now)),
                },
                Outcome::Waiting { until, connection } => {
                    let error = match connection.journal.reason {
                        Some(class) => backs_off(class, until),
                        None if connection.version == wanted.rejected => TokenError::RejectedTooEarly { until },
                        None => TokenError::Wait { until },
                    };
                    break (error, *connection);
                }
                Outcome::NeedsCustomer(_) => return Err(TokenError::ReauthRequired(id)),
                Outcome::Paused { until } => {
                    // A worker that could not read the pause may still refresh.
                    break (backs_off(FailureClass::Throttled, until), about_to_end(connection, now));
                }
                Outcome::Gone => return Err(TokenError::NotFound),
                Outcome::Failed { failure, retry_at, connection: stored } => {
                    let stored = match stored {
                        // No refresh ends the stored token before the next try.
                        Some(stored) => Connection { refresh_at: retry_at.unwrap_or(stored.refresh_at), ..*stored },
                        // No lease was taken: another worker may have one.
                        None => about_to_end(connection, now),
                    };
                    break (TokenError::Failed { class: failure.class(), retry_at }, stored);
                }
                Outcome::NoTime => break (TokenError::Wait { until: self.clock.now() }, connection),
            }
        };
        // 4.
        if wanted.accepts(&stored, self.clock.now()) {
            tracing::info!(reason = %error, "there is no new token: the stored one is still valid");
            return self.open(stored).await;
        }
        Err(error)
    }

    /// Reads the row until it has the wanted pair, or its lease is released. `None` if that takes too long, or if the
    /// lease has run out.
    async fn watch(
        &self,
        id: &ConnectionId,
        wanted: &Wanted,
        stored: &Connection,
        polls: &mut u32,
    ) -> Result<Option<Connection>, TokenError> {
        if wanted.accepts(stored, self.clock.now()) && stored.is_fresh_for(wanted.min_ttl, self.clock.now()) {
            *polls = (*polls).min(POLL_ATTEMPTS_WITH_A_TOKEN);
        }
        while *polls > 0 {
            *polls -= 1;
            self.clock.sleep(POLL_EVERY + self.entropy.jitter(POLL_EVERY / 4)).await;
            let stored = self.read(id).await?;
            let now = self.clock.now();
            if wanted.is_met_by(&stored, now) {
                return Ok(Some(stored));
            }
            match &stored.lease {
                None => return Ok(Some(stored)),
                Some(lease) if lease.until < now => return Ok(None),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    async fn read(&self, id: &ConnectionId) -> Result<Connection, TokenError> {
        match self.connections.row(id).await {
            Ok(Some(Row::Connection(connection))) => Ok(*connection),
            Ok(Some(Row::Tombstone(tombstone))) => match tombstone.state() {
                State::AwaitingConfirmation { .. } => Err(TokenError::Unconfirmed),
                _ => Err(TokenError::NotFound),
            },
            Ok(None) => Err(TokenError::NotFound),
            Ok(Some(Row::Unreadable(unreadable))) => {
                let retry_at = Some(self.refreshing.quarantine.put_off(&unreadable, PutOffBy::Caller).await);
                let failure = Failure::Store(StoreError::from(unreadable));
                failure.log();
                Err(TokenError::Failed { class: failure.class(), retry_at })
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    async fn open(&self, connection: Connection) -> Result<(Connection, TokenPair), TokenError> {
        match self.refreshing.open(&connection).await {
            Ok(pair) => Ok((connection, pair)),
            Err(failure) => Err(failed(failure)),
        }
    }

    fn problem(&self, error: TokenError) -> Problem {
        tracing::info!(reason = %error, "no token is handed out");
        let seconds_until = |until: Timestamp| self.clock.now().seconds_until(until).clamp(1, 900);
        match error {
            TokenError::Invalid(problem) => problem,
            TokenError::NotFound => Problem::new(Code::NotFound, "there is no such connection"),
            TokenError::Unconfirmed => Problem::new(
                Code::Unconfirmed,
                "the customer has approved: POST /v1/connect-sessions/{id}/confirm with the confirmation that the \
                 browser has brought to return_to",
            ),
            TokenError::ReauthRequired(id) => Problem::new(
                Code::ReauthRequired,
                format!(
                    "send the customer through a new connect session: POST /v1/connect-sessions with connection_id {id}"
                ),
            ),
            TokenError::Wait { until } => {
                Problem::new(Code::Unavailable, "a new token is on its way").retry_after(seconds_until(until))
            }
            TokenError::RejectedTooEarly { until } => {
                let detail = "this token was granted less than a minute ago: report it again after that";
                Problem::new(Code::Unavailable, detail).retry_after(seconds_until(until))
            }
            TokenError::Failed { class, retry_at } => {
                let (code, detail) = explain(class);
                Problem::new(code, detail).retry_after(retry_at.map_or(5, seconds_until))
            }
        }
    }
}

/// A failure outside of a refresh. A refresh logs its own failures.
fn failed(failure: Failure) -> TokenError {
    failure.log();
    TokenError::Failed { class: failure.class(), retry_at: None }
}

/// An earlier failure: no refresh is tried until then.
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
        FailureClass::InconsistentRow => (Code::Misconfigured, "the stored row cannot be read"),
        FailureClass::OutOfTime => (Code::Unavailable, "the run had no time left"),
        FailureClass::Panic => (Code::Misconfigured, "a defect in this product"),
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
            (Code::ProviderUnavailable, "there is no valid token: WebinarGeek has given no new one yet")
        }
        FailureClass::NoRefreshToken => (
            Code::ProviderUnavailable,
            "WebinarGeek has granted no refresh token: the customer must connect again when the access token ends",
        ),
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
    let seconds = match query.only("min_ttl").map_err(|_| Problem::field("min_ttl", "is included more than once"))? {
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
