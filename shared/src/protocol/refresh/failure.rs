//! After a failure: settles it, or gives the connection up when a refusal is confirmed.

use std::time::Duration;

use super::outcome::adopt;
use super::{Failure, Lease, Outcome, Refreshing};
use crate::domain::connection::refresh::{self as writes, CONFIRM_AFTER, LONGEST_INVOCATION, PutOffBy, Settlement};
use crate::domain::connection::{Connection, Row, State};
use crate::domain::connection_id::ConnectionId;
use crate::domain::failure_class::FailureClass;
use crate::domain::fleet::{self, Tally};
use crate::domain::schedule::{self, RETRY_AFTER_LONGEST};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::Written;
use crate::ports::{ProviderError, StoreError};

/// The freeze keeps a connection at most this long from being given up.
const FREEZE_LONGEST: Duration = Duration::from_secs(24 * 3600);

/// If WebinarGeek refuses the requests of a connection and says nothing about its grant, the connection is given up so
/// long after the end of its access token.
const REFUSED_FOR: Duration = Duration::from_secs(24 * 3600);

/// How often a connection that was given up because of such refusals is tried again: they may end.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(6 * 3600);

impl Refreshing {
    /// After `invalid_grant`: another worker may have rotated the pair, the provider may be wrong for a moment, or the
    /// grant has ended.
    pub(super) async fn refused(&self, lease: &Lease, unknown_before: bool) -> Result<Outcome, Outcome> {
        let stored = self.stored(lease).await?;
        let now = self.clock.now();
        self.count_refusal(&stored, now).await;
        let is_ambiguous = unknown_before || stored.has_unknown_outcome();
        let (reason, confirm_after) = if is_ambiguous {
            // An earlier request with this pair has an unknown outcome: its new pair may still be on its way to the
            // table.
            (FailureClass::AmbiguousRotation, LONGEST_INVOCATION + CONFIRM_AFTER)
        } else {
            (FailureClass::InvalidGrant, CONFIRM_AFTER)
        };
        let first_refusal = stored.journal.invalid_grant_at.unwrap_or(now);
        let mut settlement = Settlement {
            reason,
            needs_a_person: false,
            not_before: first_refusal + confirm_after,
            is_answered: !unknown_before,
            invalid_grant_at: Some(now),
            refusal_window: Some(fleet::window(now)),
        };
        let refusal = || Failure::Provider(ProviderError::InvalidGrant);
        if first_refusal > now - confirm_after {
            return Err(self.settle_as(lease, refusal(), settlement).await);
        }
        if first_refusal > now - FREEZE_LONGEST && self.marking_is_frozen().await {
            settlement.not_before = now + schedule::backoff(lease.connection.journal.failures + 1);
            return Err(self.settle_as(lease, refusal(), settlement).await);
        }
        Err(self.give_up(lease, reason).await)
    }

    /// Reads the row of the lease, which still holds its pair.
    async fn stored(&self, lease: &Lease) -> Result<Connection, Outcome> {
        match self.connections.row(&lease.connection.id).await? {
            Some(Row::Connection(stored)) if stored.pair.id == lease.connection.pair.id => Ok(*stored),
            Some(Row::Connection(stored)) => Err(adopt(*stored)),
            Some(Row::Tombstone(_)) | None => Err(Outcome::Gone),
            Some(Row::Unreadable(unreadable)) => Err(self.unreadable(unreadable, PutOffBy::Lease(&lease.owner)).await),
        }
    }

    /// Counted once for each connection in each window.
    async fn count_refusal(&self, stored: &Connection, now: Timestamp) {
        if stored.journal.refusal_window != Some(fleet::window(now)) {
            self.fleet.count(Tally { refused: 1, refreshed: 0 }).await;
        }
    }

    async fn marking_is_frozen(&self) -> bool {
        let is_frozen = self.fleet.marking_is_frozen().await;
        if is_frozen {
            tracing::error!(marking_frozen = 1, "no connection is given up while many are refused");
        }
        is_frozen
    }

    /// The access token has ended, and the provider has granted no refresh token.
    pub(super) async fn without_refresh_token(&self, lease: &Lease) -> Outcome {
        self.give_up(lease, FailureClass::NoRefreshToken).await
    }

    async fn give_up(&self, lease: &Lease, why: FailureClass) -> Outcome {
        let (id, now) = (&lease.connection.id, self.clock.now());
        let written = self.write(&writes::give_up(id, &lease.owner, why, now, now + TRIED_AGAIN_AFTER)).await;
        match written {
            Ok(Written::Applied(Row::Connection(given_up))) => {
                log_given_up(why);
                Outcome::NeedsCustomer(given_up)
            }
            Ok(Written::Applied(Row::Unreadable(unreadable))) => self.unreadable(unreadable, PutOffBy::Caller).await,
            Ok(Written::Applied(Row::Tombstone(_))) => Outcome::Gone,
            Ok(Written::ConditionFailed(_)) => {
                self.outcome_of_row(id, lease.connection.pair.id).await.unwrap_or_else(Outcome::from)
            }
            Err(error) => error.into(),
        }
    }

    pub(super) async fn settle(&self, lease: &Lease, failure: Failure, is_answered: bool) -> Outcome {
        let now = self.clock.now();
        // Refusals are counted from the end of the access token on. So the count of the freeze is complete before the
        // first connection is given up.
        let is_counted = matches!(&failure, Failure::Provider(ProviderError::Refused(_)))
            && lease.connection.state.is_in_use()
            && now >= lease.connection.expires_at;
        if is_counted {
            self.count_refusal(&lease.connection, now).await;
            if self.is_refused_for_good(&lease.connection, now).await {
                return self.give_up(lease, FailureClass::Refused).await;
            }
        }
        let mut wait = match lease.connection.state {
            State::NeedsCustomer { .. } => TRIED_AGAIN_AFTER,
            _ => schedule::backoff(lease.connection.journal.failures + 1),
        };
        if let Failure::Provider(ProviderError::Throttled { retry_after: Some(asked), status }) = &failure {
            wait = wait.max((*asked).min(RETRY_AFTER_LONGEST));
            // 503 concerns every client; 429 may be meant for one customer.
            if *status == 503 {
                self.fleet.pause(now + wait).await;
            }
        }
        let class = failure.class();
        let settlement = Settlement {
            reason: class,
            needs_a_person: class == FailureClass::Unopenable,
            not_before: now + wait,
            is_answered,
            invalid_grant_at: None,
            refusal_window: is_counted.then(|| fleet::window(now)),
        };
        self.settle_as(lease, failure, settlement).await
    }

    /// A refusal that says nothing about the grant may be our configuration, or an outage. If it goes on for a day
    /// after the access token's end, while other connections are refreshed, the cause is this pair.
    async fn is_refused_for_good(&self, connection: &Connection, now: Timestamp) -> bool {
        let given_up_at = connection.expires_at + REFUSED_FOR;
        if now < given_up_at {
            return false;
        }
        // Others of the same lifetime are refreshed at least once in this time.
        let recently = now - connection.lifetime.max(Duration::from_secs(3600)) * 2;
        if !self.fleet.has_succeeded_since(recently).await {
            return false;
        }
        now >= given_up_at + FREEZE_LONGEST || !self.marking_is_frozen().await
    }

    async fn settle_as(&self, lease: &Lease, failure: Failure, settlement: Settlement) -> Outcome {
        let connection = &lease.connection;
        let mut retry_at = settlement.not_before;
        match self.write(&writes::settle(&connection.id, &lease.owner, &settlement)).await {
            Ok(Written::Applied(_)) => {}
            Ok(Written::ConditionFailed(None | Some(Row::Tombstone(_)))) => return Outcome::Gone,
            Ok(Written::ConditionFailed(Some(Row::Connection(stored)))) if stored.pair.id != connection.pair.id => {
                return adopt(*stored);
            }
            Ok(Written::ConditionFailed(Some(Row::Connection(_) | Row::Unreadable(_)))) => {
                tracing::warn!("the failure of a refresh was not stored: its lease had been lost");
                retry_at = retry_at.min(self.clock.now());
            }
            Err(error) => {
                tracing::warn!(%error, "the failure of a refresh could not be stored");
                // The lease runs out by itself. Other workers do not know of the backoff, and may try from then on.
                retry_at = retry_at.min(lease.until);
            }
        }
        let connection = Some(Box::new(connection.clone()));
        Outcome::Failed { failure, retry_at: Some(retry_at), connection }
    }

    /// The outcome that the row shows, after another worker's write came first.
    async fn outcome_of_row(&self, id: &ConnectionId, old: PairId) -> Result<Outcome, StoreError> {
        Ok(match self.connections.row(id).await? {
            Some(Row::Connection(stored)) if stored.pair.id == old => {
                Outcome::Busy { until: stored.lease.map_or(self.clock.now(), |lease| lease.until) }
            }
            Some(Row::Connection(stored)) => adopt(*stored),
            Some(Row::Tombstone(_)) | None => Outcome::Gone,
            Some(Row::Unreadable(unreadable)) => self.unreadable(unreadable, PutOffBy::Caller).await,
        })
    }
}

fn log_given_up(why: FailureClass) {
    let class = why.as_str();
    if why == FailureClass::AmbiguousRotation {
        tracing::error!(reauthorizations_needed = 1, ambiguous_rotations = 1, class, "the customer must connect again");
    } else {
        tracing::error!(reauthorizations_needed = 1, class, "the customer must connect again");
    }
}
