//! `/callback`: a browser returns from WebinarGeek.
//!
//! 1. a request that cannot end a journey is answered without a write
//! 2. **take** the attempt with its code: for the browser that started it, once, before it expires. An answer without a
//!    code does not take it, and is noted. Both count only if the attempt's destination has not changed
//! 3. if the attempt was taken before, or has expired: show how it ended; if another request is still at work on it,
//!    wait for that ([`earlier`])
//! 4. an answer without a code: the customer declined, or WebinarGeek reported an error; the session says so
//! 5. do everything that can fail before the code is spent: read the connection, a data key, the client secret
//! 6. send the code, only once (RFC 6749 section 4.1.2: a second use may revoke the tokens that it issued)
//! 7. seal, and **connect**: store the pair over the row that was read in step 5
//! 8. if only the connected account is accepted: ask whose account it is ([`shared::protocol::same_account`])
//! 9. store how the attempt and its session ended ([`outcome`])
//! 10. otherwise ask whose account it is now ([`shared::protocol::account`])
//! 11. if another tab of this browser has used the link: show the result of that tab
//!
//! What the browser then shows is in [`pages`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use shared::domain::attempt::writes::{End, end, note, take};
use shared::domain::attempt::{Attempt, Cookie, CookieName, Destination, FailedJourney, StateHash, Unproven};
use shared::domain::connection::grant::{self, Decision, NewGrant, NewPair};
use shared::domain::connection::waiting::Awaited;
use shared::domain::connection::{Row, SealedPair};
use shared::domain::digest;
use shared::domain::return_to::WaysBack;
use shared::domain::secret::{AccessToken, AuthorizationCode, Confirmation};
use shared::domain::session::SessionStatus;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{PairId, TokenResponse};
use shared::domain::write::Written;
use shared::failure::FailureClass;
use shared::http::fetch_metadata::is_prefetched_or_embedded;
use shared::http::page::Layout;
use shared::http::query::Query;
use shared::http::texts::Texts;
use shared::http::{Endpoint, Invocation, Request, Response, accept_language, cookie};
use shared::ports::{
    Clock, Entropy, ExchangeCode, MakeDataKeys, REQUEST_BUDGET, ReadAttempts, ReadConnections, StoreError,
    WrappedDataKey, WriteAttempts,
};
use shared::protocol::Deployment;
use shared::protocol::client_secrets::Secrets;
use shared::protocol::composition::Grants;
use shared::protocol::connect::{Kept, Stored};
use shared::protocol::same_account::Checked;
use shared::sealing::{self, SealingContext};

mod answer;
mod earlier;
mod error;
mod outcome;
mod pages;
mod settings;

use answer::Answer;
pub use error::CallbackError;
use error::not_granted;
use pages::Shown;
pub use settings::Settings;

/// Time that an invocation must have left to send a code: the request, sealing, and a slow write.
const EXCHANGE_BUDGET: Duration = Duration::from_secs(REQUEST_BUDGET.as_secs() + 5);

pub struct Callback {
    pub deployment: Deployment,
    pub ways_back: WaysBack,
    pub layout: Arc<Layout>,
    pub attempt_reads: Arc<dyn ReadAttempts>,
    pub attempts: Arc<dyn WriteAttempts>,
    pub connections: Arc<dyn ReadConnections>,
    pub grants: Grants,
    pub keys: Arc<dyn MakeDataKeys>,
    pub provider: Arc<dyn ExchangeCode>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// How a journey ended, if it ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JourneyOutcome {
    Connected,
    Denied,
    /// A HEAD, which is safe (RFC 9110 section 9.2.1): it changes nothing.
    HeadRequest,
}

/// What is needed before the code is sent: every step that can fail has succeeded.
struct Prepared {
    seen: Option<Row>,
    data_key: WrappedDataKey,
    secrets: Secrets,
}

#[async_trait]
impl Endpoint for Callback {
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response {
        let mut own = None;
        let mut ended = self.journey(&request, invocation, &mut own).await;
        // 11.
        if let (Err(error), Some(attempt)) = (&ended, &own)
            && let Some(other) = self.used_in_another_tab(&request, error, attempt).await
        {
            (own, ended) = (Some(other), Ok(JourneyOutcome::Connected));
        }
        let is_final = pages::is_final(&ended);
        let language = own.as_ref().and_then(|own| own.ui_locale);
        let shown = Shown {
            own: own.as_ref(),
            texts: Texts::of(language.unwrap_or_else(|| accept_language::read(request.headers()))),
            layout: &self.layout,
            ways_back: &self.ways_back,
        };
        let mut response = pages::reply(ended, &shown, &invocation.request_id);
        if is_final && let Some(own) = &own {
            cookie::end(&mut response, request.headers(), &own.state_hash);
        }
        response
    }
}

impl Callback {
    /// `own` becomes the attempt as soon as the browser has proved that it started it. From then on, the answer may
    /// lead to the attempt's `return_to`, with its result.
    async fn journey(
        &self,
        request: &Request,
        invocation: &Invocation,
        own: &mut Option<Attempt>,
    ) -> Result<JourneyOutcome, CallbackError> {
        // 1.
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(CallbackError::MethodNotAllowed);
        }
        if is_prefetched_or_embedded(request.headers()) {
            return Err(CallbackError::PrefetchedOrEmbedded);
        }
        let (state_hash, answer) = Answer::parse(&Query::parse(request.uri().query()))?;
        if *request.method() == Method::HEAD {
            return Ok(JourneyOutcome::HeadRequest);
        }
        let cookie = cookie_of(request, &state_hash).ok_or(Unproven::ForeignBrowser)?;

        // 2.
        let (now, taker) = (self.clock.now(), digest::base64url(self.entropy.bytes::<16>()));
        let failed = answer.failure().map(|why| FailedJourney::new(why, &invocation.request_id));
        let write = match &failed {
            None => take(&state_hash, &cookie.binding(), now, &taker),
            Some(failed) => note(&state_hash, &cookie.binding(), failed, now),
        };
        let (attempt, is_applied) = match self.attempts.attempt(&write).await {
            Ok(Written::Applied(attempt)) => (attempt, true),
            Ok(Written::ConditionFailed(Some(attempt))) => (attempt, false),
            Ok(Written::ConditionFailed(None)) => return Err(CallbackError::UnknownState),
            Err(error) => {
                // Only an answer with a code takes the attempt.
                if failed.is_none() {
                    self.give_back_unsent(&state_hash, &taker, &invocation.request_id).await;
                }
                return Err(error.into());
            }
        };
        attempt.is_proven_by(&cookie)?;
        let attempt = own.insert(attempt);
        name_in_log(attempt);

        // 3.
        if !is_applied {
            return self.earlier_outcome(attempt, failed.is_none(), invocation).await;
        }
        tracing::info!("the browser is back from WebinarGeek");

        // 4.
        if let Some(failed) = failed {
            self.store_in_session(attempt, &SessionStatus::Failed(failed)).await;
        }
        let code = match answer {
            Answer::Code(code) => code,
            Answer::Denied => return Ok(JourneyOutcome::Denied),
            Answer::Error(code) => return Err(CallbackError::ErrorResponse(code)),
        };

        // 5. to 8.
        let (pair_id, access_token) = match self.exchange_and_store(attempt, &code, invocation.deadline).await {
            Ok(stored) => stored,
            Err(error) => {
                self.fail(attempt, &taker, &error, &invocation.request_id).await;
                return Err(error);
            }
        };

        // 9. If this cannot be stored: the connection says which attempt made it, and a reload finds it there.
        self.store_outcome(attempt, &end(&attempt.state_hash, &End::Connected), &SessionStatus::Completed).await;

        // 10.
        if !attempt.destination.same_account {
            self.identify(attempt, pair_id, &access_token, invocation.deadline).await;
        }
        Ok(JourneyOutcome::Connected)
    }

    async fn exchange_and_store(
        &self,
        attempt: &Attempt,
        code: &AuthorizationCode,
        deadline: Timestamp,
    ) -> Result<(PairId, AccessToken), CallbackError> {
        // 5.
        let prepared = self.prepare(attempt).await?;
        // 6.
        let sent_at = self.clock.now();
        let response = self.exchange(attempt, code, &prepared, deadline).await?;
        // 7. From here on a live pair is only in the memory of this process. So it is stored first.
        let access_token = response.pair.access_token.clone();
        let pair_id = self.connect(attempt, response, sent_at, prepared, deadline).await?;
        // 8.
        if attempt.destination.same_account {
            self.check_account(attempt, pair_id, &access_token, deadline).await?;
        }
        Ok((pair_id, access_token))
    }

    async fn prepare(&self, attempt: &Attempt) -> Result<Prepared, CallbackError> {
        let id = &attempt.destination.connection_id;
        let (row, data_key, secrets) =
            tokio::join!(self.connections.row(id), self.keys.make(id), self.grants.secrets.current());
        let seen = row?;
        // If the grant would be refused, the code is not sent.
        let name = attempt.state_hash.as_str();
        let decision =
            grant::decide(name, attempt.destination.order, attempt.destination.session.as_ref(), seen.as_ref());
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
        // Without time to store the pair, the code would be lost.
        let account_budget = if attempt.destination.same_account { REQUEST_BUDGET } else { Duration::ZERO };
        let has_time = || self.clock.now() + EXCHANGE_BUDGET + account_budget <= deadline;
        if !has_time() {
            return Err(CallbackError::NoTime);
        }
        // A complete `invalid_client` says that the code was not looked at. Only in this case is the code sent again.
        let send = |secret| async move {
            let verifier = attempt.code_verifier.as_ref();
            self.provider.exchange(code, &attempt.destination.redirect_uri, verifier, &secret).await
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
        let id = &attempt.destination.connection_id;
        let pair_id = PairId::new(self.entropy.bytes());
        let context = SealingContext { stack: &self.deployment.stack, connection: id, pair_id };
        let sealed = sealing::seal(&response.pair, &prepared.data_key.plain, context, self.entropy.bytes());
        let has_refresh_token = response.pair.refresh_token.is_some();
        if !has_refresh_token {
            FailureClass::NoRefreshToken
                .warn("WebinarGeek has granted no refresh token: the customer must connect again when the token ends");
        }
        // A pair that waits only for its account is confirmed by this process alone.
        let own = Confirmation::new(digest::base64url(self.entropy.bytes::<32>()));
        let confirmation =
            attempt.destination.confirmation.as_ref().or(attempt.destination.same_account.then_some(&own));
        let grant = new_grant(
            attempt,
            confirmation,
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

    /// For a session that accepts only the connected account.
    async fn check_account(
        &self,
        attempt: &Attempt,
        pair: PairId,
        access_token: &AccessToken,
        deadline: Timestamp,
    ) -> Result<(), CallbackError> {
        let (id, is_confirmed_later) = (&attempt.destination.connection_id, attempt.destination.confirmation.is_some());
        match self.grants.same_account.check(id, pair, access_token, is_confirmed_later, deadline).await {
            Ok(Checked::Same) => Ok(()),
            Ok(Checked::Another) => Err(CallbackError::OtherAccount),
            Ok(Checked::Unknown) => Err(CallbackError::AccountUnknown),
            Ok(Checked::Gone(refusal)) => Err(CallbackError::RefusedAfterExchange(refusal)),
            Err(error) => Err(CallbackError::NotStored(error)),
        }
    }

    async fn identify(&self, attempt: &Attempt, pair: PairId, access_token: &AccessToken, deadline: Timestamp) {
        let (accounts, id) = (&self.grants.accounts, &attempt.destination.connection_id);
        if attempt.destination.confirmation.is_some() {
            accounts.identify_waiting(id, pair, access_token, deadline).await;
        } else {
            accounts.identify(id, pair, access_token, deadline).await;
        }
    }
}

fn new_grant(
    attempt: &Attempt,
    confirmation: Option<&Confirmation>,
    client_id: &str,
    new: NewPair,
    now: Timestamp,
) -> NewGrant {
    let Destination { connection_id, order, session, throw_away, .. } = &attempt.destination;
    NewGrant {
        id: connection_id.clone(),
        client_id: client_id.to_owned(),
        name: attempt.state_hash.as_str().to_owned(),
        order: *order,
        session: session.clone(),
        awaited: confirmation.map(|confirmation| Awaited::new(confirmation, now)),
        is_throw_away: *throw_away,
        is_not_refreshed: false,
        new,
    }
}

fn name_in_log(attempt: &Attempt) {
    let span = tracing::Span::current();
    let connection = attempt.destination.connection_id.as_str();
    span.record("attempt", attempt.state_hash.fingerprint()).record("connection", connection);
}

/// The cookie that this browser sends for the attempt. The one with the prefix comes first: no other host can set it.
fn cookie_of(request: &Request, state_hash: &StateHash) -> Option<Cookie> {
    [true, false].into_iter().find_map(|https| {
        let name = CookieName::new(state_hash, https);
        cookie::read(request.headers(), &name).map(|value| Cookie { name, value })
    })
}
