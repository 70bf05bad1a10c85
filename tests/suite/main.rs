//! Every test that needs nothing more than Rust.

mod authorize;
mod callback;
mod calls;
mod connections;
mod journey;
mod refresh;
mod token;
