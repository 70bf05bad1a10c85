//! What the browser sees at the end of a journey, and what is logged.

use std::borrow::Cow;

use http::StatusCode;
use http::header::ALLOW;
use shared::domain::attempt::{Attempt, JourneyFailure, Unproven};
use shared::domain::connection::grant::Refusal;
use shared::domain::return_to::{JourneyResult, WaysBack};
use shared::failure::FailureClass;
use shared::http::page::{Action, Page};
use shared::http::{Response, reply};

use crate::{CallbackError, JourneyOutcome};

/// A journey with a `return_to` ends there. All others end on a page of our own. So does an attempt that has expired,
/// with a button: an old address in a history or a log must not redirect. `own` is this browser's own attempt, and only
/// then does an address carry a result.
pub(crate) fn reply(
    ended: Result<JourneyOutcome, CallbackError>,
    own: Option<&Attempt>,
    ways_back: &WaysBack,
    request_id: &str,
) -> Response {
    log(&ended);
    let reference = match &ended {
        Ok(_) => None,
        Err(CallbackError::FailedBefore(failed)) => failed.reference.as_deref(),
        Err(_) => Some(request_id),
    };
    let return_to = own.and_then(|own| {
        let return_to = ways_back.return_to(own.destination.return_to.as_ref())?;
        Some(return_to.with_result(&result(&ended, own, reference)))
    });
    let has_expired = matches!(&ended, Err(error) if error.why() == Some(JourneyFailure::Expired));
    if let Some(return_to) = &return_to
        && !has_expired
    {
        return reply::see_other(return_to);
    }
    let has_connected = matches!(ended, Ok(JourneyOutcome::Connected));
    let action = return_to
        .map(|to| Action::Link { to, label: "Back to the application" })
        .or_else(|| own.filter(|_| !has_connected).and_then(start_again))
        .or_else(|| ways_back.plain(None).map(|to| Action::Link { to, label: "Back to the application" }));
    match &ended {
        Ok(JourneyOutcome::Connected) => {
            let id = own.map(|own| own.destination.connection_id.as_str());
            page("Your WebinarGeek account is connected", &["You can close this window."], action, id)
        }
        Ok(JourneyOutcome::Denied) => {
            let words = [
                "Your WebinarGeek account is not connected, and nothing has changed.",
                "If that was a mistake, you can go back and approve, or start again.",
            ];
            page("You declined", &words, action, None)
        }
        // Its body does not leave.
        Ok(JourneyOutcome::OnlyLookedAt) => Page::default().reply(StatusCode::OK),
        Err(error) => failed(error, own, action, reference),
    }
}

/// Whether the same browser can come back with nothing that would change the outcome.
pub(crate) fn is_final(ended: &Result<JourneyOutcome, CallbackError>) -> bool {
    match ended {
        Ok(JourneyOutcome::Connected) => true,
        Ok(JourneyOutcome::Denied | JourneyOutcome::OnlyLookedAt) => false,
        // No code was spent; or another request is still at it.
        Err(CallbackError::ErrorResponse(_) | CallbackError::OutcomeUnknown) => false,
        Err(error) => error.why().is_some() && !error.may_be_repeated(),
    }
}

fn result<'a>(
    ended: &Result<JourneyOutcome, CallbackError>,
    own: &'a Attempt,
    reference: Option<&'a str>,
) -> JourneyResult<'a> {
    let (status, confirmation) = match ended {
        Ok(JourneyOutcome::Connected) => ("connected", own.destination.confirmation.as_ref()),
        Ok(JourneyOutcome::Denied | JourneyOutcome::OnlyLookedAt) => (JourneyFailure::Denied.status(), None),
        Err(error) => (error.why().map_or("failed", JourneyFailure::status), None),
    };
    JourneyResult { connection_id: own.destination.connection_id.as_str(), status, confirmation, reference }
}

/// An attempt without a session began at the install link. Only its owner has the link of a session.
fn start_again(own: &Attempt) -> Option<Action> {
    let is_of_the_install_link = own.destination.session.is_none();
    is_of_the_install_link.then(|| Action::Link { to: "/authorize".to_owned(), label: "Start again" })
}

fn page(title: &str, words: &[&str], action: Option<Action>, reference: Option<&str>) -> Response {
    let paragraphs = words.iter().map(|words| (*words).to_owned()).collect();
    Page { title, paragraphs, action, reference }.reply(StatusCode::OK)
}

const ASK_AGAIN: &str = "Go back to the application that sent you here, and start again there.";
const RELOAD: &str = "Nothing has been used up: reload this page in a minute to try again.";
const OURS: &str = "Something went wrong on our side";
const THEIRS: &str = "WebinarGeek did not answer as expected";

type Words = (StatusCode, &'static str, Cow<'static, str>);

fn failed(error: &CallbackError, own: Option<&Attempt>, action: Option<Action>, reference: Option<&str>) -> Response {
    let (status, title, words) = words(error, own);
    let is_about_a_request = error.why().is_none() && !status.is_server_error();
    let is_reported = matches!(error, CallbackError::ErrorWithoutState(_));
    let reference = reference.filter(|_| is_reported || !is_about_a_request);
    let mut response = Page { title, paragraphs: vec![words.into_owned()], action, reference }.reply(status);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        reply::set(&mut response, ALLOW, "GET, HEAD");
    }
    response
}

fn words(error: &CallbackError, own: Option<&Attempt>) -> Words {
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
        CallbackError::ErrorWithoutState(code) => return reported(code),
        CallbackError::UnknownState => (StatusCode::BAD_REQUEST, "This link is not known, or no longer", ASK_AGAIN),
        CallbackError::Unproven(Unproven::ForeignBrowser) => (
            StatusCode::BAD_REQUEST,
            "This link is too old, or belongs to another browser",
            "Start again, and stay in one browser, with cookies allowed.",
        ),
        CallbackError::Unproven(Unproven::Changed) => (StatusCode::BAD_REQUEST, "This link was changed", ASK_AGAIN),
        CallbackError::OutcomeUnknown => (
            StatusCode::SERVICE_UNAVAILABLE,
            OURS,
            "We cannot tell whether your account was connected. Please start again: that does no harm.",
        ),
        CallbackError::NotExchanged(_) => (StatusCode::BAD_GATEWAY, THEIRS, RELOAD),
        CallbackError::NoTime | CallbackError::Store(_) | CallbackError::Key(_) | CallbackError::Secret(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, OURS, RELOAD)
        }
        CallbackError::ErrorResponse(_) | CallbackError::Exchange(_) | CallbackError::AccountUnknown => {
            return about(JourneyFailure::Provider, own);
        }
        CallbackError::OtherAccount => return about(JourneyFailure::OtherAccount, own),
        CallbackError::RefusedBeforeExchange(_)
        | CallbackError::RefusedAfterExchange(_)
        | CallbackError::NotStored(_)
        | CallbackError::Expired
        | CallbackError::FailedBefore(_) => return about(error.why().unwrap_or(JourneyFailure::NotStored), own),
    };
    (status, title, words.into())
}

/// A journey that has failed for this reason, now or before.
fn about(why: JourneyFailure, own: Option<&Attempt>) -> Words {
    let (status, title, words) = match why {
        JourneyFailure::OtherAccount => (
            StatusCode::BAD_REQUEST,
            "This is another WebinarGeek account",
            "Another account is connected here, and only that one can be connected again. This approval has not been \
             used. Sign in at WebinarGeek with the account that is connected, and ask for a new link.",
        ),
        JourneyFailure::Provider => (
            StatusCode::BAD_GATEWAY,
            THEIRS,
            "Your account is not connected. Please start again; if it goes on, tell us the reference number.",
        ),
        JourneyFailure::Denied => (StatusCode::OK, "You declined", ASK_AGAIN),
        JourneyFailure::Expired => {
            let minutes = own.map_or(0, |own| own.created_at.seconds_until(own.expires_at) / 60);
            let words = format!("There are {minutes} minutes to approve at WebinarGeek. {ASK_AGAIN}");
            return (StatusCode::BAD_REQUEST, "This took too long", words.into());
        }
        JourneyFailure::SessionUsed => (
            StatusCode::BAD_REQUEST,
            "This link has been used",
            "It, or a later one, was followed to its end before. To connect again, ask for a new link.",
        ),
        JourneyFailure::Exists => (
            StatusCode::BAD_REQUEST,
            "An account was connected in the meantime",
            "It stays connected, and this approval has not been used. To connect another one, ask for a new link.",
        ),
        JourneyFailure::Disconnected => {
            (StatusCode::SERVICE_UNAVAILABLE, "The connection was taken away in the meantime", ASK_AGAIN)
        }
        JourneyFailure::NotStored => {
            (StatusCode::SERVICE_UNAVAILABLE, OURS, "Your account may not be connected. Please start again.")
        }
    };
    (status, title, words.into())
}

/// The name is one of the RFC's, or our own word for any other; the provider's description is not shown.
fn reported(code: &str) -> Words {
    let words = match code {
        "access_denied" => "It says that access was declined. Your account is not connected.".to_owned(),
        "server_error" | "temporarily_unavailable" => {
            "It could not answer at this moment. Your account is not connected; please start again later.".to_owned()
        }
        code => format!(
            "Your account is not connected. The engineer who runs this should know: the error is {code}. {ASK_AGAIN}"
        ),
    };
    (StatusCode::BAD_REQUEST, "WebinarGeek reported an error", words.into())
}

fn log(ended: &Result<JourneyOutcome, CallbackError>) {
    match ended {
        Ok(JourneyOutcome::OnlyLookedAt) => tracing::info!("the address was looked at"),
        Ok(ended) => tracing::info!(?ended, "the journey has ended"),
        // Anybody can send one without a state: a metric, and no alarm.
        Err(error @ (CallbackError::ErrorResponse(reported) | CallbackError::ErrorWithoutState(reported))) => {
            tracing::warn!(authorization_errors = 1, reported, reason = %error, "the journey has ended without a code");
        }
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
        // By what writes the table beside the product.
        CallbackError::Unproven(Unproven::Changed) => LogLevel::Failure(FailureClass::InconsistentRow),
        CallbackError::OutcomeUnknown
        | CallbackError::ErrorResponse(_)
        | CallbackError::OtherAccount
        | CallbackError::AccountUnknown
        | CallbackError::ErrorWithoutState(_)
        | CallbackError::NoTime
        | CallbackError::RefusedBeforeExchange(Refusal::Disconnected)
        | CallbackError::RefusedAfterExchange(Refusal::Disconnected | Refusal::Superseded) => LogLevel::Unhappy,
        CallbackError::MethodNotAllowed
        | CallbackError::ByNoPerson
        | CallbackError::Repeated(_)
        | CallbackError::NotAnAuthorizationResponse
        | CallbackError::UnknownState
        | CallbackError::Unproven(Unproven::ForeignBrowser)
        | CallbackError::Expired
        | CallbackError::RefusedBeforeExchange(Refusal::SessionUsed | Refusal::Superseded)
        | CallbackError::RefusedAfterExchange(Refusal::SessionUsed)
        | CallbackError::FailedBefore(_) => LogLevel::Request,
    }
}
