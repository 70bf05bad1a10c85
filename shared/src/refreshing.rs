//! Refreshing a connection: what the schedule and the token route share, and what decides whether a connection is lost.
//!
//! 1. stop, if the invocation has not the time to finish
//! 2. **acquire**: lease, read and journal in one write
//! 3. open the sealed pair, read the client secret: everything that can fail comes before the request
//! 4. stop, if the process was frozen and the lease may run out under the request
//! 5. send the refresh token; once more, if the outcome is unknown and the lease has room
//! 6. seal, and **commit** on the predecessor
//! 7. only now release the access token
//!
//! A lost race is not a failure: whoever finds another pair in the row adopts it. A failure is **settled**: it backs off
//! and releases the lease. Only a confirmed `invalid_grant` **gives up**, and not while everybody is refused.
//!
//! Steps 6 and 7 stand in `refreshing/commit.rs`, what follows a failure in `refreshing/failure.rs`.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::connection::Connection;
use crate::domain::connection::writes::{self, LEASE, Need};
use crate::domain::connection_id::ConnectionId;
use crate::domain::digest;
use crate::domain::secret::{ClientSecret, DataKey};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::{Grant, TokenPair};
use crate::domain::write::{Write, Written};
use crate::fleet::Fleet;
use crate::ports::{
    Clock, Entropy, OpenDataKeys, ProviderError, REQUEST_BUDGET, ReadClientSecret, ReadConnections, RefreshPair,
    RevokeToken, StoreError, WriteConnections,
};
use crate::sealing::{self, Place};
use crate::storing::Storing;

mod commit;
mod failure;
mod outcome;
mod superseded;

pub use commit::Replayed;
use outcome::refused_lease;
pub use outcome::{Failure, Outcome};

/// What sealing and one write take, at the end of a lease.
const COMMIT_BUDGET: Duration = Duration::from_secs(5);

/// Time that an invocation must have left to begin.
pub const INVOCATION_BUDGET: Duration = Duration::from_secs(LEASE.as_secs() + COMMIT_BUDGET.as_secs());

/// How long after its access token's end a connection waits for a pair that may be in the queue.
const ESCROW_PATIENCE: Duration = Duration::from_secs(1800);

pub struct Refreshing {
    pub stack: String,
    pub client_id: String,
    pub refresh_every: Duration,
    /// The lifetime of an access token whose grant does not say.
    pub default_lifetime: Duration,
    pub connections: Arc<dyn ReadConnections>,
    pub connection_writes: Arc<dyn WriteConnections>,
    pub storing: Storing,
    pub fleet: Arc<Fleet>,
    pub keys: Arc<dyn OpenDataKeys>,
    pub client_secret: Arc<dyn ReadClientSecret>,
    pub provider: Arc<dyn RefreshPair>,
    pub revocation: Arc<dyn RevokeToken>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// A connection that this call alone may refresh.
struct Lease {
    connection: Connection,
    /// Random per call: one process may hold many leases.
    owner: String,
    until: Timestamp,
}

/// All that can fail before the request has not failed.
struct Prepared {
    pair: TokenPair,
    data_key: DataKey,
    secrets: Vec<ClientSecret>,
}

/// A failed request, and whether an earlier one of the same lease had an unknown outcome.
struct Unanswered {
    error: ProviderError,
    unknown_before: bool,
}

impl Refreshing {
    pub async fn refresh(&self, id: &ConnectionId, need: &Need, deadline: Timestamp) -> Outcome {
        let outcome = self.refresh_or_outcome(id, need, deadline).await.unwrap_or_else(|outcome| outcome);
        if let Outcome::Failed { failure, .. } = &outcome {
            failure.log();
        }
        outcome
    }

    async fn refresh_or_outcome(
        &self,
        id: &ConnectionId,
        need: &Need,
        deadline: Timestamp,
    ) -> Result<Outcome, Outcome> {
        if self.clock.now() + INVOCATION_BUDGET > deadline {
            return Err(Outcome::NoTime);
        }
        if let Some(until) = self.fleet.paused_until().await {
            return Err(Outcome::Paused { until });
        }
        let lease = self.acquire(id, need).await?;
        let prepared = match self.prepare(&lease).await {
            Ok(prepared) => prepared,
            Err(failure) => return Err(self.settle(&lease, failure, true).await),
        };
        match self.send(&lease, &prepared).await {
            Ok((grant, sent_at)) => self.commit(&lease, prepared, grant, sent_at, deadline).await,
            Err(Unanswered { error: ProviderError::InvalidGrant, unknown_before }) => {
                self.refused(&lease, unknown_before).await
            }
            Err(Unanswered { error, unknown_before }) => {
                let known = !unknown_before && is_certainly_not_rotated(&error);
                Err(self.settle(&lease, Failure::Provider(error), known).await)
            }
        }
    }

    async fn acquire(&self, id: &ConnectionId, need: &Need) -> Result<Lease, Outcome> {
        let owner = digest::base64url(self.entropy.bytes::<16>());
        for _ in 0..2 {
            let now = self.clock.now();
            let written = self.write(&writes::acquire(id, need, &owner, now)).await?;
            let (item, is_ours) = match written {
                Written::Applied(item) => (item, true),
                Written::Refused(None) => return Err(Outcome::Gone),
                Written::Refused(Some(item)) => (item, false),
            };
            let connection = match Connection::stored(&item) {
                Ok(Some(connection)) => connection,
                Ok(None) => return Err(Outcome::Gone),
                Err(inconsistent) if is_ours => return Err(self.quarantine(id, &owner, inconsistent).await),
                Err(inconsistent) => return Err(StoreError::from(inconsistent).into()),
            };
            // Refused although it names us: the SDK repeated a write whose answer was lost, and the lease is ours.
            if !is_ours && connection.lease_owner.as_deref() != Some(&*owner) {
                if !connection.was_revived() {
                    return Err(refused_lease(connection, need, now));
                }
                self.revive(&connection).await?;
                continue;
            }
            let until = connection.lease_until.unwrap_or(now + LEASE);
            return Ok(Lease { connection, owner, until });
        }
        Err(Outcome::Busy { until: self.clock.now() + Duration::from_secs(1) })
    }

    /// A pair has arrived after its connection had been given up. Returns the row as it then stands, whoever was faster.
    pub async fn revive(&self, connection: &Connection) -> Result<Option<Connection>, StoreError> {
        let image = match self.write(&writes::revive(connection)).await? {
            Written::Applied(item) => Some(item),
            Written::Refused(image) => image,
        };
        Ok(image.map(|item| Connection::stored(&item)).transpose()?.flatten())
    }

    async fn prepare(&self, lease: &Lease) -> Result<Prepared, Failure> {
        let connection = &lease.connection;
        if connection.client_id != self.client_id {
            return Err(Failure::ForeignClient);
        }
        let data_key = self.keys.open(&connection.id, &connection.pair.data_key).await?;
        let pair = sealing::open(&connection.pair.sealed, &data_key, self.place(connection))?;
        if pair.refresh_token.is_none() {
            return Err(Failure::NoRefreshToken);
        }
        if connection.has_unknown_outcome() && self.may_be_in_escrow(connection).await {
            return Err(Failure::PairInEscrow);
        }
        let secrets = self.client_secret.current().await?;
        if self.clock.now() > lease.until - (REQUEST_BUDGET + COMMIT_BUDGET) {
            return Err(Failure::Frozen);
        }
        Ok(Prepared { pair, data_key, secrets })
    }

    /// An earlier lease ended out of sight, and perhaps its pair waits in the queue: then sending the refresh token again
    /// would be a reuse, for which a strict provider ends them all. The queue is not waited for for ever.
    async fn may_be_in_escrow(&self, connection: &Connection) -> bool {
        if self.clock.now() > connection.expires_at + ESCROW_PATIENCE {
            return false;
        }
        match self.storing.escrow.is_empty().await {
            Ok(is_empty) => !is_empty,
            Err(error) => {
                tracing::warn!(%error, "whether pairs wait in the queue could not be read, so they may");
                true
            }
        }
    }

    /// Sends the refresh token: once, and once more where that is right. Returns the moment before the last request, from
    /// which the new token's life is counted.
    async fn send(&self, lease: &Lease, prepared: &Prepared) -> Result<(Grant, Timestamp), Unanswered> {
        let certain = |error| Unanswered { error, unknown_before: false };
        let refresh_token = prepared.pair.refresh_token.as_ref().ok_or(certain(ProviderError::InvalidGrant))?;
        let secret = prepared.secrets.first().ok_or(certain(ProviderError::InvalidClient))?;

        let sent_at = self.clock.now();
        let error = match self.provider.refresh(refresh_token, secret).await {
            Ok(grant) => return Ok((grant, sent_at)),
            Err(error) => error,
        };
        let sent_at = self.clock.now();
        if sent_at > lease.until - (REQUEST_BUDGET + COMMIT_BUDGET) {
            return Err(certain(error));
        }
        let (secret, unknown_before) = match &error {
            // The socket is closed, so no earlier answer can arrive any more: the same token may be sent again. Where
            // the provider has not rotated, or still honours the old token, that saves the connection; where it has
            // rotated and forgotten, the connection is lost already (protocol rule 7).
            ProviderError::Unknown(cause) => {
                tracing::warn!(cause, "the outcome of a refresh is unknown, sending the same refresh token once more");
                (secret.clone(), true)
            }
            // The grant was not used: another secret may be the right one.
            ProviderError::InvalidClient => match another_secret(&*self.client_secret, secret).await {
                Some(another) => (another, false),
                None => return Err(certain(error)),
            },
            ProviderError::NotSent(_)
            | ProviderError::Throttled { .. }
            | ProviderError::InvalidGrant
            | ProviderError::Refused(_) => return Err(certain(error)),
        };
        match self.provider.refresh(refresh_token, &secret).await {
            Ok(grant) => {
                if matches!(error, ProviderError::InvalidClient) {
                    self.client_secret.prefer(&secret).await;
                }
                Ok((grant, sent_at))
            }
            Err(error) => Err(Unanswered { error, unknown_before }),
        }
    }

    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        let written = self.connection_writes.write(write).await?;
        if let Written::Refused(image) = &written {
            tracing::debug!(write = write.name, clauses = ?write.evaluate(image.as_ref()), "a condition refused");
        }
        Ok(written)
    }

    fn place<'a>(&'a self, connection: &'a Connection) -> Place<'a> {
        Place { stack: &self.stack, connection: &connection.id, token_set: connection.pair.token_set }
    }

    /// Opens a stored pair for release.
    pub async fn open(&self, connection: &Connection) -> Result<TokenPair, Failure> {
        let data_key = self.keys.open(&connection.id, &connection.pair.data_key).await?;
        Ok(sealing::open(&connection.pair.sealed, &data_key, self.place(connection))?)
    }
}

/// A secret that the provider has not just refused: the list is read again, since somebody may have rotated it.
pub async fn another_secret(source: &dyn ReadClientSecret, refused: &ClientSecret) -> Option<ClientSecret> {
    match source.reread().await {
        Ok(secrets) => secrets.into_iter().find(|secret| secret != refused),
        Err(error) => {
            tracing::warn!(%error, "the client secret could not be read again");
            None
        }
    }
}

/// Whether the provider has certainly not rotated the pair. A 503, with or without Retry-After, may come from a front
/// that had passed the request on.
fn is_certainly_not_rotated(error: &ProviderError) -> bool {
    match error {
        ProviderError::NotSent(_)
        | ProviderError::InvalidGrant
        | ProviderError::InvalidClient
        | ProviderError::Refused(_) => true,
        ProviderError::Throttled { status, .. } => *status == 429,
        ProviderError::Unknown(_) => false,
    }
}
