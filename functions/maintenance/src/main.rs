use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use maintenance::{Event, Maintenance, Settings};
use shared::aws::{LazyClient, dynamodb, kms};
use shared::config::{Environment, process_environment};
use shared::lambda::Network;
use shared::protocol::quarantine::Quarantine;
use shared::system::{SystemClock, SystemEntropy};
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let read = |env: &mut _| (Settings::read(env), Network::read(env));
    let (settings, network) = Environment::read(&process_environment, read)?;
    shared::telemetry::init(&settings.stack);
    let sdk = &network.aws;
    let table =
        Arc::new(dynamodb::ConnectionsTable::new(dynamodb::Client::new(sdk), settings.connections_table.clone()));
    let (keys, stack, key_id) =
        (LazyClient::new(sdk, kms::Client::new), settings.stack.clone(), settings.kms_key_id.clone());
    let clock = Arc::new(SystemClock);
    let maintenance = Maintenance {
        rows: table.clone(),
        connection_writes: table.clone(),
        quarantine: Quarantine { writes: table.clone(), clock: clock.clone() },
        deletes: table,
        keys: Arc::new(kms::DataKeyOpener { client: keys.clone(), stack: stack.clone() }),
        new_keys: Arc::new(kms::DataKeyMaker { client: keys, key_id, stack }),
        clock,
        entropy: Arc::new(SystemEntropy),
        settings,
    };
    let maintenance = &maintenance;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let request_id = event.context.request_id.clone();
        let span = tracing::info_span!("invocation", function = "maintenance", request_id);
        async move {
            let asked = Event::parse(&event.payload)?;
            let report = maintenance.run(&asked, shared::lambda::deadline(&event.context)).await;
            shared::telemetry::log_summary(&maintenance.settings.stack, "maintenance", &request_id, &report);
            Ok::<_, lambda_runtime::Error>(serde_json::to_value(report)?)
        }
        .instrument(span)
    }))
    .await
}
