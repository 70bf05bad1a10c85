//! The start page of a laptop.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use maud::{DOCTYPE, html};
use serde_json::Value;
use shared::http::{Endpoint, Invocation, Request};

use crate::server::Server;

/// Connection ids are shown to the person at the laptop, but not through a tunnel.
pub(crate) async fn page(server: &Server, is_local: bool, invocation: &Invocation) -> Response {
    let connections = if is_local { connections(server, invocation).await } else { Vec::new() };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "webinargeek-connect" } }
            body {
                main {
                    h1 { "webinargeek-connect" }
                    p { a href="/authorize" { "Connect a WebinarGeek account" } }
                    @if !connections.is_empty() {
                        h2 { "Connections" }
                        ul {
                            @for connection in &connections {
                                li {
                                    (connection["status"].as_str().unwrap_or_default()) ": "
                                    code { "curl " (server.origin) "/v1/connections/" (connection["id"].as_str().unwrap_or_default()) "/token" }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    (StatusCode::OK, axum::response::Html(markup.into_string())).into_response()
}

/// The first page of the product's own list: it shows what every route says of a connection, and no tombstones.
async fn connections(server: &Server, invocation: &Invocation) -> Vec<Value> {
    let mut request = Request::default();
    *request.uri_mut() = Uri::from_static("/v1/connections");
    let listed = server.deployment.connections.handle(request, invocation).await;
    let listed: Value = serde_json::from_str(listed.body()).unwrap_or_default();
    listed["connections"].as_array().cloned().unwrap_or_default()
}
