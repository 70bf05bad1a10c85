//! One connection: what is known about it, what can be done with it, and the answer to the last call.

use maud::{Markup, html};
use serde_json::Value;
use shared::domain::time::Timestamp;

use super::View;
use super::connections::{lifetime, status};
use super::watch::read_time;

pub(super) fn facts(shown: &Value, now: Timestamp) -> Markup {
    let text = |name: &str| shown[name].as_str().unwrap_or("–").to_owned();
    let account = &shown["account"];
    html! {
        section id="facts" aria-labelledby="facts-title" {
            h2 #facts-title { (text("id")) " " (status(shown)) }
            dl.facts {
                div.wide { dt { "Remaining lifetime" } dd { (lifetime(shown, now)) } }
                div { dt { "Account" } dd {
                    @match account["id"].as_str() {
                        Some(id) => { (account["company"].as_str().unwrap_or_default()) " (" (id) ")" }
                        None => "not known",
                    }
                } }
                div { dt { "Version" } dd { (shown["version"].as_i64().unwrap_or_default()) } }
                div { dt { "Next refresh" } dd { (moment(&shown["next_refresh_at"], now)) } }
                div { dt { "Refreshed" } dd { (moment(&shown["refreshed_at"], now)) } }
                div { dt { "Failures in a row" } dd { (shown["failures"].as_i64().unwrap_or_default()) } }
                div.wide { dt { "Reason" } dd { (reason(shown["reason"].as_str())) } }
            }
        }
    }
}

/// A time of today, and how long until then or since then.
fn moment(value: &Value, now: Timestamp) -> Markup {
    let Some(at) = read_time(value) else { return html! { "–" } };
    let away = now.seconds_until(at);
    let spoken = super::connections::duration(away.abs());
    let spoken = if away > 0 { format!("in {spoken}") } else { format!("{spoken} ago") };
    html! { time datetime=(at.rfc3339()) data-at=(at.unix()) { (spoken) } " " small { (super::history::clock(at)) } }
}

/// What the reason of a failure means to the person at the laptop.
fn reason(reason: Option<&str>) -> Markup {
    let words = match reason {
        None => return html! { "–" },
        Some("unreachable") => "WebinarGeek cannot be reached",
        Some("throttled") => "WebinarGeek asks to wait",
        Some("unknown_outcome") => "the answer was lost or unreadable; the request is sent again",
        Some("invalid_grant") => "WebinarGeek refuses the refresh token",
        Some("ambiguous_rotation") => "refused after a lost answer",
        Some("invalid_client") => "WebinarGeek does not accept the client secret",
        Some("refused") => "WebinarGeek refuses, for another reason than the token",
        Some("not_refreshed") => "imported, and not used yet",
        Some("no_refresh_token") => "WebinarGeek has granted no refresh token",
        Some("foreign_client") => "it belongs to another client id",
        Some(_) => "see its log lines",
    };
    html! { code { (reason.unwrap_or_default()) } " " (words) }
}

pub(super) fn actions(view: &View, shown: &Value) -> Markup {
    let id = shown["id"].as_str().unwrap_or_default();
    let version = shown["version"].as_i64().unwrap_or_default();
    html! {
        section id="actions" aria-label="Actions" {
            div.row {
                (button(view, id, "token", "Read the token", "primary", html! {}))
                (button(view, id, "refresh", "Refresh now", "", html! {}))
                (button(view, id, "reject", "Reject the token", "", html! {
                    input type="hidden" name="version" value=(version);
                }))
                (button(view, id, "link", "Make a link", "", html! {}))
                (button(view, id, "disconnect", "Disconnect", "danger", html! {}))
            }
        }
    }
}

pub(super) fn button(view: &View, id: &str, verb: &str, label: &str, class: &str, more: Markup) -> Markup {
    html! {
        form method="post" action={ "/local/console/" (verb) } data-swap {
            input type="hidden" name="connection" value=(id);
            (view.fields())
            (more)
            button class=(class) name="do" value=(verb) { (label) }
        }
    }
}
