//! `/callback`: a browser comes back from WebinarGeek.
//!
//! 1. what cannot be a journey's end, or may not count as one, is answered without a write
//! 2. **take** the attempt: for the browser that started it, once, before it expires
//! 3. taken before? show how that ended; wait for it, if another request is at it
//! 4. the customer declined, or WebinarGeek reported an error: store that
//! 5. everything that can fail, before the code is spent: what the connection holds now, a data key, the client secret
//! 6. send the code: once, ever (RFC 6749 section 4.1.2: a replay may revoke what it issued)
//! 7. seal, and **connect**: store the pair over what was seen in step 5
//! 8. store how the attempt and its session ended
//! 9. ask the provider whose account it is, as [`shared::identifying`] does it for the import too
//!
//! What the browser then sees stands in [`pages`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use shared::config::{Environment, TokenEndpoint};
use shared::domain::attempt::writes::{End, end, give_back, take};
use shared::domain::attempt::{Attempt, Binding, CookieName, Failure, Phase, StateHash};
use shared::domain::connection::confirming::Awaited;
use shared::domain::connection::connecting::{CONNECT_TRIES, NewGrant, Refused, connect};
use shared::domain::connection::superseded::Superseded;
use shared::domain::connection::writes::new_pair;
use shared::domain::connection::{Connection, SealedPair, Status};
use shared::domain::digest;
use shared::domain::escrowed::Escrowed;
use shared::domain::secret::{AuthorizationCode, ClientSecret, State};
use shared::domain::session::{SessionMark, SessionStatus, end_session};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{Grant, TokenSet};
use shared::domain::write::Written;
use shared::http::query::Query;
use shared::http::{Endpoint, Invocation, Request, Response, cookie, is_prefetch};
use shared::identifying::Identifying;
use shared::ports::{
    Clock, Entropy, ExchangeCode, MakeDataKeys, ProviderError, REQUEST_BUDGET, ReadAttempts, ReadClientSecret,
    ReadConnections, RevokeToken, StoreError, WrappedDataKey, WriteAttempts,
};
use shared::refreshing::another_secret;
use shared::sealing::{self, Place};
use shared::storing::Storing;
use url::Url;

mod error;
mod pages;

pub use error::CallbackError;
use error::{known, not_granted};

/// How often, and about how far apart, a second request of the same journey looks whether the first has ended.
const LOOKS: u32 = 30;
const BETWEEN_LOOKS: Duration = Duration::from_millis(700);

/// A code that has been on its way for longer than this is on no way any more: the process that had it has died.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(60);

/// Time that an invocation must have left to send a code: the request, sealing, and a write that is slow.
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
}

pub struct Callback {
    pub settings: Settings,
    pub attempt_reads: Arc<dyn ReadAttempts>,
    pub attempts: Arc<dyn WriteAttempts>,
    pub connection_reads: Arc<dyn ReadConnections>,
    pub storing: Storing,
    pub identifying: Arc<Identifying>,
    pub keys: Arc<dyn MakeDataKeys>,
    pub client_secret: Arc<dyn ReadClientSecret>,
    pub provider: Arc<dyn ExchangeCode>,
    pub revocation: Arc<dyn RevokeToken>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// How a journey ended, where that is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Connected,
    Denied,
}

/// What a valid browser came back with.
enum Answer {
    Code(AuthorizationCode),
    Denied,
    /// The error code, where RFC 6749 knows it.
    Error(&'static str),
}

/// All that can fail before the code is spent has not failed.
struct Prepared {
    seen: Option<Connection>,
    data_key: WrappedDataKey,
    secrets: Vec<ClientSecret>,
}

#[async_trait]
impl Endpoint for Callback {
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response {
        let mut attempt = None;
        let ended = self.journey(&request, invocation, &mut attempt).await;
        pages::reply(ended, attempt.as_ref(), &invocation.request_id)
    }
}

impl Callback {
    /// `taken` becomes the attempt as soon as the browser has proved that it is its own: from then on the answer may
    /// lead to the attempt's `return_to`.
    async fn journey(
        &self,
        request: &Request,
        invocation: &Invocation,
        taken: &mut Option<Attempt>,
    ) -> Result<Ended, CallbackError> {
        // 1.
        if *request.method() != Method::GET {
            return Err(CallbackError::MethodNotAllowed);
        }
        if is_prefetch(request) {
            return Err(CallbackError::Prefetch);
        }
        let query = Query::parse(request.uri().query());
        let (state, answer) = authorization_response(&query)?;
        let state_hash = StateHash::of(&state).ok_or(CallbackError::UnknownState)?;
        let binding = binding(request, &state_hash).ok_or(CallbackError::ForeignBrowser)?;

        // 2.
        let me = digest::base64url(self.entropy.bytes::<16>());
        let attempt = match self.attempts.write(&take(&state_hash, &binding, self.clock.now(), &me)).await? {
            Written::Applied(item) => taken.insert(Attempt::from_item(&item)?),
            // 3.
            Written::Refused(None) => return Err(CallbackError::UnknownState),
            Written::Refused(Some(item)) => {
                let attempt = Attempt::from_item(&item)?;
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
                return match self.end(attempt, &me, End::Denied).await {
                    Ok(()) => Ok(Ended::Denied),
                    Err(error) => Err(self.fail(attempt, &me, error.into(), invocation).await),
                };
            }
            Answer::Error(code) => {
                return Err(self.fail(attempt, &me, CallbackError::ErrorResponse(code), invocation).await);
            }
        };

        // 5.
        let prepared = match self.prepare(attempt).await {
            Ok(prepared) => prepared,
            Err(error) => return Err(self.fail(attempt, &me, error, invocation).await),
        };

        // 6.
        let sent_at = self.clock.now();
        let grant = match self.exchange(attempt, &code, &prepared, invocation.deadline).await {
            Ok(grant) => grant,
            Err(error) => return Err(self.fail(attempt, &me, error, invocation).await),
        };

        // 7. From here on a live pair is in this process's memory only. Nothing comes before storing it.
        let access_token = grant.pair.access_token.clone();
        let token_set = match self.connect(attempt, grant, sent_at, prepared, invocation.deadline).await {
            Ok(token_set) => token_set,
            Err(error) => return Err(self.fail(attempt, &me, error, invocation).await),
        };

        // 8.
        if let Err(error) = self.end(attempt, &me, End::Connected).await {
            // The connection is stored and says which attempt made it: a reload finds it there.
            tracing::warn!(%error, "the outcome of an attempt could not be stored");
        }

        // 9.
        self.identifying.identify(&attempt.connection_id, token_set, &access_token, invocation.deadline).await;
        Ok(Ended::Connected)
    }

    /// A reload, a double click, or a second request while the first is at the provider.
    async fn taken_before(&self, attempt: &Attempt) -> Result<Ended, CallbackError> {
        let mut attempt = attempt.clone();
        for _ in 0..LOOKS {
            match attempt.phase {
                Phase::Connected => return Ok(Ended::Connected),
                Phase::Denied => return Ok(Ended::Denied),
                Phase::Failed => {
                    let (failure, reference) = attempt.failure.unwrap_or((Failure::Provider, String::new()));
                    return Err(CallbackError::FailedBefore { failure, reference });
                }
                // Refused although nobody has it: too late. Or given back since: the next load of the page takes it.
                Phase::Pending if attempt.expires_at <= self.clock.now() => return Err(CallbackError::Expired),
                Phase::Pending => break,
                Phase::Exchanging => {}
            }
            if attempt.taken_at.is_none_or(|taken_at| taken_at + LONGEST_EXCHANGE < self.clock.now()) {
                break;
            }
            self.clock.sleep(BETWEEN_LOOKS + self.entropy.jitter(BETWEEN_LOOKS / 4)).await;
            let item = self.attempt_reads.read(&attempt.state_hash.key()).await?;
            attempt = Attempt::from_item(&item.ok_or(CallbackError::UnknownState)?)?;
        }
        // A process that died may have stored the pair before it could store the outcome.
        match self.connection_reads.read(&attempt.connection_id).await? {
            Some(connection) if connection.grant == attempt.state_hash.as_str() => Ok(Ended::Connected),
            Some(_) | None => Err(CallbackError::OutcomeUnknown),
        }
    }

    async fn prepare(&self, attempt: &Attempt) -> Result<Prepared, CallbackError> {
        let id = &attempt.connection_id;
        let (row, data_key, secrets) =
            tokio::join!(self.connection_reads.row(id), self.keys.make(id), self.client_secret.current());
        let row = row?;
        let seen = row.as_ref().map(Connection::stored).transpose()?.flatten();
        // Of what is there, or of what was taken away.
        let newest = row.as_ref().map(SessionMark::from_item).transpose()?.flatten();
        if seen.as_ref().is_some_and(|seen| seen.status == Status::Disconnecting) {
            return Err(CallbackError::Disconnecting);
        }
        if attempt.session.as_ref().is_some_and(|session| session.is_used(newest.as_ref())) {
            return Err(CallbackError::SessionUsed);
        }
        if attempt.confirmation.is_some() && seen.as_ref().is_some_and(Connection::is_in_use) {
            return Err(CallbackError::Exists);
        }
        Ok(Prepared { seen, data_key: data_key?, secrets: secrets? })
    }

    async fn exchange(
        &self,
        attempt: &Attempt,
        code: &AuthorizationCode,
        prepared: &Prepared,
        deadline: Timestamp,
    ) -> Result<Grant, CallbackError> {
        // A code whose pair could not be stored any more would be a grant lost.
        let is_too_late = || self.clock.now() + EXCHANGE_BUDGET > deadline;
        if is_too_late() {
            return Err(CallbackError::NoTime);
        }
        let send = |secret| self.provider.exchange(code, &attempt.redirect_uri, attempt.code_verifier.as_ref(), secret);
        let first = prepared.secrets.first().ok_or_else(|| not_granted(ProviderError::InvalidClient))?;
        let error = match send(first).await {
            Ok(grant) => return Ok(grant),
            Err(error) => error,
        };
        if !matches!(error, ProviderError::InvalidClient) || is_too_late() {
            return Err(not_granted(error));
        }
        // A complete `invalid_client` says that the code was not looked at. The one case in which it is sent again.
        let Some(another) = another_secret(&*self.client_secret, first).await else {
            return Err(not_granted(error));
        };
        let grant = send(&another).await.map_err(not_granted)?;
        self.client_secret.prefer(&another).await;
        Ok(grant)
    }

    async fn connect(
        &self,
        attempt: &Attempt,
        grant: Grant,
        sent_at: Timestamp,
        prepared: Prepared,
        deadline: Timestamp,
    ) -> Result<TokenSet, CallbackError> {
        let id = &attempt.connection_id;
        let token_set = TokenSet::new(self.entropy.bytes());
        let place = Place { stack: &self.settings.stack, connection: id, token_set };
        let sealed = sealing::seal(&grant.pair, &prepared.data_key.plain, place, self.entropy.bytes());
        let lifetime = grant.expires_in.unwrap_or(self.settings.token_endpoint.expires_in);
        let awaited = attempt.confirmation.as_ref().map(|confirmation| Awaited::new(confirmation, self.clock.now()));
        let mut seen = prepared.seen;
        for _ in 0..CONNECT_TRIES {
            let mut new = new_pair(
                id,
                seen.as_ref().map_or(1, |seen| seen.version + 1),
                SealedPair { token_set, sealed: sealed.clone(), data_key: prepared.data_key.wrapped.clone() },
                grant.token_type.clone().unwrap_or_else(|| "Bearer".to_owned()),
                grant.scope.clone(),
                (sent_at, sent_at + lifetime),
                self.settings.refresh_every,
            );
            if let Some(awaited) = &awaited {
                new.refresh_at = awaited.until;
            }
            let new_grant = NewGrant {
                id: id.clone(),
                client_id: self.settings.token_endpoint.client_id.clone(),
                grant: attempt.state_hash.as_str().to_owned(),
                begun_at: attempt.created_at,
                session: attempt.session.clone(),
                awaited: awaited.clone(),
                superseded: seen.as_ref().and_then(Superseded::by_a_grant),
                new,
            };
            let predecessor = seen.as_ref().map(|seen| seen.pair.token_set);
            let write = connect(&new_grant, predecessor);
            let escrowed = || Escrowed::Granted { grant: Box::new(new_grant.clone()), predecessor };
            let image = match self.storing.store(&write, escrowed, deadline).await {
                Ok(Written::Applied(_)) => return Ok(token_set),
                Ok(Written::Refused(image)) => image,
                Err(error) => return Err(CallbackError::NotStored(error)),
            };
            match new_grant.refused(image.as_ref()).map_err(|error| CallbackError::NotStored(error.into()))? {
                Refused::Ours => return Ok(token_set),
                Refused::SessionUsed => return Err(CallbackError::SessionUsed),
                Refused::Exists => {
                    self.revoke(&grant, &prepared.secrets).await;
                    return Err(CallbackError::SessionUsed);
                }
                Refused::Disconnected => {
                    self.revoke(&grant, &prepared.secrets).await;
                    return Err(CallbackError::Disconnected);
                }
                // The newer grant stays, and ours is not revoked: a provider may have given both journeys the same token.
                Refused::Newer => {
                    tracing::info!("a newer grant is stored, this one is left to expire");
                    return Ok(token_set);
                }
                Refused::Again(stored) => seen = stored.map(|stored| *stored),
            }
        }
        Err(CallbackError::NotStored(StoreError::changed_at_every_try()))
    }

    async fn revoke(&self, grant: &Grant, secrets: &[ClientSecret]) {
        let Some(secret) = secrets.first() else { return };
        if let Err(error) = self.revocation.revoke(&grant.pair, secret).await {
            tracing::warn!(%error, "a grant that belongs to no connection could not be revoked");
        }
    }

    /// Stores the outcome with the attempt and its session, both or neither.
    async fn end(&self, attempt: &Attempt, me: &str, how: End) -> Result<(), StoreError> {
        let status = match &how {
            End::Connected => SessionStatus::Completed,
            End::Denied => SessionStatus::Denied,
            // By the journey that this one came after.
            End::Failed { failure: Failure::SessionUsed, .. } => SessionStatus::Completed,
            End::Failed { .. } => SessionStatus::Failed,
        };
        let end = end(&attempt.state_hash, me, &how);
        if let Some(session) = &attempt.session
            && self.attempts.write_both(&end, &end_session(&session.id, status)).await?
        {
            return Ok(());
        }
        // The session is completed already, or long gone: what is left to note is the attempt's own end.
        match self.attempts.write(&end).await? {
            Written::Applied(_) => Ok(()),
            Written::Refused(_) => {
                tracing::warn!("an attempt was taken over before its outcome could be stored");
                Ok(())
            }
        }
    }

    /// Notes a failure. Where the code was certainly not used the attempt is given back, and the page may be reloaded.
    async fn fail(&self, attempt: &Attempt, me: &str, error: CallbackError, invocation: &Invocation) -> CallbackError {
        let noted = match pages::failure(&error) {
            Some(failure) => {
                let reference = invocation.request_id.clone();
                self.end(attempt, me, End::Failed { failure, reference }).await
            }
            None => self.attempts.write(&give_back(&attempt.state_hash, me)).await.map(|_| ()),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "the outcome of an attempt could not be stored");
        }
        error
    }
}

fn name_in_log(attempt: &Attempt) {
    let span = tracing::Span::current();
    span.record("attempt", attempt.state_hash.fingerprint()).record("connection", attempt.connection_id.as_str());
}

/// RFC 6749 section 4.1.2.
fn authorization_response(query: &Query) -> Result<(State, Answer), CallbackError> {
    query.all_once()?;
    let state = query.once("state")?.ok_or(CallbackError::NotAnAuthorizationResponse)?;
    let answer = match (query.once("code")?, query.once("error")?) {
        (Some(code), None) => Answer::Code(AuthorizationCode::new(code)),
        (None, Some("access_denied")) => Answer::Denied,
        (None, Some(code)) => Answer::Error(known(code)),
        _ => return Err(CallbackError::NotAnAuthorizationResponse),
    };
    Ok((State::new(state), answer))
}

/// What this browser can show for the attempt. The prefixed cookie, which no other host can plant, goes first.
fn binding(request: &Request, state_hash: &StateHash) -> Option<Binding> {
    [true, false].into_iter().find_map(|https| {
        let name = CookieName::new(state_hash, https);
        cookie::read(request.headers(), &name).map(|value| Binding::new(&name, &value))
    })
}
