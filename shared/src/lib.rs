//! What two or more functions need, and nothing else.
//!
//! | module | holds |
//! |---|---|
//! | [`domain`] | pure values: ids, secrets, times, attempts, sessions, connections and their conditional writes |
//! | [`failure`] | the stable names of what can fail |
//! | [`ports`] | one small trait per capability: what a function may do to the outside world |
//! | [`refreshing`] | the use case that the schedule and the token route share: lease, open, refresh, seal, commit |
//! | [`sealing`] | a token pair under a data key, bound to its stack, connection and token set |
//! | [`http`] | query strings, cookies, pages, problems: plain `http` types in, plain `http` types out |
//! | [`webinargeek`] | the provider's token endpoint |
//! | [`aws`] | DynamoDB, EventBridge, KMS, Secrets Manager, SQS |
//! | [`config`], [`telemetry`], [`metrics`], [`system`], [`lambda`] | the process: its environment, log, metrics, clock, randomness, runtime |
//!
//! Imports run one way: `aws, webinargeek, system, refreshing → ports → domain`, and `http → domain`.
//! `tests/suite/architecture.rs` holds the rule.

pub mod aws;
pub mod config;
pub mod disconnecting;
pub mod domain;
pub mod failure;
pub mod fleet;
pub mod http;
pub mod identifying;
pub mod lambda;
pub mod metrics;
pub mod ports;
pub mod refreshing;
pub mod sealing;
pub mod storing;
pub mod system;
pub mod telemetry;
pub mod webinargeek;
