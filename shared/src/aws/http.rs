//! The HTTP client of the AWS SDK: the one that also calls the provider. The SDK's own client has a second TLS stack,
//! and reads the system's root certificates before the first event.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::tls::Tls;

/// The SDK itself sets the time limits ([`super::timeouts`]) and repeats requests.
pub(super) fn client(tls: &Tls) -> SharedHttpClient {
    let client = tls.http().build().expect("the settings of the HTTP client are constant");
    let connector = SharedHttpConnector::new(Http(client));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Clone, Debug)]
struct Http(reqwest::Client);

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self(client) = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // All requests are in memory: none is streamed.
            let request = request.map(|body| body.bytes().map(<[u8]>::to_vec).unwrap_or_default());
            let request = request.try_into().map_err(|error: reqwest::Error| ConnectorError::user(error.into()))?;
            let answer = client.execute(request).await.map_err(failed)?;
            let mut head = http::Response::new(());
            (*head.status_mut(), *head.headers_mut()) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.map_err(failed)?;
            HttpResponse::try_from(head.map(|()| body.to_vec().into()))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The SDK repeats a request that timed out, or failed on the network.
fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}
