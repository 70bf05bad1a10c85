use std::sync::Arc;

use shared::aws::{dynamodb, kms, secrets_manager};
use shared::config::{Environment, process_environment};
use shared::refreshing::Refreshing;
use shared::system::{SystemClock, SystemEntropy};
use shared::webinargeek::WebinarGeek;
use token::{Settings, Token};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::telemetry::init();
    let settings = Environment::read(&process_environment, Settings::read)?;
    let sdk = shared::aws::sdk_config().await;
    let connections =
        Arc::new(dynamodb::ConnectionsTable::new(dynamodb::Client::new(&sdk), settings.connections_table));
    let secrets = secrets_manager::Client::new(&sdk);
    let clock = Arc::new(SystemClock);
    let provider = Arc::new(WebinarGeek::new(settings.provider.clone(), clock.clone()));
    let refreshing = Refreshing {
        client_id: settings.provider.client_id,
        refresh_every: settings.refresh_every,
        default_lifetime: settings.provider.expires_in,
        connections: connections.clone(),
        connection_writes: connections.clone(),
        keys: Arc::new(kms::DataKeyOpener { client: kms::Client::new(&sdk), stack: settings.stack.clone() }),
        client_secret: Arc::new(secrets_manager::SecretsManagerSecret::new(secrets, settings.client_secret_arn)),
        provider: provider.clone(),
        revocation: provider,
        clock: clock.clone(),
        entropy: Arc::new(SystemEntropy),
        stack: settings.stack,
    };
    let endpoint = Token { refreshing: Arc::new(refreshing), connections, clock, entropy: Arc::new(SystemEntropy) };
    shared::lambda::serve_http("token", endpoint).await
}
