//! Errors of the integrator's routes: `application/problem+json` (RFC 9457) with a stable `code`.

use std::borrow::Cow;

use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use serde_json::json;

use super::{Response, reply};

/// The member `code`: callers may depend on it, and each has one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 400: a member, a parameter or a path segment is wrong. `field` names it, unless the body is not a JSON object.
    InvalidRequest,
    /// 404: no such route, connection or connect session.
    NotFound,
    /// 405: `Allow` names the methods of the resource (RFC 9110 section 15.5.6).
    MethodNotAllowed,
    /// 415: the body is not `application/json`.
    UnsupportedMediaType,
    /// 413: the body has more than 16 KiB.
    PayloadTooLarge,
    /// 409: only the customer can help, by a new connect session.
    ReauthRequired,
    /// 409: the first grant waits until the integrator's backend confirms it.
    Unconfirmed,
    /// 409: an import would replace a live connection.
    ConnectionExists,
    /// 503: a service of AWS failed, there was too little time, or a refresh is under way; try again.
    Unavailable,
    /// 503: WebinarGeek has given no token, or asks to wait; try again.
    ProviderUnavailable,
    /// 503: an operator has to repair the deployment; until then, to try again does not help.
    Misconfigured,
}

impl Code {
    /// As `openapi.yaml` lists it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::PayloadTooLarge => "payload_too_large",
            Self::ReauthRequired => "reauth_required",
            Self::Unconfirmed => "unconfirmed",
            Self::ConnectionExists => "connection_exists",
            Self::Unavailable => "unavailable",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::Misconfigured => "misconfigured",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ReauthRequired | Self::Unconfirmed | Self::ConnectionExists => StatusCode::CONFLICT,
            Self::Unavailable | Self::ProviderUnavailable | Self::Misconfigured => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is not valid",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::UnsupportedMediaType => "The body must be application/json",
            Self::PayloadTooLarge => "The body is too large",
            Self::ReauthRequired => "The customer must connect again",
            Self::Unconfirmed => "The connection is not confirmed yet",
            Self::ConnectionExists => "There is a live connection",
            Self::Unavailable => "Temporarily unavailable",
            Self::ProviderUnavailable => "WebinarGeek did not answer as expected",
            Self::Misconfigured => "The deployment is misconfigured",
        }
    }
}

/// One error as the caller sees it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// It also decides the status and the title.
    pub code: Code,
    /// For a person. It holds no text of the provider, and its words may change.
    pub detail: String,
    /// The member, parameter or path segment that is wrong.
    pub field: Option<Cow<'static, str>>,
    /// Seconds.
    pub retry_after: Option<i64>,
    /// The methods of the resource, with `MethodNotAllowed`.
    pub allow: Option<&'static str>,
}

impl Problem {
    /// Without a field, `Retry-After` or `Allow`.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, retry_after: None, allow: None }
    }

    /// 400, about one member, parameter or path segment.
    pub fn field(field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::InvalidRequest, detail) }
    }

    /// 405; `allow` is the value of the header `Allow`.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, format!("this resource answers to {allow}")) }
    }

    /// At least one second: with zero, clients would send the request again at once.
    pub fn retry_after(self, seconds: i64) -> Self {
        Self { retry_after: Some(seconds.max(1)), ..self }
    }

    /// The answer, with the request id as a member, which is in every line of the log.
    pub fn reply(&self, request_id: &str) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.code.title(),
            "status": self.code.status().as_u16(),
            "detail": self.detail,
            "code": self.code.as_str(),
            "request_id": request_id,
        });
        if let Some(field) = &self.field {
            body["field"] = field.as_ref().into();
        }
        let mut response = reply::json(self.code.status(), &body);
        reply::set(&mut response, CONTENT_TYPE, "application/problem+json");
        if let Some(seconds) = self.retry_after {
            reply::set(&mut response, RETRY_AFTER, &seconds.to_string());
        }
        if let Some(allow) = self.allow {
            reply::set(&mut response, ALLOW, allow);
        }
        response
    }
}
