//! The code that two or more functions need, and nothing else.
//!
//! | module | holds |
//! |---|---|
//! | [`domain`] | pure values: ids, secrets, times, attempts, sessions, rows and their conditional writes |
//! | [`protocol`] | the use cases: refresh, connect, disconnect, revoke, escrow, fleet, account |
//! | [`ports`] | one small trait per capability: what a function may do to the outside world |
//! | [`sealing`] | a token pair under a data key, bound to its stack, connection and id |
//! | [`failure`] | how a failure is counted and logged |
//! | [`http`] | query strings, cookies, pages, problems: plain `http` types in, plain `http` types out |
//! | `tls` | TLS and HTTP for AWS and the provider; with the feature `http-client` |
//! | `webinargeek` | the provider: token endpoint, revocation, account; with the feature `http-client` |
//! | [`config`], [`telemetry`], [`metrics`], [`system`] | the process: environment, log, metrics, clock, randomness |
//! | `aws` | DynamoDB, EventBridge, KMS, Secrets Manager, SQS; with the feature `aws` |
//! | `lambda` | the runtime, and the services of a function in AWS; with the feature `aws` |
//!
//! Without these features neither the AWS SDK nor an HTTP client is compiled: the simulator is built like this.
//!
//! Imports run one way: `aws, webinargeek, system → ports → domain`, `protocol → ports`, and `http → domain`.
//! `tests/suite/architecture.rs` enforces the rule.

// The functions, the laptop and the simulator use these items. Their documentation says what the name does not say.
#![deny(missing_docs)]

#[cfg(feature = "aws")]
pub mod aws;
pub mod config;
pub mod domain;
pub mod failure;
pub mod http;
#[cfg(feature = "aws")]
pub mod lambda;
pub mod metrics;
pub mod ports;
pub mod protocol;
pub mod sealing;
pub mod system;
pub mod telemetry;
#[cfg(feature = "http-client")]
pub mod tls;
#[cfg(feature = "http-client")]
pub mod webinargeek;
