//! The provider's addresses, and how the client authenticates there.

use std::time::Duration;

use url::Url;

use super::Environment;

const AUTHORIZE_URL: &str = "https://app.webinargeek.com/oauth/authorize";
pub(super) const TOKEN_URL: &str = "https://app.webinargeek.com/oauth/token";
const REVOKE_URL: &str = "https://app.webinargeek.com/oauth/revoke";

/// How the client authenticates at the token endpoint (names of RFC 7591 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_post`: id and secret are parameters of the form.
    Post,
    /// `client_secret_basic`: id and secret are in the `Authorization` header (RFC 6749 section 2.3.1).
    Basic,
}

/// Where a customer's browser is sent (RFC 6749 section 3.1).
#[derive(Clone, Debug)]
pub struct AuthorizationEndpoint {
    /// `WEBINARGEEK_AUTHORIZE_URL`.
    pub url: Url,
    /// `WEBINARGEEK_CLIENT_ID`.
    pub client_id: String,
    /// Separated by spaces (RFC 6749 section 3.3); `None` leaves the parameter out.
    pub scope: Option<String>,
    /// Whether the request has a `code_challenge` (RFC 7636 section 4.3).
    pub pkce: bool,
}

/// Where a code is exchanged, a pair is refreshed (RFC 6749 section 3.2) and a token is revoked (RFC 7009).
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    /// `WEBINARGEEK_TOKEN_URL`.
    pub url: Url,
    /// `None` switches revocation off.
    pub revoke_url: Option<Url>,
    /// `WEBINARGEEK_CLIENT_ID`.
    pub client_id: String,
    /// Used at the token endpoint and at the revocation endpoint.
    pub client_authentication: ClientAuthentication,
    /// The lifetime of an access token, where the provider does not say it.
    pub expires_in: Duration,
}

impl Environment<'_> {
    /// The URL defaults to WebinarGeek's.
    pub fn authorization_endpoint(&mut self) -> AuthorizationEndpoint {
        AuthorizationEndpoint {
            url: self.url("WEBINARGEEK_AUTHORIZE_URL", AUTHORIZE_URL),
            client_id: self.required("WEBINARGEEK_CLIENT_ID"),
            scope: self.optional("WEBINARGEEK_SCOPE"),
            pkce: self.switch("WEBINARGEEK_PKCE", true),
        }
    }

    /// Where the provider says whose account an access token is for; unset or empty switches this request off.
    pub fn account_url(&mut self) -> Option<Url> {
        self.optional("WEBINARGEEK_ACCOUNT_URL").map(|_| self.url("WEBINARGEEK_ACCOUNT_URL", ""))
    }

    /// The URLs default to WebinarGeek's; with another token URL and no revocation URL, revocation is off.
    pub fn token_endpoint(&mut self) -> TokenEndpoint {
        let token_url_is_webinargeeks = self.optional("WEBINARGEEK_TOKEN_URL").is_none();
        let revoke_url = match (self.lookup)("WEBINARGEEK_REVOKE_URL") {
            Some(text) if text.is_empty() => None,
            Some(_) => Some(self.url("WEBINARGEEK_REVOKE_URL", "")),
            // The tokens of another provider must not be sent to WebinarGeek.
            None => token_url_is_webinargeeks.then(|| Url::parse(REVOKE_URL).expect("a constant")),
        };
        let client_authentication = match self.optional("WEBINARGEEK_CLIENT_AUTH").as_deref() {
            None | Some("client_secret_post") => ClientAuthentication::Post,
            Some("client_secret_basic") => ClientAuthentication::Basic,
            Some(_) => {
                self.problem("WEBINARGEEK_CLIENT_AUTH", "must be client_secret_post or client_secret_basic");
                ClientAuthentication::Post
            }
        };
        TokenEndpoint {
            url: self.url("WEBINARGEEK_TOKEN_URL", TOKEN_URL),
            revoke_url,
            client_id: self.required("WEBINARGEEK_CLIENT_ID"),
            client_authentication,
            expires_in: self.seconds("WEBINARGEEK_EXPIRES_IN", 7200),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigError;

    type Endpoints = (AuthorizationEndpoint, TokenEndpoint);

    fn endpoints(pairs: &'static [(&'static str, &'static str)]) -> Result<Endpoints, ConfigError> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Environment::read(&lookup, |env| (env.authorization_endpoint(), env.token_endpoint()))
    }

    #[test]
    fn every_problem_is_reported_at_once_and_names_its_variable() {
        let error = endpoints(&[
            ("WEBINARGEEK_TOKEN_URL", "http://provider.example/token"),
            ("WEBINARGEEK_PKCE", "maybe"),
            ("WEBINARGEEK_EXPIRES_IN", "soon"),
            ("WEBINARGEEK_CLIENT_AUTH", "none"),
        ])
        .unwrap_err()
        .to_string();
        for name in ["CLIENT_ID", "TOKEN_URL", "PKCE", "EXPIRES_IN", "CLIENT_AUTH"] {
            assert!(error.contains(&format!("WEBINARGEEK_{name}")), "{name} in {error}");
        }
    }

    #[test]
    fn the_defaults_are_webinargeeks() {
        let (authorization, token) = endpoints(&[("WEBINARGEEK_CLIENT_ID", "id")]).unwrap();
        assert_eq!(authorization.url.as_str(), AUTHORIZE_URL);
        assert_eq!(token.url.as_str(), TOKEN_URL);
        assert_eq!(token.revoke_url.unwrap().as_str(), REVOKE_URL);
        assert!(authorization.pkce);
    }

    #[test]
    fn the_tokens_of_another_provider_are_not_sent_to_webinargeek() {
        let (_, token) =
            endpoints(&[("WEBINARGEEK_CLIENT_ID", "id"), ("WEBINARGEEK_TOKEN_URL", "https://provider.example/token")])
                .unwrap();
        assert!(token.revoke_url.is_none());
    }

    #[test]
    fn an_empty_revoke_url_switches_revocation_off() {
        let (_, token) = endpoints(&[("WEBINARGEEK_CLIENT_ID", "id"), ("WEBINARGEEK_REVOKE_URL", "")]).unwrap();
        assert!(token.revoke_url.is_none());
    }
}
