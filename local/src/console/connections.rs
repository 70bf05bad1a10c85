//! The list of connections.

use maud::{Markup, html};
use serde_json::Value;
use shared::domain::time::Timestamp;

use super::View;
use super::watch::{Seen, expires_at, read_time};

pub(super) fn section(view: &View, seen: &Seen, is_simulated: bool, now: Timestamp) -> Markup {
    let (connections, has_more) = (&seen.connections, seen.has_more);
    let selected = view.selected(connections).map(|shown| shown["id"].clone());
    html! {
        section id="connections" aria-labelledby="connections-title" {
            h2 #connections-title { "Connections " span.count { (connections.len()) @if has_more { "+" } } }
            @if connections.is_empty() {
                p {
                    "None yet. "
                    @if is_simulated {
                        "WebinarGeek is simulated here, and nothing leaves this machine: connect as its customer, read a "
                        "token, then break the provider and watch it heal."
                    } @else {
                        "Register the redirect URI below at the provider, then connect with an account of yours."
                    }
                }
            } @else {
                ul.list {
                    @for shown in connections {
                        (row(view, shown, selected.as_ref() == Some(&shown["id"]), now))
                    }
                }
                @if has_more { p.note { "These are the first 100. " code { "GET /v1/connections" } " has the others." } }
            }
            p.connect { a.button.primary href="/authorize" { "Connect a WebinarGeek account" } }
        }
    }
}

fn row(view: &View, shown: &Value, is_selected: bool, now: Timestamp) -> Markup {
    let id = shown["id"].as_str().unwrap_or_default();
    let company = shown["account"]["company"].as_str();
    html! {
        li id={ "row-" (id) } {
            a href={ "/" (view.with_connection(id).query()) } data-swap aria-current=[is_selected.then_some("true")] {
                span.id { (id) }
                (status(shown))
                span.who { @if let Some(company) = company { (company) } @else { "account not known" } }
                span.version { "version " (shown["version"].as_i64().unwrap_or_default()) }
                (lifetime(shown, now))
            }
        }
    }
}

/// Status and reason are also written in words: a color-blind person cannot read a colour alone.
pub(super) fn status(shown: &Value) -> Markup {
    let status = shown["status"].as_str().unwrap_or("unknown");
    let failures = shown["failures"].as_i64().unwrap_or_default();
    let class = match status {
        "active" if failures > 0 => "badge warn",
        "active" => "badge good",
        "reauth_required" | "unreadable" => "badge bad",
        _ => "badge",
    };
    html! {
        span class=(class) {
            (status.replace('_', " "))
            @if status == "active" && failures > 0 { ", failing" }
        }
    }
}

/// A bar that shows the remaining time. The script counts it down; without the script it is as old as the page.
pub(super) fn lifetime(shown: &Value, now: Timestamp) -> Markup {
    let refreshed_at = read_time(&shown["refreshed_at"]);
    let (Some(end), Some(begin)) = (expires_at(shown), refreshed_at) else {
        return html! { span.life { span.left { "no token" } } };
    };
    let (left, whole) = (now.seconds_until(end).max(0), begin.seconds_until(end).max(1));
    html! {
        span.life {
            progress max=(whole) value=(left) data-until=(end.unix()) aria-label="Remaining lifetime of the token" {}
            span.left data-left=(end.unix()) { (duration(left)) }
        }
    }
}

/// The script writes the same text.
pub(super) fn duration(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds:02} s"),
        _ => format!("{hours} h {minutes:02} min"),
    }
}
