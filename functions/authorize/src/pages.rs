//! What the browser sees before it is sent to WebinarGeek, and what is logged.

use http::StatusCode;
use http::header::ALLOW;
use shared::domain::return_to::ReturnTo;
use shared::domain::session::Session;
use shared::failure::FailureClass;
use shared::http::page::{Kind, Layout, Next, Page};
use shared::http::texts::Texts;
use shared::http::{Request, Response, accept_language, reply};

use crate::{AuthorizeError, Settings};

/// What all pages of one request have in common: the customer's language, the branding, and the way back.
pub(crate) struct Shown<'a> {
    session: Option<&'a Session>,
    texts: &'static Texts,
    layout: &'a Layout,
    /// The address that leads back. It has no result: the link may have been passed on.
    back: Option<String>,
    /// The page that the customer comes from.
    return_to: Option<&'a ReturnTo>,
}

impl<'a> Shown<'a> {
    pub(crate) fn to(request: &Request, session: Option<&'a Session>, settings: &'a Settings) -> Self {
        let asked_for = session.and_then(|session| session.ui_locale);
        let return_to = settings.ways_back.return_to(session.and_then(|session| session.return_to.as_ref()));
        Self {
            session,
            texts: Texts::of(asked_for.unwrap_or_else(|| accept_language::read(request.headers()))),
            layout: &settings.layout,
            back: settings.ways_back.plain(return_to),
            return_to,
        }
    }
}

/// The page that asks. Its form repeats only the session of the link, and no other parameter.
pub(crate) fn confirmation(shown: &Shown<'_>, session: Option<&str>, settings: &Settings) -> Response {
    let texts = &shown.texts.confirmation;
    let application = shown.layout.application();
    let page = Page {
        texts: shown.texts,
        kind: Kind::Question,
        title: (texts.title)(application),
        paragraphs: vec![
            (texts.asks)(application, shown.return_to.and_then(ReturnTo::host)),
            (texts.then)(application),
            texts.only_if.to_owned(),
        ],
        scope: asked_for(settings),
        next: Next::Ask {
            to: session.map_or("/authorize".to_owned(), |token| format!("/authorize?session={token}")),
            cancel: shown.back.clone(),
        },
        reference: None,
    };
    page.reply(StatusCode::OK, shown.layout)
}

fn asked_for(settings: &Settings) -> Vec<&str> {
    match &settings.scope_text {
        Some(words) => words.split(';').map(str::trim).filter(|words| !words.is_empty()).collect(),
        None => settings.authorization_endpoint.scope.iter().flat_map(|scope| scope.split_whitespace()).collect(),
    }
}

/// The page that says why the browser is not redirected to WebinarGeek.
pub(crate) fn failed(error: &AuthorizeError, shown: &Shown<'_>, request_id: &str) -> Response {
    log(error);
    let texts = shown.texts;
    let (status, kind, message) = match error {
        AuthorizeError::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, Kind::Notice, &texts.other_method),
        AuthorizeError::PrefetchedOrEmbedded => {
            (StatusCode::SERVICE_UNAVAILABLE, Kind::Notice, &texts.prefetched_or_embedded)
        }
        AuthorizeError::Repeated(_) => (StatusCode::BAD_REQUEST, Kind::Failure, &texts.damaged),
        AuthorizeError::UnknownSession | AuthorizeError::SessionExpired => {
            (StatusCode::BAD_REQUEST, Kind::Notice, &texts.expired)
        }
        AuthorizeError::SessionUsed => (StatusCode::BAD_REQUEST, Kind::Notice, &texts.used),
        AuthorizeError::InstallLinkOff => (StatusCode::BAD_REQUEST, Kind::Failure, &texts.incomplete),
        AuthorizeError::ForeignForm => (StatusCode::BAD_REQUEST, Kind::Notice, &texts.other_page),
        AuthorizeError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, Kind::Failure, &texts.out_of_order),
    };
    let text = match (error, shown.session) {
        (AuthorizeError::SessionExpired, Some(session)) => (texts.expired_at)(session.expires_at),
        _ => message.text.to_owned(),
    };
    let next = match error {
        AuthorizeError::PrefetchedOrEmbedded | AuthorizeError::ForeignForm => Next::Open,
        AuthorizeError::Store(_) => Next::TryAgain,
        AuthorizeError::MethodNotAllowed
        | AuthorizeError::Repeated(_)
        | AuthorizeError::UnknownSession
        | AuthorizeError::SessionExpired
        | AuthorizeError::SessionUsed
        | AuthorizeError::InstallLinkOff => Next::StartAgainThere(shown.back.clone()),
    };
    let page = Page {
        texts,
        kind,
        title: message.title.to_owned(),
        paragraphs: vec![text],
        scope: Vec::new(),
        next,
        reference: status.is_server_error().then_some(request_id),
    };
    let mut response = page.reply(status, shown.layout);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        reply::set(&mut response, ALLOW, "GET, HEAD, POST");
    }
    response
}

fn log(error: &AuthorizeError) {
    match error {
        AuthorizeError::Store(error) => FailureClass::from(error).log(error),
        AuthorizeError::MethodNotAllowed
        | AuthorizeError::PrefetchedOrEmbedded
        | AuthorizeError::Repeated(_)
        | AuthorizeError::UnknownSession
        | AuthorizeError::SessionExpired
        | AuthorizeError::SessionUsed
        | AuthorizeError::InstallLinkOff
        | AuthorizeError::ForeignForm => tracing::info!(reason = %error, "the browser is not sent to WebinarGeek"),
    }
}
