//! The entry points of Lambda: real services, events in, answers out.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CONTENT_LENGTH, SET_COOKIE};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::{Body, LambdaEvent, lambda_runtime, service_fn};
use lambda_runtime::Context;
use serde_json::value::RawValue;
use tracing::Instrument;
use url::Url;

use crate::aws::dynamodb::ConnectionsTable;
use crate::aws::{self, Clients, SdkConfig};
use crate::config::{Environment, RefreshSettings};
use crate::domain::time::Timestamp;
use crate::http::api_gateway::{NotARequest, Received};
use crate::http::problem::{Code, Problem};
use crate::http::{self, Endpoint, Invocation, Response};
use crate::ports::Clock;
use crate::protocol::composition::Refreshes;
use crate::system::{SystemClock, SystemEntropy};
use crate::tls::Tls;
use crate::webinargeek::{AccountEndpoint, HttpClient, WebinarGeek};

/// Serves the HTTP events of API Gateway (payload format 2.0) until Lambda ends the process.
pub async fn serve_http(function: &'static str, endpoint: impl Endpoint) -> Result<(), lambda_http::Error> {
    let endpoint = &endpoint;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        Ok::<_, lambda_http::Error>(answer(function, endpoint, &event.payload, &event.context).await)
    }))
    .await
}

/// Answers an event of API Gateway. An event that is not a request gets an answer too.
pub async fn answer(
    function: &'static str,
    endpoint: &dyn Endpoint,
    event: &RawValue,
    context: &Context,
) -> ApiGatewayV2httpResponse {
    let request_id = context.request_id.clone();
    respond(match Received::read(event.get()) {
        Ok(Received { request, origin, principal }) => {
            let invocation = Invocation { request_id, origin, deadline: deadline(context), principal };
            http::answer(endpoint, request, &invocation).instrument(invocation.span(function)).await
        }
        Err(error) => not_a_request(error, function, &request_id),
    })
}

fn not_a_request(error: NotARequest, function: &'static str, request_id: &str) -> Response {
    tracing::warn!(function, request_id, reason = %error, "an event that is not an HTTP request was refused");
    let mut response = Problem::new(Code::InvalidRequest, error.to_string()).reply(request_id);
    http::protect(response.headers_mut(), "https:");
    response
}

/// In the answer, cookies are beside the headers, and API Gateway itself adds the length of the body.
fn respond(response: Response) -> ApiGatewayV2httpResponse {
    let (mut parts, body) = response.into_parts();
    let mut answer = ApiGatewayV2httpResponse::default();
    let cookies = parts.headers.get_all(SET_COOKIE).iter();
    answer.cookies = cookies.filter_map(|cookie| cookie.to_str().ok()).map(str::to_owned).collect();
    parts.headers.remove(SET_COOKIE);
    parts.headers.remove(CONTENT_LENGTH);
    answer.status_code = parts.status.as_u16().into();
    answer.headers = parts.headers;
    answer.body = Some(Body::Text(body));
    answer
}

/// How a function reaches AWS and the provider.
pub struct Network {
    tls: Tls,
    /// Region, credentials, timeouts and endpoints of all AWS clients.
    pub aws: SdkConfig,
}

impl Network {
    /// Reads `SSL_CERT_FILE` and the `AWS_…` variables; problems stay in `env`.
    pub fn read(env: &mut Environment) -> Self {
        let tls = Tls::read(env);
        let aws = aws::sdk_config(env, &tls);
        Self { tls, aws }
    }

    /// The client for the provider.
    pub fn http(&self) -> HttpClient {
        HttpClient::new(&self.tls)
    }
}

/// The parts of a function that refreshes, on the real services.
pub struct RefreshFunction {
    /// The clients of the AWS services.
    pub clients: Clients,
    /// The connections table, behind all its ports.
    pub connections: Arc<ConnectionsTable>,
    /// The token endpoint and revocation.
    pub provider: Arc<WebinarGeek>,
    /// The use cases, on these services.
    pub refreshes: Refreshes,
    /// The HTTP client for the provider.
    pub http: HttpClient,
}

impl RefreshFunction {
    /// `account_url`: set where the function also stores grants, and the provider says whose account they are for.
    pub fn new(settings: &RefreshSettings, account_url: Option<Url>, network: &Network) -> Self {
        let clients = Clients::new(&network.aws, settings.escrow_queue_url.clone());
        let http = network.http();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let connections = clients.connections(&settings.connections_table);
        let provider = Arc::new(WebinarGeek::new(http.clone(), settings.token_endpoint.clone(), clock.clone()));
        let accounts = account_url.map(|url| Arc::new(AccountEndpoint::new(http.clone(), url)) as _);
        let secret = &settings.client_secret_arn;
        let grants = clients.grant_services(&connections, secret, accounts, clock, Arc::new(SystemEntropy));
        let services = clients.refresh_services(grants, &connections, &provider, &settings.stack);
        let refreshes = Refreshes::new(&services, &settings.deployment());
        Self { clients, connections, provider, refreshes, http }
    }
}

/// When Lambda ends the invocation. Lambda says it in milliseconds, which are rounded down to seconds.
pub fn deadline(context: &Context) -> Timestamp {
    Timestamp::from_unix(0) + Duration::from_millis(context.deadline)
}
