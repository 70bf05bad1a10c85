//! The Rust example, unchanged.

#![expect(clippy::disallowed_methods, reason = "an integrator's program, not part of the product")]

include!("../../examples/rust/src/main.rs");
