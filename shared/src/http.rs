//! HTTP as every handler sees it: `http::Request<Vec<u8>>` in, `http::Response<String>` out. API Gateway, the laptop's
//! server and the tests run the same handlers.

pub mod body;
pub mod cookie;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod reply;

use async_trait::async_trait;
use tracing::Span;
use tracing::field::Empty;

use crate::domain::time::Timestamp;

pub type Request = http::Request<Vec<u8>>;
pub type Response = http::Response<String>;

/// One function's answer to its requests.
#[async_trait]
pub trait Endpoint: Send + Sync {
    async fn handle(&self, request: Request, invocation: &Invocation) -> Response;
}

/// The context of a request.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// In every log line, and on pages as the reference number.
    pub request_id: String,
    /// Where the request arrived, `https://host[:port]`: API Gateway's own domain name, never the Host header.
    pub origin: String,
    /// When the process may be stopped.
    pub deadline: Timestamp,
}

impl Invocation {
    /// The fields of every log line of the request. `attempt` and `connection` are recorded as soon as they are known.
    pub fn span(&self, function: &'static str) -> Span {
        tracing::info_span!("invocation", function, request_id = self.request_id, attempt = Empty, connection = Empty)
    }
}

/// Whether a browser asks in advance (Sec-Purpose, or Purpose in older ones). Such a request must change nothing.
pub fn is_prefetch(request: &Request) -> bool {
    ["sec-purpose", "purpose", "x-moz", "x-purpose"].iter().any(|name| {
        request.headers().get_all(*name).iter().any(|value| {
            value.to_str().is_ok_and(|text| {
                let text = text.to_ascii_lowercase();
                text.contains("prefetch") || text.contains("prerender") || text.contains("preview")
            })
        })
    })
}
