//! The product's pages: one card, no script, no text of the provider. Only the integrator's logo may come from another
//! host.

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_FRAME_OPTIONS,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::texts::Texts;
use super::{Response, reply};

mod layout;

pub use layout::Layout;

/// One HTML page for one reader, a customer.
pub struct Page<'a> {
    /// In the language of the reader.
    pub texts: &'static Texts,
    /// It decides the mark above the title.
    pub kind: Kind,
    /// The heading. The title of the browser's tab adds the application's name.
    pub title: String,
    /// Plain texts, which are escaped; the first one says what has happened.
    pub paragraphs: Vec<String>,
    /// The permissions that are asked for; they are listed below the first paragraph.
    pub scope: Vec<&'a str>,
    /// What the customer does now; it is below the paragraphs.
    pub next: Next,
    /// The reference number, for the engineer who runs the product.
    pub reference: Option<&'a str>,
}

/// The kind of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The customer is asked to continue. It has no mark.
    Question,
    /// An account is connected.
    Success,
    /// Nothing is broken, and nothing was connected.
    Notice,
    /// Something is wrong with the link, at WebinarGeek or on our side.
    Failure,
}

/// What the customer does now: one sentence at most, and one button.
#[derive(Clone, Debug)]
pub enum Next {
    /// A button that sends a POST, and a link for a customer who does not want to continue.
    Ask {
        /// The address that the form is sent to.
        to: String,
        /// Back to the application; `None` where its address is not known.
        cancel: Option<String>,
    },
    /// Nothing: back to the application, where its address is known.
    Done(Option<String>),
    /// Start again at the application.
    StartAgainThere(Option<String>),
    /// Start again at the install link, which needs no session.
    StartAgainHere {
        /// The path of the install link.
        to: String,
    },
    /// Open the same address. The address may hold a code, so the page does not repeat it.
    Open,
    /// Open the same address in a minute.
    TryAgain,
}

impl Page<'_> {
    /// The HTML with its headers: never cached or framed, and allowed to load only what `layout` names.
    pub fn reply(&self, status: StatusCode, layout: &Layout) -> Response {
        let language = self.texts.language;
        let application = layout.application();
        let title = match application {
            Some(name) if !self.title.contains(name) => format!("{} – {name}", self.title),
            _ => self.title.clone(),
        };
        let markup = html! {
            (DOCTYPE)
            html lang=(language.tag()) dir=(language.direction()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) }
                    link rel="icon" href=(layout.icon);
                    style { (PreEscaped(&layout.style)) }
                }
                body {
                    main {
                        (layout.header())
                        (self.kind.mark())
                        h1 { (self.title) }
                        @for (index, paragraph) in self.paragraphs.iter().enumerate() {
                            p { (paragraph) }
                            @if index == 0 && !self.scope.is_empty() { (self.scope()) }
                        }
                        (self.next(application))
                        (self.reference(layout))
                    }
                    (self.footer(layout))
                }
            }
        };
        let mut response = Response::new(markup.into_string());
        *response.status_mut() = status;
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_LANGUAGE, language.tag()),
            (VARY, "Accept-Language"),
            (CACHE_CONTROL, "no-store"),
            (CONTENT_SECURITY_POLICY, &layout.policy),
            (X_FRAME_OPTIONS, "DENY"),
            // Addresses hold codes and session tokens: no other site gets them as a referrer. With `no-referrer`,
            // browsers would send `Origin: null` with our own form (Fetch, section 3.2).
            (REFERRER_POLICY, "same-origin"),
        ] {
            reply::set(&mut response, name, value);
        }
        response
    }

    fn scope(&self) -> Markup {
        html! {
            p.list { (self.texts.confirmation.scope) }
            ul { @for name in &self.scope { li { (name) } } }
        }
    }

    fn next(&self, application: Option<&str>) -> Markup {
        let (instructions, buttons) = (&self.texts.instructions, &self.texts.buttons);
        let link = |to: &str, label: &str| html! { a.button href=(to) { (label) } };
        let back = |to: &str| link(to, &(buttons.back)(application));
        match &self.next {
            Next::Ask { to, cancel } => html! {
                form method="post" action=(to) { button.button type="submit" { (buttons.go_on) } }
                @if let Some(to) = cancel { p.quiet { a href=(to) { (buttons.cancel) } } }
            },
            Next::Done(Some(to)) => back(to),
            Next::Done(None) => html! { p { (instructions.close) } },
            Next::StartAgainThere(Some(to)) => html! { p { ((instructions.start_again)(application)) } (back(to)) },
            Next::StartAgainThere(None) => html! { p { ((instructions.go_back_and_start_again)(application)) } },
            Next::StartAgainHere { to } => link(to, buttons.start_again),
            Next::Open => link("", buttons.go_on),
            Next::TryAgain => html! { p { (instructions.in_a_minute) } (link("", buttons.try_again)) },
        }
    }

    fn reference(&self, layout: &Layout) -> Markup {
        let footer = &self.texts.footer;
        html! {
            @if let Some(reference) = self.reference {
                div.reference {
                    p { (footer.reference) ": " code { (reference) } }
                    p { ((footer.tell)(layout.application())) }
                }
            }
        }
    }

    fn footer(&self, layout: &Layout) -> Markup {
        let footer = &self.texts.footer;
        let branding = &layout.branding;
        html! {
            @if branding.support.is_some() || branding.privacy.is_some() {
                footer {
                    @if let Some(support) = &branding.support { a href=(support) { (footer.support) } }
                    @if let Some(privacy) = &branding.privacy { a href=(privacy) { (footer.privacy) } }
                }
            }
        }
    }
}

impl Kind {
    /// It shows what the title says, so screen readers do not read it out.
    fn mark(self) -> Markup {
        let (class, path) = match self {
            Self::Question => return html! {},
            Self::Success => ("success", "M7 12.5l3.5 3.5L17 9"),
            Self::Notice => ("notice", "M12 11v6M12 7v.5"),
            Self::Failure => ("failure", "M12 7v6M12 16.5v.5"),
        };
        html! {
            svg class=(class) viewBox="0 0 24 24" aria-hidden="true" { circle cx="12" cy="12" r="11" {} path d=(path) {} }
        }
    }
}
