//! Where a function meets Lambda: its real parts, events in, answers out.

use std::sync::Arc;
use std::time::Duration;

use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt, service_fn};
use tracing::Instrument;

use crate::aws::dynamodb::{self, ConnectionsTable};
use crate::aws::secrets_manager::SecretsManagerSecret;
use crate::aws::sqs::{self, EscrowQueue};
use crate::aws::{SdkConfig, kms, secrets_manager};
use crate::config::RefreshSettings;
use crate::domain::time::Timestamp;
use crate::fleet::Fleet;
use crate::http::{Endpoint, Invocation, Request, path};
use crate::refreshing::Refreshing;
use crate::storing::Storing;
use crate::system::{SystemClock, SystemEntropy};
use crate::webinargeek::WebinarGeek;

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

/// The request with the path exactly as it arrived: lambda_http's own URI has been through a parser that collapses
/// `.` and `..`, and a connection may not be reached by another name than its own.
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
    // A target that is no URI names nothing that we have.
    *request.uri_mut() = target.parse().unwrap_or_default();
    (request, invocation)
}

/// What refreshes, on the real services, and the table that it works on.
pub fn refreshing(sdk: &SdkConfig, settings: RefreshSettings) -> (Arc<Refreshing>, Arc<ConnectionsTable>) {
    let connections = Arc::new(ConnectionsTable::new(dynamodb::Client::new(sdk), settings.connections_table));
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let provider = Arc::new(WebinarGeek::new(settings.token_endpoint.clone(), clock.clone()));
    let escrow = EscrowQueue { client: sqs::Client::new(sdk), url: settings.escrow_queue_url };
    let refreshing = Refreshing {
        storing: Storing {
            connections: connections.clone(),
            escrow: Arc::new(escrow),
            clock: clock.clone(),
            entropy: entropy.clone(),
        },
        fleet: Arc::new(Fleet::new(connections.clone(), connections.clone(), clock.clone())),
        client_id: settings.token_endpoint.client_id,
        refresh_every: settings.refresh_every,
        default_lifetime: settings.token_endpoint.expires_in,
        connections: connections.clone(),
        connection_writes: connections.clone(),
        keys: Arc::new(kms::DataKeyOpener { client: kms::Client::new(sdk), stack: settings.stack.clone() }),
        client_secret: Arc::new(SecretsManagerSecret::new(
            secrets_manager::Client::new(sdk),
            settings.client_secret_arn,
        )),
        provider: provider.clone(),
        revocation: provider,
        clock,
        entropy,
        stack: settings.stack,
    };
    (Arc::new(refreshing), connections)
}

pub fn deadline(context: &lambda_runtime::Context) -> Timestamp {
    Timestamp::from_unix(0) + Duration::from_millis(context.deadline)
}
