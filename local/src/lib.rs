//! The laptop deployment: the shipped handlers on an embedded engine, with a simulated WebinarGeek.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | the settings of `cargo dev`, and the environment of the functions |
//! | [`deployment`] | the five functions, composed and routed as in AWS |
//! | [`doctor`] | `cargo doctor` |
//! | [`tables`] | DynamoDB, embedded |
//! | [`stream`] | the stream of the table, and the events that the events function makes |
//! | [`keys`] | a stand-in for KMS and Secrets Manager |
//! | [`webinargeek`] | a simulated provider |
//! | [`server`] | the listener on loopback, and the routes that exist on a laptop only |
//! | [`start`] | all of it together |

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub mod deployment;
pub mod doctor;
mod home;
pub mod keys;
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

/// Writes a file that only its owner may read, whole or not at all.
fn private_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(unfinished, path)
}
