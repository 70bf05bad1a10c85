//! What the browser sees at the end of a journey, and what is logged.

use http::StatusCode;
use http::header::ALLOW;
use shared::domain::attempt::{Attempt, JourneyFailure, Unproven};
use shared::domain::connection::grant::Refusal;
use shared::domain::return_to::{JourneyResult, WaysBack};
use shared::failure::FailureClass;
use shared::http::page::{Kind, Layout, Next, Page};
use shared::http::texts::{Reported, Texts, Words};
use shared::http::{Response, reply};

use crate::{CallbackError, JourneyOutcome};

/// What all pages of one request have in common.
pub(crate) struct Shown<'a> {
    /// This browser's own attempt. Without it, no address gets a result.
    pub(crate) own: Option<&'a Attempt>,
    pub(crate) texts: &'static Texts,
    pub(crate) layout: &'a Layout,
    pub(crate) ways_back: &'a WaysBack,
}

/// A journey with a `return_to` ends there, and any other on a page of our own. An attempt that has expired also ends
/// on a page of our own, with a button: an old address from a history or a log must not redirect.
pub(crate) fn reply(ended: Result<JourneyOutcome, CallbackError>, shown: &Shown<'_>, request_id: &str) -> Response {
    log(&ended);
    let reference = match &ended {
        Ok(_) => None,
        Err(CallbackError::FailedBefore(failed)) => failed.reference.as_deref(),
        Err(_) => Some(request_id),
    };
    let return_to = shown.own.and_then(|own| {
        let return_to = shown.ways_back.return_to(own.destination.return_to.as_ref())?;
        Some(return_to.with_result(&result(&ended, own, reference)))
    });
    let has_expired = matches!(&ended, Err(error) if error.why() == Some(JourneyFailure::Expired));
    if let Some(return_to) = &return_to
        && !has_expired
    {
        return reply::see_other(return_to);
    }
    let back = return_to.or_else(|| shown.ways_back.plain(None));
    let texts = shown.texts;
    let page = match &ended {
        Ok(JourneyOutcome::Connected) => {
            let text = (texts.connected.text)(shown.layout.application());
            shown.page(Kind::Success, (texts.connected.title, text.into()), Next::Done(back))
        }
        Ok(JourneyOutcome::Denied) => {
            let next = shown.start_again_here().unwrap_or(Next::Done(back));
            shown.page(Kind::Notice, texts.declined.words(), next)
        }
        // The body of a HEAD is not sent.
        Ok(JourneyOutcome::HeadRequest) => shown.page(Kind::Notice, texts.prefetched_or_embedded.words(), Next::Open),
        Err(error) => return failed(error, shown, back, reference),
    };
    page.reply(StatusCode::OK, shown.layout)
}

impl Shown<'_> {
    fn page(&self, kind: Kind, (title, text): Words, next: Next) -> Page<'static> {
        let paragraphs = vec![text.into_owned()];
        Page { texts: self.texts, kind, title: title.to_owned(), paragraphs, scope: Vec::new(), next, reference: None }
    }

    /// For an attempt that began at the install link. The link of a session is not known here.
    fn start_again_here(&self) -> Option<Next> {
        let is_of_the_install_link = self.own.is_some_and(|own| own.destination.session.is_none());
        is_of_the_install_link.then(|| Next::StartAgainHere { to: "/authorize".to_owned() })
    }
}

/// Whether no later answer of the same browser can change the outcome.
pub(crate) fn is_final(ended: &Result<JourneyOutcome, CallbackError>) -> bool {
    match ended {
        Ok(JourneyOutcome::Connected) => true,
        Ok(JourneyOutcome::Denied | JourneyOutcome::HeadRequest) => false,
        // No code was sent, or another request is still at work.
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
        Ok(JourneyOutcome::Denied | JourneyOutcome::HeadRequest) => (JourneyFailure::Denied.status(), None),
        Err(error) => (error.why().map_or("failed", JourneyFailure::status), None),
    };
    JourneyResult { connection_id: own.destination.connection_id.as_str(), status, confirmation, reference }
}

fn failed(error: &CallbackError, shown: &Shown<'_>, back: Option<String>, reference: Option<&str>) -> Response {
    let (status, kind, words) = words(error, shown);
    let next = match error {
        CallbackError::PrefetchedOrEmbedded => Next::Open,
        error if error.may_be_repeated() => Next::TryAgain,
        _ => shown.start_again_here().unwrap_or(Next::StartAgainThere(back)),
    };
    let is_about_a_request = error.why().is_none() && !status.is_server_error();
    let is_reported = matches!(error, CallbackError::ErrorWithoutState(_));
    let reference = reference.filter(|_| is_reported || !is_about_a_request);
    let mut response = Page { reference, ..shown.page(kind, words, next) }.reply(status, shown.layout);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        reply::set(&mut response, ALLOW, "GET, HEAD");
    }
    response
}

fn words(error: &CallbackError, shown: &Shown<'_>) -> (StatusCode, Kind, Words) {
    let texts = shown.texts;
    let (status, kind, message) = match error {
        CallbackError::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, Kind::Notice, &texts.other_method),
        CallbackError::PrefetchedOrEmbedded => {
            (StatusCode::SERVICE_UNAVAILABLE, Kind::Notice, &texts.prefetched_or_embedded)
        }
        CallbackError::Repeated(_) | CallbackError::NotAnAuthorizationResponse => {
            (StatusCode::BAD_REQUEST, Kind::Failure, &texts.damaged)
        }
        CallbackError::ErrorWithoutState(code) => {
            return (StatusCode::BAD_REQUEST, Kind::Failure, reported(code, texts));
        }
        CallbackError::UnknownState => (StatusCode::BAD_REQUEST, Kind::Notice, &texts.unknown),
        CallbackError::Unproven(Unproven::ForeignBrowser) => {
            (StatusCode::BAD_REQUEST, Kind::Notice, &texts.other_browser)
        }
        CallbackError::Unproven(Unproven::Changed) => (StatusCode::BAD_REQUEST, Kind::Failure, &texts.changed),
        CallbackError::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, Kind::Failure, &texts.not_known),
        CallbackError::NotExchanged(_) => (StatusCode::BAD_GATEWAY, Kind::Failure, &texts.provider_not_reached),
        CallbackError::NoTime | CallbackError::Store(_) | CallbackError::Key(_) | CallbackError::Secret(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, Kind::Failure, &texts.out_of_order)
        }
        CallbackError::ErrorResponse(_) | CallbackError::Exchange(_) | CallbackError::AccountUnknown => {
            return about(JourneyFailure::Provider, shown);
        }
        CallbackError::OtherAccount => return about(JourneyFailure::OtherAccount, shown),
        CallbackError::RefusedBeforeExchange(_)
        | CallbackError::RefusedAfterExchange(_)
        | CallbackError::NotStored(_)
        | CallbackError::Expired
        | CallbackError::FailedBefore(_) => return about(error.why().unwrap_or(JourneyFailure::NotStored), shown),
    };
    (status, kind, message.words())
}

/// The words for a journey that has failed for this reason, in this request or in an earlier one.
fn about(why: JourneyFailure, shown: &Shown<'_>) -> (StatusCode, Kind, Words) {
    let texts = shown.texts;
    let (status, kind, message) = match why {
        JourneyFailure::OtherAccount => (StatusCode::BAD_REQUEST, Kind::Notice, &texts.other_account),
        JourneyFailure::Provider => (StatusCode::BAD_GATEWAY, Kind::Failure, &texts.provider_failed),
        JourneyFailure::Denied => (StatusCode::OK, Kind::Notice, &texts.declined),
        JourneyFailure::Expired => {
            let minutes = shown.own.map_or(0, |own| own.created_at.seconds_until(own.expires_at) / 60);
            let words = (texts.too_long.title, (texts.too_long.text)(minutes).into());
            return (StatusCode::BAD_REQUEST, Kind::Notice, words);
        }
        JourneyFailure::SessionUsed => (StatusCode::BAD_REQUEST, Kind::Notice, &texts.used),
        JourneyFailure::Exists => (StatusCode::BAD_REQUEST, Kind::Notice, &texts.connected_meanwhile),
        JourneyFailure::Disconnected => (StatusCode::SERVICE_UNAVAILABLE, Kind::Notice, &texts.disconnected_meanwhile),
        JourneyFailure::NotStored => (StatusCode::SERVICE_UNAVAILABLE, Kind::Failure, &texts.not_stored),
    };
    (status, kind, message.words())
}

/// `code` is a name of the RFC, or `unknown`. The provider's description is not shown.
fn reported(code: &str, texts: &Texts) -> Words {
    let Reported { title, declined, later, other } = &texts.reported;
    let text = match code {
        "access_denied" => (*declined).into(),
        "server_error" | "temporarily_unavailable" => (*later).into(),
        code => other(code).into(),
    };
    (title, text)
}

fn log(ended: &Result<JourneyOutcome, CallbackError>) {
    match ended {
        Ok(JourneyOutcome::HeadRequest) => tracing::info!("a HEAD request was answered, and the journey goes on"),
        Ok(ended) => tracing::info!(?ended, "the journey has ended"),
        // Every stranger can send an error without a state, so this metric has no alarm.
        Err(error @ (CallbackError::ErrorResponse(reported) | CallbackError::ErrorWithoutState(reported))) => {
            tracing::warn!(authorization_errors = 1, reported, reason = %error, "the journey has ended without a code");
        }
        Err(error) => match log_level(error) {
            LogLevel::Failure(class) => class.log(error),
            LogLevel::NoConnection => tracing::warn!(reason = %error, "the journey has ended without a connection"),
            LogLevel::Refused => tracing::info!(reason = %error, "a callback was refused"),
        },
    }
}

/// How an error is logged.
enum LogLevel {
    /// A fault that must be repaired; it is counted.
    Failure(FailureClass),
    /// A journey that ended without a connection.
    NoConnection,
    /// A request that was refused, or that shows an earlier outcome.
    Refused,
}

fn log_level(error: &CallbackError) -> LogLevel {
    match error {
        CallbackError::NotExchanged(error) | CallbackError::Exchange(error) => LogLevel::Failure(error.into()),
        CallbackError::NotStored(error) | CallbackError::Store(error) => LogLevel::Failure(error.into()),
        CallbackError::Key(error) => LogLevel::Failure(error.into()),
        CallbackError::Secret(error) => LogLevel::Failure(error.into()),
        // Another program has written to the table.
        CallbackError::Unproven(Unproven::Changed) => LogLevel::Failure(FailureClass::InconsistentRow),
        CallbackError::OutcomeUnknown
        | CallbackError::ErrorResponse(_)
        | CallbackError::OtherAccount
        | CallbackError::AccountUnknown
        | CallbackError::ErrorWithoutState(_)
        | CallbackError::NoTime
        | CallbackError::RefusedBeforeExchange(Refusal::Disconnected)
        | CallbackError::RefusedAfterExchange(Refusal::Disconnected | Refusal::Superseded) => LogLevel::NoConnection,
        CallbackError::MethodNotAllowed
        | CallbackError::PrefetchedOrEmbedded
        | CallbackError::Repeated(_)
        | CallbackError::NotAnAuthorizationResponse
        | CallbackError::UnknownState
        | CallbackError::Unproven(Unproven::ForeignBrowser)
        | CallbackError::Expired
        | CallbackError::RefusedBeforeExchange(Refusal::SessionUsed | Refusal::Superseded)
        | CallbackError::RefusedAfterExchange(Refusal::SessionUsed)
        | CallbackError::FailedBefore(_) => LogLevel::Refused,
    }
}
