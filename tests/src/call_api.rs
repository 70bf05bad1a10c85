// The Rust example, unchanged.

include!("../../examples/rust/src/main.rs");
