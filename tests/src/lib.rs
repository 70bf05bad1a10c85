//! The base of the tests: a deployment of the shipped handlers, a browser, a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod api_gateway;
pub mod browser;
pub mod clock;
pub mod contracts;
pub mod description;
pub mod integrator;
pub mod laptop;
pub mod proof;
pub mod random;
pub mod signature;
pub mod tokens;
pub mod world;
