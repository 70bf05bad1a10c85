//! The functions on one set of real parts, routed as API Gateway routes them.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use authorize::Authorize;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use callback::Callback;
use connections::Connections;
use connections::doctor::Doctor;
use connections::import::Importing;
use http::Method;
use maintenance::Maintenance;
use refresh::Refresh;
use shared::aws::{dynamodb, kms, secrets_manager, timeouts};
use shared::config::{ConfigError, Environment, RefreshSettings};
use shared::disconnecting::Disconnecting;
use shared::domain::escrowed::Escrowed;
use shared::domain::return_to::ReturnToOrigins;
use shared::fleet::Fleet;
use shared::http::{Endpoint, Request};
use shared::identifying::Identifying;
use shared::ports::{Clock, Entropy, Escrow, EscrowError};
use shared::refreshing::Refreshing;
use shared::storing::Storing;
use shared::webinargeek::{AccountEndpoint, WebinarGeek};
use token::Token;

/// The AWS services.
#[derive(Clone)]
pub struct Services {
    pub dynamodb: dynamodb::Client,
    pub kms: kms::Client,
    pub secrets_manager: secrets_manager::Client,
    pub escrow: Arc<dyn Escrow>,
}

/// There is no queue on a laptop: the engine lives and dies with the process that writes to it.
struct NoQueue;

#[async_trait]
impl Escrow for NoQueue {
    async fn put(&self, _: &Escrowed) -> Result<(), EscrowError> {
        Err(EscrowError("a laptop has none".to_owned()))
    }

    async fn is_empty(&self) -> Result<bool, EscrowError> {
        Ok(true)
    }
}

impl Services {
    /// Engines on this machine: DynamoDB at one address, KMS and Secrets Manager at the other.
    pub fn at(tables: SocketAddr, keys: SocketAddr) -> Self {
        let credentials = || Credentials::new("local", "local", None, None, "local");
        let region = || Region::new("eu-west-1");
        let dynamodb = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region())
            .credentials_provider(credentials())
            .timeout_config(timeouts())
            .endpoint_url(format!("http://{tables}"))
            .build();
        let kms = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region())
            .credentials_provider(credentials())
            .timeout_config(timeouts())
            .endpoint_url(format!("http://{keys}"))
            .build();
        let secrets_manager = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region())
            .credentials_provider(credentials())
            .timeout_config(timeouts())
            .endpoint_url(format!("http://{keys}"))
            .build();
        Self {
            dynamodb: dynamodb::Client::from_conf(dynamodb),
            kms: kms::Client::from_conf(kms),
            secrets_manager: secrets_manager::Client::from_conf(secrets_manager),
            escrow: Arc::new(NoQueue),
        }
    }
}

pub struct Deployment {
    pub authorize: Authorize,
    pub callback: Callback,
    pub token: Token,
    pub connections: Connections,
    pub refresh: Refresh,
    pub maintenance: Maintenance,
    pub clock: Arc<dyn Clock>,
}

impl Deployment {
    /// `lookup` is the environment that the functions would have in Lambda.
    pub fn new(
        lookup: &dyn Fn(&str) -> Option<String>,
        services: Services,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ConfigError> {
        let (authorizing, calling_back, refreshing, mut connecting, maintaining) = Environment::read(lookup, |env| {
            (
                authorize::Settings::read(env),
                callback::Settings::read(env),
                RefreshSettings::read(env),
                connections::Settings::read(env),
                maintenance::Settings::read(env),
            )
        })?;
        if lookup("RETURN_TO_ORIGINS").is_none_or(|text| text.is_empty()) {
            connecting.return_to_origins = ReturnToOrigins::AnyLoopback;
        }
        let maintenance = Maintenance::new(
            maintaining,
            services.dynamodb.clone(),
            services.kms.clone(),
            clock.clone(),
            entropy.clone(),
        );
        let attempts =
            Arc::new(dynamodb::AttemptsTable::new(services.dynamodb.clone(), authorizing.attempts_table.clone()));
        let connections =
            Arc::new(dynamodb::ConnectionsTable::new(services.dynamodb, refreshing.connections_table.clone()));
        let provider = Arc::new(WebinarGeek::new(refreshing.token_endpoint.clone(), clock.clone()));
        let client_secret = Arc::new(secrets_manager::SecretsManagerSecret::new(
            services.secrets_manager,
            refreshing.client_secret_arn.clone(),
        ));
        let storing = || Storing {
            connections: connections.clone(),
            escrow: services.escrow.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
        };
        let refreshing = Arc::new(Refreshing {
            storing: storing(),
            fleet: Arc::new(Fleet::new(connections.clone(), connections.clone(), clock.clone())),
            client_id: refreshing.token_endpoint.client_id,
            refresh_every: refreshing.refresh_every,
            default_lifetime: refreshing.token_endpoint.expires_in,
            connections: connections.clone(),
            connection_writes: connections.clone(),
            keys: Arc::new(kms::DataKeyOpener { client: services.kms.clone(), stack: refreshing.stack.clone() }),
            client_secret: client_secret.clone(),
            provider: provider.clone(),
            revocation: provider.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            stack: refreshing.stack,
        });
        let identifying = Arc::new(Identifying {
            accounts: calling_back.account_url.clone().map(|url| Arc::new(AccountEndpoint::new(url)) as _),
            connections: connections.clone(),
            connection_writes: connections.clone(),
            clock: clock.clone(),
        });
        let key_maker = Arc::new(kms::DataKeyMaker {
            client: services.kms,
            key_id: calling_back.kms_key_id.clone(),
            stack: calling_back.stack.clone(),
        });
        let doctor = Doctor {
            connections: connections.clone(),
            attempts: attempts.clone(),
            attempts_expiry: attempts.clone(),
            key_maker: key_maker.clone(),
            provider: provider.clone(),
            refreshing: refreshing.clone(),
        };
        let disconnecting = Arc::new(Disconnecting::beside(&refreshing));
        Ok(Self {
            authorize: Authorize {
                settings: authorizing,
                sessions: attempts.clone(),
                attempts: attempts.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
            },
            callback: Callback {
                attempt_reads: attempts.clone(),
                attempts: attempts.clone(),
                connection_reads: connections.clone(),
                storing: storing(),
                identifying: identifying.clone(),
                keys: key_maker.clone(),
                client_secret,
                provider: provider.clone(),
                revocation: provider,
                clock: clock.clone(),
                entropy: entropy.clone(),
                settings: calling_back,
            },
            token: Token {
                refreshing: refreshing.clone(),
                connections: connections.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
            },
            connections: Connections {
                settings: connecting,
                session_reads: attempts.clone(),
                sessions: attempts,
                connections: connections.clone(),
                connection_writes: connections.clone(),
                listing: connections.clone(),
                importing: Importing {
                    stack: refreshing.stack.clone(),
                    client_id: refreshing.client_id.clone(),
                    connections: connections.clone(),
                    connection_writes: connections.clone(),
                    keys: key_maker,
                    refreshing: refreshing.clone(),
                    clock: clock.clone(),
                    entropy: entropy.clone(),
                },
                disconnecting: disconnecting.clone(),
                identifying,
                doctor,
                clock: clock.clone(),
                entropy: entropy.clone(),
            },
            refresh: Refresh {
                disconnecting,
                refreshing,
                due: connections.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
            },
            maintenance,
            clock,
        })
    }

    /// The function that API Gateway would give the request to, with its name; `None` where there is no route.
    pub fn route(&self, request: &Request) -> Option<(&'static str, &dyn Endpoint)> {
        let function = function_of(request.method(), request.uri().path())?;
        let endpoint: &dyn Endpoint = match function {
            "authorize" => &self.authorize,
            "callback" => &self.callback,
            "token" => &self.token,
            _ => &self.connections,
        };
        Some((function, endpoint))
    }
}

/// The routes of template.yaml.
pub fn function_of(method: &Method, path: &str) -> Option<&'static str> {
    let is_token = matches!(*method, Method::GET | Method::POST)
        && path
            .strip_prefix("/v1/connections/")
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(_, rest)| rest == "token");
    match path {
        "/authorize" => Some("authorize"),
        "/callback" => Some("callback"),
        _ if is_token => Some("token"),
        _ if path.starts_with("/v1/") => Some("connections"),
        _ => None,
    }
}
