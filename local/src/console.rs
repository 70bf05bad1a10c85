//! `GET /` of a laptop: the page that a developer keeps open while building.
//!
//! | route | answers |
//! |---|---|
//! | `GET /` | the console: one page, rendered here, which works without a script |
//! | `GET /local/live` | the sections of that page that have changed, as server-sent events |
//! | `POST /local/console/…` | a form of the page; the page again, with the answer |
//!
//! It shows what the product's own routes answer, called inside the process. It computes no value of a connection
//! itself. Only a loopback Host reaches it ([`crate::reach`]), and only a page of its own origin may post: see
//! [`actions`].

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Uri};
use serde_json::Value;
use shared::domain::time::Timestamp;
use shared::http::{Invocation, Request};
use tracing::Instrument;

use crate::log::Log;
use crate::server::Server;

pub(crate) mod actions;
mod answer;
mod begin;
mod chart;
mod connections;
mod detail;
mod doctor;
mod events;
mod history;
pub(crate) mod live;
pub(crate) mod page;
mod provider;
mod timeline;
pub mod try_it;
mod view;
mod watch;

pub(crate) use view::View;
pub(crate) use watch::EVERY;

pub struct Console {
    pub(crate) log: Arc<Log>,
    watch: watch::Watch,
    pub(crate) facts: Facts,
}

/// The settings that do not change while it runs.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) redirect_uri: String,
    /// `None`: in memory.
    pub(crate) data_dir: Option<String>,
    /// Where the simulated provider listens.
    pub(crate) simulated_origin: Option<String>,
    pub(crate) refresh_every: u64,
}

/// An answer of one of the product's routes.
pub(crate) struct Answered {
    /// `GET /v1/connections/acme/token`
    pub(crate) call: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answered {
    /// Whether its button stands in the section of the provider.
    fn is_of_provider(&self) -> bool {
        self.call == actions::SWEEP
    }
}

impl Console {
    pub(crate) fn new(log: Arc<Log>, facts: Facts) -> Self {
        Self { log, watch: watch::Watch::new(), facts }
    }

    pub(crate) fn examined(&self, at: Timestamp, examination: Value) {
        self.watch.seen().examination = Some((at, examination));
    }
}

/// Calls a route of the product as API Gateway would, inside this process.
pub(crate) async fn call(
    server: &Server,
    method: Method,
    path: &str,
    body: Option<&Value>,
    invocation: &Invocation,
) -> Answered {
    let call = format!("{method} {path}");
    let nothing = |status| Answered { call: call.clone(), status, body: Value::Null };
    let Ok(uri) = path.parse::<Uri>() else { return nothing(400) };
    let mut request = Request::default();
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    if let Some(body) = body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = body.to_string().into_bytes();
    }
    let Some((function, endpoint)) = server.deployment.route(&request) else { return nothing(404) };
    let response = shared::http::answer(endpoint, request, invocation).instrument(invocation.span(function)).await;
    let body = serde_json::from_str(response.body()).unwrap_or_default();
    Answered { status: response.status().as_u16(), call, body }
}

/// Reads the state once: the page that is shown next is not older than this.
pub(crate) async fn look(server: &Server) {
    let console = &server.console;
    let _alone = console.watch.alone().await;
    let invocation = server.invocation();
    let endpoint = &server.deployment.connections;
    let mut request = Request::default();
    *request.uri_mut() = Uri::from_static(LIST);
    let listed = shared::http::answer(endpoint, request, &invocation).await;
    let list = serde_json::from_str(listed.body()).unwrap_or_default();
    let last = console.watch.seen().history.last.clone();
    let records = match server.stream.records_after(last.as_deref()).await {
        Ok(records) => records,
        Err(error) => {
            tracing::debug!(%error, "the console could not read the stream");
            Vec::new()
        }
    };
    let requests = match &server.simulation {
        Some(simulation) => (simulation.faults.requests().values().sum(), simulation.faults.faulty()),
        None => (0, 0),
    };
    let found = watch::Found { list, records, requests };
    console.watch.note(&found, server.stack(), server.deployment.clock.now());
}

const LIST: &str = "/v1/connections?limit=100";
