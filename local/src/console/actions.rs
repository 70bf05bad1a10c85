//! `POST /local/console/…`: the page's forms. Each is a call of one of the product's routes, or an order to the
//! simulated provider; the answer is the page again.
//!
//! A page of another origin can send such a form here with the person's browser. A page on another port of this machine
//! can do so too, since that is the same site. So `Origin` must be exactly our own; [`is_from_own_page`] has the rules.

use http::Method;
use serde_json::{Value, json};
use shared::domain::connection::Row;
use shared::domain::connection::refresh::RefreshReason;
use shared::domain::connection_id::ConnectionId;
use shared::http::fetch_metadata::is_from_own_page;
use shared::http::{Invocation, Request};
use shared::protocol::refresh::Outcome;
use tracing::Instrument;
use url::form_urlencoded;

use super::answer::MASK;
use super::view::in_a_url;
use super::{Answered, View, call, look, page};
use crate::provider_order::Order;
use crate::server::Server;

/// Where the forms post to.
pub(crate) const PREFIX: &str = "/local/console/";

/// The scheduled run, as a call.
pub(super) const SWEEP: &str = "POST /local/refresh";

enum Acted {
    Answered(Answered),
    /// The answer is already in a section of the page.
    Shown,
    NoSuchForm,
}

struct Form(Vec<(String, String)>);

impl Form {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// `None` if there is no such form.
pub(crate) async fn post(server: &Server, request: &Request, invocation: &Invocation) -> Option<page::Reply> {
    let verb = request.uri().path().strip_prefix(PREFIX)?;
    if !is_from_own_page(request.headers(), &invocation.origin) {
        return Some(page::forbidden());
    }
    let form = Form(form_urlencoded::parse(request.body()).into_owned().collect());
    let connection = form.text("connection").or(form.text("new")).or(form.text("viewed"));
    let view = View::chosen(connection, form.text("call"), form.text("language"));
    let answered = match act(server, verb, &form, invocation).await {
        Acted::Answered(answered) => Some(answered),
        Acted::Shown => None,
        Acted::NoSuchForm => return None,
    };
    look(server).await;
    Some(page::render(server, &view, answered.as_ref()))
}

async fn act(server: &Server, verb: &str, form: &Form, invocation: &Invocation) -> Acted {
    let id = form.text("connection").or(form.text("new")).unwrap_or_default();
    let path = format!("/v1/connections/{}", in_a_url(id));
    let token = format!("{path}/token");
    let to =
        async |method, path: &str, body: Option<Value>| call(server, method, path, body.as_ref(), invocation).await;
    Acted::Answered(match verb {
        "token" => masked(to(Method::GET, &token, None).await),
        "reveal" => to(Method::GET, &token, None).await,
        "reject" => {
            let version: i64 = form.text("version").and_then(|text| text.parse().ok()).unwrap_or_default();
            masked(to(Method::POST, &token, Some(json!({ "rejected_version": version }))).await)
        }
        "refresh" => refresh(server, id, invocation).await,
        "disconnect" => to(Method::DELETE, &path, None).await,
        "link" | "begin" => {
            let body = if id.is_empty() { json!({}) } else { json!({ "connection_id": id }) };
            to(Method::POST, "/v1/connect-sessions", Some(body)).await
        }
        "import" => {
            let replace = form.text("replace").is_some();
            let body = json!({ "refresh_token": form.text("refresh_token"), "replace": replace });
            to(Method::PUT, &path, Some(body)).await
        }
        "doctor" => {
            let examined = to(Method::GET, "/v1/doctor", None).await;
            server.console.examined(server.deployment.clock.now(), examined.body);
            return Acted::Shown;
        }
        "sweep" => {
            let summary = server.sweep(refresh::Run::scheduled(), &invocation.request_id).await;
            let body = serde_json::to_value(summary).unwrap_or_default();
            Answered { call: SWEEP.to_owned(), status: 200, body }
        }
        "provider" => return order(server, form),
        "grant" => {
            let Some(simulation) = &server.simulation else { return Acted::NoSuchForm };
            let body = json!({ "refresh_token": simulation.grant() });
            Answered { call: "POST /local/provider".to_owned(), status: 200, body }
        }
        _ => return Acted::NoSuchForm,
    })
}

fn masked(mut answered: Answered) -> Answered {
    if let Some(token) = answered.body.get_mut("access_token") {
        *token = MASK.into();
    }
    answered
}

/// A refresh as the schedule and the token route do it, for one connection, before it is due.
async fn refresh(server: &Server, id: &str, invocation: &Invocation) -> Answered {
    let refreshing = &server.deployment.token.refreshing;
    let answered = |status, body| Answered { call: format!("refresh {id}"), status, body };
    let Ok(id) = ConnectionId::parse(id) else { return answered(400, json!({ "refresh": "the id is not valid" })) };
    let span = invocation.span("refresh");
    span.record("connection", id.as_str());
    async {
        let seen = match refreshing.connections.row(&id).await {
            Ok(Some(Row::Connection(connection))) => connection.pair.id,
            Ok(_) => return answered(404, json!({ "refresh": "there is no live pair" })),
            Err(error) => return answered(503, json!({ "refresh": error.to_string() })),
        };
        let outcome = refreshing.refresh(&id, &RefreshReason::OnDemand { seen }, invocation.deadline).await;
        let (status, body) = described(&outcome);
        tracing::info!("the refresh that the console asked for: {}", body["refresh"].as_str().unwrap_or_default());
        answered(status, body)
    }
    .instrument(span)
    .await
}

fn described(outcome: &Outcome) -> (u16, Value) {
    match outcome {
        Outcome::Refreshed(connection, _) => (200, json!({ "refresh": "refreshed", "version": connection.version })),
        Outcome::Adopted(connection) => {
            (200, json!({ "refresh": "another worker has refreshed it", "version": connection.version }))
        }
        Outcome::Busy { until } => {
            (503, json!({ "refresh": "another worker is refreshing it", "until": until.rfc3339() }))
        }
        Outcome::Waiting { until, connection } => {
            let class = connection.journal.reason.map(|class| class.as_str());
            (503, json!({ "refresh": "it waits after a failure", "class": class, "until": until.rfc3339() }))
        }
        Outcome::Paused { until } => {
            (503, json!({ "refresh": "WebinarGeek asks to wait with all requests", "until": until.rfc3339() }))
        }
        Outcome::NeedsCustomer(_) => (409, json!({ "refresh": "only the customer can help: make a link" })),
        Outcome::Gone => (404, json!({ "refresh": "there is no live pair" })),
        Outcome::Failed { failure, retry_at, .. } => {
            let retry_at = retry_at.map(|at| at.rfc3339());
            (503, json!({ "refresh": "failed", "class": failure.class().as_str(), "retry_at": retry_at }))
        }
        Outcome::NoTime => (503, json!({ "refresh": "there was not enough time" })),
    }
}

/// The provider's new behaviour shows in its section. So only a refused order has an answer here.
fn order(server: &Server, form: &Form) -> Acted {
    let Some(simulation) = &server.simulation else { return Acted::NoSuchForm };
    for text in form.all("order") {
        match Order::parse(text.as_bytes()) {
            Ok(order) => {
                order.carry_out(simulation, server.stream.engines(), &*server.entropy);
            }
            Err(error) => {
                let body = json!({ "detail": error.to_string() });
                return Acted::Answered(Answered { call: "POST /local/provider".to_owned(), status: 400, body });
            }
        }
    }
    Acted::Shown
}
