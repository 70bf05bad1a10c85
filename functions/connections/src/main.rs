use std::sync::Arc;

use connections::{Connections, Settings};
use shared::aws::dynamodb::{AttemptsTable, Client, ConnectionsTable};
use shared::config::{Environment, process_environment};
use shared::system::{SystemClock, SystemEntropy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let settings = Environment::read(&process_environment, Settings::read)?;
    shared::telemetry::init(&settings.stack);
    let tables = Client::new(&shared::aws::sdk_config().await);
    let endpoint = Connections {
        sessions: Arc::new(AttemptsTable::new(tables.clone(), settings.attempts_table.clone())),
        connections: Arc::new(ConnectionsTable::new(tables, settings.connections_table.clone())),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        settings,
    };
    shared::lambda::serve_http("connections", endpoint).await
}
