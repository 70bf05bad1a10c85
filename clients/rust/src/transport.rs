//! Requests to the API: where they go, how they are signed, and what their answers are.

use std::time::{Duration, SystemTime};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use crate::error::{Error, refusal, retry_after};

/// API Gateway gives up after 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(35);

/// The pause if the answer names no time.
const PAUSE: Duration = Duration::from_secs(5);

/// If a longer pause is asked for, the caller gets the problem at once.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(crate) struct Transport {
    origin: Url,
    http: reqwest::Client,
    signer: Option<Signer>,
}

struct Signer {
    credentials: SharedCredentialsProvider,
    region: Region,
}

impl Transport {
    /// With the credentials that the SDK finds; on a loopback address with those of the environment, if there are any.
    pub(crate) async fn found(origin: &str) -> Result<Self, Error> {
        let origin = parse(origin)?;
        if !is_loopback(&origin) {
            let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
            return Self::configured(origin, &config);
        }
        // The other sources of credentials may wait for the network, and `cargo dev` ignores signatures.
        let credentials = EnvironmentVariableCredentialsProvider::new();
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
        let signer = match (credentials.provide_credentials().await, region) {
            (Ok(_), Some(region)) => {
                Some(Signer { credentials: SharedCredentialsProvider::new(credentials), region: Region::new(region) })
            }
            _ => None,
        };
        Self::new(origin, signer)
    }

    pub(crate) fn with_config(origin: &str, config: &SdkConfig) -> Result<Self, Error> {
        Self::configured(parse(origin)?, config)
    }

    fn configured(origin: Url, config: &SdkConfig) -> Result<Self, Error> {
        let none = || Error::Credentials("the configuration of the SDK has no source of credentials".to_owned());
        let credentials = config.credentials_provider().ok_or_else(none)?;
        let region = region_of(&origin).map(Region::new).or_else(|| config.region().cloned());
        let region = region.ok_or_else(|| Error::Setting("AWS_REGION is not set: the stack's region".to_owned()))?;
        Self::new(origin, Some(Signer { credentials, region }))
    }

    fn new(origin: Url, signer: Option<Signer>) -> Result<Self, Error> {
        // This API never redirects, and a signature is for one host.
        let mut http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&origin) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| Error::no_answer(&origin, error))?;
        Ok(Self { origin, http, signer })
    }

    /// `path` has no characters that need an escape: ids are checked, and parameters are `query`.
    pub(crate) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.origin.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The answer of a call. After a 503 or 429 it waits as the answer says, and asks once more.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<T, Error> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut answer = self.send(&method, url, body.as_bytes()).await?;
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&answer.status()) {
            let pause = retry_after(answer.headers()).unwrap_or(PAUSE);
            if pause <= LONGEST_PAUSE {
                tokio::time::sleep(pause).await;
                answer = self.send(&method, url, body.as_bytes()).await?;
            }
        }
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        let bytes = answer.bytes().await.map_err(|error| Error::no_answer(url, error))?;
        let origin = url.origin().ascii_serialization();
        if !status.is_success() {
            return Err(refusal(&origin, status.as_u16(), retry_after, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|_| Error::NotTheApi { origin, status: status.as_u16() })
    }

    async fn send(&self, method: &Method, url: &Url, body: &[u8]) -> Result<reqwest::Response, Error> {
        let mut request = http::Request::builder().method(method).uri(url.as_str());
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let mut request = request.body(body.to_vec()).map_err(|error| Error::Argument(error.to_string()))?;
        if let Some(signer) = &self.signer {
            signer.sign(&mut request).await?;
        }
        let request = request.try_into().map_err(|error| Error::no_answer(url, error))?;
        self.http.execute(request).await.map_err(|error| Error::no_answer(url, error))
    }
}

impl Signer {
    /// Signature Version 4 for the service `execute-api`.
    async fn sign(&self, request: &mut http::Request<Vec<u8>>) -> Result<(), Error> {
        let failed = |error: &dyn std::error::Error| Error::Credentials(chain(error));
        let identity = self.credentials.provide_credentials().await.map_err(|error| failed(&error))?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region.as_ref())
            .name("execute-api")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?;
        let (method, uri) = (request.method().as_str(), request.uri().to_string());
        let signable = SignableRequest::new(method, uri, std::iter::empty(), SignableBody::Bytes(request.body()));
        let signature = signable.and_then(|signable| sign(signable, &params.into())).map_err(|error| failed(&error))?;
        signature.into_parts().0.apply_to_request_http1x(request);
        Ok(())
    }
}

/// https, or http on a loopback address: tokens are in the answers.
fn parse(origin: &str) -> Result<Url, Error> {
    let wrong = || {
        let shown = origin.chars().filter(|c| !c.is_control()).take(100).collect::<String>();
        Error::Setting(format!(
            "{shown:?} is not an API origin: https://… from the output ApiOrigin, or http://127.0.0.1:8787 for `cargo dev`"
        ))
    };
    let url = Url::parse(origin).map_err(|_| wrong())?;
    let is_origin = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_origin && is_protected(&url) { Ok(url) } else { Err(wrong()) }
}

/// Whether what is sent there cannot be read on the way.
pub(crate) fn is_protected(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

fn is_loopback(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && is_local
}

/// API Gateway's own host names its region: `abcde12345.execute-api.eu-central-1.amazonaws.com`.
fn region_of(origin: &Url) -> Option<String> {
    let mut labels = origin.host_str()?.split('.').skip(1);
    if labels.next() == Some("execute-api") { labels.next().map(str::to_owned) } else { None }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
