//! The AWS services behind the ports. The endpoints can be replaced through `AWS_ENDPOINT_URL…`, so the binaries that
//! ship run unchanged against local engines.

use std::time::Duration;

use aws_config::BehaviorVersion;
pub use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;

mod clients;
pub mod dynamodb;
pub mod eventbridge;
pub mod kms;
pub mod secrets_manager;
pub mod sqs;

pub use clients::Clients;

/// The settings of all clients, from the process's environment.
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts()).load().await
}

/// Short enough that a refresh which cannot store its pair still has time to try again.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}
