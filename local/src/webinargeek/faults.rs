//! Faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use shared::ports::Clock;

/// The answer that a request to the token endpoint gets instead of the right one.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub answer: Answer,
    /// Only requests of this grant type, or `revoke`. Without it, any request to the token endpoint.
    #[serde(default)]
    pub grant_type: Option<String>,
    /// Whether the request is carried out although its answer is lost: a code is spent, or a pair rotated.
    #[serde(default)]
    pub carried_out: bool,
    /// How many requests.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// No answer, for half a minute.
    Hang,
    /// The connection breaks during the answer.
    Break,
    /// 200 with a page of HTML.
    Html,
    /// 200 with two megabytes.
    Huge,
    /// 200 with half of a JSON object.
    Garbage,
    /// The right answer, after this number of milliseconds.
    Late(u64),
    /// The right answer without these members.
    Without(Vec<String>),
    /// The right answer, with this `Date`.
    Dated(String),
    /// A status, with `error` in a JSON body and `Retry-After` if they are given.
    Status { status: u16, error: Option<String>, retry_after: Option<String> },
}

/// The name of a request to the revocation endpoint, used like a grant type.
pub const REVOKE: &str = "revoke";

/// Faults that wait for their requests, and the number of requests so far, by grant type.
#[derive(Default)]
pub struct Faults {
    waiting: Mutex<VecDeque<Fault>>,
    requests: Mutex<BTreeMap<String, usize>>,
    /// Requests that did not get the right answer.
    faulty: Mutex<usize>,
    /// Replaces the first client secret.
    rotated_secret: Mutex<Option<String>>,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        locked(&self.waiting).push_back(fault);
    }

    /// From now on every answer is right.
    pub fn clear(&self) {
        locked(&self.waiting).clear();
    }

    /// The faults that still wait for requests.
    pub fn waiting(&self) -> Vec<Fault> {
        locked(&self.waiting).iter().cloned().collect()
    }

    /// From now on the client must send another secret.
    pub fn rotate_secret(&self, secret: String) {
        *locked(&self.rotated_secret) = Some(secret);
    }

    pub fn rotated_secret(&self) -> Option<String> {
        locked(&self.rotated_secret).clone()
    }

    /// The number of requests so far that met a fault.
    pub fn faulty(&self) -> usize {
        *locked(&self.faulty)
    }

    pub fn count(&self, request: &str) {
        *locked(&self.requests).entry(request.to_owned()).or_default() += 1;
    }

    pub fn requests(&self) -> BTreeMap<String, usize> {
        locked(&self.requests).clone()
    }

    /// The number of requests of a grant type so far.
    pub fn requested(&self, request: &str) -> usize {
        locked(&self.requests).get(request).copied().unwrap_or_default()
    }

    pub fn take(&self, grant_type: &str) -> Option<Fault> {
        let mut waiting = locked(&self.waiting);
        let fits = |fault: &Fault| match &fault.grant_type {
            Some(wanted) => wanted == grant_type,
            None => grant_type != REVOKE,
        };
        let index = waiting.iter().position(fits)?;
        let fault = waiting.get_mut(index)?;
        *locked(&self.faulty) += 1;
        fault.times = fault.times.saturating_sub(1);
        if fault.times == 0 { waiting.remove(index) } else { Some(fault.clone()) }
    }
}

impl Fault {
    pub async fn answer(self, clock: &dyn Clock, right: impl FnOnce() -> Response) -> Response {
        let is_right = matches!(self.answer, Answer::Late(_) | Answer::Without(_) | Answer::Dated(_));
        let right = (self.carried_out || is_right).then(right);
        let ok = |media_type: &'static str, body: Body| ([(CONTENT_TYPE, media_type)], body).into_response();
        match self.answer {
            Answer::Hang => {
                clock.sleep(Duration::from_secs(30)).await;
                StatusCode::GATEWAY_TIMEOUT.into_response()
            }
            Answer::Break => {
                let broken =
                    stream::iter([Ok(Bytes::from_static(b"{\"access_")), Err(std::io::Error::other("broken"))]);
                ok("application/json", Body::from_stream(broken))
            }
            Answer::Html => ok("text/html", Body::from("<!doctype html><title>Maintenance</title>")),
            Answer::Huge => ok("application/json", Body::from(vec![b' '; 2_000_000])),
            Answer::Garbage => ok("application/json", Body::from("{\"access_token\":\"canary-half")),
            Answer::Late(milliseconds) => {
                clock.sleep(Duration::from_millis(milliseconds)).await;
                right.unwrap_or_default()
            }
            Answer::Without(members) => without(right.unwrap_or_default(), &members).await,
            Answer::Dated(date) => {
                let mut response = right.unwrap_or_default();
                if let Ok(value) = HeaderValue::from_str(&date) {
                    response.headers_mut().insert(DATE, value);
                }
                response
            }
            Answer::Status { status, error, retry_after } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let body = error.map(|error| serde_json::json!({ "error": error }).to_string()).unwrap_or_default();
                let mut response = (status, [(CONTENT_TYPE, "application/json")], body).into_response();
                if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
                    response.headers_mut().insert(RETRY_AFTER, value);
                }
                response
            }
        }
    }
}

async fn without(response: Response, members: &[String]) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 16).await.unwrap_or_default();
    let mut value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes).unwrap_or_default();
    value.retain(|name, _| !members.contains(name));
    let mut response = axum::Json(value).into_response();
    *response.status_mut() = parts.status;
    response
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
