//! `/authorize`: sends a customer's browser to WebinarGeek.
//!
//! 1. a request changes nothing if no person has opened the address, or if it arrives on another host than the
//!    callback's
//! 2. find what the journey is for: a connect session, or an install link with a newly generated connection id
//! 3. ask first: one page with one button, whose POST must come from that page
//! 4. make state, cookie and code verifier: 32 random bytes each; store the attempt under the hash of its state
//! 5. redirect to WebinarGeek, with the cookie that binds the attempt to this browser

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use shared::config::{AuthorizationEndpoint, Environment};
use shared::domain::attempt::writes::{KEPT_AFTER_EXPIRY, begin};
use shared::domain::attempt::{Attempt, Cookie, CookieName, Destination, StateHash};
use shared::domain::connection_id::ConnectionId;
use shared::domain::order::Order;
use shared::domain::return_to::WaysBack;
use shared::domain::secret::{Confirmation, SessionToken, State};
use shared::domain::session::{Session, SessionId, SessionStatus};
use shared::domain::write::Written;
use shared::domain::{digest, pkce};
use shared::http::fetch_metadata::{is_from_own_page, is_prefetched_or_embedded};
use shared::http::page::Layout;
use shared::http::query::{Query, Repeated};
use shared::http::{Endpoint, Invocation, Request, Response, cookie, reply};
use shared::ports::{Clock, Entropy, ReadAttempts, StoreError, WriteAttempts};

mod pages;

use pages::Shown;

pub struct Settings {
    /// The name of the deployment in its log and metrics.
    pub stack: String,
    pub attempts_table: String,
    pub authorization_endpoint: AuthorizationEndpoint,
    /// The origin of the custom domain, if there is one: browsers that come to another host are redirected to it.
    pub public_origin: Option<String>,
    /// How the pages look.
    pub layout: Arc<Layout>,
    /// The access that the customer is asked for, in the integrator's words; `None` shows the names of the scope.
    pub scope_text: Option<String>,
    /// Whether a journey may begin without a session.
    pub install_link: bool,
    /// How long a customer may take at the provider's consent page.
    pub consent_time: Duration,
    pub ways_back: WaysBack,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            stack: env.stack(),
            attempts_table: env.required("ATTEMPTS_TABLE"),
            authorization_endpoint: env.authorization_endpoint(),
            public_origin: env.origin("PUBLIC_ORIGIN"),
            layout: Arc::new(Layout::new(env.branding())),
            scope_text: env.optional("SCOPE_TEXT"),
            install_link: env.switch("INSTALL_LINK", false),
            consent_time: env.consent_time(),
            ways_back: env.ways_back(),
        }
    }
}

pub struct Authorize {
    pub settings: Settings,
    pub sessions: Arc<dyn ReadAttempts>,
    pub attempts: Arc<dyn WriteAttempts>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Why a browser is not redirected to WebinarGeek.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    #[error("the method is not GET, HEAD or POST")]
    MethodNotAllowed,
    #[error("no person has opened the address: it was prefetched, or embedded in a page")]
    PrefetchedOrEmbedded,
    #[error(transparent)]
    Repeated(#[from] Repeated),
    #[error("there is no such session")]
    UnknownSession,
    #[error("the session's link has expired")]
    SessionExpired,
    #[error("the session has already made a connection")]
    SessionUsed,
    #[error("there is no session, and the install link is off")]
    InstallLinkOff,
    #[error("the form was sent from another site")]
    ForeignForm,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[async_trait]
impl Endpoint for Authorize {
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response {
        let mut session = None;
        let answered = self.journey(&request, invocation, &mut session).await;
        answered.unwrap_or_else(|error| {
            let shown = Shown::to(&request, session.as_ref(), &self.settings);
            pages::failed(&error, &shown, &invocation.request_id)
        })
    }
}

impl Authorize {
    /// `found` becomes the session of the link as soon as it has been read. A page about a failure then has the
    /// session's language, and leads back to its `return_to`.
    async fn journey(
        &self,
        request: &Request,
        invocation: &Invocation,
        found: &mut Option<Session>,
    ) -> Result<Response, AuthorizeError> {
        // 1. Before any write.
        if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
            return Err(AuthorizeError::MethodNotAllowed);
        }
        if is_prefetched_or_embedded(request.headers()) {
            return Err(AuthorizeError::PrefetchedOrEmbedded);
        }
        let origin = self.settings.public_origin.as_ref().unwrap_or(&invocation.origin);
        let target = request.uri().path_and_query().map_or("/authorize", |target| target.as_str());
        if *origin != invocation.origin {
            // The cookie must be set on the host of the callback.
            return Ok(reply::see_other(&format!("{origin}{target}")));
        }

        // 2. The moment is read before the session. A journey of an install link takes its order from this moment, and
        //    the process may be frozen before step 4. A moment that is read later could be after a disconnect, and the
        //    journey would bring back the connection that was taken away (found by the simulator).
        let began_at = self.clock.now();
        let query = Query::parse(request.uri().query());
        let session = match query.once("session")? {
            Some(token) => Some(self.session(&SessionToken::new(token), found).await?),
            None if self.settings.install_link => None,
            None => return Err(AuthorizeError::InstallLinkOff),
        };

        // 3. Without this page, an attacker could lead a customer to this address and start a journey in the customer's
        //    browser: a provider at which the customer has approved before redirects back at once.
        if *request.method() == Method::POST {
            if !is_from_own_page(request.headers(), origin) {
                return Err(AuthorizeError::ForeignForm);
            }
        } else if *request.method() == Method::HEAD || session.is_none_or(|session| session.confirm_page) {
            // HEAD is safe (RFC 9110 section 9.2.1): a program that checks a link starts no journey.
            let shown = Shown::to(request, session, &self.settings);
            return Ok(pages::confirmation(&shown, query.once("session")?, &self.settings));
        }

        // 4.
        let order = match session {
            // A session has its own order. If the counter's row has expired, no event came after the session.
            Some(session) => self
                .sessions
                .order(&session.connection_id)
                .await?
                .map_or(session.order, |order| order.max(session.order)),
            // A new id has no events yet.
            None => Order::at(began_at),
        };
        let connection_id = match session {
            Some(session) => session.connection_id.clone(),
            None => ConnectionId::generated(self.entropy.bytes()),
        };
        let state = State::new(digest::base64url(self.entropy.bytes::<32>()));
        let state_hash = StateHash::of(&state).expect("32 bytes in base64url");
        let https = origin.starts_with("https:");
        let bound = Cookie {
            name: CookieName::new(&state_hash, https),
            value: cookie::new_value(self.entropy.bytes(), began_at),
        };
        let code_verifier =
            self.settings.authorization_endpoint.pkce.then(|| pkce::code_verifier(self.entropy.bytes()));
        let destination = Destination {
            connection_id,
            order,
            redirect_uri: format!("{origin}/callback"),
            session: session.map(Session::mark),
            throw_away: session.is_some_and(|session| session.throw_away),
            confirmation: (session.filter(|session| session.confirm))
                .map(|_| Confirmation::new(digest::base64url(self.entropy.bytes::<32>()))),
            same_account: session.is_some_and(|session| session.same_account),
            return_to: session.and_then(|session| session.return_to.clone()),
        };
        let ui_locale = session.and_then(|session| session.ui_locale);
        let times = [began_at, began_at + self.settings.consent_time];
        let attempt = Attempt::new(state_hash, &bound, destination, code_verifier, ui_locale, times);
        self.store(&attempt).await?;

        // 5.
        let mut response = reply::see_other(&self.authorization_request(&attempt, &state));
        let max_age = (self.settings.consent_time + KEPT_AFTER_EXPIRY).as_secs();
        cookie::set(&mut response, &bound.name, &bound.value, max_age);
        cookie::remove_surplus(&mut response, request.headers(), &bound.name);
        let (span, connection) = (tracing::Span::current(), attempt.destination.connection_id.as_str());
        span.record("attempt", attempt.state_hash.fingerprint()).record("connection", connection);
        tracing::info!("the browser is sent to WebinarGeek");
        Ok(response)
    }

    async fn session<'a>(
        &self,
        token: &SessionToken,
        found: &'a mut Option<Session>,
    ) -> Result<&'a Session, AuthorizeError> {
        let id = SessionId::of(token).ok_or(AuthorizeError::UnknownSession)?;
        let session = &*found.insert(self.sessions.session(&id).await?.ok_or(AuthorizeError::UnknownSession)?);
        if session.status == SessionStatus::Completed {
            return Err(AuthorizeError::SessionUsed);
        }
        if session.expires_at <= self.clock.now() {
            return Err(AuthorizeError::SessionExpired);
        }
        Ok(session)
    }

    async fn store(&self, attempt: &Attempt) -> Result<(), AuthorizeError> {
        match self.attempts.attempt(&begin(attempt)).await? {
            Written::Applied(_) => Ok(()),
            // 256 random bits are new: the stored row is ours, and the SDK has repeated its write.
            Written::ConditionFailed(_) => Ok(()),
        }
    }

    /// RFC 6749 section 4.1.1, RFC 7636 section 4.3.
    fn authorization_request(&self, attempt: &Attempt, state: &State) -> String {
        let endpoint = &self.settings.authorization_endpoint;
        let mut url = endpoint.url.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &endpoint.client_id)
            .append_pair("redirect_uri", &attempt.destination.redirect_uri)
            .append_pair("state", state.expose());
        if let Some(verifier) = &attempt.code_verifier {
            query
                .append_pair("code_challenge", &pkce::code_challenge(verifier))
                .append_pair("code_challenge_method", "S256");
        }
        if let Some(scope) = &endpoint.scope {
            query.append_pair("scope", scope);
        }
        drop(query);
        url.into()
    }
}
