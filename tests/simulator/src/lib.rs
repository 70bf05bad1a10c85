//! A deterministic simulator of the shipped code. It tests the promise "no connection is ever lost where the provider
//! makes that possible".
//!
//! | module | holds |
//! |---|---|
//! | [`scheduler`] | one thread, virtual time, one step after the other |
//! | [`world`] | everything outside the code: time, tables, keys, provider, live processes |
//! | [`ports`] | the ports of one process, each call handed to the world |
//! | [`call`] | a call and its answer, as values |
//! | [`chooser`] | chooses steps and faults: by chance, or in a search through every choice |
//! | [`store`], [`keys`], [`queue`], [`provider`] | the parts that answer |
//! | [`scenario`] | sweeps, readers, customers; the end of a run and its checks |
//! | [`invariants`] | what must hold after every step |
//! | [`mutant`] | protocols that are wrong in one place |
//! | [`campaign`], [`mutation`] | many seeds; every mutant |
//! | [`exhaustive`] | every interleaving of two workers |
//! | `named` | the grants that the log has named |
//! | [`history`] | what happened, as a picture |
//!
//! `docs/simulator.md` explains how to add a worker, a port, a fault, an invariant.

pub mod call;
pub mod campaign;
pub mod chooser;
pub mod exhaustive;
pub mod history;
pub mod invariants;
pub mod keys;
pub mod mutant;
pub mod mutation;
mod named;
pub mod ports;
pub mod provider;
pub mod queue;
pub mod random;
pub mod scenario;
pub mod scheduler;
pub mod store;
pub mod world;
