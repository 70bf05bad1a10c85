//! How a command fails, and its exit code.

use std::io;

use serde_json::{Value, json};
use webinargeek_connect_client::{Code, Error};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}", with_causes(.0))]
    Api(#[from] Error),
    /// AWS has denied access to the stack or its logs, or the right to run the function.
    #[error("{what}: {detail}")]
    Aws { what: &'static str, is_answered: bool, code: Option<String>, detail: String },
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    #[error("{path}: {error}")]
    File { path: String, error: io::Error },
    #[error(
        "WebinarGeek refuses the refresh token: the customer must connect again, or import another one with --replace"
    )]
    Refused,
    /// The doctor has printed its findings already.
    #[error("the doctor has found something that failed")]
    Unhealthy,
    #[error("{failed} of {lines} lines have failed: {report} says why; the same command tries them again")]
    Lines { failed: usize, lines: usize, report: String },
    #[error("interrupted: run the same command to go on")]
    Interrupted,
    #[error("")]
    Command(u8),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Api(error) => of_api(error),
            Self::Aws { is_answered: false, .. } => 5,
            Self::Aws { code, .. } => match code.as_deref() {
                Some("AccessDenied" | "AccessDeniedException" | "ExpiredToken" | "ExpiredTokenException") => 6,
                Some("Throttling" | "ThrottlingException" | "TooManyRequestsException") => 5,
                _ => 1,
            },
            Self::NotFound(_) => 3,
            Self::Usage(_) => 2,
            Self::Failed(_) | Self::File { .. } => 1,
            Self::Refused => 4,
            Self::Unhealthy => 7,
            Self::Lines { .. } => 9,
            Self::Interrupted => 130,
            Self::Command(code) => *code,
        }
    }

    /// What to do about it, if that is known.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::Api(Error::Problem(problem)) => match problem.code {
                Code::ReauthRequired => Some("make the customer a new link: wgc link ID".to_owned()),
                Code::ConnectionExists => Some("--replace replaces it, if the refresh token works".to_owned()),
                Code::Misconfigured => Some("wgc doctor says what is wrong".to_owned()),
                _ if problem.status == 403 => {
                    Some("your role needs the policy of the output OperatorPolicyArn".to_owned())
                }
                _ => None,
            },
            Self::Api(Error::NoAnswer { origin, .. }) if origin.starts_with("http:") => {
                Some("is `cargo dev` running, and on this port?".to_owned())
            }
            Self::Api(Error::Credentials(_)) => Some("try them with `aws sts get-caller-identity`".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn json(&self) -> Value {
        let problem = match self {
            Self::Api(error) => error.problem(),
            _ => None,
        };
        json!({ "error": {
            "exit_code": self.exit_code(),
            "detail": self.to_string(),
            "remedy": self.remedy(),
            "code": problem.map(|problem| code(&problem.code)),
            "status": problem.map(|problem| problem.status),
            "field": problem.and_then(|problem| problem.field.as_deref()),
            "request_id": problem.and_then(|problem| problem.request_id.as_deref()),
        } })
    }
}

fn of_api(error: &Error) -> u8 {
    match error {
        Error::Problem(problem) => match (&problem.code, problem.status) {
            (Code::NotFound, _) => 3,
            (Code::ReauthRequired | Code::Unconfirmed, _) => 4,
            (Code::ConnectionExists, _) => 8,
            (Code::InvalidRequest, _) => 2,
            (_, 403) => 6,
            (_, 429 | 500 | 503) => 5,
            _ => 1,
        },
        Error::Setting(_) | Error::Argument(_) => 2,
        Error::Credentials(_) => 6,
        Error::NoAnswer { .. } => 5,
        _ => 1,
    }
}

/// The API's name of a problem.
pub(crate) fn code(code: &Code) -> &str {
    match code {
        Code::InvalidRequest => "invalid_request",
        Code::NotFound => "not_found",
        Code::MethodNotAllowed => "method_not_allowed",
        Code::UnsupportedMediaType => "unsupported_media_type",
        Code::PayloadTooLarge => "payload_too_large",
        Code::ReauthRequired => "reauth_required",
        Code::Unconfirmed => "unconfirmed",
        Code::ConnectionExists => "connection_exists",
        Code::Unavailable => "unavailable",
        Code::ProviderUnavailable => "provider_unavailable",
        Code::Misconfigured => "misconfigured",
        Code::Unknown(code) => code,
        _ => "aws",
    }
}

/// An error and its causes, each once.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |error| error.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
