//! What follows a failure: it is settled, or the second refusal gives the connection up.

use std::time::Duration;

use super::outcome::adopt;
use super::{Failure, Lease, Outcome, Refreshing};
use crate::domain::connection::Connection;
use crate::domain::connection::writes::{self, CONFIRM_AFTER, LONGEST_INVOCATION, Settlement};
use crate::domain::connection_id::ConnectionId;
use crate::domain::fleet::{self, Tally};
use crate::domain::item::InconsistentItem;
use crate::domain::schedule::{self, RETRY_AFTER_LONGEST};
use crate::domain::token_pair::TokenSet;
use crate::domain::write::Written;
use crate::failure::FailureClass;
use crate::ports::{ProviderError, StoreError};

/// How long a row that makes no sense is left alone.
const QUARANTINE: Duration = Duration::from_secs(300);

/// A connection that has been refused for so long is given up even while everybody is refused.
const FREEZE_LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Refreshing {
    /// `invalid_grant`: a rival may have rotated the pair, the provider may be wrong for a moment, or it is true.
    pub(super) async fn refused(&self, lease: &Lease, unknown_before: bool) -> Result<Outcome, Outcome> {
        let old = lease.connection.pair.token_set;
        let stored = match self.connections.read(&lease.connection.id).await? {
            Some(stored) if stored.pair.token_set == old => stored,
            Some(stored) => return Err(adopt(stored)),
            None => return Err(Outcome::Gone),
        };
        let now = self.clock.now();
        if stored.refused_window != Some(fleet::window(now)) {
            self.fleet.count(Tally { refused: 1, refreshed: 0 }).await;
        }
        let ambiguous = unknown_before || stored.has_unknown_outcome();
        let (reason, confirm_after) = if ambiguous {
            // Another attempt on this pair has not ended in sight: its answer may still be on its way to the table.
            (FailureClass::AmbiguousRotation, LONGEST_INVOCATION + CONFIRM_AFTER)
        } else {
            (FailureClass::InvalidGrant, CONFIRM_AFTER)
        };
        let first_refusal = stored.refused_at.unwrap_or(now);
        let mut settlement = Settlement {
            reason: reason.as_str(),
            needs_a_person: false,
            not_before: first_refusal + confirm_after,
            known: !unknown_before,
            refused_at: Some(now),
        };
        let refusal = || Failure::Provider(ProviderError::InvalidGrant);
        if first_refusal > now - confirm_after {
            return Err(self.settle_as(lease, refusal(), settlement).await);
        }
        if first_refusal > now - FREEZE_LONGEST && self.fleet.marking_is_frozen().await {
            tracing::error!(marking_frozen = 1, "nobody is given up while everybody is refused");
            settlement.not_before = now + schedule::backoff(lease.connection.failures + 1);
            return Err(self.settle_as(lease, refusal(), settlement).await);
        }
        match self.write(&writes::give_up(&stored, &lease.owner, reason.as_str())).await? {
            Written::Applied(item) => {
                log_given_up(reason);
                match Connection::stored(&item).map_err(StoreError::from)? {
                    Some(given_up) => Err(Outcome::ReauthRequired(given_up)),
                    None => Err(Outcome::Gone),
                }
            }
            Written::Refused(_) => Err(self.found(&lease.connection.id, old).await?),
        }
    }

    pub(super) async fn settle(&self, lease: &Lease, failure: Failure, known: bool) -> Outcome {
        let mut wait = schedule::backoff(lease.connection.failures + 1);
        if let Failure::Provider(ProviderError::Throttled { retry_after: Some(asked), status }) = &failure {
            wait = wait.max(*asked).min(RETRY_AFTER_LONGEST);
            // "Not available" is said to everybody; "too many" may be meant for one customer.
            if *status == 503 {
                self.fleet.pause(self.clock.now() + wait).await;
            }
        }
        let class = failure.class();
        let settlement = Settlement {
            reason: class.as_str(),
            needs_a_person: class == FailureClass::Unopenable,
            not_before: self.clock.now() + wait,
            known,
            refused_at: None,
        };
        self.settle_as(lease, failure, settlement).await
    }

    async fn settle_as(&self, lease: &Lease, failure: Failure, settlement: Settlement) -> Outcome {
        let connection = &lease.connection;
        let write = writes::settle(&connection.id, &lease.owner, &settlement);
        match self.write(&write).await {
            Ok(Written::Applied(_)) => {}
            Ok(Written::Refused(None)) => return Outcome::Gone,
            Ok(Written::Refused(Some(item))) => match Connection::stored(&item) {
                Ok(Some(stored)) if stored.pair.token_set != connection.pair.token_set => return adopt(stored),
                Ok(None) => return Outcome::Gone,
                Ok(Some(_)) | Err(_) => tracing::warn!("the lease was lost before its failure could be noted"),
            },
            // The lease runs out by itself.
            Err(error) => tracing::warn!(%error, "a failure could not be noted"),
        }
        Outcome::Failed { failure, retry_at: Some(settlement.not_before), connection: Some(connection.clone()) }
    }

    /// A row of ours that makes no sense: nothing in it is believed, and nothing changed but when to look again.
    pub(super) async fn quarantine(&self, id: &ConnectionId, owner: &str, inconsistent: InconsistentItem) -> Outcome {
        let not_before = self.clock.now() + QUARANTINE;
        let write = writes::quarantine(id, owner, FailureClass::InconsistentRow.as_str(), not_before);
        if let Err(error) = self.write(&write).await {
            tracing::warn!(%error, "a row that makes no sense could not be put off");
        }
        let failure = Failure::Store(inconsistent.into());
        Outcome::Failed { failure, retry_at: Some(not_before), connection: None }
    }

    /// What the row says now, after a write that another one overtook.
    async fn found(&self, id: &ConnectionId, old: TokenSet) -> Result<Outcome, Outcome> {
        Ok(match self.connections.read(id).await? {
            None => Outcome::Gone,
            Some(stored) if stored.pair.token_set == old => {
                Outcome::Busy { until: stored.lease_until.unwrap_or(self.clock.now()) }
            }
            Some(stored) => adopt(stored),
        })
    }
}

fn log_given_up(reason: FailureClass) {
    let class = reason.as_str();
    if reason == FailureClass::AmbiguousRotation {
        tracing::error!(reauthorizations_needed = 1, ambiguous_rotations = 1, class, "the customer must connect again");
    } else {
        tracing::error!(reauthorizations_needed = 1, class, "the customer must connect again");
    }
}
