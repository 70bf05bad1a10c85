use std::sync::Arc;

use shared::config::{Environment, RefreshSettings, process_environment};
use shared::lambda::{Network, RefreshFunction};
use shared::system::{SystemClock, SystemEntropy};
use token::Token;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let read = |env: &mut _| (RefreshSettings::read(env), Network::read(env));
    let (settings, network) = Environment::read(&process_environment, read)?;
    shared::telemetry::init(&settings.stack);
    let RefreshFunction { connections, refreshes, .. } = RefreshFunction::new(&settings, None, &network);
    let endpoint = Token {
        refreshing: refreshes.refreshing,
        connections,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    shared::lambda::serve_http("token", endpoint).await
}
