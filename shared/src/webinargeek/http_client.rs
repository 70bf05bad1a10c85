//! The HTTP client for the provider.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};

use crate::ports::REQUEST_BUDGET;
use crate::tls::Tls;

const CONNECT_BUDGET: Duration = Duration::from_secs(3);

/// hyper's default is 100. Its limit of about 400 KiB for all headers does not change.
const MOST_HEADERS: usize = 4096;

/// How long a connection may be unused between two requests of a run. Servers keep one for several seconds, so a server
/// seldom closes a connection at the moment when a request is sent on it.
const IDLE: Duration = Duration::from_secs(2);

/// A clone is the same client.
#[derive(Clone)]
pub struct HttpClient {
    tls: Tls,
    client: Arc<RwLock<reqwest::Client>>,
}

/// As long as this value exists, connections are used for more than one request.
pub struct ReusedConnections<'a>(&'a HttpClient);

impl HttpClient {
    /// `main` makes it, and passes it to every part that calls the provider.
    pub fn new(tls: &Tls) -> Self {
        Self { tls: tls.clone(), client: Arc::new(RwLock::new(client(tls, 0))) }
    }

    pub(super) fn client(&self) -> reqwest::Client {
        self.client.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// For an invocation with many requests: the process is not frozen between them. Connections are not kept for the
    /// next invocation: one that was frozen with the process breaks after a request was sent on it, and the outcome of
    /// this request is unknown.
    pub fn reuse_connections(&self) -> ReusedConnections<'_> {
        self.replace(client(&self.tls, usize::MAX));
        ReusedConnections(self)
    }

    fn replace(&self, client: reqwest::Client) {
        *self.client.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = client;
    }
}

impl Drop for ReusedConnections<'_> {
    fn drop(&mut self) {
        self.0.replace(client(&self.0.tls, 0));
    }
}

fn client(tls: &Tls, most_idle: usize) -> reqwest::Client {
    // A proxy may compress anyway: see `body`.
    let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    let client = tls
        .http()
        .default_headers(headers)
        // RFC 9112 section 5 lets a client accept the following three. To refuse an answer for a header of some proxy
        // is to lose its pair.
        .http1_max_headers(MOST_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .pool_max_idle_per_host(most_idle)
        .pool_idle_timeout(IDLE)
        .connect_timeout(CONNECT_BUDGET)
        .timeout(REQUEST_BUDGET)
        .user_agent(concat!("webinargeek-connect/", env!("CARGO_PKG_VERSION")))
        .build();
    client.expect("the settings of the HTTP client are constant")
}
