use std::sync::Arc;

use connections::doctor::Doctor;
use connections::import::Importing;
use connections::{Connections, Settings};
use shared::aws::{dynamodb, kms};
use shared::config::{Environment, process_environment};
use shared::disconnecting::Disconnecting;
use shared::identifying::Identifying;
use shared::system::{SystemClock, SystemEntropy};
use shared::webinargeek::{AccountEndpoint, WebinarGeek};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let settings = Environment::read(&process_environment, Settings::read)?;
    shared::telemetry::init(&settings.refreshing.stack);
    let sdk = shared::aws::sdk_config().await;
    let (refreshing, connections) = shared::lambda::refreshing(&sdk, settings.refreshing.clone());
    let attempts = Arc::new(dynamodb::AttemptsTable::new(dynamodb::Client::new(&sdk), settings.attempts_table.clone()));
    let keys = Arc::new(kms::DataKeyMaker {
        client: kms::Client::new(&sdk),
        key_id: settings.kms_key_id.clone(),
        stack: settings.refreshing.stack.clone(),
    });
    let clock = Arc::new(SystemClock);
    let endpoint = Connections {
        doctor: Doctor {
            connections: connections.clone(),
            attempts: attempts.clone(),
            attempts_expiry: attempts.clone(),
            key_maker: keys.clone(),
            provider: Arc::new(WebinarGeek::new(settings.refreshing.token_endpoint.clone(), clock.clone())),
            refreshing: refreshing.clone(),
        },
        identifying: Arc::new(Identifying {
            accounts: settings.account_url.clone().map(|url| Arc::new(AccountEndpoint::new(url)) as _),
            connections: connections.clone(),
            connection_writes: connections.clone(),
            clock: clock.clone(),
        }),
        session_reads: attempts.clone(),
        sessions: attempts,
        connections: connections.clone(),
        connection_writes: connections.clone(),
        listing: connections.clone(),
        disconnecting: Arc::new(Disconnecting::beside(&refreshing)),
        importing: Importing {
            stack: settings.refreshing.stack.clone(),
            client_id: settings.refreshing.token_endpoint.client_id.clone(),
            connections: connections.clone(),
            connection_writes: connections.clone(),
            keys,
            refreshing,
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
        },
        clock,
        entropy: Arc::new(SystemEntropy),
        settings,
    };
    shared::lambda::serve_http("connections", endpoint).await
}
