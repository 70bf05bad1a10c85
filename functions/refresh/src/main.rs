use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use refresh::{Event, Refresh};
use shared::config::{Environment, RefreshSettings, process_environment};
use shared::lambda::{Network, RefreshFunction};
use shared::system::{SystemClock, SystemEntropy};
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let read = |env: &mut _| (RefreshSettings::read(env), Network::read(env));
    let (settings, network) = Environment::read(&process_environment, read)?;
    shared::telemetry::init(&settings.stack);
    let RefreshFunction { connections, refreshes, .. } = RefreshFunction::new(&settings, None, &network);
    let sweep = Refresh::new(&refreshes, connections, Arc::new(SystemClock), Arc::new(SystemEntropy));
    let (sweep, stack) = (&sweep, settings.stack.as_str());
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let span = tracing::info_span!("invocation", function = "refresh", request_id = event.context.request_id);
        async move {
            match Event::parse(&event.payload)? {
                Event::Run(shards) => {
                    let summary = sweep.run(shards, shared::lambda::deadline(&event.context)).await;
                    shared::telemetry::log_summary(stack, "refresh", &event.context.request_id, &summary);
                    Ok::<_, lambda_runtime::Error>(serde_json::to_value(summary)?)
                }
                Event::Replay(messages) => Ok(serde_json::to_value(sweep.replay(messages).await)?),
            }
        }
        .instrument(span)
    }))
    .await
}
