//! What the tests stand on: a deployment of the shipped handlers, a browser, a clock that moves when it is told to.

pub mod browser;
pub mod clock;
pub mod contracts;
pub mod laptop;
pub mod world;
