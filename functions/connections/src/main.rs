use std::sync::Arc;

use connections::doctor::Doctor;
use connections::{Connections, Services, Settings};
use shared::config::{Environment, process_environment};
use shared::lambda::{Network, RefreshFunction};
use shared::system::{SystemClock, SystemEntropy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let read = |env: &mut _| (Settings::read(env), Network::read(env));
    let (settings, network) = Environment::read(&process_environment, read)?;
    shared::telemetry::init(&settings.refreshing.stack);
    let function = RefreshFunction::new(&settings.refreshing, settings.account_url.clone(), &network);
    let RefreshFunction { clients, connections, provider, refreshes, .. } = function;
    let attempts = clients.attempts(&settings.attempts_table);
    let keys = clients.key_maker(&settings.kms_key_id, &settings.refreshing.stack);
    let doctor = Doctor {
        connections: connections.clone(),
        attempts: attempts.clone(),
        key_maker: keys.clone(),
        provider,
        refreshing: refreshes.refreshing.clone(),
    };
    let services = Services {
        session_reads: attempts.clone(),
        sessions: attempts.clone(),
        orders: attempts,
        connections: connections.clone(),
        connection_writes: connections.clone(),
        listing: connections,
        keys,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let endpoint = Connections::new(settings, services, &refreshes, doctor);
    shared::lambda::serve_http("connections", endpoint).await
}
