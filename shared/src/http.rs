//! HTTP as every handler sees it: `http::Request<Vec<u8>>` in, `http::Response<String>` out. API Gateway, the laptop's
//! server and the tests run the same handlers.

pub mod accept_language;
pub mod api_gateway;
pub mod body;
pub mod cookie;
pub mod fetch_metadata;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod reply;
pub mod texts;

use async_trait::async_trait;
use http::Method;
use http::header::{
    CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use tracing::Span;
use tracing::field::Empty;

use crate::domain::time::Timestamp;

/// With the whole body: no route reads a stream.
pub type Request = http::Request<Vec<u8>>;
/// With the whole body, which is always text.
pub type Response = http::Response<String>;

/// One function's answer to its requests.
#[async_trait]
pub trait Endpoint: Send + Sync {
    /// Every error becomes an answer. [`answer`] adds the headers that all answers have.
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response;
}

/// The context of a request.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// It is in every log line, and on pages as the reference number.
    pub request_id: String,
    /// Where the request arrived, `https://host[:port]`: API Gateway's own domain name, never the Host header.
    pub origin: String,
    /// When the process may be stopped.
    pub deadline: Timestamp,
    /// The ARN of the IAM principal that has signed the request, as API Gateway has verified it. `None` for a browser,
    /// and on a laptop.
    pub principal: Option<String>,
}

impl Invocation {
    /// The fields of every log line of the request. `attempt` and `connection` are recorded as soon as they are known.
    pub fn span(&self, function: &'static str) -> Span {
        tracing::info_span!("invocation", function, request_id = self.request_id, attempt = Empty, connection = Empty)
    }
}

/// The answer as it is sent: with the headers of all answers, and for a HEAD without its body (RFC 9110 section 9.3.2).
pub async fn answer(endpoint: &dyn Endpoint, request: Request, invocation: &Invocation) -> Response {
    let is_head = *request.method() == Method::HEAD;
    let mut response = endpoint.handle(request, invocation).await;
    protect(response.headers_mut(), &invocation.origin);
    if is_head {
        let length = std::mem::take(response.body_mut()).len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// Sets the headers that tell browsers to isolate an answer from all other sites.
pub fn protect(headers: &mut HeaderMap, origin: &str) {
    const ISOLATION: [(HeaderName, &str); 4] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in ISOLATION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Without `includeSubDomains`: a stack's domain may have other hosts below it.
    if origin.starts_with("https:") {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"));
    }
}
