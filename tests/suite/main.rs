//! Every test that needs nothing more than Rust.

mod architecture;
mod authorize;
mod callback;
mod calls;
mod connections;
mod contracts;
mod journey;
mod laptop;
mod log;
mod refresh;
mod token;
