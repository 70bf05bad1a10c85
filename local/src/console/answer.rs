//! The answer to the last form. A token in it is masked until the person asks to see it.

use maud::{Markup, html};

use super::detail::button;
use super::{Answered, View};

pub(super) const MASK: &str = "••••••••••••";

/// `name` is the element: an answer stands near its form.
pub(super) fn panel(view: &View, name: &str, answered: Option<&Answered>, connection: Option<&str>) -> Markup {
    html! {
        div id=(name) role="status" {
            @if let Some(answered) = answered {
                @let good = answered.status < 400;
                div class=(if good { "answer good" } else { "answer bad" }) {
                    p { code { (answered.call) } " " b { (answered.status) } }
                    @if let Some(url) = answered.body["url"].as_str() {
                        p { a.button.primary href=(url) { "Open the link" } " as the customer, or send it." }
                    }
                    div.code {
                        button.copy type="button" data-copy={ (name) "-body" } { "Copy" }
                        pre tabindex="0" role="region" aria-label="Answer" { code id={ (name) "-body" } {
                            (serde_json::to_string_pretty(&answered.body).unwrap_or_default())
                        } }
                    }
                    @if let Some(id) = connection.filter(|_| answered.body["access_token"] == MASK) {
                        (button(view, id, "reveal", "Show the token", "", html! {}))
                    }
                }
            }
        }
    }
}
