//! Stand-ins for AWS and the provider. Each has a port of its own and answers over TLS, with the latency that is set.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{Failed, clock};
use authority::Authority;
use tables::Tables;

mod authority;
mod dynamodb;
mod expression;
pub(crate) mod keys;
mod provider;
pub(crate) mod secrets;
pub(crate) mod tables;

pub(crate) use provider::{CLIENT_ID, CLIENT_SECRET, access_token, refresh_token};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    DynamoDb,
    Kms,
    SecretsManager,
    Provider,
}

impl Service {
    const ALL: [Self; 4] = [Self::DynamoDb, Self::Kms, Self::SecretsManager, Self::Provider];
}

/// How long each service takes to answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    pub dynamodb: Duration,
    pub kms: Duration,
    pub provider: Duration,
}

impl Latency {
    fn of(self, service: Service) -> Duration {
        match service {
            Service::DynamoDb => self.dynamodb,
            Service::Kms | Service::SecretsManager => self.kms,
            Service::Provider => self.provider,
        }
    }
}

/// The requests to the services since the counts were last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// By operation: `GetItem`, `Decrypt`, `refresh_token`.
    pub calls: BTreeMap<String, u64>,
    pub connections: BTreeMap<Service, u64>,
    /// The most requests that the provider had at the same time.
    pub most_in_flight: u64,
}

pub(crate) struct StandIns {
    shared: Arc<Shared>,
    /// The certificate authority's own certificate.
    pub authority: PathBuf,
    ports: BTreeMap<Service, u16>,
    plain_provider: u16,
}

struct Shared {
    tables: Mutex<Tables>,
    counts: Mutex<Counts>,
    latency: Mutex<Latency>,
    tokens: Mutex<u64>,
    /// At the provider.
    in_flight: Mutex<u64>,
}

impl StandIns {
    /// `directory`: for the certificate.
    pub(crate) async fn start(directory: &Path) -> Result<Self, Failed> {
        let Authority { certificate, tls } = Authority::new()?;
        let authority = directory.join("authority.pem");
        std::fs::write(&authority, certificate)?;
        let shared = Arc::new(Shared {
            tables: Mutex::default(),
            counts: Mutex::default(),
            latency: Mutex::default(),
            tokens: Mutex::default(),
            in_flight: Mutex::default(),
        });
        let acceptor = TlsAcceptor::from(tls);
        let mut ports = BTreeMap::new();
        for service in Service::ALL {
            ports.insert(service, listen(shared.clone(), service, Some(acceptor.clone())).await?);
        }
        let plain_provider = listen(shared.clone(), Service::Provider, None).await?;
        Ok(Self { shared, authority, ports, plain_provider })
    }

    pub(crate) fn set_latency(&self, latency: Latency) {
        *locked(&self.shared.latency) = latency;
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        locked(&self.shared.tables)
    }

    /// The requests since the counts were last taken.
    pub(crate) fn take_counts(&self) -> Counts {
        std::mem::take(&mut *locked(&self.shared.counts))
    }

    pub(crate) fn url(&self, service: Service) -> String {
        format!("https://localhost:{}", self.ports[&service])
    }

    /// For programs that trust only the public certificate authorities.
    pub(crate) fn plain_provider(&self) -> String {
        format!("http://localhost:{}", self.plain_provider)
    }
}

impl Shared {
    fn count(&self, service: Service, name: String) {
        let mut counts = locked(&self.counts);
        *counts.calls.entry(name).or_default() += 1;
        if service == Service::Provider {
            let mut in_flight = locked(&self.in_flight);
            *in_flight += 1;
            counts.most_in_flight = counts.most_in_flight.max(*in_flight);
        }
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

async fn listen(shared: Arc<Shared>, service: Service, tls: Option<TlsAcceptor>) -> Result<u16, Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (shared, tls) = (shared.clone(), tls.clone());
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                *locked(&shared.counts).connections.entry(service).or_default() += 1;
                match tls {
                    // If a client does not trust our certificate, it reports that itself.
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, shared, service).await;
                        }
                    }
                    None => serve(stream, shared, service).await,
                }
            });
        }
    });
    Ok(port)
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>, service: Service) {
    let answer = service_fn(|request| answer(&shared, service, request));
    // A process that is ended may close its connections in any way.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(
    shared: &Shared,
    service: Service,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (name, answer) = match service {
        Service::DynamoDb => (operation.clone(), dynamodb::answer(&mut locked(&shared.tables), &operation, &body)),
        Service::Kms => (operation.clone(), keys::answer(&operation, &body)),
        Service::SecretsManager => (operation.clone(), secrets::answer(&operation)),
        Service::Provider => provider::answer(&mut locked(&shared.tokens), &body),
    };
    shared.count(service, name);
    let latency = locked(&shared.latency).of(service);
    clock::wait(latency).await;
    if service == Service::Provider {
        *locked(&shared.in_flight) -= 1;
    }
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(why) => (StatusCode::BAD_REQUEST, serde_json::json!({ "__type": "ValidationException", "message": why })),
    };
    let content_type = if service == Service::Provider { "application/json" } else { "application/x-amz-json-1.1" };
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(content_type));
    Ok(response)
}
