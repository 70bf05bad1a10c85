//! The laptop behind IAM authorization: every request to `/v1` must be signed, as it must be on AWS.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use shared::domain::time::Timestamp;
use shared::ports::Clock;
use shared::system::SystemClock;
use tokio::net::TcpListener;

use crate::browser::provider_client;
use crate::signature::{Received, verify};

pub const REGION: &str = "eu-central-1";
pub const SECRET: &str = "secret/with+characters=";
pub const SESSION_TOKEN: &str = "session/token+of=a role";

pub struct ApiGateway {
    pub origin: String,
    state: Arc<Gate>,
}

struct Gate {
    laptop: String,
    requests: Mutex<Vec<String>>,
}

impl ApiGateway {
    pub async fn before(laptop: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Gate { laptop: laptop.to_owned(), requests: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, state }
    }

    /// The requests, with the spaces in their JSON removed, and the status of each answer.
    pub fn requests(&self) -> Vec<String> {
        self.state.locked().clone()
    }
}

async fn answer(State(gate): State<Arc<Gate>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let received = Received {
        method: method.as_str(),
        path: &path,
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    let is_first = gate.locked().is_empty();
    // The first answer is the one that comes if the function cannot be started.
    let response = match verify(&received, SECRET, REGION, "execute-api").and_then(|()| is_taken_now(&parts.headers)) {
        Err(reason) => (StatusCode::FORBIDDEN, format!("{{\"message\":{reason:?}}}")).into_response(),
        Ok(()) if is_first => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response(),
        Ok(()) => gate.forward(&parts, body.to_vec()).await,
    };
    let asked = format!("{method} {path} {}", String::from_utf8_lossy(&body).replace(' ', ""));
    gate.locked().push(format!("{} -> {}", asked.trim_end(), response.status().as_u16()));
    response
}

/// The check that AWS makes: a clock may be five minutes wrong, and temporary credentials need their session token.
fn is_taken_now(headers: &HeaderMap) -> Result<(), String> {
    let (now, tolerance) = (SystemClock.now(), Duration::from_secs(300));
    let compact = |moment: Timestamp| moment.rfc3339().replace(['-', ':'], "");
    let moment = headers["x-amz-date"].to_str().unwrap().to_owned();
    if !(compact(now - tolerance)..compact(now + tolerance)).contains(&moment) {
        return Err(format!("signed at {moment}"));
    }
    let has_token = headers.get("x-amz-security-token").is_some_and(|token| token == SESSION_TOKEN);
    if has_token { Ok(()) } else { Err("no session token".to_owned()) }
}

impl Gate {
    async fn forward(&self, parts: &http::request::Parts, body: Vec<u8>) -> Response {
        let target = parts.uri.path_and_query().unwrap();
        let mut headers = parts.headers.clone();
        headers.remove(HOST);
        let request = provider_client().request(parts.method.clone(), format!("{}{target}", self.laptop));
        let answer = request.headers(headers).body(body).send().await.unwrap();
        let mut response = Response::builder().status(answer.status());
        for name in [CONTENT_TYPE, RETRY_AFTER] {
            if let Some(value) = answer.headers().get(&name) {
                response = response.header(name, value);
            }
        }
        response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap()
    }
}
