//! What all pages of a deployment have in common, made once when the process starts.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::domain::branding::{Branding, Colour};

/// The card's background in a light and in a dark browser.
const CARD: [Colour; 2] = [Colour::WHITE, Colour::new(0x1c, 0x1f, 0x24)];

/// It uses logical names of sides, so that a language from right to left needs no other style.
const STYLE: &str = "\
*{box-sizing:border-box}\
body{margin:0;padding:1.5rem 1rem;min-block-size:100vh;display:flex;flex-direction:column;align-items:center;\
background:var(--page);color:var(--text);font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;\
overflow-wrap:anywhere}\
main{inline-size:100%;max-inline-size:27rem;margin-block:auto 0;padding:2.25rem;background:var(--card);\
border:1px solid var(--line);border-radius:1rem;box-shadow:0 1px 2px #0000000d,0 .75rem 2rem #00000014}\
main:last-child{margin-block-end:auto}\
header{display:flex;align-items:center;margin-block-end:1.75rem;font-weight:600;font-size:1.0625rem}\
header b{display:grid;place-content:center;flex:none;inline-size:2.25rem;block-size:2.25rem;margin-inline-end:.75rem;\
border:1px solid var(--edge);border-radius:.625rem;background:var(--accent);color:var(--on)}\
header img{display:block;max-inline-size:100%;max-block-size:3rem}\
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.25;letter-spacing:-.01em;text-wrap:balance}\
p{margin:0 0 .75rem}\
ul{margin:0 0 1rem;padding-inline-start:1.25rem}\
p.list{margin-block-end:.25rem}\
svg{display:block;inline-size:3rem;block-size:3rem;margin-block-end:1rem;fill:none;stroke-width:2;\
stroke-linecap:round;stroke-linejoin:round}\
circle{stroke:none}\
.success circle{fill:var(--good)}.notice circle{fill:var(--soft)}.failure circle{fill:var(--bad)}\
path{stroke:var(--card)}\
.button{display:block;inline-size:100%;margin-block-start:1.5rem;padding:.8rem 1.25rem;border:1px solid var(--edge);\
border-radius:.625rem;background:var(--accent);color:var(--on);font:inherit;font-weight:600;text-align:center;\
text-decoration:none;cursor:pointer}\
.button:hover{box-shadow:0 0 0 3px var(--line)}\
a{color:inherit}\
a:focus-visible,button:focus-visible{outline:3px solid var(--text);outline-offset:3px}\
.quiet{margin:.75rem 0 -.5rem;text-align:center}\
.quiet a,footer a{display:inline-block;padding:.375rem .75rem;color:var(--soft)}\
.reference{margin-block-start:1.75rem;padding-block-start:1.25rem;border-block-start:1px solid var(--line);\
color:var(--soft);font-size:.9375rem}\
.reference p:last-child{margin:0}\
code{font:.9375em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--text)}\
.reference code{padding:.125rem .375rem;border-radius:.25rem;background:var(--page);user-select:all;-webkit-user-select:all}\
footer{margin-block:1rem auto;font-size:.9375rem}\
@media(max-width:30rem){body{padding:0;background:var(--card)}main{margin-block:0;padding:1.75rem 1.25rem;border:0;\
border-radius:0;box-shadow:none}main:last-child{margin:0}footer{margin-block:.5rem 1.5rem}}\
@media(prefers-color-scheme:dark){header img{padding:.375rem;border-radius:.5rem;background:#fff}}";

/// The characters that a `data:` address in an attribute must not have.
const NOT_IN_DATA: &AsciiSet = &CONTROLS.add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'&');

/// How the pages look, and what the browser may load for them.
#[derive(Debug)]
pub struct Layout {
    pub(super) branding: Branding,
    pub(super) style: String,
    pub(super) policy: String,
    pub(super) icon: String,
}

impl Default for Layout {
    fn default() -> Self {
        Self::new(Branding::default())
    }
}

impl Layout {
    /// Builds style, policy and icon once: they are the same on every page.
    pub fn new(branding: Branding) -> Self {
        let style = style(&branding);
        Self { policy: policy(&branding, &style), icon: icon(&branding), style, branding }
    }

    /// The integrator's name.
    pub fn application(&self) -> Option<&str> {
        self.branding.application.as_deref()
    }

    pub(super) fn header(&self) -> Markup {
        let name = self.application();
        html! {
            @if let Some(logo) = &self.branding.logo {
                header { img src=(logo.as_str()) alt=(name.unwrap_or_default()); }
            } @else if let Some(name) = name {
                header { (initial(name)) span dir="auto" { (name) } }
            }
        }
    }
}

/// The style with the deployment's colours. If a button's colour is hard to see on the card, the button gets an edge.
fn style(branding: &Branding) -> String {
    let accent = branding.accent;
    let edge = |card: Colour| if accent.is_seen_on(card) { accent.0.css() } else { "var(--soft)".to_owned() };
    let [light, dark] = CARD;
    format!(
        ":root{{color-scheme:light dark;--accent:{};--on:{};--edge:{};--card:{};--page:#f3f4f7;--line:#d8dbe2;\
         --text:#16191f;--soft:#545b67;--good:#18794e;--bad:#c4320a}}\
         @media(prefers-color-scheme:dark){{:root{{--edge:{};--card:{};--page:#101216;--line:#3a3f48;--text:#eef0f4;\
         --soft:#a8b0bd;--good:#4cc38a;--bad:#ff8b6b}}}}{STYLE}",
        accent.0.css(),
        accent.text().css(),
        edge(light),
        light.css(),
        edge(dark),
        dark.css(),
    )
}

/// The style is allowed by its hash, so the policy needs no `unsafe-inline`.
///
/// `form-action` is left out on purpose: browsers apply it to every redirect that follows a form, and the redirects
/// after the confirmation lead to the provider, back, and to the integrator.
fn policy(branding: &Branding, style: &str) -> String {
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let logo = branding.logo.as_ref().and_then(|logo| logo.source()).map(|source| format!(" {source}"));
    let logo = logo.unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:{logo}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The icon is inside the page: without one, browsers request `/favicon.ico`.
fn icon(branding: &Branding) -> String {
    let (background, text) = (branding.accent.0.css(), branding.accent.text().css());
    let drawn = match branding.application.as_deref().and_then(first_letter) {
        Some(letter) => format!(
            "<text x='16' y='23' font-family='sans-serif' font-size='20' font-weight='bold' text-anchor='middle' \
             fill='{text}'>{letter}</text>"
        ),
        None => format!("<circle cx='16' cy='16' r='7' fill='{text}'/>"),
    };
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' \
         fill='{background}'/>{drawn}</svg>"
    );
    format!("data:image/svg+xml,{}", utf8_percent_encode(&svg, NOT_IN_DATA))
}

/// It replaces a missing logo. The name is beside it, so screen readers do not read it out.
fn initial(name: &str) -> Markup {
    html! { @if let Some(letter) = first_letter(name) { b aria-hidden="true" { (letter) } } }
}

fn first_letter(name: &str) -> Option<String> {
    name.chars().find(|letter| letter.is_alphanumeric()).map(|letter| letter.to_uppercase().to_string())
}
