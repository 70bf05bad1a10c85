//! The HTTP client for the provider.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};

use crate::ports::REQUEST_BUDGET;
use crate::tls::Tls;

const CONNECT_BUDGET: Duration = Duration::from_secs(3);

/// hyper reads 100 otherwise, within the same limit of some 400 KiB.
const MOST_HEADERS: usize = 4096;

/// A clone is the same client.
#[derive(Clone)]
pub struct HttpClient(pub(super) reqwest::Client);

impl HttpClient {
    /// Made in `main`, and passed to every part that calls the provider.
    pub fn new(tls: &Tls) -> Self {
        // A front end may compress all the same: see `body`.
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let client = tls
            .http()
            .default_headers(headers)
            // RFC 9112 section 5 lets a client accept all three, and a connection serves one answer only. A pair that
            // is refused for a header of some proxy is a pair lost.
            .http1_max_headers(MOST_HEADERS)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            // A connection kept from an earlier invocation has been frozen with it: it breaks after sending, and the
            // outcome is unknown for nothing.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_BUDGET)
            .timeout(REQUEST_BUDGET)
            .user_agent(concat!("webinargeek-connect/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(client.expect("the settings of the HTTP client are constant"))
    }
}
