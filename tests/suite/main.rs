//! Every test that needs nothing more than Rust.


mod journey;
