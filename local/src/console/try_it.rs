//! The calls of openapi.yaml, as code for the chosen connection. `tests/suite/laptop/console.rs` compares the two.
//!
//! A laptop asks for no signature, so plain HTTP is enough. In AWS, use the clients under `clients/`: they sign.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::View;
use super::view::in_a_url;

mod code;

#[derive(Debug)]
pub struct Call {
    /// `operationId`
    pub operation: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub summary: &'static str,
    /// The value that replaces the braces of the path.
    takes: Takes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Connection,
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Curl,
    Python,
    Node,
    Rust,
}

const fn call(
    operation: &'static str,
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    takes: Takes,
) -> Call {
    Call { operation, method, path, summary, takes }
}

use Takes::{Connection, Nothing, Session};

pub static CALLS: [Call; 11] = [
    call("readToken", "GET", "/v1/connections/{id}/token", "Answers a live access token", Connection),
    call(
        "rejectToken",
        "POST",
        "/v1/connections/{id}/token",
        "Reports that WebinarGeek answered 401 to a token, and asks for another",
        Connection,
    ),
    call(
        "beginConnectSession",
        "POST",
        "/v1/connect-sessions",
        "Makes a link for one customer's browser journey",
        Nothing,
    ),
    call("showConnectSession", "GET", "/v1/connect-sessions/{id}", "Shows how a journey went", Session),
    call(
        "confirmConnectSession",
        "POST",
        "/v1/connect-sessions/{id}/confirm",
        "Confirms that the right customer came back",
        Session,
    ),
    call("listConnections", "GET", "/v1/connections", "Lists connections, page by page", Nothing),
    call(
        "showConnection",
        "GET",
        "/v1/connections/{id}",
        "Shows the status of a connection, never a secret",
        Connection,
    ),
    call("importConnection", "PUT", "/v1/connections/{id}", "Takes over a connection from another system", Connection),
    call("disconnect", "DELETE", "/v1/connections/{id}", "Takes a connection away, and revokes its tokens", Connection),
    call("examine", "GET", "/v1/doctor", "Finds faults that would keep the first customer from connecting", Nothing),
    call(
        "tryRotation",
        "POST",
        "/v1/doctor",
        "Finds out on a throw-away connection how WebinarGeek rotates refresh tokens",
        Nothing,
    ),
];

pub(crate) static FIRST: &Call = &CALLS[0];

pub(crate) fn find(operation: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.operation == operation)
}

impl Language {
    pub const ALL: [Self; 4] = [Self::Curl, Self::Python, Self::Node, Self::Rust];

    pub fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Python => "Python",
            Self::Node => "Node",
            Self::Rust => "Rust",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.name() == name)
    }
}

impl Call {
    /// With the connection's id in the path, or a placeholder for a session's id.
    fn target(&self, connection: &str) -> String {
        match self.takes {
            Nothing => self.path.to_owned(),
            Connection => self.path.replace("{id}", &in_a_url(connection)),
            Session => self.path.replace("{id}", "SESSION_ID"),
        }
    }

    pub fn body(&self, connection: &str, version: i64) -> Option<Value> {
        match self.operation {
            "rejectToken" => Some(json!({ "rejected_version": version })),
            "beginConnectSession" => Some(json!({ "connection_id": connection })),
            "confirmConnectSession" => Some(json!({ "confirmation": "CONFIRMATION" })),
            "importConnection" => Some(json!({ "refresh_token": "REFRESH_TOKEN", "replace": true })),
            "tryRotation" => Some(json!({ "throw_away": connection })),
            _ => None,
        }
    }

    pub(crate) fn code(&self, language: Language, origin: &str, connection: &str, version: i64) -> String {
        let url = format!("{origin}{}", self.target(connection));
        code::of(language, self.method, &url, self.body(connection, version).as_ref())
    }
}

pub(super) fn section(view: &View, origin: &str, selected: Option<&Value>) -> Markup {
    let id = selected.and_then(|shown| shown["id"].as_str()).unwrap_or("acme");
    let version = selected.and_then(|shown| shown["version"].as_i64()).unwrap_or(1);
    let call = view.call;
    html! {
        section id="try" aria-labelledby="try-title" {
            h2 #try-title { "Try it" }
            form.row action="/" method="get" data-swap {
                @if let Some(id) = view.chosen_id() { input type="hidden" name="connection" value=(id); }
                label for="call" { "Call" }
                select #call name="call" data-submit {
                    @for each in &CALLS {
                        option value=(each.operation) selected[each.operation == call.operation] {
                            (each.method) " " (each.path)
                        }
                    }
                }
                label for="language" { "in" }
                select #language name="language" data-submit {
                    @for each in Language::ALL {
                        option value=(each.name()) selected[each == view.language] { (each.name()) }
                    }
                }
                noscript { button { "Show" } }
            }
            p.note { (call.summary) ". On a laptop it needs no signature; in AWS it needs Signature Version 4." }
            div.code {
                button.copy type="button" data-copy="code" { "Copy" }
                pre tabindex="0" role="region" aria-label={ "Code in " (view.language.name()) } {
                    code #code { (call.code(view.language, origin, id, version)) }
                }
            }
        }
    }
}
