//! The product's pages: one layout, no script, nothing from other origins, no text of the provider.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS};
use maud::{DOCTYPE, PreEscaped, html};

use super::Response;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1.0625rem/1.5 system-ui,sans-serif;max-width:32rem;margin:12vh auto;padding:0 1.5rem}\
h1{font-size:1.5rem;line-height:1.25}\
a.button,button{font:inherit;font-weight:600;display:inline-block;padding:.6rem 1.2rem;border:0;border-radius:.4rem;\
background:#1257d1;color:#fff;text-decoration:none;cursor:pointer}\
a.button:focus-visible,button:focus-visible{outline:3px solid #8ab4ff;outline-offset:2px}\
small{opacity:.75}";

/// The style is allowed by its hash, so the policy needs no `unsafe-inline`.
///
/// `form-action` is left out on purpose: browsers apply it to every redirect that follows a form, and the
/// confirmation's leads to the provider, back, and on to the integrator.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'")
});

#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    pub title: &'a str,
    pub paragraphs: Vec<String>,
    pub action: Option<Action>,
    /// Shown small at the end: the customer gives it to the engineer who runs the product.
    pub reference: Option<&'a str>,
}

#[derive(Clone, Debug)]
pub enum Action {
    /// A button that POSTs.
    Post {
        to: String,
        label: &'static str,
    },
    Link {
        to: String,
        label: &'static str,
    },
}

impl Page<'_> {
    pub fn reply(&self, status: StatusCode) -> Response {
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        h1 { (self.title) }
                        @for paragraph in &self.paragraphs { p { (paragraph) } }
                        @match &self.action {
                            Some(Action::Post { to, label }) => {
                                form method="post" action=(to) { button type="submit" { (label) } }
                            }
                            Some(Action::Link { to, label }) => p { a.button href=(to) { (label) } },
                            None => {}
                        }
                        @if let Some(reference) = self.reference { p { small { "Reference: " (reference) } } }
                    }
                }
            }
        };
        let mut response = Response::new(markup.into_string());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let value = |text: &str| http::HeaderValue::from_str(text).expect("our own policy is a header value");
        headers.insert(CONTENT_TYPE, value("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, value("no-store"));
        headers.insert(CONTENT_SECURITY_POLICY, value(&POLICY));
        headers.insert(X_FRAME_OPTIONS, value("DENY"));
        // Addresses hold codes and session tokens: no other site gets them. `no-referrer` would make browsers send
        // `Origin: null` with our own form (Fetch, section 3.2).
        headers.insert(REFERRER_POLICY, value("same-origin"));
        response
    }
}
