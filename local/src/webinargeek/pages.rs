//! The simulated provider's own pages.

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::Parameters;

pub(super) fn consent(request: &Parameters) -> Response {
    page(html! {
        h1 { "WebinarGeek (simulated)" }
        p { "Allow " b { (request["client_id"]) } " to use your account?" }
        form method="post" action="/oauth/authorize" {
            @for (name, value) in request { input type="hidden" name=(name) value=(value); }
            button type="submit" name="decision" value="approve" { "Approve" }
            " "
            button type="submit" name="decision" value="deny" { "Deny" }
        }
    })
    .into_response()
}

pub(super) fn error(problem: &str) -> Response {
    (StatusCode::OK, page(html! { h1 { "An error has occurred" } p { (problem) } })).into_response()
}

fn page(content: Markup) -> Html<String> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "WebinarGeek (simulated)" } }
            body { main { (content) } }
        }
    };
    Html(markup.into_string())
}
