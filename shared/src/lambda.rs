//! The entry points of Lambda: real services, events in, answers out.

use std::sync::Arc;
use std::time::Duration;

use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt, service_fn};
use tracing::Instrument;
use url::Url;

use crate::aws::dynamodb::ConnectionsTable;
use crate::aws::{self, Clients};
use crate::config::RefreshSettings;
use crate::domain::time::Timestamp;
use crate::http::{Endpoint, Invocation, Request, path};
use crate::ports::Clock;
use crate::protocol::composition::Refreshes;
use crate::system::{SystemClock, SystemEntropy};
use crate::webinargeek::{AccountEndpoint, HttpClient, WebinarGeek};

/// Serves the HTTP events of API Gateway (payload format 2.0) until Lambda ends the process.
pub async fn serve_http(function: &'static str, endpoint: impl Endpoint) -> Result<(), lambda_http::Error> {
    let endpoint = &endpoint;
    lambda_http::run(service_fn(move |event: lambda_http::Request| async move {
        let (request, invocation) = read(event);
        let span = invocation.span(function);
        Ok::<_, lambda_http::Error>(endpoint.handle(request, &invocation).instrument(span).await)
    }))
    .await
}

/// The request with the path exactly as it arrived. The URI of lambda_http has been through a parser that collapses `.`
/// and `..`, and a connection must not be reachable under another name.
fn read(event: lambda_http::Request) -> (Request, Invocation) {
    let lambda = event.lambda_context();
    let origin = match event.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.clone(),
        _ => None,
    };
    let invocation = Invocation {
        request_id: lambda.request_id.clone(),
        origin: format!("https://{}", origin.unwrap_or_default()),
        deadline: deadline(&lambda),
    };
    let query = event.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}{query}", path::encode(event.raw_http_path()));
    let (parts, body) = event.into_parts();
    let mut request = Request::new(match body {
        Body::Text(text) => text.into_bytes(),
        Body::Binary(bytes) => bytes,
        _ => Vec::new(),
    });
    *request.method_mut() = parts.method;
    *request.headers_mut() = parts.headers;
    // A target that is not a URI matches no route.
    *request.uri_mut() = target.parse().unwrap_or_default();
    (request, invocation)
}

/// What a function that refreshes has, on the real services.
pub struct RefreshFunction {
    pub clients: Clients,
    pub connections: Arc<ConnectionsTable>,
    pub provider: Arc<WebinarGeek>,
    pub refreshes: Refreshes,
}

impl RefreshFunction {
    /// `account_url`: set where the function also stores grants, and the provider says whose account they are for.
    pub async fn new(settings: &RefreshSettings, account_url: Option<Url>) -> Self {
        let clients = Clients::new(&aws::sdk_config().await, settings.escrow_queue_url.clone());
        let http = HttpClient::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let connections = clients.connections(&settings.connections_table);
        let provider = Arc::new(WebinarGeek::new(http.clone(), settings.token_endpoint.clone(), clock.clone()));
        let accounts = account_url.map(|url| Arc::new(AccountEndpoint::new(http, url)) as _);
        let secret = &settings.client_secret_arn;
        let grants = clients.grant_services(&connections, secret, accounts, clock, Arc::new(SystemEntropy));
        let services = clients.refresh_services(grants, &connections, &provider, &settings.stack);
        let refreshes = Refreshes::new(&services, &settings.deployment());
        Self { clients, connections, provider, refreshes }
    }
}

pub fn deadline(context: &lambda_runtime::Context) -> Timestamp {
    Timestamp::from_unix(0) + Duration::from_millis(context.deadline)
}
