//! A session that asks for the account that is connected already: what its customer has approved waits until it is
//! known whose it is.
//!
//! 1. ask: its pair is stored, and waits (protocol rule 1: the look-up is a first use of the access token)
//! 2. of another account, or of one that cannot be found out: its wait ends, and it is to be revoked
//! 3. of the same account: a backend that confirms does so later; where there is none, it becomes live here
//!
//! Where nothing is known to compare with, every account is the same. A process that dies in between leaves a pair that
//! waits, and is revoked when its time is over.

use std::sync::Arc;
use std::time::Duration;

use super::account::AccountLookup;
use super::revoke::log_dropped;
use crate::domain::account::identify_waiting;
use crate::domain::connection::grant::Refusal;
use crate::domain::connection::waiting::{self, Waiting};
use crate::domain::connection::{Row, State};
use crate::domain::connection_id::ConnectionId;
use crate::domain::secret::AccessToken;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::Written;
use crate::ports::{Clock, ReadConnections, StoreError, WriteConnections};

/// How often the row may change meanwhile.
const TRIES: usize = 5;

/// Ends the wait of a pair, or makes it live, after its account was compared with the connected one.
pub struct SameAccount {
    /// From [`Deployment::refresh_every`](super::Deployment::refresh_every): when the pair is due depends on it.
    pub refresh_every: Duration,
    /// Reads the row that holds the waiting pair.
    pub connections: Arc<dyn ReadConnections>,
    /// Ends the wait, or makes the pair live.
    pub writes: Arc<dyn WriteConnections>,
    /// Asks for the account. A failure there is [`Held::Unknown`], unless there is nothing to compare with.
    pub accounts: Arc<AccountLookup>,
    /// The time at which a wait ends.
    pub clock: Arc<dyn Clock>,
}

/// What became of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is live, or waits for its backend.
    Same,
    /// It is of another account, and in the revocation list.
    Another,
    /// The provider did not say.
    Unknown,
    /// Meanwhile it was taken away, or another grant has taken its place.
    Gone(Refusal),
}

impl SameAccount {
    /// `is_confirmed_later`: by the integrator's backend.
    pub async fn hold(
        &self,
        id: &ConnectionId,
        pair: PairId,
        access_token: &AccessToken,
        is_confirmed_later: bool,
        deadline: Timestamp,
    ) -> Result<Held, StoreError> {
        // 1.
        let account = self.accounts.read(access_token, deadline).await;
        let mut row = self.connections.row(id).await?;
        // By a write whose answer may be lost: the row that its repetition finds no longer says it.
        let mut refused = None;
        for _ in 0..TRIES {
            let Some(seen) = row else { return Ok(Held::Gone(Refusal::Disconnected)) };
            if seen.live().is_some_and(|live| live.pair.id == pair) {
                return Ok(Held::Same);
            }
            let Some(waits) = seen.waiting().filter(|waits| waits.pair_id() == pair) else {
                return refused.map_or_else(|| gone(&seen), Ok);
            };
            let waits = Waiting { account: account.clone(), ..waits.clone() };
            let now = self.clock.now();
            let (held, written) = match waits.is_of_the_same_account(&seen) {
                // 2.
                is_same @ (None | Some(false)) => {
                    let held = if is_same.is_none() { Held::Unknown } else { Held::Another };
                    let Some((write, dropped)) = waiting::expire(&seen, &waits, now) else { return gone(&seen) };
                    (held, (write, dropped))
                }
                // 3.
                Some(true) if is_confirmed_later => {
                    if let Some(account) = &waits.account {
                        self.writes.write(&identify_waiting(id, pair, account)).await?;
                    }
                    return Ok(Held::Same);
                }
                Some(true) => (Held::Same, waiting::confirm(&seen, &waits, self.refresh_every, now)),
            };
            refused = (held != Held::Same).then_some(held);
            let (write, dropped) = written;
            log_dropped(dropped);
            row = match self.writes.write(&write).await? {
                Written::Applied(row) => {
                    if let (Held::Same, Row::Connection(connection)) = (held, &row) {
                        self.accounts.claim_confirmed(connection).await;
                    }
                    return Ok(held);
                }
                Written::ConditionFailed(image) => image,
            };
        }
        Err(StoreError::changed_at_every_try())
    }
}

fn gone(row: &Row) -> Result<Held, StoreError> {
    Ok(Held::Gone(match row.state()? {
        State::Active | State::NotRefreshed | State::NeedsCustomer { .. } | State::AwaitingConfirmation { .. } => {
            Refusal::Superseded
        }
        State::Disconnecting | State::Tombstone => Refusal::Disconnected,
    }))
}
