//! What needs more than Rust: Doorkeeper, DynamoDB Local, moto, and the built binaries. `.ci/run` installs the parts and
//! names them by variables; a missing one fails the run.
//!
//! | variable | names |
//! |---|---|
//! | `DYNAMODB_LOCAL` | the folder of DynamoDBLocal.jar |
//! | `MOTO_SERVER` | the program `moto_server` |
//! | `BINARIES` | the folder of the built functions |

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod binaries;
mod doorkeeper;
mod dynamodb_local;
mod moto;
mod process;
mod runtime_api;
