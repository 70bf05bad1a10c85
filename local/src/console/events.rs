//! The events as the bus would receive them, as JSON to copy.

use maud::{Markup, html};
use serde_json::Value;

/// The number of events that the page shows; `GET /local/events` has all.
const SHOWN: usize = 12;

pub(super) fn section<'a>(events: impl Iterator<Item = &'a Value>) -> Markup {
    let events: Vec<&Value> = events.take(SHOWN).collect();
    html! {
        section id="events" aria-labelledby="events-title" {
            h2 #events-title { "Events" }
            p.note { "As the bus would have received them. " code { "GET /local/events" } " answers all of them." }
            @if events.is_empty() { p.note { "None yet." } }
            @for event in &events {
                @let id = event["id"].as_str().unwrap_or_default();
                @let element = format!("event-{}", id.replace(['/', '.'], "-"));
                details id=(element) {
                    summary {
                        span.badge.event { (event["type"].as_str().unwrap_or_default()) } " "
                        (event["connection_id"].as_str().unwrap_or_default()) " "
                        small { (event["occurred_at"].as_str().and_then(|at| at.get(11..19)).unwrap_or_default()) }
                    }
                    div.code {
                        button.copy type="button" data-copy={ (element) "-json" } { "Copy" }
                        pre tabindex="0" role="region" aria-label={ "Event " (id) } {
                            code id={ (element) "-json" } { (serde_json::to_string_pretty(event).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}
