//! The laptop's engines on a port, for the built functions, and the settings of the SDK for any service on a port.

use std::net::{Ipv4Addr, SocketAddr};

use aws_types::SdkConfig;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::HeaderMap;
use local::engines::Engines;
use tokio::net::TcpListener;

/// Serves until the test ends.
pub(crate) async fn listen(engines: Engines) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    // SQS has the queue's name in the path.
    let router = Router::new().route("/", post(call)).route("/{account}/{queue}", post(call)).with_state(engines);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn call(State(engines): State<Engines>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").map(|value| value.to_str().unwrap()).unwrap_or_default();
    engines.answer(target, &body).await.into_response()
}

/// The settings for a service at an address that verifies no credentials.
pub(crate) fn sdk_at(address: SocketAddr) -> SdkConfig {
    local::engines::sdk().into_builder().endpoint_url(format!("http://{address}")).build()
}
