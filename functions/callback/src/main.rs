use std::sync::Arc;

use callback::{Callback, Settings};
use shared::aws::Clients;
use shared::config::{Environment, process_environment};
use shared::lambda::Network;
use shared::ports::Clock;
use shared::protocol::composition::Grants;
use shared::system::{SystemClock, SystemEntropy};
use shared::webinargeek::{AccountEndpoint, WebinarGeek};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let read = |env: &mut _| (Settings::read(env), Network::read(env));
    let (settings, network) = Environment::read(&process_environment, read)?;
    let refreshing = &settings.refreshing;
    shared::telemetry::init(&refreshing.stack);
    let clients = Clients::new(&network.aws, refreshing.escrow_queue_url.clone());
    let (clock, entropy): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let http = network.http();
    let attempts = clients.attempts(&settings.attempts_table);
    let connections = clients.connections(&refreshing.connections_table);
    let accounts = settings.account_url.clone().map(|url| Arc::new(AccountEndpoint::new(http.clone(), url)) as _);
    let secret = &refreshing.client_secret_arn;
    let services = clients.grant_services(&connections, secret, accounts, clock.clone(), entropy.clone());
    let deployment = refreshing.deployment();
    let endpoint = Callback {
        attempt_reads: attempts.clone(),
        attempts,
        connections,
        grants: Grants::new(&services, &deployment),
        keys: clients.key_maker(&settings.kms_key_id, &refreshing.stack),
        provider: Arc::new(WebinarGeek::new(http, refreshing.token_endpoint.clone(), clock.clone())),
        clock,
        entropy,
        deployment,
        ways_back: settings.ways_back,
        layout: settings.layout,
    };
    shared::lambda::serve_http("callback", endpoint).await
}
