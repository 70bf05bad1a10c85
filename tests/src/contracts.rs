//! Suites that run on the embedded engines and on the real ones, so that both stay alike.

pub mod deletes;
mod engine;
pub mod keys;
pub mod provider;
pub mod sequences;
pub mod store;
pub mod unreadable;
