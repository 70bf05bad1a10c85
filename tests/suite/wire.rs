//! What the adapter sends to a provider, and how it reads answers that the simulated provider never gives.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{LOCATION, RETRY_AFTER};
use shared::config::{ClientAuthentication, TokenEndpoint};
use shared::domain::secret::{AccessToken, ClientSecret, RefreshToken};
use shared::domain::token_pair::TokenPair;
use shared::ports::{ProviderError, RefreshPair, RevokeToken, Revoked};
use shared::system::SystemClock;
use shared::tls::Tls;
use shared::webinargeek::{HttpClient, WebinarGeek};
use tokio::net::TcpListener;
use url::Url;

mod octets;

type Sent = Vec<(String, String)>;

/// A provider that gives these answers in this order, and then 500.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Response>>,
    requests: Mutex<Vec<Sent>>,
}

struct Wire {
    script: Arc<Script>,
    adapter: WebinarGeek,
}

impl Wire {
    async fn answering(answers: impl IntoIterator<Item = Response>) -> Self {
        let script =
            Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), requests: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(script.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let adapter = WebinarGeek::new(HttpClient::new(&Tls::default()), endpoint(&origin), Arc::new(SystemClock));
        Self { script, adapter }
    }

    async fn revoke(&self) -> Result<Revoked, ProviderError> {
        let pair = TokenPair {
            access_token: AccessToken::new("the access token"),
            refresh_token: Some(RefreshToken::new("the refresh token")),
        };
        self.adapter.revoke(&pair, &ClientSecret::new("secret")).await
    }

    async fn refresh(&self) -> ProviderError {
        self.adapter.refresh(&RefreshToken::new("r"), &ClientSecret::new("secret")).await.unwrap_err()
    }

    /// The tokens that were sent, each with its hint.
    fn tokens(&self) -> Vec<(String, String)> {
        let requests = self.script.requests.lock().unwrap();
        let field = |sent: &Sent, name: &str| sent.iter().find(|(key, _)| key == name).unwrap().1.clone();
        requests.iter().map(|sent| (field(sent, "token"), field(sent, "token_type_hint"))).collect()
    }
}

pub(crate) fn endpoint(origin: &str) -> TokenEndpoint {
    TokenEndpoint {
        url: Url::parse(&format!("{origin}/oauth/token")).unwrap(),
        revoke_url: Some(Url::parse(&format!("{origin}/oauth/revoke")).unwrap()),
        client_id: "client-one".to_owned(),
        client_authentication: ClientAuthentication::Post,
        expires_in: Duration::from_secs(7200),
    }
}

async fn answer(State(script): State<Arc<Script>>, Form(sent): Form<Sent>) -> Response {
    script.requests.lock().unwrap().push(sent);
    let answer = script.answers.lock().unwrap().pop_front();
    answer.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn says(status: u16, body: impl IntoResponse) -> Response {
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn error(status: u16, code: &str) -> Response {
    says(status, format!(r#"{{"error":"{code}"}}"#))
}

fn refresh_token() -> (String, String) {
    ("the refresh token".to_owned(), "refresh_token".to_owned())
}

fn access_token() -> (String, String) {
    ("the access token".to_owned(), "access_token".to_owned())
}

#[tokio::test]
async fn a_revocation_sends_the_refresh_token_and_nothing_more_if_that_succeeds() {
    let wire = Wire::answering([says(200, "")]).await;
    assert_eq!(wire.revoke().await.unwrap(), Revoked::Done);
    assert_eq!(wire.tokens(), [refresh_token()]);
}

#[tokio::test]
async fn a_provider_that_revokes_no_refresh_tokens_gets_the_access_token() {
    let wire = Wire::answering([error(400, "unsupported_token_type"), says(200, "{}")]).await;
    assert_eq!(wire.revoke().await.unwrap(), Revoked::Done);
    assert_eq!(wire.tokens(), [refresh_token(), access_token()]);

    let wire = Wire::answering([error(400, "unsupported_token_type"), error(400, "unsupported_token_type")]).await;
    let refused = Revoked::NotRevocable("status 400 Bad Request, error unsupported_token_type".to_owned());
    assert_eq!(wire.revoke().await.unwrap(), refused);
    assert_eq!(wire.tokens(), [refresh_token(), access_token()]);

    let wire = Wire::answering([error(400, "unsupported_token_type"), says(503, "")]).await;
    assert!(matches!(wire.revoke().await, Err(ProviderError::Unknown(_))), "the access token is not revoked yet");
}

#[tokio::test]
async fn a_redirect_and_a_page_of_any_size_are_final_answers_to_a_revocation() {
    let redirect = (StatusCode::MOVED_PERMANENTLY, [(LOCATION, "/elsewhere")]).into_response();
    for answer in [redirect, says(404, vec![b' '; 200_000]), says(403, "<html>"), error(400, "invalid_token")] {
        let status = answer.status();
        let wire = Wire::answering([answer]).await;
        assert!(
            matches!(wire.revoke().await, Ok(Revoked::NotRevocable(why)) if why.contains(status.as_str())),
            "{status}"
        );
        assert_eq!(wire.tokens(), [refresh_token()], "{status}");
    }
}

#[tokio::test]
async fn a_revocation_reports_how_long_the_provider_asks_to_wait() {
    for status in [403, 408, 425, 429, 503] {
        let answer = (StatusCode::from_u16(status).unwrap(), [(RETRY_AFTER, "30")]).into_response();
        let error = Wire::answering([answer]).await.revoke().await.unwrap_err();
        let expected = Some(Duration::from_secs(30));
        assert!(matches!(error, ProviderError::Throttled { retry_after, .. } if retry_after == expected), "{error}");
    }
}

#[tokio::test]
async fn a_refused_refresh_is_recognised_in_every_form_that_providers_use() {
    let description = b"{\"error\":\"invalid_grant\",\"error_description\":\"\xff\"}".to_vec();
    for answer in [error(200, "invalid_grant"), error(400, "invalid_grant"), says(400, description)] {
        assert!(matches!(Wire::answering([answer]).await.refresh().await, ProviderError::InvalidGrant));
    }
    for answer in [error(200, "bad_refresh_token"), says(404, vec![b' '; 200_000])] {
        assert!(matches!(Wire::answering([answer]).await.refresh().await, ProviderError::Refused(_)));
    }
    for answer in [says(200, vec![b' '; 200_000]), says(200, r#"{"ok":false}"#)] {
        assert!(matches!(Wire::answering([answer]).await.refresh().await, ProviderError::Unknown(_)));
    }
}
