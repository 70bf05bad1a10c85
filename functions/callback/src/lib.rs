//! `/callback`: a browser returns from WebinarGeek.
//!
//! 1. a request that cannot end a journey, or must not count as one, is answered without a write
//! 2. **take** the attempt: for the browser that started it, once, before it expires
//! 3. taken before? show how that ended; wait for it, if another request handles it
//! 4. the customer declined, or WebinarGeek reported an error: store that
//! 5. everything that can fail, before the code is spent: read the connection, a data key, the client secret
//! 6. send the code: once, ever (RFC 6749 section 4.1.2: a replay may revoke what it issued)
//! 7. seal, and **connect**: store the pair over what was seen in step 5
//! 8. store how the attempt and its session ended
//! 9. ask the provider whose account it is; [`shared::protocol::account`] does it for the import too
//!
//! What the browser then shows is in [`pages`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use shared::config::{Environment, TokenEndpoint};
use shared::domain::attempt::writes::{End, end, give_back, take};
use shared::domain::attempt::{Attempt, Binding, CookieName, JourneyFailure, Phase, StateHash};
use shared::domain::connection::grant::{self, Decision, NewGrant, NewPair};
use shared::domain::connection::waiting::Awaited;
use shared::domain::connection::{Row, SealedPair};
use shared::domain::digest;
use shared::domain::secret::{AccessToken, AuthorizationCode, State};
use shared::domain::session::{SessionStatus, end_session};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{PairId, TokenResponse};
use shared::domain::write::Written;
use shared::failure::FailureClass;
use shared::http::fetch_metadata::is_by_no_person;
use shared::http::query::Query;
use shared::http::{Endpoint, Invocation, Request, Response, cookie};
use shared::ports::{
    Clock, Entropy, ExchangeCode, MakeDataKeys, REQUEST_BUDGET, ReadAttempts, ReadConnections, StoreError,
    WrappedDataKey, WriteAttempts,
};
use shared::protocol::Deployment;
use shared::protocol::client_secrets::Secrets;
use shared::protocol::composition::Grants;
use shared::protocol::connect::{Kept, Stored};
use shared::sealing::{self, SealingContext};
use url::Url;

mod error;
mod pages;

pub use error::CallbackError;
use error::{known, not_granted};

/// How often, and about how far apart, a second request of the same journey looks whether the first has ended.
const POLL_ATTEMPTS: u32 = 30;
const POLL_EVERY: Duration = Duration::from_millis(700);

/// If a code was sent longer ago than this, the process that sent it has ended.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(60);

/// Time that an invocation must have left to send a code: the request, sealing, and a slow write.
const EXCHANGE_BUDGET: Duration = Duration::from_secs(REQUEST_BUDGET.as_secs() + 5);

pub struct Settings {
    pub attempts_table: String,
    pub connections_table: String,
    pub escrow_queue_url: String,
    pub kms_key_id: String,
    pub client_secret_arn: String,
    pub stack: String,
    pub refresh_every: Duration,
    pub token_endpoint: TokenEndpoint,
    pub account_url: Option<Url>,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            attempts_table: env.required("ATTEMPTS_TABLE"),
            connections_table: env.required("CONNECTIONS_TABLE"),
            escrow_queue_url: env.required("ESCROW_QUEUE_URL"),
            kms_key_id: env.required("KMS_KEY_ID"),
            client_secret_arn: env.required("CLIENT_SECRET_ARN"),
            stack: env.stack(),
            refresh_every: env.refresh_every(),
            token_endpoint: env.token_endpoint(),
            account_url: env.account_url(),
        }
    }

    pub fn deployment(&self) -> Deployment {
        Deployment {
            stack: self.stack.clone(),
            client_id: self.token_endpoint.client_id.clone(),
            refresh_every: self.refresh_every,
            default_lifetime: self.token_endpoint.expires_in,
        }
    }
}

pub struct Callback {
    pub deployment: Deployment,
    pub attempt_reads: Arc<dyn ReadAttempts>,
    pub attempts: Arc<dyn WriteAttempts>,
    pub connections: Arc<dyn ReadConnections>,
    pub grants: Grants,
    pub keys: Arc<dyn MakeDataKeys>,
    pub provider: Arc<dyn ExchangeCode>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// How a journey ended, if without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JourneyOutcome {
    Connected,
    Denied,
    /// A HEAD, which is safe (RFC 9110 section 9.2.1): nothing has happened.
    OnlyLookedAt,
}

/// What the browser of the attempt brought back.
enum Answer {
    Code(AuthorizationCode),
    Denied,
    /// The error code, if RFC 6749 lists it.
    Error(&'static str),
}

/// Every step that can fail before the code is spent has succeeded.
struct Prepared {
    seen: Option<Row>,
    data_key: WrappedDataKey,
    secrets: Secrets,
}

#[async_trait]
impl Endpoint for Callback {
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response {
        let mut attempt = None;
        let ended = self.journey(&request, invocation, &mut attempt).await;
        let is_final = pages::is_final(&ended);
        let mut response = pages::reply(ended, attempt.as_ref(), &invocation.request_id);
        if is_final && let Some(attempt) = &attempt {
            cookie::end(&mut response, request.headers(), &attempt.state_hash);
        }
        response
    }
}

impl Callback {
    /// `taken` becomes the attempt as soon as the browser has proved that the attempt is its own: from then on the
    /// answer may lead to the attempt's `return_to`.
    async fn journey(
        &self,
        request: &Request,
        invocation: &Invocation,
        taken: &mut Option<Attempt>,
    ) -> Result<JourneyOutcome, CallbackError> {
        // 1.
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(CallbackError::MethodNotAllowed);
        }
        if is_by_no_person(request.headers()) {
            return Err(CallbackError::ByNoPerson);
        }
        let query = Query::parse(request.uri().query());
        let (state, answer) = authorization_response(&query)?;
        if *request.method() == Method::HEAD {
            return Ok(JourneyOutcome::OnlyLookedAt);
        }
        let state_hash = StateHash::of(&state).ok_or(CallbackError::UnknownState)?;
        let binding = binding(request, &state_hash).ok_or(CallbackError::ForeignBrowser)?;

        // 2.
        let taker = digest::base64url(self.entropy.bytes::<16>());
        let attempt = match self.attempts.attempt(&take(&state_hash, &binding, self.clock.now(), &taker)).await? {
            Written::Applied(attempt) => taken.insert(attempt),
            // 3.
            Written::ConditionFailed(None) => return Err(CallbackError::UnknownState),
            Written::ConditionFailed(Some(attempt)) => {
                if attempt.binding != binding {
                    return Err(CallbackError::ForeignBrowser);
                }
                name_in_log(&attempt);
                return self.taken_before(taken.insert(attempt)).await;
            }
        };
        name_in_log(attempt);
        tracing::info!("back from WebinarGeek");

        // 4.
        let code = match answer {
            Answer::Code(code) => code,
            Answer::Denied => {
                return match self.end(attempt, End::Denied).await {
                    Ok(()) => Ok(JourneyOutcome::Denied),
                    Err(error) => Err(self.fail(attempt, &taker, error.into(), invocation).await),
                };
            }
            Answer::Error(code) => {
                return Err(self.fail(attempt, &taker, CallbackError::ErrorResponse(code), invocation).await);
            }
        };

        // 5.
        let prepared = match self.prepare(attempt).await {
            Ok(prepared) => prepared,
            Err(error) => return Err(self.fail(attempt, &taker, error, invocation).await),
        };

        // 6.
        let sent_at = self.clock.now();
        let response = match self.exchange(attempt, &code, &prepared, invocation.deadline).await {
            Ok(response) => response,
            Err(error) => return Err(self.fail(attempt, &taker, error, invocation).await),
        };

        // 7. From here on a live pair is in this process's memory only. Storing it comes first.
        let access_token = response.pair.access_token.clone();
        let pair_id = match self.connect(attempt, response, sent_at, prepared, invocation.deadline).await {
            Ok(pair_id) => pair_id,
            Err(error) => return Err(self.fail(attempt, &taker, error, invocation).await),
        };

        // 8.
        if let Err(error) = self.end(attempt, End::Connected).await {
            // The connection is stored and names the attempt that made it: a reload finds it there.
            tracing::warn!(%error, "the outcome of an attempt could not be stored");
        }

        // 9.
        self.identify(attempt, pair_id, &access_token, invocation.deadline).await;
        Ok(JourneyOutcome::Connected)
    }

    /// A reload, a double click, or a second request during the exchange of the first.
    async fn taken_before(&self, attempt: &Attempt) -> Result<JourneyOutcome, CallbackError> {
        let mut attempt = attempt.clone();
        for _ in 0..POLL_ATTEMPTS {
            match attempt.phase {
                Phase::Connected => return Ok(JourneyOutcome::Connected),
                Phase::Denied => return Ok(JourneyOutcome::Denied),
                Phase::Failed => {
                    let (failure, reference) =
                        attempt.failure.clone().unwrap_or((JourneyFailure::Provider, String::new()));
                    // Its pair may have come out of the queue since.
                    if failure == JourneyFailure::NotStored && self.has_connected(&attempt).await? {
                        return Ok(JourneyOutcome::Connected);
                    }
                    return Err(CallbackError::FailedBefore { failure, reference });
                }
                // The condition failed although no other request has it: it is too late, or it was given back since,
                // and the next load of the page takes it.
                Phase::Pending if attempt.expires_at <= self.clock.now() => return Err(CallbackError::Expired),
                Phase::Pending => break,
                Phase::Exchanging => {}
            }
            if attempt.taken_at.is_none_or(|taken_at| taken_at + LONGEST_EXCHANGE < self.clock.now()) {
                break;
            }
            self.clock.sleep(POLL_EVERY + self.entropy.jitter(POLL_EVERY / 4)).await;
            attempt = self.attempt_reads.attempt(&attempt.state_hash).await?.ok_or(CallbackError::UnknownState)?;
        }
        // A process that died may have stored the pair before it could store the outcome.
        if self.has_connected(&attempt).await? {
            return Ok(JourneyOutcome::Connected);
        }
        Err(CallbackError::OutcomeUnknown)
    }

    /// Whether the connection names this attempt as its own. Then the attempt and its session are ended as connected,
    /// too.
    async fn has_connected(&self, attempt: &Attempt) -> Result<bool, CallbackError> {
        let made_it = match self.connections.row(&attempt.connection_id).await? {
            Some(Row::Unreadable(unreadable)) => return Err(StoreError::from(unreadable).into()),
            None => false,
            Some(row) => {
                let name = attempt.state_hash.as_str();
                let is_live =
                    matches!(&row, Row::Connection(connection) if connection.granted_by.name.as_str() == name);
                is_live || row.waiting().is_some_and(|waiting| waiting.grant.name.as_str() == name)
            }
        };
        if made_it && let Err(error) = self.end(attempt, End::Connected).await {
            tracing::warn!(%error, "the outcome of an attempt could not be stored");
        }
        Ok(made_it)
    }

    async fn prepare(&self, attempt: &Attempt) -> Result<Prepared, CallbackError> {
        let id = &attempt.connection_id;
        let (row, data_key, secrets) =
            tokio::join!(self.connections.row(id), self.keys.make(id), self.grants.secrets.current());
        let seen = row?;
        // If the grant would not be stored, the code is not sent.
        let name = attempt.state_hash.as_str();
        let decision = grant::decide(name, attempt.order, attempt.session.as_ref(), seen.as_ref());
        match decision.map_err(StoreError::from)? {
            Decision::Store | Decision::AlreadyStored => {}
            Decision::Refuse(refusal) => return Err(CallbackError::RefusedBeforeExchange(refusal)),
        }
        Ok(Prepared { seen, data_key: data_key?, secrets: secrets? })
    }

    async fn exchange(
        &self,
        attempt: &Attempt,
        code: &AuthorizationCode,
        prepared: &Prepared,
        deadline: Timestamp,
    ) -> Result<TokenResponse, CallbackError> {
        // If its pair could not be stored any more, the code would be wasted.
        let has_time = || self.clock.now() + EXCHANGE_BUDGET <= deadline;
        if !has_time() {
            return Err(CallbackError::NoTime);
        }
        // A complete `invalid_client` says that the code was not looked at. Only in this case it is sent again.
        let send = |secret| async move {
            let verifier = attempt.code_verifier.as_ref();
            self.provider.exchange(code, &attempt.redirect_uri, verifier, &secret).await
        };
        self.grants.secrets.send(&prepared.secrets, has_time, send).await.map_err(not_granted)
    }

    async fn connect(
        &self,
        attempt: &Attempt,
        response: TokenResponse,
        sent_at: Timestamp,
        prepared: Prepared,
        deadline: Timestamp,
    ) -> Result<PairId, CallbackError> {
        let id = &attempt.connection_id;
        let pair_id = PairId::new(self.entropy.bytes());
        let context = SealingContext { stack: &self.deployment.stack, connection: id, pair_id };
        let sealed = sealing::seal(&response.pair, &prepared.data_key.plain, context, self.entropy.bytes());
        let has_refresh_token = response.pair.refresh_token.is_some();
        if !has_refresh_token {
            FailureClass::NoRefreshToken.warn("WebinarGeek has granted no refresh token: its customer is needed soon");
        }
        let grant = new_grant(
            attempt,
            &self.deployment.client_id,
            NewPair {
                pair: SealedPair { id: pair_id, sealed, data_key: prepared.data_key.wrapped },
                has_refresh_token,
                token_type: response.token_type.unwrap_or_else(|| "Bearer".to_owned()),
                scope: response.scope,
                granted_at: sent_at,
                expires_at: sent_at + response.expires_in.unwrap_or(self.deployment.default_lifetime),
            },
            self.clock.now(),
        );
        match self.grants.connecting.store(&grant, prepared.seen, Kept::InMemory { deadline }).await {
            Ok(Stored::Yes) => Ok(pair_id),
            Ok(Stored::No(refusal)) => Err(CallbackError::RefusedAfterExchange(refusal)),
            Err(error) => Err(CallbackError::NotStored(error)),
        }
    }

    async fn identify(&self, attempt: &Attempt, pair: PairId, access_token: &AccessToken, deadline: Timestamp) {
        let (accounts, id) = (&self.grants.accounts, &attempt.connection_id);
        if attempt.confirmation.is_some() {
            accounts.identify_waiting(id, pair, access_token, deadline).await;
        } else {
            accounts.identify(id, pair, access_token, deadline).await;
        }
    }

    /// Stores the outcome with the attempt and its session, both or neither.
    async fn end(&self, attempt: &Attempt, how: End) -> Result<(), StoreError> {
        let status = match &how {
            End::Connected => SessionStatus::Completed,
            End::Denied => SessionStatus::Denied,
            End::Failed { failure, .. } => SessionStatus::Failed(*failure),
        };
        let end = end(&attempt.state_hash, &how);
        if let Some(session) = &attempt.session
            && self.attempts.both(&end, &end_session(&session.id, status)).await?
        {
            return Ok(());
        }
        // The session is completed already, or expired: only the attempt's own end is left to store.
        match self.attempts.attempt(&end).await? {
            Written::Applied(_) => {}
            Written::ConditionFailed(_) => tracing::warn!("the attempt had ended before"),
        }
        Ok(())
    }

    /// Notes a failure. Where the code was certainly not used the attempt is given back, and the page may be reloaded.
    async fn fail(
        &self,
        attempt: &Attempt,
        taker: &str,
        error: CallbackError,
        invocation: &Invocation,
    ) -> CallbackError {
        let noted = match pages::failure(&error) {
            Some(failure) => {
                let reference = invocation.request_id.clone();
                self.end(attempt, End::Failed { failure, reference }).await
            }
            None => self.attempts.attempt(&give_back(&attempt.state_hash, taker)).await.map(|_| ()),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "the outcome of an attempt could not be stored");
        }
        error
    }
}

fn new_grant(attempt: &Attempt, client_id: &str, new: NewPair, now: Timestamp) -> NewGrant {
    NewGrant {
        id: attempt.connection_id.clone(),
        client_id: client_id.to_owned(),
        name: attempt.state_hash.as_str().to_owned(),
        order: attempt.order,
        session: attempt.session.clone(),
        awaited: attempt.confirmation.as_ref().map(|confirmation| Awaited::new(confirmation, now)),
        is_not_refreshed: false,
        new,
    }
}

fn name_in_log(attempt: &Attempt) {
    let span = tracing::Span::current();
    span.record("attempt", attempt.state_hash.fingerprint()).record("connection", attempt.connection_id.as_str());
}

/// RFC 6749 section 4.1.2. Parameters that it does not know are ignored, however often they come.
fn authorization_response(query: &Query) -> Result<(State, Answer), CallbackError> {
    // RFC 9207. Whose `iss` it is needs no comparison: a deployment has one provider.
    query.only("iss")?;
    let state = query.once("state")?.ok_or(CallbackError::NotAnAuthorizationResponse)?;
    let answer = match (query.once("code")?, query.once("error")?) {
        (Some(code), None) => Answer::Code(AuthorizationCode::new(code)),
        (None, Some("access_denied")) => Answer::Denied,
        (None, Some(code)) => Answer::Error(known(code)),
        _ => return Err(CallbackError::NotAnAuthorizationResponse),
    };
    Ok((State::new(state), answer))
}

/// The binding that this browser brings for the attempt. The prefixed cookie, which no other host can plant, comes
/// first.
fn binding(request: &Request, state_hash: &StateHash) -> Option<Binding> {
    [true, false].into_iter().find_map(|https| {
        let name = CookieName::new(state_hash, https);
        cookie::read(request.headers(), &name).map(|value| Binding::new(&name, &value))
    })
}
