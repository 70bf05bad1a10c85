//! The functions' routes, and those that exist on a laptop only.
//!
//! | route | answers |
//! |---|---|
//! | `GET /`, `/local/live`, `/local/console/…` | the [`crate::console`] |
//! | `GET /openapi.yaml` | the description of all routes, as valid here |
//! | `POST /local/refresh` | runs the scheduled refresh at once; its summary |
//! | `GET /local/events` | the events that the bus would have received |
//! | `POST /local/maintenance` | runs maintenance with the event that is sent; its report |
//! | `POST /local/provider` | sets faults of the simulated provider, and how it issues tokens |
//! | `GET /local/provider` | the requests that it has received, its faults, and how it issues tokens |

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Redirect, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde_json::json;
use shared::domain::digest;
use shared::http::problem::{Code, Problem};
use shared::http::{Invocation, Request, protect};
use shared::ports::Entropy;
use shared::telemetry::log_summary;
use tracing::{Instrument, Span};

use crate::console::{Console, View, actions, page};
use crate::deployment::{Deployment, function_of};
use crate::provider_order::{Order, SHAPES};
use crate::reach::{self, Reach};
use crate::stream::Stream;
use crate::webinargeek::{Behaviour, Simulation};
use crate::{console, listener};

const DESCRIPTION: &str = include_str!("../../openapi.yaml");

/// The functions' timeouts in template.yaml.
const REQUEST_TIME: Duration = Duration::from_secs(60);
const RUN_TIME: Duration = Duration::from_secs(300);

pub struct Server {
    pub deployment: Deployment,
    /// `http://127.0.0.1:port`
    pub origin: String,
    pub simulation: Option<Arc<Simulation>>,
    /// The address for token requests.
    pub token_url: String,
    pub console: Console,
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

pub(crate) fn router(server: Arc<Server>, reach: Reach) -> Router {
    Router::new().fallback(answer).with_state((server, reach))
}

async fn answer(State((server, reach)): State<(Arc<Server>, Reach)>, request: axum::extract::Request) -> Response {
    // In a task of its own: if a browser closes the connection, the handler must not stop between two steps. Lambda
    // does not stop it either.
    tokio::spawn(async move { server.answer(&reach, request).await })
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

impl Server {
    pub(crate) fn stack(&self) -> &str {
        &self.deployment.token.refreshing.deployment.stack
    }

    /// For a call inside the process.
    pub(crate) fn invocation(&self) -> Invocation {
        Invocation {
            request_id: digest::base64url(self.entropy.bytes::<12>()),
            origin: self.origin.clone(),
            deadline: self.deployment.clock.now() + REQUEST_TIME,
            principal: None,
        }
    }

    async fn answer(self: &Arc<Self>, reach: &Reach, request: axum::extract::Request) -> Response {
        let begun = now();
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let invocation = Invocation { origin: reach.origin(&parts.headers, &self.origin), ..self.invocation() };
        let span = function_of(&method, &path).map_or_else(Span::none, |function| invocation.span(function));
        let mut response = match listener::read_body(body).await {
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
        // The span has the connection. The query is left out, since it may hold secrets.
        span.in_scope(|| tracing::info!("{method} {path} {status} {milliseconds} ms"));
        response
    }

    async fn route(self: &Arc<Self>, reach: &Reach, request: Request, invocation: &Invocation) -> Response {
        let is_local = reach.is_local(request.headers());
        let path = request.uri().path();
        if !is_local && !reach::BROWSERS_ROUTES.contains(&path) {
            return match reach {
                Reach::Machine => (StatusCode::FORBIDDEN, "open it on a loopback address\n").into_response(),
                Reach::Tunnel(_) => no_route(),
            };
        }
        if let Some((_, endpoint)) = self.deployment.route(&request) {
            return convert(shared::http::answer(endpoint, request, invocation).await);
        }
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/") if !is_local => page::bare(),
            (&Method::GET | &Method::HEAD, "/") => {
                console::look(self).await;
                page::render(self, &View::of(request.uri().query()), None)
            }
            (&Method::GET, "/local/live") => console::live::stream(self, View::of(request.uri().query())),
            // A person may open the address of a form again, by GET.
            (&Method::GET, path) if path.starts_with(actions::PREFIX) => Redirect::to("/").into_response(),
            (&Method::POST, path) if path.starts_with(actions::PREFIX) => {
                actions::post(self, &request, invocation).await.unwrap_or_else(no_route)
            }
            (&Method::GET | &Method::HEAD, "/openapi.yaml") => description(),
            (&Method::POST, "/local/refresh") => self.refresh(request.body(), &invocation.request_id).await,
            (&Method::GET, "/local/events") => self.events().await,
            (&Method::POST, "/local/maintenance") => self.maintain(request.body()).await,
            (&Method::GET, "/local/provider") => self.provider(show_provider),
            (&Method::POST, "/local/provider") => self.provider(|simulation| self.order(simulation, request.body())),
            _ => no_route(),
        }
    }

    /// The scheduled run.
    pub async fn sweep(&self, run: refresh::Run, request_id: &str) -> refresh::Summary {
        let span = tracing::info_span!("invocation", function = "refresh", request_id);
        let deadline = self.deployment.clock.now() + RUN_TIME;
        let summary = self.deployment.refresh.run(run, deadline).instrument(span.clone()).await;
        match &self.summary_log {
            SummaryLog::Json { stack } => log_summary(stack, "refresh", request_id, &summary),
            // A person at a terminal does not see runs without due connections.
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
        let run = event
            .map_err(|error| error.to_string())
            .and_then(|event| refresh::Run::parse(&event).map_err(|error| error.to_string()));
        match run {
            Ok(run) => Json(self.sweep(run, request_id).await).into_response(),
            Err(problem) => (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
        }
    }

    async fn events(&self) -> Response {
        match self.stream.events(self.stack()).await {
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

    fn order(&self, simulation: &Simulation, body: &[u8]) -> Response {
        match Order::parse(body) {
            Ok(order) => Json(order.carry_out(simulation, self.stream.engines(), &*self.entropy)).into_response(),
            Err(_) => (StatusCode::BAD_REQUEST, SHAPES).into_response(),
        }
    }

    fn provider(&self, answer: impl FnOnce(&Simulation) -> Response) -> Response {
        match &self.simulation {
            Some(simulation) => answer(simulation),
            None => (StatusCode::NOT_FOUND, "the provider is real, not simulated\n").into_response(),
        }
    }
}

fn show_provider(simulation: &Simulation) -> Response {
    let Behaviour { rotation, expires_in } = simulation.grants.behaviour();
    let (requests, faults) = (simulation.faults.requests(), simulation.faults.waiting());
    let shown =
        json!({ "requests": requests, "faults": faults, "rotation": rotation, "expires_in": expires_in.as_secs() });
    Json(shown).into_response()
}

/// API Gateway's answer if there is no route.
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

fn convert(response: shared::http::Response) -> Response {
    response.map(Body::from)
}
