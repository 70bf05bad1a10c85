//! The HTTP client, of which a process needs one: it holds the root certificates, which take time and memory to read.

use std::time::Duration;

use crate::ports::REQUEST_BUDGET;

const CONNECT_BUDGET: Duration = Duration::from_secs(3);

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
        let client = reqwest::Client::builder()
            .tls_certs_only(roots)
            // A redirect would carry the refresh token to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            // reqwest repeats requests that it believes unprocessed; whether to repeat is the protocol's decision.
            .retry(reqwest::retry::never())
            .http1_only()
            // A connection kept from an earlier invocation was frozen with it: it breaks after sending, and the outcome
            // is unknown without need.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .connect_timeout(CONNECT_BUDGET)
            .timeout(REQUEST_BUDGET)
            .user_agent(concat!("webinargeek-connect/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(client.expect("the settings of the HTTP client are constant"))
    }
}
