//! The doctor's findings, in its own words.

use maud::{Markup, html};
use serde_json::Value;
use shared::domain::time::Timestamp;

use super::View;
use super::history::clock;

pub(super) fn section(view: &View, examination: Option<&(Timestamp, Value)>) -> Markup {
    html! {
        section id="doctor" aria-labelledby="doctor-title" {
            h2 #doctor-title { "Doctor" }
            p.note {
                "Finds what would keep the first customer from connecting. It asks the provider, and changes no connection."
            }
            form method="post" action="/local/console/doctor" data-swap {
                (view.fields())
                button { "Examine" }
            }
            @if let Some((at, examination)) = examination {
                @let healthy = examination["healthy"].as_bool() == Some(true);
                p class=(if healthy { "state good" } else { "state bad" }) {
                    b {
                        @if healthy { "Nothing keeps a customer from connecting." } @else { "Something must be repaired." }
                    }
                    " Examined at " (clock(*at)) "."
                }
                ul.findings {
                    @for finding in examination["findings"].as_array().into_iter().flatten() { (item(finding)) }
                }
            }
        }
    }
}

fn item(finding: &Value) -> Markup {
    let text = |name: &str| finding[name].as_str().unwrap_or_default();
    let class = match text("status") {
        "ok" => "badge good",
        "failed" => "badge bad",
        "warning" => "badge warn",
        _ => "badge",
    };
    html! {
        li {
            span class=(class) { (text("status")) } " " b { (text("check").replace('_', " ")) } " " (text("detail"))
            @if let Some(remedy) = finding["remedy"].as_str() { p.note { "To do: " (remedy) "." } }
        }
    }
}
