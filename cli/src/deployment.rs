//! Which deployment is asked: a stack in AWS, an address, or `cargo dev`.

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::config::ProvideCredentials;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudformation::types::StackResourceSummary;
use url::Url;
use webinargeek_connect_client::{Client, Error};

use crate::arguments::Place;
use crate::failure::{Failure, with_causes};
use crate::laptop::Laptop;

/// The name in samconfig.toml.
const USUAL_STACK: &str = "webinargeek-connect";

pub(crate) struct Deployment {
    pub client: Client,
    pub kind: Kind,
}

pub(crate) enum Kind {
    Laptop(Laptop),
    Stack(Box<Stack>),
    /// An API whose stack is not known.
    Address,
}

pub(crate) struct Stack {
    name: String,
    pub config: SdkConfig,
    outputs: BTreeMap<String, String>,
}

impl Deployment {
    pub(crate) async fn find(place: &Place) -> Result<Self, Failure> {
        let url = match (&place.url, &place.stack) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(_)) => None,
            (None, None) => api_origin(),
        };
        let Some(url) = url else {
            let stack = Stack::find(place.stack.as_deref().unwrap_or(USUAL_STACK), config(place).await).await?;
            let client = Client::with_config(stack.output("ApiOrigin")?, &stack.config)?;
            return Ok(Self { client, kind: Kind::Stack(Box::new(stack)) });
        };
        if Url::parse(&url).is_ok_and(|url| url.scheme() == "http") {
            // The client refuses an address that is not of this machine.
            let client = Client::new(&url).await?;
            return Ok(Self { client, kind: Kind::Laptop(Laptop::new(&url)?) });
        }
        Ok(Self { client: Client::with_config(&url, &config(place).await)?, kind: Kind::Address })
    }

    /// For parts that are not in the API: a stack's log, and its maintenance.
    pub(crate) fn address_is_not_enough(what: &str) -> Failure {
        Failure::Usage(format!("{what} is not in the API: use --stack {USUAL_STACK} in place of --url"))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one variable of ours; the AWS SDK reads its own")]
fn api_origin() -> Option<String> {
    std::env::var("API_ORIGIN").ok().filter(|origin| !origin.is_empty())
}

async fn config(place: &Place) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = &place.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &place.profile {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}

impl Stack {
    async fn find(name: &str, config: SdkConfig) -> Result<Self, Failure> {
        let Some(region) = config.region() else {
            return Err(Failure::Usage(
                "the stack's region is not set: use --region or AWS_REGION, or --url http://127.0.0.1:8787 for `cargo dev`"
                    .to_owned(),
            ));
        };
        // Checked first: the SDK reports missing credentials less clearly, and only after several tries.
        let source = config.credentials_provider();
        let source = source.ok_or_else(|| Error::Credentials("no source of credentials is configured".to_owned()))?;
        let found = source.provide_credentials().await;
        found.map_err(|error| Error::Credentials(with_causes(&error)))?;
        let described = client(&config).describe_stacks().stack_name(name).send().await;
        let described = described.map_err(|error| match error.code() {
            // CloudFormation has no error code of its own for a missing stack.
            Some("ValidationError") => Failure::NotFound(format!(
                "there is no stack {name} in {region}: use --stack and --region, or --url http://127.0.0.1:8787 for `cargo dev`"
            )),
            _ => refused("the stack's outputs cannot be read", error),
        })?;
        let outputs = described.stacks().iter().flat_map(|stack| stack.outputs());
        let outputs =
            outputs.filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())));
        Ok(Self { name: name.to_owned(), outputs: outputs.collect(), config })
    }

    pub(crate) fn output(&self, name: &str) -> Result<&str, Failure> {
        self.outputs.get(name).map(String::as_str).ok_or_else(|| {
            Failure::NotFound(format!(
                "the stack {} has no output {name}: is it one of webinargeek-connect?",
                self.name
            ))
        })
    }

    /// The functions' log groups, by the function's name.
    pub(crate) async fn log_groups(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut groups = BTreeMap::new();
        let mut pages =
            client(&self.config).list_stack_resources().stack_name(&self.name).into_paginator().items().send();
        while let Some(resource) = pages.next().await {
            let resource = resource.map_err(|error| refused("the stack's resources cannot be read", error))?;
            groups.extend(log_group(&resource));
        }
        // API Gateway's log group has lines of another form.
        groups.remove("api");
        Ok(groups)
    }
}

fn log_group(resource: &StackResourceSummary) -> Option<(String, String)> {
    let function = resource.logical_resource_id()?.strip_suffix("LogGroup")?;
    let is_group = resource.resource_type() == Some("AWS::Logs::LogGroup");
    is_group.then_some((function.to_lowercase(), resource.physical_resource_id()?.to_owned()))
}

fn client(config: &SdkConfig) -> aws_sdk_cloudformation::Client {
    aws_sdk_cloudformation::Client::new(config)
}

/// AWS answered with an error, or not at all.
pub(crate) fn refused<E, R>(what: &'static str, error: SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let is_answered = !matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_));
    let code = error.code().map(str::to_owned);
    let detail = match (&code, error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => with_causes(&error),
    };
    Failure::Aws { what, is_answered, code, detail }
}
