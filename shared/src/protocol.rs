//! The use cases on connections, for all functions.
//!
//! | module | holds |
//! |---|---|
//! | [`refresh`] | refreshes a connection, for the schedule and the token route |
//! | [`connect`] | stores a customer's grant, for the callback, the import and the queue |
//! | [`import`] | takes over a refresh token from another system |
//! | [`confirm`] | makes a waiting pair live |
//! | [`disconnect`] | takes a connection away |
//! | [`revoke`] | works off the list of grants to revoke |
//! | [`escrow`] | stores a pair that exists nowhere else; [`replay`] takes it from the queue again |
//! | [`quarantine`] | puts off a row that cannot be read |
//! | [`account`] | finds out whose account a connection is for; [`same_account`] compares it with the connected one |
//! | [`client_secrets`] | chooses the client secret that is sent |
//! | [`data_keys`] | opened data keys that the process keeps for a while |
//! | [`fleet`] | what all workers share: a pause, and the count of refusals; [`pace`] is how fast a run sends |
//! | [`orders`] | the order of the events of a connection id |
//! | [`composition`] | builds them all from services and settings |

use std::time::Duration;

pub mod account;
pub mod client_secrets;
pub mod composition;
pub mod confirm;
pub mod connect;
pub mod data_keys;
pub mod disconnect;
pub mod escrow;
pub mod fleet;
pub mod import;
pub mod orders;
pub mod pace;
pub mod quarantine;
pub mod refresh;
pub mod replay;
pub mod revoke;
pub mod same_account;

/// The settings of the deployment that the protocol needs.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The stack's name, or the laptop's: a sealed pair opens only under the one that it was sealed for.
    pub stack: String,
    /// The OAuth client id. A pair that was granted to another one is never sent.
    pub client_id: String,
    /// The time between scheduled runs.
    pub refresh_every: Duration,
    /// The lifetime of an access token, where the provider does not say it.
    pub default_lifetime: Duration,
    /// How long a process keeps an opened data key; zero: not at all.
    pub data_keys_kept_for: Duration,
}
