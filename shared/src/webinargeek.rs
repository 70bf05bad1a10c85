//! The provider: three form POSTs, and no request that the token protocol does not need.
//!
//! Why not a client library: `docs/decisions/0002-own-token-request.md`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ACCEPT, AUTHORIZATION, DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use crate::config::{ClientAuthentication, TokenEndpoint};
use crate::domain::secret::{AuthorizationCode, ClientSecret, CodeVerifier, RefreshToken};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenResponse;
use crate::ports::{Clock, ExchangeCode, ProviderError, RefreshPair};
use crate::telemetry::Chain;

mod account;
mod answer;
mod http_client;
mod members;
mod probe;
mod revocation;

pub use account::AccountEndpoint;
pub use http_client::HttpClient;
pub use probe::Probed;

/// The largest answer that is read. A pair is below 4 KiB; a page of HTML may have any size.
const BODY_LIMIT: usize = 64 * 1024;

pub struct WebinarGeek {
    http: HttpClient,
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
}

/// A complete answer.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    date: Option<Timestamp>,
    /// `None` where it is larger than [`BODY_LIMIT`].
    body: Option<Vec<u8>>,
}

impl WebinarGeek {
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
        let mut request = self.http.0.post(url).header(ACCEPT, "application/json");
        match self.endpoint.client_authentication {
            ClientAuthentication::Post => form.extend([("client_id", client_id), ("client_secret", secret.expose())]),
            ClientAuthentication::Basic => request = request.header(AUTHORIZATION, basic(client_id, secret)),
        }
        // One send: after an error, the protocol decides whether to send again.
        let mut response = request.form(&form).send().await.map_err(not_answered)?;
        let status = response.status();
        let retry_after = retry_after(response.headers(), &*self.clock);
        let date = response.headers().get(DATE).and_then(|value| date(value.to_str().ok()?));
        let body = body_of(&mut response).await?;
        Ok(Answer { status, retry_after, date, body })
    }
}

async fn body_of(response: &mut reqwest::Response) -> Result<Option<Vec<u8>>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(not_answered)? {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
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
    let error = error.without_url();
    let cause = Chain(&error).to_string();
    if nothing_was_sent { ProviderError::NotSent(cause) } else { ProviderError::Unknown(cause) }
}

/// Both forms of RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, clock: &dyn Clock) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(Duration::from_secs(clock.now().seconds_until(date(text)?).max(0) as u64))
}

fn date(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(Timestamp::from_unix(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs() as i64))
}
