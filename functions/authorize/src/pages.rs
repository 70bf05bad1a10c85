//! What the browser sees before it is sent to WebinarGeek, and what is logged.

use http::StatusCode;
use http::header::ALLOW;
use shared::domain::return_to::WaysBack;
use shared::failure::FailureClass;
use shared::http::page::{Action, Page};
use shared::http::{Response, reply};

use crate::AuthorizeError;

/// Other parameters of the link are not repeated.
pub(crate) fn confirmation(display_name: Option<&str>, session: Option<&str>) -> Response {
    let target = session.map_or("/authorize".to_owned(), |token| format!("/authorize?session={token}"));
    let name = display_name.unwrap_or("The application that sent you here");
    let page = Page {
        title: "Connect your WebinarGeek account",
        paragraphs: vec![
            format!("{name} asks for access to your WebinarGeek account."),
            "WebinarGeek will ask you to approve. Continue only if you have just asked for this yourself.".to_owned(),
        ],
        action: Some(Action::Post { to: target, label: "Continue" }),
        reference: None,
    };
    page.reply(StatusCode::OK)
}

/// Why the browser is not redirected to WebinarGeek. A page about a session leads back to its `return_to`, without a
/// result: the link may have been passed on.
pub(crate) fn failed(error: &AuthorizeError, ways_back: &WaysBack, request_id: &str) -> Response {
    let ask_again = "Go back to the application that sent you here, and start again there.".to_owned();
    let (status, title, words) = match error {
        AuthorizeError::MethodNotAllowed => {
            (StatusCode::METHOD_NOT_ALLOWED, "This address is opened in a browser", ask_again)
        }
        AuthorizeError::ByNoPerson => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Open this page yourself",
            "Your browser asked for it without you.".to_owned(),
        ),
        AuthorizeError::Repeated(_) => (StatusCode::BAD_REQUEST, "This link is damaged", ask_again),
        AuthorizeError::UnknownSession | AuthorizeError::SessionExpired(_) => {
            (StatusCode::BAD_REQUEST, "This link has expired", ask_again)
        }
        AuthorizeError::SessionUsed(_) => (
            StatusCode::BAD_REQUEST,
            "This link has been used",
            "An account was connected with it, or with a later one. To connect again, ask for a new link.".to_owned(),
        ),
        AuthorizeError::InstallLinkOff => (StatusCode::BAD_REQUEST, "This link is incomplete", ask_again),
        AuthorizeError::ForeignForm => (StatusCode::BAD_REQUEST, "This did not come from our own page", ask_again),
        AuthorizeError::Store(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Something went wrong on our side",
            "Nothing has happened to your account. Please try again in a minute.".to_owned(),
        ),
    };
    match error {
        AuthorizeError::Store(error) => FailureClass::from(error).log(error),
        AuthorizeError::MethodNotAllowed
        | AuthorizeError::ByNoPerson
        | AuthorizeError::Repeated(_)
        | AuthorizeError::UnknownSession
        | AuthorizeError::SessionExpired(_)
        | AuthorizeError::SessionUsed(_)
        | AuthorizeError::InstallLinkOff
        | AuthorizeError::ForeignForm => tracing::info!(reason = %error, "not sent to WebinarGeek"),
    }
    let return_to = match error {
        AuthorizeError::SessionExpired(session) | AuthorizeError::SessionUsed(session) => session.return_to.as_ref(),
        _ => None,
    };
    let action = ways_back.plain(return_to).map(|to| Action::Link { to, label: "Back to the application" });
    let reference = status.is_server_error().then_some(request_id);
    let mut response = Page { title, paragraphs: vec![words], action, reference }.reply(status);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        reply::set(&mut response, ALLOW, "GET, HEAD, POST");
    }
    response
}
