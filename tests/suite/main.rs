//! Every test that needs nothing more than Rust.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod account;
mod architecture;
mod authorize;
mod callback;
mod calls;
mod canaries;
mod comes_back;
mod confirm_beside;
mod confirmation;
mod connections;
mod contracts;
mod disconnecting;
mod doctor;
mod escrow;
mod events;
mod examples;
mod fleet;
mod grants;
mod handed_out;
mod import;
mod journey;
mod journey_ends;
mod laptop;
mod late_pair;
mod list;
mod log;
mod maintenance;
mod no_refresh_token;
mod openapi;
mod outage;
mod races;
mod refresh;
mod refused;
mod routes_agree;
mod sealing;
mod sessions;
mod states;
mod token;
mod told;
mod unfinished;
mod unreadable;
mod wire;
