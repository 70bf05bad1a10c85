//! For a session that accepts only the account that is connected already: the new pair waits until its account is
//! known.
//!
//! 1. ask for the account. The pair is stored before, and waits (protocol rule 1: the request is a first use of the
//!    access token)
//! 2. if it is another account, or is not known: the wait ends, and the pair is to be revoked
//! 3. if it is the same account: the pair becomes live here, or waits for the confirmation of the integrator's backend
//!
//! Where no account is known to compare with, every account is the same. If the process ends in between, the pair waits
//! until its time is over, and is then revoked.

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
    /// Asks for the account. A failure is [`Checked::Unknown`], unless there is nothing to compare with.
    pub accounts: Arc<AccountLookup>,
    /// The time at which a wait ends.
    pub clock: Arc<dyn Clock>,
}

/// The result of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is the same account. The pair is live, or waits for the integrator's backend.
    Same,
    /// It is another account. The pair is in the revocation list.
    Another,
    /// The provider did not say whose account it is. The pair is in the revocation list.
    Unknown,
    /// Meanwhile the connection was taken away, or another grant has replaced the pair.
    Gone(Refusal),
}

impl SameAccount {
    /// `is_confirmed_later`: whether the integrator's backend confirms the pair.
    pub async fn check(
        &self,
        id: &ConnectionId,
        pair: PairId,
        access_token: &AccessToken,
        is_confirmed_later: bool,
        deadline: Timestamp,
    ) -> Result<Checked, StoreError> {
        // 1.
        let account = self.accounts.read(access_token, deadline).await;
        let mut row = self.connections.row(id).await?;
        // The result of a write whose answer was lost, and that the SDK has repeated: the row does not show it.
        let mut refused = None;
        for _ in 0..TRIES {
            let Some(seen) = row else { return Ok(Checked::Gone(Refusal::Disconnected)) };
            if seen.live().is_some_and(|live| live.pair.id == pair) {
                return Ok(Checked::Same);
            }
            let Some(waits) = seen.waiting().filter(|waits| waits.pair_id() == pair) else {
                return refused.map_or_else(|| gone(&seen), Ok);
            };
            let waits = Waiting { account: account.clone(), ..waits.clone() };
            let now = self.clock.now();
            let (checked, (write, dropped)) = match waits.is_of_the_same_account(&seen) {
                // 2.
                is_same @ (None | Some(false)) => {
                    let checked = if is_same.is_none() { Checked::Unknown } else { Checked::Another };
                    let Some(expired) = waiting::expire(&seen, &waits, now) else { return gone(&seen) };
                    (checked, expired)
                }
                // 3.
                Some(true) if is_confirmed_later => {
                    if let Some(account) = &waits.account {
                        self.writes.write(&identify_waiting(id, pair, account)).await?;
                    }
                    return Ok(Checked::Same);
                }
                Some(true) => (Checked::Same, waiting::confirm(&seen, &waits, self.refresh_every, now)),
            };
            refused = (checked != Checked::Same).then_some(checked);
            log_dropped(dropped);
            row = match self.writes.write(&write).await? {
                Written::Applied(row) => {
                    if let (Checked::Same, Row::Connection(connection)) = (checked, &row) {
                        self.accounts.claim_confirmed(connection).await;
                    }
                    return Ok(checked);
                }
                Written::ConditionFailed(image) => image,
            };
        }
        Err(StoreError::changed_at_every_try())
    }
}

fn gone(row: &Row) -> Result<Checked, StoreError> {
    Ok(Checked::Gone(match row.state()? {
        State::Active | State::NotRefreshed | State::NeedsCustomer { .. } | State::AwaitingConfirmation { .. } => {
            Refusal::Superseded
        }
        State::Disconnecting | State::Tombstone => Refusal::Disconnected,
    }))
}
