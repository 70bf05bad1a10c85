//! A simulated WebinarGeek. It behaves as Doorkeeper does, the provider library of Rails.
//!
//! | route | answers |
//! |---|---|
//! | `GET, POST /oauth/authorize` | a consent page with Approve and Deny; a redirect with a code or `access_denied` |
//! | `POST /oauth/token` | `authorization_code` (with PKCE) and `refresh_token` |
//! | `POST /oauth/revoke` | RFC 7009 |
//! | `GET /oauth/token/info`, `GET /api/me` | about the access token; both count as its first use |
//! | `GET /api/account` | whose account it is for; counts as a use too |
//!
//! [`grants`] holds its codes and tokens, [`faults`] the faults that can be set.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, DATE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use shared::domain::digest;
use shared::ports::{Clock, Entropy};
use tokio::net::TcpListener;
use url::Url;

use crate::webinargeek::faults::REVOKE;
use crate::{StartError, listener};

pub mod faults;
pub mod grants;
mod pages;

pub use faults::{Fault, Faults};
pub use grants::{Behaviour, Grants, Rotation};

type Parameters = BTreeMap<String, String>;

pub struct Simulation {
    pub client_id: String,
    pub client_secret: String,
    /// Registered with the client; each one must match exactly.
    pub redirect_uris: Vec<String>,
    pub grants: Grants,
    pub faults: Faults,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// An answer of RFC 6749 section 5.2.
struct OAuthError(StatusCode, &'static str);

const INVALID_GRANT: OAuthError = OAuthError(StatusCode::BAD_REQUEST, "invalid_grant");
const INVALID_REQUEST: OAuthError = OAuthError(StatusCode::BAD_REQUEST, "invalid_request");

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let Self(status, code) = self;
        let description = format!("In the provider's own words: {code}.");
        let challenge = format!("Bearer realm=\"Doorkeeper\", error=\"{code}\", error_description=\"{description}\"");
        let body = json!({ "error": code, "error_description": description });
        (status, [(WWW_AUTHENTICATE, challenge)], Json(body)).into_response()
    }
}

/// Serves until the process ends.
pub fn serve(simulation: Arc<Simulation>, socket: TcpListener) -> Result<SocketAddr, StartError> {
    let address = socket.local_addr()?;
    let router = router(simulation).layer(axum::middleware::from_fn(listener::read_body_first));
    tokio::spawn(listener::serve(socket, router));
    Ok(address)
}

pub fn router(simulation: Arc<Simulation>) -> Router {
    Router::new()
        .route("/oauth/authorize", get(consent).post(decide))
        .route("/oauth/token", post(token))
        .route("/oauth/revoke", post(revoke))
        .route("/oauth/token/info", get(token_info))
        .route("/api/me", get(me))
        .route("/api/account", get(account))
        .layer(axum::middleware::map_response_with_state(simulation.clone(), dated))
        .with_state(simulation)
}

/// Sets `Date` by the simulation's clock: the server would use the system's, and a test uses another time.
async fn dated(State(simulation): State<Arc<Simulation>>, mut response: Response) -> Response {
    let now = UNIX_EPOCH + Duration::from_secs(simulation.clock.now().unix().max(0) as u64);
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(now)) {
        response.headers_mut().entry(DATE).or_insert(date);
    }
    response
}

async fn consent(State(simulation): State<Arc<Simulation>>, Query(request): Query<Parameters>) -> Response {
    match simulation.check(&request) {
        Ok(_) => pages::consent(&request),
        // It never redirects: the address may be the attacker's (RFC 6749 section 4.1.2.1).
        Err(problem) => pages::error(problem),
    }
}

async fn decide(State(simulation): State<Arc<Simulation>>, Form(request): Form<Parameters>) -> Response {
    let mut back = match simulation.check(&request) {
        Ok(redirect_uri) => redirect_uri,
        Err(problem) => return pages::error(problem),
    };
    {
        let mut query = back.query_pairs_mut();
        match request.get("decision").map(String::as_str) {
            Some("approve") => {
                let code = simulation.random();
                simulation.grants.issue_code(&code, &request, simulation.clock.now());
                query.append_pair("code", &code)
            }
            Some("deny") => query
                .append_pair("error", "access_denied")
                .append_pair("error_description", "The resource owner or authorization server denied the request."),
            _ => return pages::error("Approve or deny."),
        };
        if let Some(state) = request.get("state") {
            query.append_pair("state", state);
        }
    }
    (StatusCode::FOUND, [(LOCATION, String::from(back))]).into_response()
}

async fn token(
    State(simulation): State<Arc<Simulation>>,
    headers: HeaderMap,
    Form(request): Form<Parameters>,
) -> Response {
    let grant_type = request.get("grant_type").cloned().unwrap_or_default();
    simulation.faults.count(&grant_type);
    let fault = simulation.faults.take(&grant_type);
    let answer =
        |simulation: &Simulation| simulation.token(&headers, &request).unwrap_or_else(OAuthError::into_response);
    match fault {
        None => answer(&simulation),
        Some(fault) => fault.answer(&*simulation.clock, || answer(&simulation)).await,
    }
}

async fn revoke(
    State(simulation): State<Arc<Simulation>>,
    headers: HeaderMap,
    Form(request): Form<Parameters>,
) -> Response {
    simulation.faults.count(REVOKE);
    let refused = || {
        let body = json!({ "error": "unauthorized_client", "error_description": "In the provider's own words." });
        (StatusCode::FORBIDDEN, Json(body)).into_response()
    };
    let answer = || match simulation.client(&headers, &request) {
        Ok(client_id) => {
            let revoked = request.get("token").is_none_or(|token| simulation.grants.revoke(token, &client_id));
            if revoked { Json(json!({})).into_response() } else { refused() }
        }
        Err(_) => refused(),
    };
    match simulation.faults.take(REVOKE) {
        None => answer(),
        Some(fault) => fault.answer(&*simulation.clock, answer).await,
    }
}

async fn token_info(State(simulation): State<Arc<Simulation>>, headers: HeaderMap) -> Response {
    match simulation.bearer(&headers) {
        Ok(token) => Json(json!({
            "resource_owner_id": 1,
            "scope": token.scope.split(' ').collect::<Vec<_>>(),
            "expires_in": token.expires_in,
            "application": { "uid": token.client_id },
        }))
        .into_response(),
        Err(problem) => unauthorized(problem),
    }
}

async fn me(State(simulation): State<Arc<Simulation>>, headers: HeaderMap) -> Response {
    match simulation.bearer(&headers) {
        Ok(token) => Json(json!({ "id": 1, "scopes": token.scope, "expires_in": token.expires_in })).into_response(),
        Err(problem) => unauthorized(problem),
    }
}

async fn account(State(simulation): State<Arc<Simulation>>, headers: HeaderMap) -> Response {
    simulation.faults.count("account");
    match simulation.bearer(&headers) {
        Ok(_) => {
            let id = simulation.grants.owner(bearer_token(&headers));
            let (company, email) = (format!("Company {id}"), format!("owner@{id}.example"));
            Json(json!({ "id": id, "company": company, "email": email })).into_response()
        }
        Err(problem) => unauthorized(problem),
    }
}

fn bearer_token(headers: &HeaderMap) -> &str {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    sent.unwrap_or_default()
}

impl Simulation {
    fn random(&self) -> String {
        digest::base64url(self.entropy.bytes::<32>())
    }

    /// The refresh token of a customer who approves without a browser.
    pub fn grant(&self) -> String {
        let fresh = (self.random(), self.random());
        self.grants.grant(&self.client_id, fresh, self.clock.now()).refresh_token
    }

    fn check(&self, request: &Parameters) -> Result<Url, &'static str> {
        let is = |name: &str, expected: &str| request.get(name).is_some_and(|value| value == expected);
        if !is("client_id", &self.client_id) {
            return Err("The client is unknown.");
        }
        let redirect_uri = self.redirect_uris.iter().find(|registered| is("redirect_uri", registered));
        let redirect_uri = redirect_uri.ok_or("The redirect URI is not one that is registered.")?;
        if !is("response_type", "code") {
            return Err("The response type is not supported.");
        }
        if request.contains_key("code_challenge") && !is("code_challenge_method", "S256") {
            return Err("The code challenge method must be S256.");
        }
        Url::parse(redirect_uri).map_err(|_| "The redirect URI is not a URL.")
    }

    fn token(&self, headers: &HeaderMap, request: &Parameters) -> Result<Response, OAuthError> {
        let client_id = self.client(headers, request)?;
        let now = self.clock.now();
        let fresh = (self.random(), self.random());
        let parameter = |name: &str| request.get(name).filter(|value| !value.is_empty()).ok_or(INVALID_REQUEST);
        let pair = match request.get("grant_type").map(String::as_str) {
            Some("authorization_code") => {
                let code = parameter("code")?;
                let verifier = request.get("code_verifier").map(String::as_str);
                if verifier.is_none() && self.grants.expects_verifier(code) {
                    return Err(INVALID_REQUEST);
                }
                self.grants.redeem(code, parameter("redirect_uri")?, verifier, &client_id, fresh, now)
            }
            Some("refresh_token") => self.grants.refresh(parameter("refresh_token")?, &client_id, fresh, now),
            Some(_) => return Err(OAuthError(StatusCode::BAD_REQUEST, "unsupported_grant_type")),
            None => return Err(INVALID_REQUEST),
        };
        let pair = pair.ok_or(INVALID_GRANT)?;
        let body = json!({
            "access_token": pair.access_token,
            "token_type": "Bearer",
            "expires_in": pair.expires_in,
            "refresh_token": pair.refresh_token,
            "scope": pair.scope,
            "created_at": now.unix(),
        });
        Ok(([("cache-control", "no-store"), ("pragma", "no-cache")], Json(body)).into_response())
    }

    /// By `client_secret_basic` or `client_secret_post`.
    fn client(&self, headers: &HeaderMap, request: &Parameters) -> Result<String, OAuthError> {
        let basic = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        let basic = basic.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
        let (id, secret) = match basic.as_deref().and_then(|text| text.split_once(':')) {
            Some((id, secret)) => (id.to_owned(), secret.to_owned()),
            None => {
                let parameter = |name: &str| request.get(name).cloned().unwrap_or_default();
                (parameter("client_id"), parameter("client_secret"))
            }
        };
        let expected = self.faults.rotated_secret().unwrap_or_else(|| self.client_secret.clone());
        if id == self.client_id && secret == expected {
            return Ok(id);
        }
        // Doorkeeper answers `invalid_grant` to a refresh without any credentials.
        let anonymous = id.is_empty() && secret.is_empty();
        if anonymous && request.get("grant_type").is_some_and(|grant_type| grant_type == "refresh_token") {
            return Err(INVALID_GRANT);
        }
        Err(OAuthError(StatusCode::UNAUTHORIZED, "invalid_client"))
    }

    fn bearer(&self, headers: &HeaderMap) -> Result<grants::LiveToken, &'static str> {
        self.grants.present(bearer_token(headers), self.clock.now())
    }
}

/// RFC 6750 section 3.
fn unauthorized(problem: &str) -> Response {
    let challenge = format!(
        "Bearer realm=\"Doorkeeper\", error=\"invalid_token\", error_description=\"The access token {problem}\""
    );
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}

/// A code is valid for ten minutes.
const CODE_LIFETIME: Duration = Duration::from_secs(600);
