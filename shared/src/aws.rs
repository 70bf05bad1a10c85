//! The AWS services behind the ports. `AWS_ENDPOINT_URL…` replaces their endpoints, so the built functions run
//! unchanged on local engines.

use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
pub use aws_types::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::config::Environment;
use crate::tls::Tls;

mod clients;
pub mod dynamodb;
pub mod eventbridge;
mod http;
pub mod kms;
mod lazy_client;
pub mod own_function;
pub mod secrets_manager;
pub mod sqs;

pub use clients::Clients;
pub use lazy_client::LazyClient;

/// The settings of all clients. Lambda puts region and credentials into the environment, for as long as the process
/// lives ([Defined runtime environment
/// variables](https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime)).
pub(crate) fn sdk_config(env: &mut Environment, tls: &Tls) -> SdkConfig {
    let (id, secret) = (env.required("AWS_ACCESS_KEY_ID"), env.required("AWS_SECRET_ACCESS_KEY"));
    let credentials = Credentials::new(id, secret, env.optional("AWS_SESSION_TOKEN"), None, "environment");
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env.required("AWS_REGION")))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .timeout_config(timeouts())
        .http_client(http::client(tls))
        .service_config(Endpoints::read(env));
    sdk.set_endpoint_url(env.optional("AWS_ENDPOINT_URL"));
    sdk.build()
}

/// The endpoints that replace those of AWS ([Service-specific
/// endpoints](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html)).
#[derive(Debug)]
struct Endpoints(Vec<(&'static str, String)>);

impl Endpoints {
    /// The service id that the SDK asks for, and its variable.
    const OF: [(&'static str, &'static str); 6] = [
        ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
        ("EventBridge", "AWS_ENDPOINT_URL_EVENTBRIDGE"),
        ("KMS", "AWS_ENDPOINT_URL_KMS"),
        ("Lambda", "AWS_ENDPOINT_URL_LAMBDA"),
        ("Secrets Manager", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
        ("SQS", "AWS_ENDPOINT_URL_SQS"),
    ];

    fn read(env: &Environment) -> Self {
        Self(Self::OF.into_iter().filter_map(|(id, name)| Some((id, env.optional(name)?))).collect())
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let is_asked = |(id, _): &&(&str, String)| key.env() == "AWS_ENDPOINT_URL" && key.service_id() == *id;
        self.0.iter().find(is_asked).map(|(_, url)| url.clone())
    }
}

/// Short enough that a refresh that cannot store its pair has time to try again.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}
