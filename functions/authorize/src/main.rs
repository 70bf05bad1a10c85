use std::sync::Arc;

use authorize::{Authorize, Settings};
use shared::aws::dynamodb::{AttemptsTable, Client};
use shared::config::{Environment, process_environment};
use shared::lambda::Network;
use shared::system::{SystemClock, SystemEntropy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let read = |env: &mut _| (Settings::read(env), Network::read(env));
    let (settings, network) = Environment::read(&process_environment, read)?;
    shared::telemetry::init(&settings.stack);
    let sdk = &network.aws;
    let attempts = Arc::new(AttemptsTable::new(Client::new(sdk), settings.attempts_table.clone()));
    let endpoint = Authorize {
        settings,
        sessions: attempts.clone(),
        attempts,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    shared::lambda::serve_http("authorize", endpoint).await
}
