//! What the browser sees at the end of a journey, and what is logged.

use http::StatusCode;
use http::header::ALLOW;
use shared::domain::attempt::{Attempt, JourneyFailure};
use shared::domain::connection::grant::Refusal;
use shared::failure::FailureClass;
use shared::http::page::{Action, Page};
use shared::http::{Response, reply};

use crate::{CallbackError, JourneyOutcome};

/// A journey with a `return_to` ends there, in every case. All others end on a page of our own, and so does an attempt
/// that has expired: an old address in a history or a log must not redirect.
pub(crate) fn reply(
    ended: Result<JourneyOutcome, CallbackError>,
    attempt: Option<&Attempt>,
    request_id: &str,
) -> Response {
    log(&ended);
    let status = match &ended {
        Ok(JourneyOutcome::Connected) => Some("connected"),
        Ok(JourneyOutcome::Denied) => Some("denied"),
        Ok(JourneyOutcome::OnlyLookedAt) | Err(CallbackError::Expired) => None,
        Err(_) => Some("failed"),
    };
    if let (Some(attempt), Some(status)) = (attempt, status)
        && let Some(return_to) = &attempt.return_to
    {
        let confirmation = attempt.confirmation.as_ref().filter(|_| matches!(ended, Ok(JourneyOutcome::Connected)));
        return reply::see_other(&return_to.with_result(attempt.connection_id.as_str(), status, confirmation));
    }
    match ended {
        Ok(JourneyOutcome::Connected) => connected(attempt),
        Ok(JourneyOutcome::Denied) => denied(attempt),
        // Its body does not leave.
        Ok(JourneyOutcome::OnlyLookedAt) => Page::default().reply(StatusCode::OK),
        Err(error) => failed(&error, attempt, request_id),
    }
}

/// Whether the same browser can come back with nothing that would change the outcome.
pub(crate) fn is_final(ended: &Result<JourneyOutcome, CallbackError>) -> bool {
    match ended {
        Ok(JourneyOutcome::Connected) | Err(CallbackError::Expired) => true,
        Ok(JourneyOutcome::Denied | JourneyOutcome::OnlyLookedAt) => false,
        // No code was spent.
        Err(CallbackError::ErrorResponse(_)) => false,
        Err(error) => failure(error).is_some(),
    }
}

/// How a failure is stored with its attempt; `None` where the code was certainly not used, and the page may be
/// reloaded.
pub(crate) fn failure(error: &CallbackError) -> Option<JourneyFailure> {
    match error {
        CallbackError::ErrorResponse(_) | CallbackError::Exchange(_) => Some(JourneyFailure::Provider),
        CallbackError::RefusedBeforeExchange(refusal) | CallbackError::RefusedAfterExchange(refusal) => {
            Some(match refusal {
                Refusal::SessionUsed => JourneyFailure::SessionUsed,
                Refusal::Disconnected => JourneyFailure::Disconnected,
                Refusal::Superseded => JourneyFailure::Superseded,
            })
        }
        CallbackError::NotStored(_) => Some(JourneyFailure::NotStored),
        CallbackError::FailedBefore { failure, .. } => Some(*failure),
        CallbackError::MethodNotAllowed
        | CallbackError::ByNoPerson
        | CallbackError::Repeated(_)
        | CallbackError::NotAnAuthorizationResponse
        | CallbackError::UnknownState
        | CallbackError::ForeignBrowser
        | CallbackError::Expired
        | CallbackError::OutcomeUnknown
        | CallbackError::NoTime
        | CallbackError::NotExchanged(_)
        | CallbackError::Store(_)
        | CallbackError::Key(_)
        | CallbackError::Secret(_) => None,
    }
}

fn connected(attempt: Option<&Attempt>) -> Response {
    let page = Page {
        title: "Your WebinarGeek account is connected",
        paragraphs: vec!["You can close this window.".to_owned()],
        action: None,
        reference: attempt.map(|attempt| attempt.connection_id.as_str()),
    };
    page.reply(StatusCode::OK)
}

fn denied(attempt: Option<&Attempt>) -> Response {
    let page = Page {
        title: "You declined",
        paragraphs: vec![
            "Your WebinarGeek account is not connected, and nothing has changed.".to_owned(),
            "If that was a mistake, you can start again.".to_owned(),
        ],
        action: start_again(attempt),
        reference: None,
    };
    page.reply(StatusCode::OK)
}

/// An attempt without a session began at the install link. Only its owner has the link of a session.
fn start_again(attempt: Option<&Attempt>) -> Option<Action> {
    attempt
        .filter(|attempt| attempt.session.is_none())
        .map(|_| Action::Link { to: "/authorize".to_owned(), label: "Start again" })
}

const ASK_AGAIN: &str = "Go back to the application that sent you here, and start again there.";
const RELOAD: &str = "Nothing has been used up: reload this page in a minute to try again.";
const OURS: &str = "Something went wrong on our side";
const THEIRS: &str = "WebinarGeek did not answer as expected";

fn failed(error: &CallbackError, attempt: Option<&Attempt>, request_id: &str) -> Response {
    let (status, title, words) = match error {
        CallbackError::MethodNotAllowed => {
            (StatusCode::METHOD_NOT_ALLOWED, "This address is opened in a browser", ASK_AGAIN)
        }
        CallbackError::ByNoPerson => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Open this page yourself",
            "Your browser asked for it without you. Reload it.",
        ),
        CallbackError::Repeated(_) | CallbackError::NotAnAuthorizationResponse => {
            (StatusCode::BAD_REQUEST, "This link is damaged", ASK_AGAIN)
        }
        CallbackError::UnknownState => (StatusCode::BAD_REQUEST, "This link is not known, or no longer", ASK_AGAIN),
        CallbackError::ForeignBrowser => (
            StatusCode::BAD_REQUEST,
            "This link is too old, or belongs to another browser",
            "Start again, and stay in one browser, with cookies allowed. There are ten minutes to come back here.",
        ),
        CallbackError::Expired => (StatusCode::BAD_REQUEST, "This took too long", ASK_AGAIN),
        CallbackError::OutcomeUnknown => (
            StatusCode::SERVICE_UNAVAILABLE,
            OURS,
            "We cannot tell whether your account was connected. Please start again: that does no harm.",
        ),
        CallbackError::RefusedBeforeExchange(Refusal::SessionUsed)
        | CallbackError::RefusedAfterExchange(Refusal::SessionUsed)
        | CallbackError::FailedBefore { failure: JourneyFailure::SessionUsed, .. } => (
            StatusCode::BAD_REQUEST,
            "This link has been used",
            "An account was connected with it, or with a later one. To connect again, ask for a new link.",
        ),
        CallbackError::RefusedBeforeExchange(Refusal::Superseded)
        | CallbackError::RefusedAfterExchange(Refusal::Superseded)
        | CallbackError::FailedBefore { failure: JourneyFailure::Superseded, .. } => (
            StatusCode::BAD_REQUEST,
            "An account was connected in the meantime",
            "It stays connected, and this approval has not been used. To connect another one, ask for a new link.",
        ),
        CallbackError::RefusedBeforeExchange(Refusal::Disconnected)
        | CallbackError::RefusedAfterExchange(Refusal::Disconnected)
        | CallbackError::FailedBefore { failure: JourneyFailure::Disconnected, .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "The connection was taken away in the meantime", ASK_AGAIN)
        }
        CallbackError::NotExchanged(_) => (StatusCode::BAD_GATEWAY, THEIRS, RELOAD),
        CallbackError::ErrorResponse(_)
        | CallbackError::Exchange(_)
        | CallbackError::FailedBefore { failure: JourneyFailure::Provider, .. } => (
            StatusCode::BAD_GATEWAY,
            THEIRS,
            "Your account is not connected. Please start again; if it goes on, tell us the reference number.",
        ),
        CallbackError::NotStored(_) | CallbackError::FailedBefore { failure: JourneyFailure::NotStored, .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, OURS, "Your account may not be connected. Please start again.")
        }
        CallbackError::NoTime | CallbackError::Store(_) | CallbackError::Key(_) | CallbackError::Secret(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, OURS, RELOAD)
        }
    };
    let reference = match error {
        CallbackError::FailedBefore { reference, .. } => Some(reference.as_str()),
        _ => status.is_server_error().then_some(request_id),
    };
    let page = Page { title, paragraphs: vec![words.to_owned()], action: start_again(attempt), reference };
    let mut response = page.reply(status);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        reply::set(&mut response, ALLOW, "GET, HEAD");
    }
    response
}

fn log(ended: &Result<JourneyOutcome, CallbackError>) {
    match ended {
        Ok(JourneyOutcome::OnlyLookedAt) => tracing::info!("the address was looked at"),
        Ok(ended) => tracing::info!(?ended, "the journey has ended"),
        Err(error) => match log_level(error) {
            LogLevel::Failure(class) => class.log(error),
            LogLevel::Unhappy => tracing::warn!(reason = %error, "the journey has ended without a connection"),
            LogLevel::Request => tracing::info!(reason = %error, "not a journey's end"),
        },
    }
}

/// How an error is logged.
enum LogLevel {
    /// Something to repair; it is counted.
    Failure(FailureClass),
    /// A journey that ended without a connection.
    Unhappy,
    /// A request that ends no journey.
    Request,
}

fn log_level(error: &CallbackError) -> LogLevel {
    match error {
        CallbackError::NotExchanged(error) | CallbackError::Exchange(error) => LogLevel::Failure(error.into()),
        CallbackError::NotStored(error) | CallbackError::Store(error) => LogLevel::Failure(error.into()),
        CallbackError::Key(error) => LogLevel::Failure(error.into()),
        CallbackError::Secret(error) => LogLevel::Failure(error.into()),
        CallbackError::OutcomeUnknown
        | CallbackError::ErrorResponse(_)
        | CallbackError::NoTime
        | CallbackError::RefusedBeforeExchange(Refusal::Disconnected)
        | CallbackError::RefusedAfterExchange(Refusal::Disconnected | Refusal::Superseded) => LogLevel::Unhappy,
        CallbackError::MethodNotAllowed
        | CallbackError::ByNoPerson
        | CallbackError::Repeated(_)
        | CallbackError::NotAnAuthorizationResponse
        | CallbackError::UnknownState
        | CallbackError::ForeignBrowser
        | CallbackError::Expired
        | CallbackError::RefusedBeforeExchange(Refusal::SessionUsed | Refusal::Superseded)
        | CallbackError::RefusedAfterExchange(Refusal::SessionUsed)
        | CallbackError::FailedBefore { .. } => LogLevel::Request,
    }
}
