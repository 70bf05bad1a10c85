//! The classes of rotation that are found: P0 never, P1 with a grace, P2 at once, P4 with reuse detection.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use local::webinargeek::Rotation;
use serde_json::{Value, json};
use tests::browser::provider_client;
use tests::world::{Setup, World};
use tokio::net::TcpListener;

use super::{connect, connected, is_live, is_skipped, refresh_token, tried};
use crate::log::{capture, captured};

/// A proxy in front of the token endpoint.
#[derive(Clone, Default)]
struct Overheard {
    /// A refresh token that is used again gets the earlier answer: the grace of some providers.
    repeats: bool,
    sent: Arc<Mutex<Vec<String>>>,
    given: Arc<Mutex<Vec<String>>>,
}

impl Overheard {
    /// Puts the proxy between this deployment and its provider.
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

    /// The refresh tokens of the proxy's answers.
    fn given(&self) -> Vec<String> {
        let answers = self.given.lock().unwrap();
        let answers = answers.iter().map(|body| serde_json::from_str::<Value>(body).unwrap());
        answers.map(|body| body["refresh_token"].as_str().unwrap().to_owned()).collect()
    }
}

/// Checks that this class is found and no secret logged. Returns the refresh tokens that were sent and given.
async fn finds(world: &World, status: &str, class: &str) -> (Vec<String>, Vec<String>) {
    let overheard = Overheard::default();
    let listened = overheard.clone().on(world).await;
    capture();
    let finding = tried(&listened).await;
    let log = captured();
    assert_eq!(finding["status"], status, "{finding}");
    assert!(finding["detail"].as_str().unwrap().contains(&format!("({class})")), "{finding}");
    assert!(log.contains("the doctor has tested the rotation") && log.contains(class), "{log}");
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
    assert!(!world.honours(&given[1]).await, "the pair of the trial is stored nowhere");
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
    let detail = async || tried(&world).await["detail"].as_str().unwrap().to_owned();
    assert!(detail().await.contains("could not be revoked"));
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
