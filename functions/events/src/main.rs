use std::sync::Arc;

use events::{Events, Settings};
use lambda_runtime::{LambdaEvent, service_fn};
use shared::aws::eventbridge::{Client, EventBus};
use shared::config::{Environment, process_environment};
use shared::lambda::Network;
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let read = |env: &mut _| (Settings::read(env), Network::read(env));
    let (settings, network) = Environment::read(&process_environment, read)?;
    shared::telemetry::init(&settings.stack);
    let client = Client::new(&network.aws);
    let bus = Arc::new(EventBus { client, name: settings.event_bus });
    let events = &Events { bus, stack: settings.stack };
    lambda_runtime::run(service_fn(move |batch: LambdaEvent<serde_json::Value>| {
        let span = tracing::info_span!("invocation", function = "events", request_id = batch.context.request_id);
        async move { Ok::<_, lambda_runtime::Error>(events.deliver(&batch.payload).await) }.instrument(span)
    }))
    .await
}
