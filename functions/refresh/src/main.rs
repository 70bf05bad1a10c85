use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use refresh::{Event, Refresh, Settings};
use shared::aws::own_function::OwnFunction;
use shared::config::{Environment, RefreshSettings, process_environment};
use shared::lambda::{Network, RefreshFunction};
use shared::system::{SystemClock, SystemEntropy};
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let read = |env: &mut _| {
        let name = OwnFunction::read_name(env);
        (RefreshSettings::read(env), Settings::read(env), name, Network::read(env))
    };
    let (settings, pace, name, network) = Environment::read(&process_environment, read)?;
    shared::telemetry::init(&settings.stack);
    let RefreshFunction { connections, refreshes, http, .. } = RefreshFunction::new(&settings, None, &network);
    let others = pace.others(Arc::new(OwnFunction::new(&network.aws, name)));
    let system = (Arc::new(SystemClock) as _, Arc::new(SystemEntropy) as _);
    let sweep = Refresh::new(&refreshes, connections, pace.most_requests, others, system);
    let (sweep, replaying, stack, http) = (&sweep, &refreshes.replaying(), settings.stack.as_str(), &http);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let span = tracing::info_span!("invocation", function = "refresh", request_id = event.context.request_id);
        async move {
            match Event::parse(&event.payload)? {
                Event::Run(run) => {
                    let _reused = http.reuse_connections();
                    let summary = sweep.run(run, shared::lambda::deadline(&event.context)).await;
                    shared::telemetry::log_summary(stack, "refresh", &event.context.request_id, &summary);
                    Ok::<_, lambda_runtime::Error>(serde_json::to_value(summary)?)
                }
                Event::Replay(messages) => Ok(serde_json::to_value(refresh::replay(replaying, messages).await)?),
            }
        }
        .instrument(span)
    }))
    .await
}
