//! The functions on one set of real parts, routed as API Gateway routes them.

use std::sync::Arc;

use authorize::Authorize;
use callback::Callback;
use connections::Connections;
use connections::doctor::Doctor;
use http::Method;
use maintenance::Maintenance;
use refresh::Refresh;
use shared::aws::Clients;
use shared::config::{ConfigError, Environment, RefreshSettings};
use shared::domain::return_to::ReturnToOrigins;
use shared::http::{Endpoint, Request};
use shared::ports::{Clock, Entropy};
use shared::protocol::composition::Refreshes;
use shared::protocol::quarantine::Quarantine;
use shared::protocol::replay::Replaying;
use shared::tls::Tls;
use shared::webinargeek::{AccountEndpoint, HttpClient, WebinarGeek};
use token::Token;

pub struct Deployment {
    pub authorize: Authorize,
    pub callback: Callback,
    pub token: Token,
    pub connections: Connections,
    pub refresh: Refresh,
    pub replaying: Replaying,
    pub maintenance: Maintenance,
    pub clock: Arc<dyn Clock>,
}

impl Deployment {
    /// `lookup` reads the environment that the functions would have in Lambda.
    pub fn new(
        lookup: &dyn Fn(&str) -> Option<String>,
        clients: Clients,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ConfigError> {
        let (mut authorizing, mut calling_back, refreshing, most_requests, mut connecting, maintaining) =
            Environment::read(lookup, |env| {
                (
                    authorize::Settings::read(env),
                    callback::Settings::read(env),
                    RefreshSettings::read(env),
                    refresh::most_requests(env),
                    connections::Settings::read(env),
                    maintenance::Settings::read(env),
                )
            })?;
        if lookup("RETURN_TO_ORIGINS").is_none_or(|text| text.is_empty()) {
            connecting.return_to_origins = ReturnToOrigins::AnyLoopback;
            authorizing.ways_back.return_to_origins = ReturnToOrigins::AnyLoopback;
            calling_back.ways_back.return_to_origins = ReturnToOrigins::AnyLoopback;
        }
        let attempts = clients.attempts(&authorizing.attempts_table);
        let connections = clients.connections(&refreshing.connections_table);
        let stack = refreshing.stack.as_str();
        let keys = clients.key_maker(&calling_back.kms_key_id, stack);
        let http = HttpClient::new(&Tls::default());
        let provider = Arc::new(WebinarGeek::new(http.clone(), refreshing.token_endpoint.clone(), clock.clone()));
        let accounts = calling_back.account_url.clone().map(|url| Arc::new(AccountEndpoint::new(http, url)) as _);
        let secret = &refreshing.client_secret_arn;
        let grants = clients.grant_services(&connections, secret, accounts, clock.clone(), entropy.clone());
        let services = clients.refresh_services(grants, &connections, &provider, stack);
        let refreshes = Refreshes::new(&services, &refreshing.deployment());
        let doctor = Doctor {
            connections: connections.clone(),
            attempts: attempts.clone(),
            key_maker: keys.clone(),
            provider: provider.clone(),
            refreshing: refreshes.refreshing.clone(),
        };
        let connecting_services = connections::Services {
            session_reads: attempts.clone(),
            sessions: attempts.clone(),
            orders: attempts.clone(),
            connections: connections.clone(),
            connection_writes: connections.clone(),
            listing: connections.clone(),
            keys: keys.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
        };
        Ok(Self {
            maintenance: Maintenance {
                rows: connections.clone(),
                connection_writes: connections.clone(),
                quarantine: Quarantine { writes: connections.clone(), clock: clock.clone() },
                deletes: connections.clone(),
                keys: clients.key_opener(stack),
                new_keys: clients.key_maker(&maintaining.kms_key_id, stack),
                clock: clock.clone(),
                entropy: entropy.clone(),
                settings: maintaining,
            },
            authorize: Authorize {
                settings: authorizing,
                sessions: attempts.clone(),
                attempts: attempts.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
            },
            callback: Callback {
                deployment: calling_back.refreshing.deployment(),
                ways_back: calling_back.ways_back,
                layout: calling_back.layout,
                attempt_reads: attempts.clone(),
                attempts,
                connections: connections.clone(),
                grants: refreshes.grants.clone(),
                keys,
                provider,
                clock: clock.clone(),
                entropy: entropy.clone(),
            },
            token: Token {
                refreshing: refreshes.refreshing.clone(),
                connections: connections.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
            },
            connections: Connections::new(connecting, connecting_services, &refreshes, doctor),
            replaying: refreshes.replaying(),
            // One process does one run at a time.
            refresh: Refresh::new(&refreshes, connections, most_requests, None, (clock.clone(), entropy)),
            clock,
        })
    }

    /// The function that API Gateway would call for the request, with its name; `None` if there is no route.
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
