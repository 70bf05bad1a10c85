use std::sync::Arc;

use callback::{Callback, Settings};
use shared::aws::{dynamodb, kms, secrets_manager, sqs};
use shared::config::{Environment, process_environment};
use shared::identifying::Identifying;
use shared::storing::Storing;
use shared::system::{SystemClock, SystemEntropy};
use shared::webinargeek::{AccountEndpoint, WebinarGeek};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let settings = Environment::read(&process_environment, Settings::read)?;
    shared::telemetry::init(&settings.stack);
    let sdk = shared::aws::sdk_config().await;
    let tables = dynamodb::Client::new(&sdk);
    let attempts = Arc::new(dynamodb::AttemptsTable::new(tables.clone(), settings.attempts_table.clone()));
    let connections = Arc::new(dynamodb::ConnectionsTable::new(tables, settings.connections_table.clone()));
    let secrets = secrets_manager::Client::new(&sdk);
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let provider = Arc::new(WebinarGeek::new(settings.token_endpoint.clone(), clock.clone()));
    let endpoint = Callback {
        attempt_reads: attempts.clone(),
        attempts,
        identifying: Arc::new(Identifying {
            accounts: settings.account_url.clone().map(|url| Arc::new(AccountEndpoint::new(url)) as _),
            connections: connections.clone(),
            connection_writes: connections.clone(),
            clock: clock.clone(),
        }),
        connection_reads: connections.clone(),
        storing: Storing {
            connections,
            escrow: Arc::new(sqs::EscrowQueue {
                client: sqs::Client::new(&sdk),
                url: settings.escrow_queue_url.clone(),
            }),
            clock: clock.clone(),
            entropy: entropy.clone(),
        },
        keys: Arc::new(kms::DataKeyMaker {
            client: kms::Client::new(&sdk),
            key_id: settings.kms_key_id.clone(),
            stack: settings.stack.clone(),
        }),
        client_secret: Arc::new(secrets_manager::SecretsManagerSecret::new(
            secrets,
            settings.client_secret_arn.clone(),
        )),
        provider: provider.clone(),
        revocation: provider,
        clock,
        entropy,
        settings,
    };
    shared::lambda::serve_http("callback", endpoint).await
}
