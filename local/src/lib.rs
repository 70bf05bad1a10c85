//! The laptop deployment: the shipped handlers on an embedded engine, with a simulated WebinarGeek.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what `cargo dev` reads, and the environment that the functions see |
//! | [`deployment`] | the five functions, composed and routed as in AWS |
//! | [`doctor`] | `cargo doctor` |
//! | [`engines`] | DynamoDB, KMS and Secrets Manager in this process, and the SDK's clients of them |
//! | [`tables`] | DynamoDB, embedded |
//! | [`stream`] | what happens to the table, and what the events function makes of it |
//! | [`keys`] | a stand-in for KMS and Secrets Manager |
//! | [`webinargeek`] | a simulated provider |
//! | `data_dir` | the files, and who may read them |
//! | `listener` | HTTP on a port, and how long it waits |
//! | `reach` | who comes to a port, and what of the routes is for them |
//! | [`server`] | the routes, and what exists on a laptop only |
//! | [`start`] | all of it together |
//! | [`help`] | what the variables are |

mod data_dir;
pub mod deployment;
pub mod doctor;
pub mod engines;
pub mod help;
mod home;
pub mod keys;
mod listener;
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
