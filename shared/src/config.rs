//! What a function reads from its environment. Every problem is reported at once, each naming its variable.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use crate::domain::branding::{self, Accent, Branding, Colour, Logo};
use crate::domain::return_to::{ReturnToOrigins, WaysBack, is_loopback};
use crate::protocol::Deployment;

const AUTHORIZE_URL: &str = "https://app.webinargeek.com/oauth/authorize";
const TOKEN_URL: &str = "https://app.webinargeek.com/oauth/token";
const REVOKE_URL: &str = "https://app.webinargeek.com/oauth/revoke";

/// How the client proves itself to the token endpoint (names of RFC 7591 section 2).
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

/// What exchanges a code, refreshes a pair (RFC 6749 section 3.2) and revokes a token (RFC 7009).
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    /// `WEBINARGEEK_TOKEN_URL`.
    pub url: Url,
    /// `None` switches revocation off.
    pub revoke_url: Option<Url>,
    /// `WEBINARGEEK_CLIENT_ID`.
    pub client_id: String,
    /// The same for the token endpoint and for revocation.
    pub client_authentication: ClientAuthentication,
    /// The lifetime of an access token whose grant does not say.
    pub expires_in: Duration,
}

/// What every function needs that refreshes.
#[derive(Clone)]
pub struct RefreshSettings {
    /// The name of the DynamoDB table.
    pub connections_table: String,
    /// Of the SQS queue.
    pub escrow_queue_url: String,
    /// Of the secret in Secrets Manager.
    pub client_secret_arn: String,
    /// The name of the deployment; pairs are sealed for it.
    pub stack: String,
    /// Between scheduled runs.
    pub refresh_every: Duration,
    /// Where pairs are refreshed and revoked.
    pub token_endpoint: TokenEndpoint,
    /// How long a process keeps an opened data key; zero: not at all.
    pub data_keys_kept_for: Duration,
}

impl RefreshSettings {
    /// Reads all variables; `env` keeps what is wrong with them.
    pub fn read(env: &mut Environment) -> Self {
        Self {
            connections_table: env.required("CONNECTIONS_TABLE"),
            escrow_queue_url: env.required("ESCROW_QUEUE_URL"),
            client_secret_arn: env.required("CLIENT_SECRET_ARN"),
            stack: env.stack(),
            refresh_every: env.refresh_every(),
            token_endpoint: env.token_endpoint(),
            data_keys_kept_for: env.minutes("DATA_KEY_MINUTES", 240, 0..=1440),
        }
    }

    /// The part that the protocol needs.
    pub fn deployment(&self) -> Deployment {
        Deployment {
            stack: self.stack.clone(),
            client_id: self.token_endpoint.client_id.clone(),
            refresh_every: self.refresh_every,
            default_lifetime: self.token_endpoint.expires_in,
            data_keys_kept_for: self.data_keys_kept_for,
        }
    }
}

/// One text for each problem; each begins with the name of its variable.
#[derive(thiserror::Error)]
#[error("the environment is not usable: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

/// The same words as `Display`: a `main` that returns this error prints its `Debug` form.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads variables, and remembers what is wrong with them.
pub struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl<'a> Environment<'a> {
    /// `lookup` returns the value of a variable, or `None` where it is not set.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// Reads with `read`, and returns the result, or every problem that was found.
    pub fn read<T>(
        lookup: &'a dyn Fn(&str) -> Option<String>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, ConfigError> {
        let mut environment = Self::new(lookup);
        let value = read(&mut environment);
        if environment.problems.is_empty() { Ok(value) } else { Err(ConfigError(environment.problems)) }
    }

    /// An empty variable counts as unset.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// An unset variable is a problem, and is read as the empty text.
    pub fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problem(name, "is required");
            String::new()
        })
    }

    /// `on` or `off`; `default` where the variable is not set.
    pub fn switch(&mut self, name: &str, default: bool) -> bool {
        match self.optional(name).as_deref() {
            None => default,
            Some("on") => true,
            Some("off") => false,
            Some(_) => {
                self.problem(name, "must be on or off");
                default
            }
        }
    }

    /// A number of seconds, from 1 to a year; `default` where the variable is not set.
    pub fn seconds(&mut self, name: &str, default: u64) -> Duration {
        let seconds = match self.optional(name).map(|text| text.parse()) {
            None => default,
            Some(Ok(seconds)) if (1..=31_536_000).contains(&seconds) => seconds,
            Some(_) => {
                self.problem(name, "must be a number of seconds between 1 and 31536000");
                default
            }
        };
        Duration::from_secs(seconds)
    }

    /// https, or http on a loopback address.
    pub fn url(&mut self, name: &str, default: &str) -> Url {
        let text = self.optional(name).unwrap_or_else(|| default.to_owned());
        match parse_url(&text) {
            Ok(url) => url,
            Err(problem) => {
                self.problem(name, problem);
                Url::parse(TOKEN_URL).expect("a constant")
            }
        }
    }

    /// A scheme, a host and perhaps a port, and nothing after them.
    pub fn origin(&mut self, name: &str) -> Option<String> {
        self.parsed(name, |text| parse_origin(text).map(|origin| origin.ascii_serialization()))
    }

    /// `RETURN_TO_ORIGINS`, separated by commas; no origin is allowed where it is not set.
    pub fn return_to_origins(&mut self) -> ReturnToOrigins {
        let mut origins = Vec::new();
        for text in self.optional("RETURN_TO_ORIGINS").unwrap_or_default().split(',').map(str::trim) {
            if text.is_empty() {
                continue;
            }
            match parse_origin(text) {
                Ok(origin) => origins.push(origin),
                Err(problem) => self.problem("RETURN_TO_ORIGINS", problem),
            }
        }
        ReturnToOrigins::These(origins)
    }

    /// Where the pages of a journey may lead.
    pub fn ways_back(&mut self) -> WaysBack {
        let home = self.optional("APPLICATION_HOME").map(|_| self.url("APPLICATION_HOME", ""));
        WaysBack { return_to_origins: self.return_to_origins(), application_home: home }
    }

    /// How the pages look, and whom they name.
    pub fn branding(&mut self) -> Branding {
        Branding {
            application: self.optional("DISPLAY_NAME"),
            logo: self.parsed("LOGO_URL", Logo::parse),
            accent: self
                .parsed("ACCENT_COLOR", |text| Colour::parse(text).ok_or("must be a colour of the form #rrggbb"))
                .map_or_else(Accent::default, Accent),
            support: self.parsed("SUPPORT_URL", branding::parse_support),
            privacy: self.parsed("PRIVACY_URL", parse_url),
        }
    }

    fn parsed<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        match parse(&self.optional(name)?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem(name, problem);
                None
            }
        }
    }

    /// How long a customer may take at the provider's consent page.
    pub fn consent_time(&mut self) -> Duration {
        self.minutes("CONSENT_MINUTES", 30, 5..=60)
    }

    fn minutes(&mut self, name: &str, default: u64, allowed: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(name, default, allowed) * 60)
    }

    /// A number within `allowed`; `default` where the variable is not set.
    pub fn number(&mut self, name: &str, default: u64, allowed: RangeInclusive<u64>) -> u64 {
        match self.optional(name).map(|text| text.parse()) {
            None => default,
            Some(Ok(number)) if allowed.contains(&number) => number,
            Some(_) => {
                let (least, most) = (allowed.start(), allowed.end());
                self.problem(name, &format!("must be a number between {least} and {most}"));
                default
            }
        }
    }

    /// `STACK`, which is required.
    pub fn stack(&mut self) -> String {
        self.required("STACK")
    }

    /// Seconds between scheduled runs.
    pub fn refresh_every(&mut self) -> Duration {
        self.seconds("REFRESH_EVERY", 300)
    }

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
        let token_url_is_ours = self.optional("WEBINARGEEK_TOKEN_URL").is_none();
        let revoke_url = match (self.lookup)("WEBINARGEEK_REVOKE_URL") {
            Some(text) if text.is_empty() => None,
            Some(_) => Some(self.url("WEBINARGEEK_REVOKE_URL", "")),
            // Another provider's tokens must not be sent to WebinarGeek.
            None => token_url_is_ours.then(|| Url::parse(REVOKE_URL).expect("a constant")),
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

    /// Notes what is wrong with a variable. The text is logged, so it must not hold the value, which may be a secret.
    pub fn problem(&mut self, name: &str, problem: &str) {
        let problem = format!("{name} {problem}");
        // Several settings may read the same variable.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

fn parse_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !safe || !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must be https, or http on a loopback address, without a user name, password or fragment");
    }
    Ok(url)
}

fn parse_origin(text: &str) -> Result<url::Origin, &'static str> {
    let url = parse_url(text)?;
    if url.path() != "/" || url.query().is_some() {
        return Err("must be an origin: a scheme, a host and perhaps a port, and nothing after them");
    }
    Ok(url.origin())
}

/// The process's own environment.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_wrong_logo_colour_or_link_is_a_problem_at_the_start() {
        const WRONG: [(&str, &str); 4] = [
            ("LOGO_URL", "http://cdn.example.com/logo.svg"),
            ("ACCENT_COLOR", "blue"),
            ("SUPPORT_URL", "help@example.com"),
            ("PRIVACY_URL", "ftp://example.com/"),
        ];
        let lookup = |name: &str| WRONG.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let problems = Environment::read(&lookup, Environment::branding).unwrap_err().0;
        assert_eq!(problems.len(), WRONG.len(), "{problems:?}");
        assert!(WRONG.iter().zip(&problems).all(|((name, _), problem)| problem.starts_with(name)), "{problems:?}");
        assert!(Environment::read(&|_| None, Environment::branding).unwrap().application.is_none());
    }

    #[test]
    fn another_providers_tokens_are_not_shown_to_webinargeek() {
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
