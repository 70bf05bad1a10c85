//! Your customers' WebinarGeek access tokens, from your webinargeek-connect deployment.
//!
//! ```no_run
//! use webinargeek_connect_client::{Client, Method};
//!
//! # async fn example() -> Result<(), webinargeek_connect_client::Error> {
//! let client = Client::from_env().await?;
//! let url = "https://app.webinargeek.com/api/v2/webinars";
//! let answer = client.request("acme", Method::GET, url, |request| request).await?;
//! println!("{}", answer.status());
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::from_env`] reads `API_ORIGIN`, the output `ApiOrigin` of the stack. Credentials are found as the AWS SDK
//! for Rust finds them, and every call is signed (SigV4, service `execute-api`). For `cargo dev`, `API_ORIGIN` is
//! `http://127.0.0.1:8787`; on a loopback address no signature is needed, and calls are signed only where the
//! environment has `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_REGION`.
//!
//! Clone a [`Client`] freely: its copies share connections to the servers, and tokens.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

mod answers;
mod error;
mod tokens;
mod transport;

pub use answers::{Account, Connection, Disconnected, Examination, Finding, Link, NewSession, Secret, Session, Token};
pub use aws_config::SdkConfig;
pub use error::{Code, Error, Problem};
pub use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokens::Tokens;
use transport::{LONGEST_PAUSE, Transport, is_protected};

/// A deployment's API.
#[derive(Clone)]
pub struct Client {
    api: Arc<Transport>,
    tokens: Arc<Tokens>,
    webinargeek: reqwest::Client,
}

impl Client {
    /// The deployment that the environment variable `API_ORIGIN` names.
    pub async fn from_env() -> Result<Self, Error> {
        let missing =
            "API_ORIGIN is not set: it is the stack's output ApiOrigin, or http://127.0.0.1:8787 for `cargo dev`";
        let origin = std::env::var("API_ORIGIN").map_err(|_| Error::Setting(missing.to_owned()))?;
        Self::new(&origin).await
    }

    /// The deployment at `origin`: `https://…`, or `http://` on a loopback address.
    pub async fn new(origin: &str) -> Result<Self, Error> {
        Ok(Self::over(Transport::found(origin).await?))
    }

    /// Like [`Client::new`], with credentials and a region that the program has loaded. Every call is signed with them.
    pub fn with_config(origin: &str, config: &SdkConfig) -> Result<Self, Error> {
        Ok(Self::over(Transport::with_config(origin, config)?))
    }

    fn over(api: Transport) -> Self {
        Self { api: Arc::new(api), tokens: Arc::default(), webinargeek: reqwest::Client::new() }
    }

    /// A live token. It is kept until its `cache_until`, and requested by one task at a time.
    ///
    /// A problem with [`Code::ReauthRequired`] means that only the customer can help: send them through a new session.
    pub async fn token(&self, connection: &str) -> Result<Token, Error> {
        let is_good = |token: &Token| OffsetDateTime::now_utc() < token.cache_until;
        self.tokens.get(connection, is_good, self.read_token(connection, &[])).await
    }

    /// A token that is valid for `seconds` more, for a call that takes long. If a new token does not live twice as long,
    /// half of its lifetime counts instead.
    pub async fn token_for(&self, connection: &str, seconds: u32) -> Result<Token, Error> {
        let until = OffsetDateTime::now_utc() + Duration::from_secs(seconds.into());
        let is_good = |token: &Token| until < token.cache_until;
        let seconds = seconds.to_string();
        self.tokens.get(connection, is_good, self.read_token(connection, &[("min_ttl", &seconds)])).await
    }

    async fn read_token(&self, connection: &str, query: &[(&str, &str)]) -> Result<Token, Error> {
        let url = self.api.url(&format!("/v1/connections/{}/token", id(connection)?), query);
        self.api.call(Method::GET, &url, None).await
    }

    /// Reports that WebinarGeek answered 401 to the token of this version. The answer is a newer one.
    /// [`Client::request`] does this by itself.
    pub async fn reject(&self, connection: &str, version: u64) -> Result<Token, Error> {
        // Another task may have reported it already.
        let is_good = |token: &Token| token.version > version;
        let request = async {
            let url = self.api.url(&format!("/v1/connections/{}/token", id(connection)?), &[]);
            self.api.call(Method::POST, &url, Some(&json!({ "rejected_version": version }))).await
        };
        self.tokens.get(connection, is_good, request).await
    }

    /// Sends a request to WebinarGeek with the connection's token. `complete` adds body, headers and query; it is
    /// called once more for each repetition.
    ///
    /// After a 401 the token is rejected once, and the request repeated with a new one. After a 503 that says when
    /// (`Retry-After`, at most a minute) it is repeated once, if its method is idempotent (RFC 9110 section 9.2.2). Any
    /// other answer is the caller's.
    ///
    /// ```no_run
    /// # async fn example(client: webinargeek_connect_client::Client) -> Result<(), webinargeek_connect_client::Error> {
    /// use webinargeek_connect_client::Method;
    ///
    /// let url = "https://app.webinargeek.com/api/v2/webinars";
    /// let answer = client.request("acme", Method::GET, url, |request| request.query(&[("page", "2")])).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request(
        &self,
        connection: &str,
        method: Method,
        url: &str,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Error> {
        let url = Url::parse(url).map_err(|error| Error::Argument(format!("the address: {error}")))?;
        if !is_protected(&url) {
            return Err(Error::Argument("a token is sent over https only, or to a loopback address".to_owned()));
        }
        let send = async |token: &Token| {
            let request = self.webinargeek.request(method.clone(), url.clone()).timeout(Duration::from_secs(30));
            let request = complete(request).bearer_auth(token.access_token.expose());
            request.send().await.map_err(|error| Error::no_answer(&url, error))
        };
        let mut token = self.token(connection).await?;
        let mut answer = send(&token).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            token = self.reject(connection, token.version).await?;
            answer = send(&token).await?;
        }
        let pause = error::retry_after(answer.headers()).filter(|pause| *pause <= LONGEST_PAUSE);
        if let (StatusCode::SERVICE_UNAVAILABLE, true, Some(pause)) = (answer.status(), method.is_idempotent(), pause) {
            tokio::time::sleep(pause).await;
            answer = send(&token).await?;
        }
        Ok(answer)
    }

    /// Makes a link for one customer's journey.
    pub async fn begin_session(&self, session: &NewSession) -> Result<Link, Error> {
        let body = serde_json::to_value(session).map_err(|error| Error::Argument(error.to_string()))?;
        self.api.call(Method::POST, &self.api.url("/v1/connect-sessions", &[]), Some(&body)).await
    }

    /// How the journey of a session went.
    pub async fn session(&self, session_id: &str) -> Result<Session, Error> {
        let url = self.api.url(&format!("/v1/connect-sessions/{}", id(session_id)?), &[]);
        self.api.call(Method::GET, &url, None).await
    }

    /// Confirms that the right customer came back, with what the browser has brought to `return_to`. Call it only where
    /// the user who is logged in is the one that the session was made for.
    pub async fn confirm(&self, session_id: &str, confirmation: &Secret) -> Result<Connection, Error> {
        let url = self.api.url(&format!("/v1/connect-sessions/{}/confirm", id(session_id)?), &[]);
        let body = json!({ "confirmation": confirmation.expose() });
        let connection: Connection = self.api.call(Method::POST, &url, Some(&body)).await?;
        self.tokens.forget(&connection.id);
        Ok(connection)
    }

    /// Every connection, or those of one status; `degraded` and `quarantined` are filters too.
    ///
    /// ```no_run
    /// # async fn example(client: webinargeek_connect_client::Client) -> Result<(), webinargeek_connect_client::Error> {
    /// let mut connections = client.list(Some("reauth_required"));
    /// while let Some(connection) = connections.next().await? {
    ///     println!("{} {:?}", connection.id, connection.reason);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, status: Option<&str>) -> Connections {
        Connections {
            api: self.api.clone(),
            status: status.map(str::to_owned),
            cursor: Some(None),
            page: Vec::new().into_iter(),
        }
    }

    /// The status of a connection.
    pub async fn show(&self, connection: &str) -> Result<Connection, Error> {
        self.api.call(Method::GET, &self.connection(connection)?, None).await
    }

    /// Takes a connection away, at once, and revokes its grants.
    pub async fn disconnect(&self, connection: &str) -> Result<Disconnected, Error> {
        let answer = self.api.call(Method::DELETE, &self.connection(connection)?, None).await;
        self.tokens.forget(connection);
        answer
    }

    /// Takes a connection over from another system. `active` in the answer: it is refreshed; `pending`: it is stored,
    /// and the `reason` says why it is not refreshed yet. From then on only the deployment may use the refresh token.
    pub async fn import(&self, connection: &str, refresh_token: &Secret, replace: bool) -> Result<Connection, Error> {
        let body = json!({ "refresh_token": refresh_token.expose(), "replace": replace });
        let answer = self.api.call(Method::PUT, &self.connection(connection)?, Some(&body)).await;
        self.tokens.forget(connection);
        answer
    }

    /// What would keep a customer from connecting.
    pub async fn doctor(&self) -> Result<Examination, Error> {
        self.api.call(Method::GET, &self.api.url("/v1/doctor", &[]), None).await
    }

    /// Tries on a connection that may be lost how WebinarGeek rotates refresh tokens. Its session was made with
    /// `throw_away`.
    pub async fn try_rotation(&self, throw_away: &str) -> Result<Examination, Error> {
        let body: Value = json!({ "throw_away": throw_away });
        self.api.call(Method::POST, &self.api.url("/v1/doctor", &[]), Some(&body)).await
    }

    fn connection(&self, connection: &str) -> Result<Url, Error> {
        Ok(self.api.url(&format!("/v1/connections/{}", id(connection)?), &[]))
    }
}

/// The connections of a list, requested page by page.
pub struct Connections {
    api: Arc<Transport>,
    status: Option<String>,
    /// `None` when there are no more pages.
    cursor: Option<Option<String>>,
    page: std::vec::IntoIter<Connection>,
}

impl Connections {
    /// The next one; `None` at the end. After an error it may be called again.
    pub async fn next(&mut self) -> Result<Option<Connection>, Error> {
        loop {
            if let Some(connection) = self.page.next() {
                return Ok(Some(connection));
            }
            // A page may be empty, and not the last one.
            let Some(cursor) = &self.cursor else { return Ok(None) };
            let mut query = vec![("limit", "100")];
            query.extend(self.status.as_deref().map(|status| ("status", status)));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page: answers::Page =
                self.api.call(Method::GET, &self.api.url("/v1/connections", &query), None).await?;
            self.cursor = page.next_cursor.map(Some);
            self.page = page.connections.into_iter();
        }
    }
}

/// An id that is one segment of a path. URL parsers collapse `.` and `..`, and another id would name another resource.
fn id(text: &str) -> Result<&str, Error> {
    let in_grammar = |c: u8| c.is_ascii_alphanumeric() || b"_-.:".contains(&c);
    if text.is_empty() || text.len() > 128 || text == "." || text == ".." || !text.bytes().all(in_grammar) {
        let grammar = "an id has 1 to 128 characters of A-Z a-z 0-9 _ - . : and is neither \".\" nor \"..\"";
        return Err(Error::Argument(grammar.to_owned()));
    }
    Ok(text)
}
