//! The Rust example as it is printed.

#![expect(clippy::disallowed_methods, reason = "an integrator's program, which is none of the product")]

include!("../../examples/rust/src/main.rs");
