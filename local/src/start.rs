//! Starts all parts of the laptop deployment.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shared::domain::digest;
use shared::ports::{Clock, Entropy};
use tokio::net::TcpListener;

use crate::banner::Banner;
use crate::console::{self, Console, Facts};
use crate::data_dir::DataDir;
use crate::deployment::Deployment;
use crate::engines::Engines;
use crate::log::{Listening, Log, Terminal};
use crate::reach::Reach;
use crate::server::{self, Server, SummaryLog};
use crate::settings::{SIMULATED_CLIENT_ID, Settings};
use crate::stream::Stream;
use crate::webinargeek::{self, Faults, Grants, Simulation};
use crate::{StartError, listener, tables};

/// A deployment that listens.
pub struct Running {
    pub server: Arc<Server>,
    pub redirect_uri: String,
    /// Set if there is a public origin.
    pub tunnel: Option<Tunnel>,
    listener: TcpListener,
    refresh_every: Duration,
}

/// A tunnel leads to a port of its own that has the browser's routes only: any header of its requests may be forged.
pub struct Tunnel {
    pub public_origin: String,
    /// `http://127.0.0.1:port`
    pub leads_to: String,
    listener: TcpListener,
}

pub async fn start(
    settings: Settings,
    lookup: impl Fn(&str) -> Option<String>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Running, StartError> {
    let data_dir = settings.data_dir.as_deref().map(DataDir::open).transpose()?;
    let data_dir = data_dir.as_ref();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))
        .await
        .map_err(|error| StartError(format!("PORT {} cannot be used: {error}", settings.port)))?;
    let port = listener.local_addr()?.port();
    let (listener, tunnel) = match settings.public_origin.clone() {
        None => (listener, None),
        Some(public_origin) => {
            let tunnel = Tunnel { public_origin, leads_to: origin(&listener)?, listener };
            (listen_near(port.saturating_add(2)).await?, Some(tunnel))
        }
    };
    let here = origin(&listener)?;
    let redirect_uri = format!("{}/callback", settings.public_origin.as_ref().unwrap_or(&here));

    let engines = Engines::open(
        data_dir.map(DataDir::tables).as_deref(),
        data_dir.map(DataDir::key).as_deref(),
        settings.client_secret.clone(),
        entropy.clone(),
    )?;
    let clients = engines.clients();
    tables::create(&clients.dynamodb).await?;

    let provider_file = data_dir.map(DataDir::provider);
    let simulation = simulation(&settings, &redirect_uri, provider_file.as_deref(), &clock, &entropy)?;
    let simulated_origin = match &simulation {
        None => None,
        Some(simulation) => {
            let listener = listen_near(port.saturating_add(1)).await?;
            Some(format!("http://{}", webinargeek::serve(simulation.clone(), listener)?))
        }
    };
    let facts = Facts {
        redirect_uri: redirect_uri.clone(),
        data_dir: settings.data_dir.as_ref().map(|path| path.display().to_string()),
        simulated_origin: simulated_origin.clone(),
        refresh_every: settings.refresh_every.as_secs(),
    };
    let environment = settings.function_environment(lookup, here.clone(), simulated_origin);
    let token_url = shared::config::Environment::read(&environment, |env| env.token_endpoint().url.to_string())
        .map_err(|error| StartError(error.to_string()))?;
    let console = Console::new(Arc::new(Log::new(clock.clone())), facts);
    let deployment = Deployment::new(&environment, clients, clock, entropy.clone())
        .map_err(|error| StartError(error.to_string()))?;
    let server = Server {
        deployment,
        origin: here,
        token_url,
        simulation,
        console,
        stream: Stream::new(engines, tables::CONNECTIONS),
        summary_log: if settings.log_is_text {
            SummaryLog::Text
        } else {
            SummaryLog::Json { stack: settings.stack.clone() }
        },
        entropy,
    };
    Ok(Running { server: Arc::new(server), redirect_uri, tunnel, listener, refresh_every: settings.refresh_every })
}

fn origin(listener: &TcpListener) -> Result<String, StartError> {
    Ok(format!("http://{}", listener.local_addr()?))
}

/// Takes this port if it is free: then an address stays the same after a restart.
async fn listen_near(port: u16) -> Result<TcpListener, StartError> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?),
    }
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
        redirect_uris: std::iter::once(redirect_uri.to_owned()).chain(simulation.redirect_uri.clone()).collect(),
        grants: Grants::open(file, simulation.rotation, simulation.expires_in)?,
        faults: Faults::default(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    })))
}

impl Running {
    /// The addresses, for a person at a terminal.
    pub fn banner(&self) -> Banner<'_> {
        let facts = &self.server.console.facts;
        Banner {
            origin: &self.server.origin,
            redirect_uri: &self.redirect_uri,
            data_dir: facts.data_dir.as_deref(),
            simulated_origin: facts.simulated_origin.as_deref(),
            tunnel: self.tunnel.as_ref().map(|tunnel| (tunnel.public_origin.as_str(), tunnel.leads_to.as_str())),
        }
    }

    /// Keeps the log for the console; on a terminal it also prints it.
    pub fn listening(&self, terminal: Option<Terminal>) -> Listening {
        Listening { log: self.server.console.log.clone(), terminal }
    }

    /// Serves, and refreshes on schedule, until the process ends.
    pub async fn serve(self) {
        let server = self.server.clone();
        tokio::spawn(async move {
            loop {
                console::look(&server).await;
                server.deployment.clock.sleep(console::EVERY).await;
            }
        });
        let server = self.server.clone();
        tokio::spawn(async move {
            loop {
                let request_id = digest::base64url(server.entropy.bytes::<12>());
                server.sweep(refresh::Run::scheduled(), &request_id).await;
                server.deployment.clock.sleep(self.refresh_every).await;
            }
        });
        if let Some(Tunnel { public_origin, listener, .. }) = self.tunnel {
            let reach = Reach::Tunnel(public_origin.into());
            tokio::spawn(listener::serve(listener, server::router(self.server.clone(), reach)));
        }
        listener::serve(self.listener, server::router(self.server, Reach::Machine)).await;
    }
}
