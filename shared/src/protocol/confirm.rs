//! Makes a waiting pair live, when the integrator's backend confirms it.
//!
//! 1. check that the row holds the pair of this confirmation. If this confirmation has made the live pair live, the
//!    request is a repetition: the first answer may have been lost
//! 2. **confirm**
//! 3. note it with the session, which is `completed` from now on
//! 4. claim its account: a waiting pair has claimed none
//!
//! The attack that this stops: [`crate::domain::connection::waiting`].

use std::sync::Arc;
use std::time::Duration;

use super::account::AccountLookup;
use super::revoke::log_dropped;
use crate::domain::connection::{Row, waiting};
use crate::domain::secret::Confirmation;
use crate::domain::session::{Session, confirm_session};
use crate::domain::write::Written;
use crate::ports::{Clock, ReadConnections, StoreError, WriteAttempts, WriteConnections};

/// How often the row may change meanwhile.
const TRIES: usize = 5;

/// Confirms a waiting pair.
pub struct Confirming {
    /// From [`Deployment::refresh_every`](super::Deployment::refresh_every): when the pair is due depends on it.
    pub refresh_every: Duration,
    /// Reads the row that holds the waiting pair.
    pub connections: Arc<dyn ReadConnections>,
    /// Makes the waiting pair the live one, in one conditional write.
    pub writes: Arc<dyn WriteConnections>,
    /// Notes with the session that it is confirmed. A failure here is only logged.
    pub sessions: Arc<dyn WriteAttempts>,
    /// Claims the account of the pair that is live now.
    pub accounts: Arc<AccountLookup>,
    /// Says whether the confirmation comes in time.
    pub clock: Arc<dyn Clock>,
}

impl Confirming {
    /// Returns the row after the write. `None` where the confirmation is not the session's, or comes too late.
    pub async fn confirm(&self, session: &Session, confirmation: &Confirmation) -> Result<Option<Row>, StoreError> {
        let mut row = self.connections.row(&session.connection_id).await?;
        for _ in 0..TRIES {
            let Some(seen) = row else { return Ok(None) };
            if let Row::Unreadable(unreadable) = seen {
                return Err(unreadable.into());
            }
            // 1.
            if seen.is_confirmed(&session.id, Some(&waiting::hash(confirmation))) {
                self.complete(session).await;
                return Ok(Some(seen));
            }
            let now = self.clock.now();
            let waits = seen.waiting().filter(|waits| waits.is_confirmed_by(&session.mark(), confirmation, now));
            let Some(waits) = waits.filter(|waits| !waits.is_superseded(&seen)) else { return Ok(None) };
            // Since the journey has ended, the live connection may have another account.
            if session.same_account && waits.is_of_the_same_account(&seen) != Some(true) {
                return Ok(None);
            }
            // 2.
            let (write, dropped) = waiting::confirm(&seen, waits, self.refresh_every, now);
            log_dropped(dropped);
            row = match self.writes.write(&write).await? {
                Written::Applied(row) => {
                    // 3.
                    self.complete(session).await;
                    // 4.
                    if let Row::Connection(connection) = &row {
                        self.accounts.claim_confirmed(connection).await;
                    }
                    return Ok(Some(row));
                }
                Written::ConditionFailed(image) => image,
            };
        }
        Err(StoreError::changed_at_every_try())
    }

    async fn complete(&self, session: &Session) {
        if session.is_confirmed {
            return;
        }
        if let Err(error) = self.sessions.session(&confirm_session(&session.id)).await {
            // The row also says which session has confirmed it, as long as this grant is live.
            tracing::warn!(%error, "the confirmation is stored with the connection, but not with its session");
        }
    }
}
