//! The routes of `cargo dev` that are not in the API.

use std::time::Duration;

use serde_json::Value;
use url::Url;
use webinargeek_connect_client::Error;

use crate::failure::{Failure, with_causes};

/// A run of maintenance ends after five minutes at the latest.
const TIMEOUT: Duration = Duration::from_secs(310);

pub(crate) struct Laptop {
    origin: Url,
    http: reqwest::Client,
}

impl Laptop {
    #[expect(clippy::disallowed_methods, reason = "the product's constructor is for its provider")]
    pub(crate) fn new(origin: &str) -> Result<Self, Failure> {
        let origin = Url::parse(origin).map_err(|error| Failure::Usage(error.to_string()))?;
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        let http = http.map_err(|error| Failure::Failed(with_causes(&error)))?;
        Ok(Self { origin, http })
    }

    pub(crate) async fn maintain(&self, event: &Value) -> Result<Value, Failure> {
        self.answer("/local/maintenance", |url| self.http.post(url).body(event.to_string())).await
    }

    /// All events, the earliest first. In a stack the bus gets them.
    pub(crate) async fn events(&self) -> Result<Vec<Value>, Failure> {
        let mut answer = self.answer("/local/events", |url| self.http.get(url)).await?;
        match answer["events"].take() {
            Value::Array(events) => Ok(events),
            _ => Err(Failure::Failed("the answer of /local/events has no events".to_owned())),
        }
    }

    async fn answer(&self, path: &str, request: impl Fn(Url) -> reqwest::RequestBuilder) -> Result<Value, Failure> {
        let mut url = self.origin.clone();
        url.set_path(path);
        let no_answer = |error: reqwest::Error| {
            let (origin, source) = (self.origin.origin().ascii_serialization(), error.without_url().into());
            Failure::Api(Error::NoAnswer { origin, source })
        };
        let request = request(url).header("accept", "application/json").header("content-type", "application/json");
        let answer = request.send().await.map_err(no_answer)?;
        let (status, text) = (answer.status(), answer.text().await.map_err(no_answer)?);
        if !status.is_success() {
            return Err(Failure::Failed(format!("{path} answered {status}: {}", text.trim())));
        }
        serde_json::from_str(&text).map_err(|_| Failure::Failed(format!("the answer of {path} is not JSON")))
    }
}
