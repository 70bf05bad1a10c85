//! The laptop deployment: the shipped handlers on an embedded engine, with a simulated WebinarGeek.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | the settings of `cargo dev`, and the environment of the functions |
//! | [`deployment`] | the functions, composed and routed as in AWS |
//! | [`doctor`] | `cargo doctor` |
//! | [`engines`] | DynamoDB, KMS and Secrets Manager in this process, and the SDK's clients of them |
//! | [`tables`] | DynamoDB, embedded |
//! | [`stream`] | the stream of the table, and the events that the events function makes |
//! | [`keys`] | a stand-in for KMS and Secrets Manager |
//! | [`webinargeek`] | a simulated provider |
//! | `data_dir` | the files, and their modes |
//! | `listener` | HTTP on a port, with time limits |
//! | `reach` | who can reach a listener, and which routes it answers them |
//! | [`server`] | the routes, and those that exist on a laptop only |
//! | [`start`] | all of it together |
//! | [`console`] | the page at `/` |
//! | [`log`] | the log, as the console and a terminal show it |
//! | [`banner`] | the addresses, for a person at a terminal |
//! | `provider_order` | orders to the simulated provider |
//! | [`help`] | the text of `cargo dev -- --help` |

pub mod banner;
pub mod console;
mod data_dir;
pub mod deployment;
pub mod doctor;
pub mod engines;
pub mod help;
pub mod keys;
mod listener;
pub mod log;
mod provider_order;
mod reach;
pub mod server;
pub mod settings;
pub mod start;
pub mod stream;
pub mod tables;
pub mod webinargeek;

/// Why the laptop deployment does not start.
#[derive(Debug)]
pub struct StartError(pub String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
