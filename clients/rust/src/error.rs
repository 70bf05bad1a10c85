//! How a call fails.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use serde::Deserialize;
use serde_json::Value;

/// Why a call has no answer. It never holds a token, and prints no text of WebinarGeek.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API, or AWS in front of it, has refused the call.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// A setting is missing or wrong: it says which, and where to find its value.
    #[error("{0}")]
    Setting(String),
    /// An argument is wrong, an id with a slash for example. No request was sent.
    #[error("{0}")]
    Argument(String),
    /// There are no AWS credentials, or they could not be loaded.
    #[error("no AWS credentials: {0}")]
    Credentials(String),
    /// No complete answer came. The call may have been carried out.
    #[error("{origin} has not answered")]
    NoAnswer {
        /// Which server was asked.
        origin: String,
        /// The cause, without the address: a query may hold secrets.
        source: Arc<reqwest::Error>,
    },
    /// A complete answer that is not this API's.
    #[error("{origin} answered {status}, but not as this API does: is it the output ApiOrigin?")]
    NotTheApi {
        /// Which server was asked.
        origin: String,
        /// Its status.
        status: u16,
    },
}

impl Error {
    /// The problem, if it is one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    pub(crate) fn no_answer(url: &url::Url, error: reqwest::Error) -> Self {
        Self::NoAnswer { origin: url.origin().ascii_serialization(), source: Arc::new(error.without_url()) }
    }
}

/// A refusal, as the API describes it (RFC 9457), or as AWS does.
///
/// ```
/// use webinargeek_connect_client::{Code, Error};
///
/// fn what_to_do(error: &Error) -> &'static str {
///     match error.problem().map(|problem| &problem.code) {
///         Some(Code::ReauthRequired) => "send the customer through a new connect session",
///         Some(Code::Unavailable | Code::ProviderUnavailable) => "try again later",
///         _ => "show it to an operator",
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {detail}{}{}", in_field(.field), request(.request_id))]
#[non_exhaustive]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What it is; stable, so that a program may decide by it.
    pub code: Code,
    /// A sentence for an engineer; it may change.
    pub detail: String,
    /// The member, parameter or path segment that is wrong.
    pub field: Option<String>,
    /// It is in every line of the deployment's log about this request.
    pub request_id: Option<String>,
    /// When the call may succeed.
    pub retry_after: Option<Duration>,
}

/// The `code` of a [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// 400: `field` names what is wrong.
    InvalidRequest,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 415.
    UnsupportedMediaType,
    /// 413.
    PayloadTooLarge,
    /// 409: the customer must connect again, through a new session with this connection id.
    ReauthRequired,
    /// 409: the customer has approved, and the confirm call is missing.
    Unconfirmed,
    /// 409: an import would replace a connection that works.
    ConnectionExists,
    /// 503: a service of AWS, or a refresh that is under way.
    Unavailable,
    /// 503: WebinarGeek.
    ProviderUnavailable,
    /// 503: an operator must repair the deployment; nothing is lost.
    Misconfigured,
    /// An answer of AWS itself: 403 without a valid signature or permission, 429 throttled, 500 and 503 if the function
    /// crashed or took too long.
    #[serde(skip)]
    Aws,
    /// A code of a later version of the API.
    #[serde(untagged)]
    Unknown(String),
}

fn in_field(field: &Option<String>) -> String {
    field.as_ref().map(|field| format!(" ({field})")).unwrap_or_default()
}

fn request(id: &Option<String>) -> String {
    id.as_ref().map(|id| format!(" [request {id}]")).unwrap_or_default()
}

/// The seconds of `Retry-After`. This API and AWS send no dates there.
pub(crate) fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// An answer whose status is not 2xx.
pub(crate) fn refusal(origin: &str, status: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let (code, detail) = match (Code::deserialize(&body["code"]), text("detail"), body.get("message")) {
        (Ok(code), Some(detail), _) => (code, detail),
        (_, _, Some(message)) => (Code::Aws, message.as_str().unwrap_or("AWS gave no reason").to_owned()),
        // The function could not be started, and the answer has no body.
        _ if status == 503 => (Code::Aws, "Service Unavailable".to_owned()),
        _ => return Error::NotTheApi { origin: origin.to_owned(), status },
    };
    let (field, request_id) = (text("field"), text("request_id"));
    Error::Problem(Box::new(Problem { status, code, detail, field, request_id, retry_after }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, body: &str) -> Problem {
        *refusal("http://127.0.0.1", status, None, body.as_bytes()).problem().cloned().map(Box::new).unwrap()
    }

    #[test]
    fn a_problem_with_an_unknown_code_is_read_too() {
        let read = problem(
            400,
            r#"{"type":"about:blank","title":"t","status":400,"detail":"too short","code":"invalid_request",
            "field":"expires_in","request_id":"r1"}"#,
        );
        assert_eq!((read.code.clone(), read.field.as_deref()), (Code::InvalidRequest, Some("expires_in")));
        assert_eq!(read.to_string(), "400 too short (expires_in) [request r1]");
        let later = problem(418, r#"{"detail":"a teapot","code":"short_and_stout"}"#);
        assert_eq!(later.code, Code::Unknown("short_and_stout".to_owned()));
    }

    #[test]
    fn an_error_of_aws_itself_is_a_problem_with_the_code_aws() {
        for (status, body, detail) in [
            (403, r#"{"message":"Forbidden"}"#, "Forbidden"),
            (500, r#"{"message":null}"#, "AWS gave no reason"),
            (503, "", "Service Unavailable"),
        ] {
            let read = problem(status, body);
            assert_eq!((read.code, read.detail.as_str()), (Code::Aws, detail));
        }
    }

    #[test]
    fn the_text_of_another_server_is_not_repeated() {
        let error = refusal("https://example.com", 502, None, b"<p>secret of a proxy</p>");
        assert!(matches!(error, Error::NotTheApi { status: 502, .. }));
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
