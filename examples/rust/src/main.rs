// Calls WebinarGeek's API for one of your connections:
// cargo run -p call-api -- acme https://app.webinargeek.com/api/v2/webinars

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Integrator {
    /// The output ApiOrigin.
    api: String,
    aws: SdkConfig,
    http: reqwest::Client,
}

impl Integrator {
    async fn send(&self, method: &str, path: &str, body: &[u8]) -> Result<reqwest::Response> {
        let url = format!("{}{path}", self.api);
        let credentials = self.aws.credentials_provider().ok_or("no credentials")?.provide_credentials().await?;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.aws.region().ok_or("AWS_REGION is not set")?.as_ref())
            .name("execute-api")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let signable = SignableRequest::new(method, &url, std::iter::empty(), SignableBody::Bytes(body))?;
        let (signature, _) = sign(signable, &params.into())?.into_parts();
        let request = http::Request::builder().method(method).uri(&url).header("content-type", "application/json");
        let mut request = request.body(body.to_vec())?;
        signature.apply_to_request_http1x(&mut request);
        Ok(self.http.execute(request.try_into()?).await?)
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut answer = self.send(method, path, body.as_bytes()).await?;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = answer.headers().get("retry-after").map_or(Ok("5"), |value| value.to_str())?.parse()?;
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            answer = self.send(method, path, body.as_bytes()).await?;
        }
        let (status, text) = (answer.status(), answer.text().await?);
        if status.is_success() { Ok(serde_json::from_str(&text)?) } else { Err(format!("{status} {text}").into()) }
    }
}

/// One customer's connection, with its token.
struct Connection<'a> {
    integrator: &'a Integrator,
    path: String,
    token: Value,
}

impl<'a> Connection<'a> {
    async fn open(integrator: &'a Integrator, id: &str) -> Result<Self> {
        let path = format!("/v1/connections/{id}/token");
        let token = integrator.call("GET", &path, None).await?;
        Ok(Self { integrator, path, token })
    }

    async fn get(&mut self, url: &str) -> Result<reqwest::Response> {
        let cache_until = OffsetDateTime::parse(self.token["cache_until"].as_str().unwrap_or_default(), &Rfc3339)?;
        if cache_until <= OffsetDateTime::now_utc() {
            self.token = self.integrator.call("GET", &self.path, None).await?;
        }
        let answer = self.send(url).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // Ended before its time: say so, once.
        let rejected = json!({ "rejected_version": self.token["version"] });
        self.token = self.integrator.call("POST", &self.path, Some(rejected)).await?;
        self.send(url).await
    }

    async fn send(&self, url: &str) -> Result<reqwest::Response> {
        let access_token = self.token["access_token"].as_str().unwrap_or_default();
        Ok(self.integrator.http.get(url).bearer_auth(access_token).send().await?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let integrator = Integrator {
        api: std::env::var("API_ORIGIN")?,
        aws: aws_config::load_defaults(BehaviorVersion::latest()).await,
        http: reqwest::Client::builder().timeout(Duration::from_secs(35)).build()?,
    };
    let mut connection = Connection::open(&integrator, &arguments.next().ok_or("which connection?")?).await?;
    for url in arguments {
        let answer = connection.get(&url).await?;
        println!("{} {}", answer.status().as_u16(), answer.text().await?);
    }
    Ok(())
}
