//! The provider's contract on Doorkeeper, in both of its rotation classes.

use std::net::SocketAddr;

use local::webinargeek::Rotation;
use tests::contracts;
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

async fn holds(rotation: Rotation, name: &str, consent: &str) {
    let (_server, address) = start(name, consent).await;
    let running = contracts::provider::Running {
        origin: format!("http://{address}"),
        client_id: "client-one".to_owned(),
        client_secret: "s3cret".to_owned(),
        redirect_uri: REDIRECT_URI.to_owned(),
        rotation,
    };
    contracts::provider::holds(&running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doorkeeper_with_a_grace_period_holds_the_providers_contract() {
    holds(Rotation::Grace, "grace", "on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doorkeeper_that_rotates_at_once_and_asks_nobody_holds_the_providers_contract() {
    holds(Rotation::Strict, "strict", "off").await;
}
