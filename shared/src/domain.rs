//! Pure values. Nothing here reads a clock, draws randomness or does input or output.

pub mod account;
pub mod attempt;
mod base64_bytes;
pub mod branding;
pub mod connection;
pub mod connection_id;
pub mod digest;
pub mod escrow;
pub mod failure_class;
pub mod fleet;
pub mod item;
pub mod language;
pub mod order;
pub mod pkce;
pub mod rate;
pub mod return_to;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod time;
pub mod token_pair;
pub mod write;
