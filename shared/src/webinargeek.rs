//! The provider: three form POSTs, and no request that the token protocol does not need.
//!
//! Why not a client library: `docs/decisions/0002-own-token-request.md`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, DATE};
use url::form_urlencoded;

use crate::config::{ClientAuthentication, TokenEndpoint};
use crate::domain::secret::{AuthorizationCode, ClientSecret, CodeVerifier, RefreshToken};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenResponse;
use crate::ports::{Clock, ExchangeCode, ProviderError, RefreshPair};
use crate::telemetry::Chain;

mod account;
mod answer;
mod body;
mod http_client;
mod members;
mod probe;
mod retry_after;
mod revocation;

pub use account::AccountEndpoint;
pub use http_client::HttpClient;
pub use probe::Probed;

use body::{Body, Cut};

/// The token endpoint and the revocation endpoint. It sends each request once: only the protocol repeats requests.
pub struct WebinarGeek {
    http: HttpClient,
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
}

/// An answer. If it is not a success, its body is whole or too long: the connection did not break.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    date: Option<Timestamp>,
    body: Body,
}

impl WebinarGeek {
    /// `clock` turns a `Retry-After` with a date into a wait.
    pub fn new(http: HttpClient, endpoint: TokenEndpoint, clock: Arc<dyn Clock>) -> Self {
        Self { http, endpoint, clock }
    }

    async fn token(&self, parameters: &[(&str, &str)], secret: &ClientSecret) -> Result<TokenResponse, ProviderError> {
        let answer = self.post(self.endpoint.url.as_str(), parameters, secret).await?;
        answer::grant(&answer)
    }

    async fn post(
        &self,
        url: &str,
        parameters: &[(&str, &str)],
        secret: &ClientSecret,
    ) -> Result<Answer, ProviderError> {
        let client_id = self.endpoint.client_id.as_str();
        let mut form: Vec<(&str, &str)> = parameters.to_vec();
        let mut request = self.http.client().post(url).header(ACCEPT, "application/json");
        match self.endpoint.client_authentication {
            ClientAuthentication::Post => form.extend([("client_id", client_id), ("client_secret", secret.expose())]),
            ClientAuthentication::Basic => request = request.header(AUTHORIZATION, basic(client_id, secret)),
        }
        // It is sent once: after an error, the protocol decides whether to send it again.
        let mut response = request.form(&form).send().await.map_err(not_answered)?;
        let status = response.status();
        let retry_after = retry_after::read(response.headers(), self.clock.now());
        let date = response.headers().get(DATE).and_then(|value| date(value.to_str().ok()?));
        let body = Body::read(&mut response).await;
        match body.cut {
            // A success may hold a pair before the break.
            Some(Cut::Broken(cause)) if !status.is_success() => Err(ProviderError::Unknown(cause)),
            _ => Ok(Answer { status, retry_after, date, body }),
        }
    }
}

#[async_trait]
impl ExchangeCode for WebinarGeek {
    async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
        verifier: Option<&CodeVerifier>,
        secret: &ClientSecret,
    ) -> Result<TokenResponse, ProviderError> {
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code.expose()), ("redirect_uri", redirect_uri)];
        if let Some(verifier) = verifier {
            form.push(("code_verifier", verifier.expose()));
        }
        self.token(&form, secret).await
    }
}

#[async_trait]
impl RefreshPair for WebinarGeek {
    async fn refresh(
        &self,
        refresh_token: &RefreshToken,
        secret: &ClientSecret,
    ) -> Result<TokenResponse, ProviderError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
        self.token(&form, secret).await
    }
}

/// RFC 6749 section 2.3.1: both parts are form-encoded first.
fn basic(client_id: &str, secret: &ClientSecret) -> String {
    use base64::Engine;
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = format!("{}:{}", encode(client_id), encode(secret.expose()));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}

fn not_answered(error: reqwest::Error) -> ProviderError {
    let nothing_was_sent = error.is_connect() || error.is_builder();
    let cause = cause(error);
    if nothing_was_sent { ProviderError::NotSent(cause) } else { ProviderError::Unknown(cause) }
}

fn cause(error: reqwest::Error) -> String {
    Chain(&error.without_url()).to_string()
}

fn date(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(Timestamp::from_unix(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs() as i64))
}
