//! The provider's contract on Doorkeeper, in both of its rotation classes.

use std::net::SocketAddr;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use local::webinargeek::Rotation;
use serde_json::json;
use tests::contracts;
use tests::laptop::is_live;
use tests::world::{Setup, World};
use tokio::process::{Child, Command};

use crate::process::{free_address, serve};

pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:7777/callback";

/// `rotation` is grace or strict, `consent` on or off.
pub(crate) async fn start(rotation: &str, consent: &str) -> (Child, SocketAddr) {
    let address = free_address().await;
    let mut command = Command::new("puma");
    command.args(["-t", "1:1", "-b", &format!("tcp://{address}"), "-e", "production"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/real-parts/doorkeeper.ru"));
    command.envs([("ROTATION", rotation), ("CONSENT", consent), ("REDIRECT_URI", REDIRECT_URI)]);
    (serve(command, address).await, address)
}

fn running(address: SocketAddr, rotation: Rotation) -> contracts::provider::Running {
    contracts::provider::Running {
        origin: format!("http://{address}"),
        client_id: "client-one".to_owned(),
        client_secret: "s3cret".to_owned(),
        redirect_uri: REDIRECT_URI.to_owned(),
        rotation,
    }
}

async fn holds(rotation: Rotation, name: &str, consent: &str) {
    let (_server, address) = start(name, consent).await;
    contracts::provider::holds(&running(address, rotation)).await;
}

/// Checks what the doctor finds on a connection at this provider, and that the connection still works then.
async fn finds(rotation: Rotation, name: &str, class: &str) {
    let (_server, address) = start(name, "on").await;
    let provider = running(address, rotation);
    let url = |path: &str| format!("{}/oauth/{path}", provider.origin);
    let setup = Setup { client_secret: provider.client_secret.clone(), ..Setup::default() };
    let setup = setup.variable("WEBINARGEEK_TOKEN_URL", &url("token"));
    let world = World::with(setup.variable("WEBINARGEEK_REVOKE_URL", &url("revoke"))).await;
    let refresh_token = contracts::provider::refresh_token(&provider).await;
    let import = json!({ "refresh_token": refresh_token.expose() });
    world.json(Method::PUT, "/v1/connections/t", Some(import)).await;
    // As if a session with `throw_away` had made it.
    world.set("t", "throw_away", AttributeValue::N("1".to_owned())).await;
    let found = world.json(Method::POST, "/v1/doctor", Some(json!({ "throw_away": "t" }))).await;
    let detail = found.body["findings"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(class) && !detail.contains("could not be"), "{found:?}");
    assert!(is_live(&provider.origin, world.token("t").await.text("access_token")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn doorkeeper_with_a_grace_period_holds_the_providers_contract() {
    holds(Rotation::Grace, "grace", "on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doorkeeper_that_rotates_at_once_without_consent_page_holds_the_providers_contract() {
    holds(Rotation::Strict, "strict", "off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_distinguishes_the_two_doorkeepers() {
    finds(Rotation::Grace, "grace", "(P1)").await;
    finds(Rotation::Strict, "strict", "(P2)").await;
}
