//! The functions' routes, and those that exist on a laptop only.
//!
//! | route | answers |
//! |---|---|
//! | `GET /` | the start page |
//! | `GET /openapi.yaml` | the description of all routes, as valid here |
//! | `POST /local/refresh` | runs the scheduled refresh at once; its summary |
//! | `GET /local/events` | the events that the bus would have got |
//! | `POST /local/maintenance` | runs maintenance with the event that is sent; its report |
//! | `POST /local/provider` | sets faults of the simulated provider |
//! | `GET /local/provider` | the requests that it has received |

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use shared::domain::digest;
use shared::http::problem::{Code, Problem};
use shared::http::{Invocation, Request, protect};
use shared::ports::Entropy;
use shared::telemetry::log_summary;
use tracing::{Instrument, Span};

use crate::deployment::{Deployment, function_of};
use crate::reach::{self, Reach};
use crate::stream::Stream;
use crate::webinargeek::{Fault, Simulation};
use crate::{home, listener};

const DESCRIPTION: &str = include_str!("../../openapi.yaml");

/// The functions' timeouts in template.yaml.
const REQUEST_TIME: Duration = Duration::from_secs(60);
const RUN_TIME: Duration = Duration::from_secs(300);

pub struct Server {
    pub deployment: Deployment,
    /// `http://127.0.0.1:port`
    pub origin: String,
    pub simulation: Option<Arc<Simulation>>,
    pub stream: Stream,
    pub summary_log: SummaryLog,
    pub entropy: Arc<dyn Entropy>,
}

/// How the summary of a scheduled run is logged.
pub enum SummaryLog {
    /// As in Lambda.
    Json {
        stack: String,
    },
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Order {
    Fault(Fault),
    Revoke(Revoke),
    SignIn(SignIn),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// The customer who approves from now on.
    account: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    /// The customers withdraw the access.
    revoke_all: bool,
}

pub(crate) fn router(server: Arc<Server>, reach: Reach) -> Router {
    Router::new().fallback(answer).with_state((server, reach))
}

async fn answer(State((server, reach)): State<(Arc<Server>, Reach)>, request: axum::extract::Request) -> Response {
    // In its own task: a browser that closes the connection must not stop a handler between two steps. Lambda does not
    // stop it either.
    tokio::spawn(async move { server.answer(&reach, request).await })
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

impl Server {
    async fn answer(&self, reach: &Reach, request: axum::extract::Request) -> Response {
        let begun = now();
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let invocation = Invocation {
            request_id: digest::base64url(self.entropy.bytes::<12>()),
            origin: reach.origin(&parts.headers, &self.origin),
            deadline: self.deployment.clock.now() + REQUEST_TIME,
            principal: None,
        };
        let span = function_of(&method, &path).map_or_else(Span::none, |function| invocation.span(function));
        let mut response = match listener::whole(body).await {
            Ok(body) => {
                let request = Request::from_parts(parts, body.to_vec());
                self.route(reach, request, &invocation).instrument(span.clone()).await
            }
            Err(StatusCode::PAYLOAD_TOO_LARGE) => {
                convert(Problem::new(Code::PayloadTooLarge, "more than 10 MB").reply(&invocation.request_id))
            }
            Err(status) => status.into_response(),
        };
        protect(response.headers_mut(), &invocation.origin);
        let (status, milliseconds) = (response.status().as_u16(), (now() - begun).as_millis());
        // The span has the connection. A query may hold secrets.
        span.in_scope(|| tracing::info!("{method} {path} {status} {milliseconds} ms"));
        response
    }

    async fn route(&self, reach: &Reach, request: Request, invocation: &Invocation) -> Response {
        let is_local = reach.is_local(request.headers());
        let path = request.uri().path();
        if !is_local && !reach::BROWSERS_ROUTES.contains(&path) {
            return match reach {
                Reach::Machine => (StatusCode::FORBIDDEN, "this answers on a loopback address only\n").into_response(),
                Reach::Tunnel(_) => no_route(),
            };
        }
        if let Some((_, endpoint)) = self.deployment.route(&request) {
            return convert(shared::http::answer(endpoint, request, invocation).await);
        }
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/") => home::page(self, is_local, invocation).await,
            (&Method::GET | &Method::HEAD, "/openapi.yaml") => description(),
            (&Method::POST, "/local/refresh") => self.refresh(request.body(), &invocation.request_id).await,
            (&Method::GET, "/local/events") => self.events().await,
            (&Method::POST, "/local/maintenance") => self.maintain(request.body()).await,
            (&Method::GET, "/local/provider") => {
                self.provider(|simulation| Json(json!({ "requests": simulation.faults.requests() })).into_response())
            }
            (&Method::POST, "/local/provider") => self.provider(|simulation| order(simulation, request.body())),
            _ => no_route(),
        }
    }

    /// The scheduled run.
    pub async fn sweep(&self, shards: Vec<u8>, request_id: &str) -> refresh::Summary {
        let span = tracing::info_span!("invocation", function = "refresh", request_id);
        let deadline = self.deployment.clock.now() + RUN_TIME;
        let summary = self.deployment.refresh.run(shards, deadline).instrument(span.clone()).await;
        match &self.summary_log {
            SummaryLog::Json { stack } => log_summary(stack, "refresh", request_id, &summary),
            // Runs in which nothing was due are not shown to a person at a terminal.
            SummaryLog::Text if summary.due > 0 || !summary.finished => {
                let text = serde_json::to_string(&summary).unwrap_or_default();
                span.in_scope(|| tracing::info!("the run has ended: {text}"));
            }
            SummaryLog::Text => {}
        }
        summary
    }

    async fn refresh(&self, body: &[u8], request_id: &str) -> Response {
        let event = if body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(body) };
        let shards = event
            .map_err(|error| error.to_string())
            .and_then(|event| refresh::shards(&event).map_err(|error| error.to_string()));
        match shards {
            Ok(shards) => Json(self.sweep(shards, request_id).await).into_response(),
            Err(problem) => (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
        }
    }

    async fn events(&self) -> Response {
        match self.stream.events(&self.deployment.refresh.refreshing.deployment.stack).await {
            Ok(events) => Json(json!({ "events": events })).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    }

    async fn maintain(&self, body: &[u8]) -> Response {
        let event = serde_json::from_slice(body).map_err(maintenance::InvalidEvent::from);
        match event.and_then(|event| maintenance::Event::parse(&event)) {
            Ok(event) => {
                let deadline = self.deployment.clock.now() + RUN_TIME;
                Json(self.deployment.maintenance.run(&event, deadline).await).into_response()
            }
            Err(problem) => (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
        }
    }

    fn provider(&self, answer: impl FnOnce(&Simulation) -> Response) -> Response {
        match &self.simulation {
            Some(simulation) => answer(simulation),
            None => (StatusCode::NOT_FOUND, "the provider is a real one\n").into_response(),
        }
    }
}

/// The answer of API Gateway where there is no route.
fn no_route() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "message": "Not Found" }))).into_response()
}

#[expect(clippy::disallowed_methods, reason = "milliseconds for a line of the log; no decision depends on them")]
fn now() -> Instant {
    Instant::now()
}

/// Requests are not signed here: API Gateway does that.
fn description() -> Response {
    let text = DESCRIPTION.replace("\nsecurity: [{iam: []}]\n", "\nsecurity: []\n");
    ([(CONTENT_TYPE, "application/yaml")], text).into_response()
}

fn order(simulation: &Simulation, body: &[u8]) -> Response {
    match serde_json::from_slice(body) {
        Ok(Order::Fault(fault)) => simulation.faults.add(fault),
        Ok(Order::Revoke(Revoke { revoke_all: true })) => simulation.grants.revoke_all(),
        Ok(Order::Revoke(Revoke { revoke_all: false })) => {}
        Ok(Order::SignIn(SignIn { account })) => simulation.grants.sign_in(&account),
        Err(_) => {
            let shapes = "send {\"answer\": …, \"grant_type\": …, \"carried_out\": …, \"times\": …}, where answer is one of \
                \"hang\", \"break\", \"html\", \"huge\", \"garbage\", {\"late\": milliseconds}, {\"without\": [members]}, \
                {\"status\": {\"status\": …, \"error\": …, \"retry_after\": …}}; or send {\"revoke_all\": true}, or {\"account\": \"2\"}\n";
            return (StatusCode::BAD_REQUEST, shapes).into_response();
        }
    }
    Json(json!({})).into_response()
}

fn convert(response: shared::http::Response) -> Response {
    response.map(Body::from)
}
