//! Every test that needs nothing more than Rust.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;
mod authorize;
mod callback;
mod calls;
mod connections;
mod contracts;
mod journey;
mod laptop;
mod log;
mod races;
mod refresh;
mod token;
