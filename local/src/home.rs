//! The start page of a laptop.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{DOCTYPE, html};

use crate::server::Server;
use crate::tables;

struct Row {
    id: String,
    status: String,
}

/// Connection ids are shown to the person at the laptop, but not through a tunnel.
pub(crate) async fn page(server: &Server, is_local: bool) -> Response {
    let rows = if is_local { rows(server).await } else { Vec::new() };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "webinargeek-connect" } }
            body {
                main {
                    h1 { "webinargeek-connect" }
                    p { a href="/authorize" { "Connect a WebinarGeek account" } }
                    @if !rows.is_empty() {
                        h2 { "Connections" }
                        ul {
                            @for row in &rows {
                                li {
                                    (row.status) ": "
                                    code { "curl " (server.origin) "/v1/connections/" (row.id) "/token" }
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

/// The first rows of the table; a laptop has few.
async fn rows(server: &Server) -> Vec<Row> {
    let scan = server.connections.scan().table_name(tables::CONNECTIONS).limit(50).send().await;
    let items = scan.map(|output| output.items.unwrap_or_default()).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            let text = |name: &str| Some(item.get(name)?.as_s().ok()?.clone());
            Some(Row { id: text("id")?, status: text("status")? })
        })
        .collect()
}
