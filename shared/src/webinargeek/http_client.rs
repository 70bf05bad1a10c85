//! The HTTP client, of which a process needs one: it holds the root certificates, which take time and memory to read.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};

use crate::ports::REQUEST_BUDGET;

const CONNECT_BUDGET: Duration = Duration::from_secs(3);

/// hyper reads 100 otherwise, within the same limit of some 400 KiB.
const MOST_HEADERS: usize = 4096;

/// A clone is the same client.
#[derive(Clone)]
pub struct HttpClient(pub(super) reqwest::Client);

impl HttpClient {
    /// Made in `main`, and passed to every part that calls the provider.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes an HTTP client")]
    #[expect(clippy::new_without_default, reason = "a default would make a second client, and a process needs one")]
    pub fn new() -> Self {
        // Compiled-in roots: the platform's verifier reads the system's store at every start.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let roots = roots.filter_map(|root| reqwest::Certificate::from_der(root).ok());
        // A front end may compress all the same: see `body`.
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .tls_certs_only(roots)
            // A redirect would carry the refresh token to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            // reqwest repeats requests that it believes unprocessed; whether to repeat is the protocol's decision.
            .retry(reqwest::retry::never())
            .http1_only()
            // RFC 9112 section 5 lets a client accept all three, and a connection serves one answer only. A pair that
            // is refused for a header of some proxy is a pair lost.
            .http1_max_headers(MOST_HEADERS)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            // A connection kept from an earlier invocation has been frozen with it: it breaks after sending, and the
            // outcome is unknown for nothing.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .connect_timeout(CONNECT_BUDGET)
            .timeout(REQUEST_BUDGET)
            .user_agent(concat!("webinargeek-connect/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(client.expect("the settings of the HTTP client are constant"))
    }
}
