//! `POST /v1/doctor`: finds out how a provider rotates, on a throw-away connection, and loses nothing more than that.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::IntoResponse;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};
use local::webinargeek::Rotation;
use serde_json::{Value, json};
use shared::domain::connection::refresh::{RefreshReason, acquire};
use shared::domain::connection_id::ConnectionId;
use shared::http::Request;
use shared::ports::{Clock, WriteConnections};
use tests::browser::provider_client;
use tests::world::{Answer, ORIGIN, Setup, TABLE, World};
use tokio::net::TcpListener;
use url::Url;

use super::hold;
use crate::confirmation::{confirm, parameter};
use crate::connections::assert_problem;
use crate::faults;
use crate::log::{capture, captured};

async fn ask(world: &World, body: Value) -> Answer {
    world.json(Method::POST, "/v1/doctor", Some(body)).await
}

/// The one finding, on the connection `t`.
async fn tried(world: &World) -> Value {
    found(ask(world, json!({ "throw_away": "t" })).await)
}

fn found(answer: Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let [finding] = &answer.body["findings"].as_array().unwrap()[..] else { panic!("{answer:?}") };
    hold(finding);
    assert_eq!((&finding["check"], &answer.body["healthy"]), (&json!("rotation"), &json!(true)), "{finding}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    finding.clone()
}

/// That the class could not be found out, and why.
fn is_skipped(finding: &Value, why: &str) {
    assert_eq!(finding["status"], "skipped", "{finding}");
    assert!(finding["detail"].as_str().unwrap().contains(why), "{why}: {finding}");
}

async fn connected(rotation: Rotation) -> World {
    let world = World::with(Setup { rotation, ..Setup::default() }).await;
    connect(&world).await;
    world
}

/// `t`, by a session for a connection that may be lost.
async fn connect(world: &World) {
    let session = world.session(json!({ "connection_id": "t", "throw_away": true })).await;
    world.browser().journey(session.text("url"), "approve").await;
}

async fn refresh_token(world: &World) -> String {
    refresh_token_of(world, "t").await
}

async fn refresh_token_of(world: &World, id: &str) -> String {
    let stored = world.stored(id).await.unwrap();
    let pair = world.deployment.token.refreshing.open(&stored).await.unwrap();
    pair.refresh_token.unwrap().expose().to_owned()
}

async fn is_live(world: &World) -> bool {
    world.is_live(world.token("t").await.text("access_token"))
}

/// A proxy before the token endpoint.
#[derive(Clone, Default)]
struct Overheard {
    /// A reuse gets the earlier answer: the grace of some providers.
    repeats: bool,
    sent: Arc<Mutex<Vec<String>>>,
    given: Arc<Mutex<Vec<String>>>,
}

impl Overheard {
    /// Puts it between this deployment and its provider.
    async fn on(self, world: &World) -> World {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/oauth/token", listener.local_addr().unwrap());
        let provider = format!("{}/oauth/token", world.provider_origin);
        let router = Router::new().fallback(move |form: String| self.clone().pass_on(provider.clone(), form));
        tokio::spawn(async move { axum::serve(listener, router).await });
        world.redeployed(&[("WEBINARGEEK_TOKEN_URL", &url)])
    }

    async fn pass_on(self, provider: String, form: String) -> impl IntoResponse {
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let (_, refresh_token) = fields.into_iter().find(|(name, _)| name == "refresh_token").unwrap();
        let is_reuse = self.sent.lock().unwrap().contains(&refresh_token);
        self.sent.lock().unwrap().push(refresh_token);
        let json = [(CONTENT_TYPE, "application/json")];
        if self.repeats && is_reuse {
            return (StatusCode::OK, json, self.given.lock().unwrap()[0].clone());
        }
        let request = provider_client().post(provider).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = request.body(form).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        if status.is_success() {
            self.given.lock().unwrap().push(body.clone());
        }
        (status, json, body)
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }

    /// The refresh tokens of its answers.
    fn given(&self) -> Vec<String> {
        let answers = self.given.lock().unwrap();
        let answers = answers.iter().map(|body| serde_json::from_str::<Value>(body).unwrap());
        answers.map(|body| body["refresh_token"].as_str().unwrap().to_owned()).collect()
    }
}

/// The finding of a provider of this kind and class; what was sent and answered, and that no secret is logged.
async fn finds(world: &World, status: &str, class: &str) -> (Vec<String>, Vec<String>) {
    let overheard = Overheard::default();
    let listened = overheard.clone().on(world).await;
    capture();
    let finding = tried(&listened).await;
    let log = captured();
    assert_eq!(finding["status"], status, "{finding}");
    assert!(finding["detail"].as_str().unwrap().contains(&format!("({class})")), "{finding}");
    assert!(log.contains("rotation was tried") && log.contains(class), "{log}");
    let (sent, given) = (overheard.sent(), overheard.given());
    for secret in sent.iter().chain(&given) {
        assert!(!log.contains(secret) && !finding.to_string().contains(secret), "{log} {finding}");
    }
    (sent, given)
}

#[tokio::test]
async fn a_provider_that_never_rotates_gets_no_refresh_token_twice() {
    let world = connected(Rotation::Never).await;
    let old = refresh_token(&world).await;
    let (sent, _) = finds(&world, "ok", "P0").await;
    assert_eq!(sent, [old]);
    assert!(is_live(&world).await);
}

#[tokio::test]
async fn a_grace_is_found_and_the_second_successor_is_revoked() {
    let world = connected(Rotation::Grace).await;
    let old = refresh_token(&world).await;
    let (sent, given) = finds(&world, "ok", "P1").await;
    assert_eq!(sent, [old.clone(), old]);
    assert_eq!(given[0], refresh_token(&world).await);
    assert_eq!(world.simulation.faults.requested("revoke"), 1);
    assert!(!world.honours(&given[1]).await, "it is stored nowhere");
    assert!(is_live(&world).await);
    world.clock.advance(6000);
    world.sweep().await;
    assert!(is_live(&world).await);
}

#[tokio::test]
async fn a_provider_that_rotates_at_once_is_found_and_the_connection_lives_on() {
    let world = connected(Rotation::Strict).await;
    let old = refresh_token(&world).await;
    let (sent, given) = finds(&world, "warning", "P2").await;
    assert_eq!(sent, [old.clone(), old, given[0].clone()]);
    assert_eq!(given[1], refresh_token(&world).await);
    assert!(is_live(&world).await);
}

#[tokio::test]
async fn reuse_detection_is_found_and_ends_only_the_throw_away_connection() {
    let world = connected(Rotation::ReuseDetection).await;
    world.connect("customer").await;
    let old = refresh_token(&world).await;
    let (sent, given) = finds(&world, "warning", "P4").await;
    assert_eq!(sent, [old.clone(), old, given[0].clone()]);
    assert_eq!(given.len(), 1);
    is_skipped(&tried(&world).await, "an earlier failure");
    world.clock.advance(61);
    world.sweep().await;
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "reauth_required");
    assert!(world.is_live(world.token("customer").await.text("access_token")));
}

#[tokio::test]
async fn the_finding_names_a_second_successor_that_cannot_be_revoked() {
    let world = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", "")).await;
    connect(&world).await;
    let says = async || tried(&world).await["detail"].as_str().unwrap().to_owned();
    assert!(says().await.contains("could not be revoked"));
    assert_eq!(world.simulation.faults.requested("revoke"), 0);

    let world = connected(Rotation::Grace).await;
    world.fault(json!({ "answer": "break", "grant_type": "revoke" }));
    let finding = tried(&world).await;
    assert!(finding["detail"].as_str().unwrap().contains("could not be revoked"), "{finding}");
    assert!(is_live(&world).await);
}

#[tokio::test]
async fn a_reuse_that_is_answered_with_the_stored_pair_does_not_revoke_it() {
    let world = connected(Rotation::Strict).await;
    let overheard = Overheard { repeats: true, ..Overheard::default() };
    let listened = overheard.clone().on(&world).await;
    assert_eq!(tried(&listened).await["status"], "ok");
    assert_eq!((overheard.sent().len(), world.simulation.faults.requested("revoke")), (2, 0));
    assert!(is_live(&world).await);
}

/// The provider answers right this many times, and then so.
fn then(world: &World, right: u32, fault: Value) {
    if right > 0 {
        world.fault(json!({ "answer": { "late": 0 }, "times": right }));
    }
    world.fault(fault);
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_refresh_is_a_finding_and_the_schedule_goes_on() {
    let world = connected(Rotation::Grace).await;
    then(&world, 0, json!({ "answer": faults::status(500), "times": 2 }));
    is_skipped(&tried(&world).await, "status 500");
    let refreshes = world.refreshes();
    is_skipped(&tried(&world).await, "an earlier failure");
    assert_eq!(world.refreshes(), refreshes, "no request is sent while it backs off");
    world.clock.advance(300);
    world.sweep().await;
    assert!(is_live(&world).await);
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_reuse_is_a_finding_and_the_new_pair_is_stored() {
    for rotation in [Rotation::Grace, Rotation::Strict] {
        let world = connected(rotation).await;
        for answer in [faults::status(500), faults::status(429), json!("garbage"), json!("break")] {
            then(&world, 1, json!({ "answer": answer }));
            let finding = tried(&world).await;
            is_skipped(&finding, "could not be found out");
            assert!(finding["remedy"].as_str().unwrap().contains("another"), "{finding}");
            assert!(is_live(&world).await, "{rotation:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn after_a_refused_reuse_no_class_is_named_unless_it_is_certain() {
    let world = connected(Rotation::Strict).await;
    then(&world, 2, json!({ "answer": faults::status(429) }));
    is_skipped(&tried(&world).await, "could not be found out");
    assert!(is_live(&world).await);
    world.clock.advance(300);
    world.sweep().await;

    // The answer that would show P2 is lost, and so the next one refuses.
    then(&world, 2, json!({ "answer": "break", "carried_out": true }));
    is_skipped(&tried(&world).await, "could not be found out");
    assert_eq!(world.get("/v1/connections/t").await.text("reason"), "ambiguous_rotation");
}

#[tokio::test]
async fn a_throw_away_connection_that_the_provider_refuses_is_a_finding() {
    let world = connected(Rotation::Grace).await;
    world.simulation.grants.revoke_all();
    let finding = tried(&world).await;
    is_skipped(&finding, "invalid_grant");
    assert!(finding["remedy"].as_str().unwrap().contains("another"), "{finding}");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_provider_that_grants_no_refresh_token_is_a_finding() {
    let world = World::new().await;
    world.fault(json!({ "answer": { "without": ["refresh_token"] } }));
    connect(&world).await;
    let before = world.row("t").await;
    is_skipped(&tried(&world).await, "no refresh token");
    assert_eq!((world.row("t").await, world.refreshes()), (before, 0));
}

#[tokio::test]
async fn a_connection_that_is_not_in_use_is_not_touched() {
    let world = World::new().await;
    let untouched = async || {
        let (before, refreshes) = (world.row("t").await, world.refreshes());
        world.calls.take();
        is_skipped(&tried(&world).await, "not in use");
        assert_eq!(world.calls.take(), [("GetItem".to_owned(), 1)].into(), "its pair is not opened");
        assert_eq!((world.row("t").await, world.refreshes()), (before, refreshes));
    };
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/" });
    let session = world.session(body).await;
    world.browser().journey(session.text("url"), "approve").await;
    untouched().await;

    world.clock.advance(1);
    connect(&world).await;
    world.every_grant_ends().await;
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "reauth_required");
    untouched().await;

    connect(&world).await;
    world.fault(json!({ "answer": faults::status(500), "grant_type": "revoke" }));
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "disconnecting");
    untouched().await;
}

/// It is refused before anything is opened or sent, and says how a throw-away connection is made.
async fn is_refused(world: &World) {
    let (before, requests) = (world.row("t").await, world.simulation.faults.requests());
    world.calls.take();
    let answer = ask(world, json!({ "throw_away": "t" })).await;
    assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
    assert_eq!(answer.body["field"], "throw_away", "{answer:?}");
    assert!(answer.text("detail").contains("`throw_away: true`"), "{answer:?}");
    assert_eq!(world.calls.take(), [("GetItem".to_owned(), 1)].into(), "its pair is not opened");
    assert_eq!((world.row("t").await, world.simulation.faults.requests()), (before, requests));
}

#[tokio::test]
async fn a_wrong_id_ends_no_customers_grant_because_only_throw_away_connections_are_tried() {
    let world = World::new().await;
    world.connect("t").await;
    is_refused(&world).await;
    let session = world.session(json!({ "connection_id": "t", "throw_away": false })).await;
    world.browser().journey(session.text("url"), "approve").await;
    is_refused(&world).await;

    // What it says goes with the grant: another one by the same id is a customer's again.
    connect(&world).await;
    assert_eq!(tried(&world).await["status"], "ok");
    world.clock.advance(6000);
    world.sweep().await;
    assert_eq!(tried(&world).await["status"], "ok", "a refresh keeps it");
    world.connect("t").await;
    is_refused(&world).await;
    connect(&world).await;
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    world.connect("t").await;
    is_refused(&world).await;
}

#[tokio::test]
async fn an_import_and_a_live_pair_beside_a_waiting_throw_away_are_not_tried() {
    let world = connected(Rotation::Grace).await;
    assert_eq!(tried(&world).await["status"], "ok");
    world.connect("another").await;
    let import = json!({ "refresh_token": refresh_token_of(&world, "another").await, "replace": true });
    let imported = world.json(Method::PUT, "/v1/connections/t", Some(import)).await;
    assert!(imported.status.is_success(), "{imported:?}");
    is_refused(&world).await;

    let link = json!({
        "connection_id": "t", "throw_away": true, "confirm": true, "return_to": "https://app.example.com/",
    });
    let session = world.session(link).await;
    let ended = world.browser().journey(session.text("url"), "approve").await;
    is_refused(&world).await;
    let back = Url::parse(ended.headers()[LOCATION].to_str().unwrap()).unwrap();
    let confirmed = confirm(&world, &session, &parameter(&back, "confirmation").unwrap()).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    assert_eq!(tried(&world).await["status"], "ok");
}

#[tokio::test]
async fn another_workers_refresh_is_not_disturbed() {
    let world = connected(Rotation::Grace).await;
    let id = ConnectionId::parse("t").unwrap();
    let reason = RefreshReason::OnDemand { seen: world.stored("t").await.unwrap().pair.id };
    let table = world.clients.connections(TABLE);
    table.write(&acquire(&id, &reason, "another", world.clock.now())).await.unwrap();
    is_skipped(&tried(&world).await, "another worker");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn a_key_that_cannot_open_the_pair_is_a_finding_and_nothing_is_sent() {
    let world = connected(Rotation::Grace).await;
    world.outage_of(&["Decrypt"]);
    let finding = tried(&world).await;
    is_skipped(&finding, "the key service");
    assert!(finding["remedy"].as_str().unwrap().contains("GET /v1/doctor"), "{finding}");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn no_request_is_sent_if_there_is_no_time_to_act_on_its_answer() {
    let world = connected(Rotation::Strict).await;
    for (seconds, sent) in [(39, 0), (52, 1)] {
        let mut request = Request::new(json!({ "throw_away": "t" }).to_string().into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = "/v1/doctor".parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
        let (parts, body) = world.send_within(seconds, ORIGIN, request).await.into_parts();
        let answer =
            Answer { status: parts.status, headers: parts.headers, body: serde_json::from_str(&body).unwrap() };
        is_skipped(&found(answer), "time");
        assert_eq!(world.refreshes(), sent, "{seconds}");
    }
    assert!(is_live(&world).await);
}

#[tokio::test]
async fn an_unknown_or_disconnected_connection_is_not_found() {
    let world = connected(Rotation::Grace).await;
    let unknown = ask(&world, json!({ "throw_away": "nobody" })).await;
    assert_problem(&unknown.body, &unknown.headers, 404, "not_found");
    world.json(Method::DELETE, "/v1/connections/t", None).await;
    let deleted = ask(&world, json!({ "throw_away": "t" })).await;
    assert_problem(&deleted.body, &deleted.headers, 404, "not_found");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn bad_input_names_its_field_and_changes_nothing() {
    let world = connected(Rotation::Grace).await;
    world.calls.take();
    for (body, field) in [
        (json!({}), "throw_away"),
        (json!({ "throw_away": null }), "throw_away"),
        (json!({ "throw_away": "" }), "throw_away"),
        (json!({ "throw_away": ".." }), "throw_away"),
        (json!({ "throw_away": "#pause" }), "throw_away"),
        (json!({ "throw_away": "x".repeat(129) }), "throw_away"),
        (json!({ "throw_away": 7 }), "throw_away"),
        (json!({ "throw_away": ["t"] }), "throw_away"),
        (json!({ "connection_id": "t" }), "connection_id"),
        (json!({ "throw_away": "t", "force": true }), "force"),
    ] {
        let answer = ask(&world, body.clone()).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
        assert_eq!(answer.body["field"], field, "{body}");
    }
    let good = json!({ "throw_away": "t" }).to_string();
    for (media_type, body, status, code) in [
        ("text/plain", good.clone(), 415, "unsupported_media_type"),
        ("application/json", format!("[{good}]"), 400, "invalid_request"),
        ("application/json", good + &" ".repeat(17_000), 413, "payload_too_large"),
    ] {
        let mut request = Request::new(body.into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = "/v1/doctor".parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, media_type.parse().unwrap());
        let answer = world.answer(request).await;
        assert_problem(&answer.body, &answer.headers, status, code);
    }
    assert!(world.calls.take().is_empty());
    assert_eq!(world.refreshes(), 0);
}
