//! Errors of the integrator's routes: `application/problem+json` (RFC 9457) with a stable `code`.

use std::borrow::Cow;

use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use serde_json::json;

use super::{Response, reply};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    InvalidRequest,
    NotFound,
    MethodNotAllowed,
    UnsupportedMediaType,
    PayloadTooLarge,
    ReauthRequired,
    Unconfirmed,
    ConnectionExists,
    Unavailable,
    ProviderUnavailable,
    Misconfigured,
}

impl Code {
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

#[derive(Clone, Debug)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    /// The member, parameter or path segment that is wrong.
    pub field: Option<Cow<'static, str>>,
    /// Seconds.
    pub retry_after: Option<i64>,
    /// What a resource allows, with `MethodNotAllowed`.
    pub allow: Option<&'static str>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, retry_after: None, allow: None }
    }

    pub fn field(field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::InvalidRequest, detail) }
    }

    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, format!("this resource answers to {allow}")) }
    }

    pub fn retry_after(self, seconds: i64) -> Self {
        Self { retry_after: Some(seconds.max(1)), ..self }
    }

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
