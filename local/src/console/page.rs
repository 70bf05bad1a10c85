//! The page as a whole, and its sections by name.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use shared::domain::time::Timestamp;

use super::{Answered, View, answer, begin, chart, connections, detail, doctor, events, provider, timeline, try_it};
use crate::server::Server;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Style and script are allowed by their hashes. Forms and the script can reach only this origin. No page can frame it:
/// a frame would let another site move a button under the person's pointer.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// No request for a favicon: a ring in the colour of the links.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' \
                    r='5' fill='none' stroke='%231257d1' stroke-width='4'/%3E%3C/svg%3E";

pub(crate) type Reply = Response;

const NAVIGATION: [(&str, &str); 5] = [
    ("connections", "Connections"),
    ("provider", "Provider"),
    ("events", "Events"),
    ("try", "Try it"),
    ("doctor", "Doctor"),
];

/// A section of the page: a live section is sent again when it changes.
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) markup: Markup,
}

/// The sections that change while the page is open. Each replaces the element of its name, so their order is free.
pub(super) fn sections(server: &Server, view: &View, now: Timestamp) -> Vec<Section> {
    let console = &server.console;
    let seen = console.watch.seen();
    let selected = view.selected(&seen.connections);
    let id = selected.and_then(|shown| shown["id"].as_str()).or(view.chosen_id()).unwrap_or_default();
    let samples: Vec<_> = seen.samples.iter().copied().collect();
    let simulation = server.simulation.as_deref();
    let nothing = |name: &str| html! { div id=(name) {} };
    let section = |name, markup| Section { name, markup };
    vec![
        section("connections", connections::section(view, &seen, simulation.is_some(), now)),
        section("facts", selected.map_or_else(|| nothing("facts"), |shown| detail::facts(shown, now))),
        section("actions", selected.map_or_else(|| nothing("actions"), |shown| detail::actions(view, shown))),
        section("timeline", timeline_of(server, &seen.history.of(id), id)),
        section("try", try_it::section(view, &server.origin, selected)),
        section("provider", provider::section(view, &console.facts, simulation, (&server.origin, &server.token_url))),
        section("chart", chart::section(&samples, simulation.is_some())),
        section("events", events::section(seen.history.events())),
        section("doctor", doctor::section(view, seen.examination.as_ref())),
    ]
}

fn timeline_of(server: &Server, changes: &[super::history::Change], id: &str) -> Markup {
    if id.is_empty() {
        return html! { div id="timeline" {} };
    }
    timeline::section(changes, &server.console.log.of(id))
}

pub(crate) fn render(server: &Server, view: &View, answered: Option<&Answered>) -> Reply {
    let sections = sections(server, view, server.deployment.clock.now());
    let take = |name: &str| sections.iter().find(|section| section.name == name).map(|section| &section.markup);
    let (connection, is_empty) = {
        let seen = server.console.watch.seen();
        let selected = view.selected(&seen.connections).and_then(|shown| shown["id"].as_str().map(str::to_owned));
        (selected, seen.connections.is_empty())
    };
    let facts = &server.console.facts;
    page(html! {
        header {
            h1 { "webinargeek-connect" }
            nav aria-label="Sections" {
                @for (name, title) in NAVIGATION { a href={ "#" (name) } { (title) } }
            }
            p #live role="status" { noscript { a href={ "/" (view.query()) } { "Reload" } } }
        }
        main data-live={ "/local/live" (view.query()) } {
            div.column {
                @if let Some(markup) = take("connections") { (markup) }
                (begin::form(view, &server.origin, is_empty, server.simulation.is_some()))
                @for name in ["facts", "actions"] { @if let Some(markup) = take(name) { (markup) } }
                (answer::panel(view, "answer", answered.filter(|it| !it.is_of_provider()), connection.as_deref()))
                @for name in ["timeline", "try"] { @if let Some(markup) = take(name) { (markup) } }
            }
            div.column {
                @if let Some(markup) = take("provider") { (markup) }
                (answer::panel(view, "provider-answer", answered.filter(|it| it.is_of_provider()), None))
                @for name in ["chart", "events", "doctor"] { @if let Some(markup) = take(name) { (markup) } }
            }
        }
        footer {
            dl.facts {
                div { dt { "API" } dd { code { (server.origin) "/v1" } } }
                div { dt { "Redirect URI" } dd { code { (facts.redirect_uri) } } }
                div { dt { "Data" } dd { (facts.data_dir.as_deref().unwrap_or("in memory: DATA_DIR keeps it")) } }
                div { dt { "Schedule" } dd { "every " (facts.refresh_every) " s" } }
            }
            p.note { "Times are UTC. " a href="/openapi.yaml" { "openapi.yaml" } " describes every route." }
        }
        script { (PreEscaped(SCRIPT)) }
    })
}

/// For a browser that used another host name, or came from another site or through a tunnel. It shows no stored data.
pub(crate) fn bare() -> Reply {
    page(html! {
        main.bare {
            h1 { "webinargeek-connect" }
            p { a.button.primary href="/authorize" { "Connect a WebinarGeek account" } }
        }
    })
}

pub(crate) fn forbidden() -> Reply {
    (StatusCode::FORBIDDEN, "only the console's own page may do that\n").into_response()
}

fn page(content: Markup) -> Reply {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "webinargeek-connect" }
                link rel="icon" href=(PreEscaped(ICON));
                style { (PreEscaped(STYLE)) }
            }
            body { (content) }
        }
    };
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (X_FRAME_OPTIONS, "DENY"),
        // The address names a connection.
        (REFERRER_POLICY, "same-origin"),
    ];
    (headers, Html(markup.into_string())).into_response()
}
