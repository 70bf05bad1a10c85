//! The TLS configuration with which a process calls AWS and the provider, and the HTTP client on it. `main` makes it
//! once.
//!
//! It avoids what would make the start of a function slow: to read and parse the system's root certificates, a second
//! TLS stack inside the AWS SDK, and a search for credentials that Lambda puts into the environment.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Environment;

/// The TLS configuration of every connection that the process opens. A clone is the same one.
#[derive(Clone)]
pub struct Tls(ClientConfig);

impl Tls {
    /// Mozilla's root certificates, parsed when the product was compiled. `SSL_CERT_FILE` names a file with others, for
    /// a proxy that intercepts TLS, or for local engines.
    pub fn read(env: &mut Environment) -> Self {
        let Some(path) = env.optional("SSL_CERT_FILE") else { return Self::default() };
        let mut roots = RootCertStore::empty();
        match CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(certificates) => {
                let (added, _) = roots.add_parsable_certificates(certificates);
                // Without any root, every connection would fail, and only the log of a request would show it.
                if added == 0 {
                    env.problem("SSL_CERT_FILE", "must name a file with a root certificate in PEM");
                }
            }
            Err(error) => env.problem("SSL_CERT_FILE", &format!("cannot be read: {error}")),
        }
        Self::trusting(roots)
    }

    fn trusting(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for both versions");
        Self(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// The settings of an HTTP client that sends each request once, unchanged, to the host of its URL.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes HTTP clients")]
    pub(crate) fn http(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.0.clone())
            // A redirect could send the refresh token to any host.
            .redirect(reqwest::redirect::Policy::none())
            // reqwest would repeat requests that it thinks were not processed; only the protocol decides about that.
            .retry(reqwest::retry::never())
            .http1_only()
            .no_proxy()
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::trusting(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_roots_that_has_none_stops_the_start_and_names_the_variable() {
        for file in [concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "/there/is/no/such/file"] {
            let lookup = |name: &str| (name == "SSL_CERT_FILE").then(|| file.to_owned());
            let refused = Environment::read(&lookup, Tls::read).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|refused| refused.contains("SSL_CERT_FILE")), "{file}");
        }
        assert!(Environment::read(&|_| None, Tls::read).is_ok());
    }
}
