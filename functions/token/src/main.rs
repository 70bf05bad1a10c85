use std::sync::Arc;

use shared::config::{Environment, RefreshSettings, process_environment};
use shared::system::{SystemClock, SystemEntropy};
use token::Token;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let settings = Environment::read(&process_environment, RefreshSettings::read)?;
    shared::telemetry::init(&settings.stack);
    let (refreshing, connections) = shared::lambda::refreshing(&shared::aws::sdk_config().await, settings);
    let endpoint = Token { refreshing, connections, clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) };
    shared::lambda::serve_http("token", endpoint).await
}
