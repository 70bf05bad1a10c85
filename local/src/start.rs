//! Starts all parts of the laptop deployment.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shared::domain::digest;
use shared::ports::{Clock, Entropy};
use tokio::net::TcpListener;

use crate::deployment::{Deployment, engines};
use crate::server::{self, Server, SummaryLog};
use crate::settings::{SIMULATED_CLIENT_ID, Settings};
use crate::stream::Stream;
use crate::webinargeek::{self, Faults, Grants, Simulation};
use crate::{StartError, keys, tables};

/// A deployment that listens.
pub struct Running {
    pub server: Arc<Server>,
    pub redirect_uri: String,
    listener: TcpListener,
    refresh_every: Duration,
}

pub async fn start(
    settings: Settings,
    lookup: impl Fn(&str) -> Option<String>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Running, StartError> {
    let data_dir = settings.data_dir.as_deref();
    if let Some(path) = data_dir {
        std::fs::create_dir_all(path).map_err(|error| StartError(format!("DATA_DIR cannot be used: {error}")))?;
    }
    let file = |name: &str| data_dir.map(|path| path.join(name));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))
        .await
        .map_err(|error| StartError(format!("PORT {} cannot be listened on: {error}", settings.port)))?;
    let origin = format!("http://{}", listener.local_addr()?);
    let redirect_uri = format!("{}/callback", settings.public_origin.as_ref().unwrap_or(&origin));

    let tables_at = tables::serve(file("tables.sqlite").as_deref()).await?;
    let keys_at = keys::serve(file("key").as_deref(), settings.client_secret.clone(), entropy.clone()).await?;
    let clients = engines(tables_at, keys_at);
    tables::create(&clients.dynamodb).await?;

    let simulation = simulation(&settings, &redirect_uri, file("provider.sqlite").as_deref(), &clock, &entropy)?;
    let simulated_origin = match &simulation {
        None => None,
        Some(simulation) => {
            // Next to our own port where that is free, so that an open consent page survives a restart.
            let next = listener.local_addr()?.port().saturating_add(1);
            let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, next)).await {
                Ok(listener) => listener,
                Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            };
            Some(format!("http://{}", webinargeek::serve(simulation.clone(), listener)?))
        }
    };
    let environment = settings.function_environment(lookup, origin.clone(), simulated_origin);
    let deployment = Deployment::new(&environment, clients.clone(), clock, entropy.clone())
        .map_err(|error| StartError(error.to_string()))?;
    let server = Server {
        deployment,
        origin,
        public_origin: settings.public_origin.clone(),
        simulation,
        connections: clients.dynamodb,
        stream: Stream::new(tables_at, tables::CONNECTIONS)?,
        summary_log: if settings.log_is_text {
            SummaryLog::Text
        } else {
            SummaryLog::Json { stack: settings.stack.clone() }
        },
        entropy,
    };
    Ok(Running { server: Arc::new(server), redirect_uri, listener, refresh_every: settings.refresh_every })
}

fn simulation(
    settings: &Settings,
    redirect_uri: &str,
    file: Option<&Path>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Option<Arc<Simulation>>, StartError> {
    let Some(simulation) = &settings.simulation else { return Ok(None) };
    Ok(Some(Arc::new(Simulation {
        client_id: SIMULATED_CLIENT_ID.to_owned(),
        client_secret: settings.client_secret.clone(),
        redirect_uri: redirect_uri.to_owned(),
        grants: Grants::open(file, simulation.rotation, simulation.expires_in)?,
        faults: Faults::default(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    })))
}

impl Running {
    /// Serves, and refreshes on schedule, until the process ends.
    pub async fn serve(self) -> std::io::Result<()> {
        let server = self.server.clone();
        tokio::spawn(async move {
            loop {
                let request_id = digest::base64url(server.entropy.bytes::<12>());
                server.sweep(refresh::all_shards(), &request_id).await;
                server.deployment.clock.sleep(self.refresh_every).await;
            }
        });
        server::serve(self.server, self.listener).await
    }
}
