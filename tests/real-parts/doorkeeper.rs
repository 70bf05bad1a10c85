//! The provider's contract on Doorkeeper, in both of its rotation classes.

use local::webinargeek::Rotation;
use tests::contracts;
use tokio::process::Command;

use crate::process::{free_address, serve};

async fn holds(rotation: Rotation, name: &str, consent: &str) {
    let address = free_address().await;
    let redirect_uri = "http://127.0.0.1:7777/callback".to_owned();
    let mut command = Command::new("puma");
    command.args(["-t", "1:1", "-b", &format!("tcp://{address}"), "-e", "production"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/real-parts/doorkeeper.ru"));
    command.envs([("ROTATION", name), ("CONSENT", consent), ("REDIRECT_URI", &redirect_uri)]);
    let _server = serve(command, address).await;
    let running = contracts::provider::Running {
        origin: format!("http://{address}"),
        client_id: "client-one".to_owned(),
        client_secret: "s3cret".to_owned(),
        redirect_uri,
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
