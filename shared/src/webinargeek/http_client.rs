//! The HTTP client for the provider.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};

use crate::ports::REQUEST_BUDGET;
use crate::tls::Tls;

const CONNECT_BUDGET: Duration = Duration::from_secs(3);

/// hyper reads 100 otherwise, within the same limit of some 400 KiB.
const MOST_HEADERS: usize = 4096;

/// How long a connection may be unused between two requests of a run. Servers keep one for several seconds, so it is
/// seldom that one ends a connection just when a request is sent on it.
const IDLE: Duration = Duration::from_secs(2);

/// A clone is the same client.
#[derive(Clone)]
pub struct HttpClient {
    tls: Tls,
    client: Arc<RwLock<reqwest::Client>>,
}

/// While it lives, connections are used for more than one request.
pub struct ReusedConnections<'a>(&'a HttpClient);

impl HttpClient {
    /// Made in `main`, and passed to every part that calls the provider.
    pub fn new(tls: &Tls) -> Self {
        Self { tls: tls.clone(), client: Arc::new(RwLock::new(client(tls, 0))) }
    }

    pub(super) fn client(&self) -> reqwest::Client {
        self.client.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Many requests follow, and the process is not frozen between them. A connection that was kept from an earlier
    /// invocation has been frozen with it: it breaks after sending, and the outcome is unknown for nothing. So they are
    /// kept until the end of this one.
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
    // A front end may compress all the same: see `body`.
    let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    let client = tls
        .http()
        .default_headers(headers)
        // RFC 9112 section 5 lets a client accept all three. A pair that is refused for a header of some proxy is a pair
        // lost.
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
