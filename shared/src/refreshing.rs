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
//! and releases the lease. Only a confirmed `invalid_grant` **gives up**.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::connection::writes::{self, CONFIRM_AFTER, LEASE, LONGEST_INVOCATION, Need, Settlement};
use crate::domain::connection::{Connection, SealedPair, Status};
use crate::domain::connection_id::ConnectionId;
use crate::domain::digest;
use crate::domain::schedule::{self, RETRY_AFTER_LONGEST};
use crate::domain::secret::{ClientSecret, DataKey};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::{Grant, TokenPair, TokenSet};
use crate::domain::write::{Write, Written};
use crate::failure::FailureClass;
use crate::ports::{
    Clock, Entropy, OpenDataKeys, ProviderError, REQUEST_BUDGET, ReadClientSecret, ReadConnections, RefreshPair,
    RevokeToken, StoreError, WriteConnections,
};
use crate::sealing::{self, Place};

mod outcome;
pub use outcome::{Failure, Outcome};
use outcome::{adopt, refused_lease};

/// What sealing and one write take, at the end of a lease.
const COMMIT_BUDGET: Duration = Duration::from_secs(5);

/// Time that an invocation must have left to begin.
pub const INVOCATION_BUDGET: Duration = Duration::from_secs(LEASE.as_secs() + COMMIT_BUDGET.as_secs());

pub struct Refreshing {
    pub stack: String,
    pub client_id: String,
    pub refresh_every: Duration,
    /// The lifetime of an access token whose grant does not say.
    pub default_lifetime: Duration,
    pub connections: Arc<dyn ReadConnections>,
    pub connection_writes: Arc<dyn WriteConnections>,
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
            let connection = match written {
                Written::Applied(item) => Connection::from_item(&item).map_err(StoreError::from)?,
                Written::Refused(None) => return Err(Outcome::Gone),
                Written::Refused(Some(item)) => {
                    let connection = Connection::from_item(&item).map_err(StoreError::from)?;
                    if connection.lease_owner.as_deref() != Some(&*owner) {
                        if connection.was_revived() {
                            self.write(&writes::revive(&connection)).await?;
                            continue;
                        }
                        return Err(refused_lease(connection, need, now));
                    }
                    // The SDK repeated a write whose answer was lost: the lease is ours.
                    connection
                }
            };
            let until = connection.lease_until.unwrap_or(now + LEASE);
            return Ok(Lease { connection, owner, until });
        }
        Err(Outcome::Busy { until: self.clock.now() + Duration::from_secs(1) })
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
        let secrets = self.client_secret.current().await?;
        if self.clock.now() > lease.until - (REQUEST_BUDGET + COMMIT_BUDGET) {
            return Err(Failure::Frozen);
        }
        Ok(Prepared { pair, data_key, secrets })
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
            ProviderError::InvalidClient => match self.another_secret(prepared).await {
                Some(another) => (another, false),
                None => return Err(certain(error)),
            },
            ProviderError::NotSent(_)
            | ProviderError::Throttled { .. }
            | ProviderError::InvalidGrant
            | ProviderError::Refused(_) => return Err(certain(error)),
        };
        match self.provider.refresh(refresh_token, &secret).await {
            Ok(grant) => Ok((grant, sent_at)),
            Err(error) => Err(Unanswered { error, unknown_before }),
        }
    }

    async fn another_secret(&self, prepared: &Prepared) -> Option<ClientSecret> {
        another_secret(&*self.client_secret, &prepared.secrets).await
    }

    /// From here on a live pair is in this process's memory only. Nothing comes before storing it.
    async fn commit(
        &self,
        lease: &Lease,
        prepared: Prepared,
        grant: Grant,
        sent_at: Timestamp,
        deadline: Timestamp,
    ) -> Result<Outcome, Outcome> {
        let old = &lease.connection;
        let token_set = TokenSet::new(self.entropy.bytes());
        let pair = TokenPair {
            access_token: grant.pair.access_token,
            refresh_token: grant.pair.refresh_token.or(prepared.pair.refresh_token),
        };
        let place = Place { token_set, ..self.place(old) };
        let sealed = sealing::seal(&pair, &prepared.data_key, place, self.entropy.bytes());
        let new = writes::new_pair(
            &old.id,
            old.version + 1,
            SealedPair { token_set, sealed, data_key: old.pair.data_key.clone() },
            grant.token_type.unwrap_or_else(|| old.token_type.clone()),
            grant.scope.or_else(|| old.scope.clone()),
            (sent_at, sent_at + grant.expires_in.unwrap_or(self.default_lifetime)),
            self.refresh_every,
        );
        let write = writes::commit(&old.id, old.pair.token_set, &new);
        let image = match self.write_until(&write, deadline).await? {
            Written::Applied(item) => Some(item),
            Written::Refused(image) => image,
        };
        let stored = image.map(|item| Connection::from_item(&item)).transpose().map_err(StoreError::from)?;
        match stored {
            Some(stored) if stored.pair.token_set == token_set => match stored.status {
                Status::Active => Ok(Outcome::Refreshed(stored, pair)),
                // Stored so that whoever disconnects can revoke the newest pair; never released.
                Status::Disconnecting => Err(Outcome::Gone),
                Status::ReauthRequired => match self.write(&writes::revive(&stored)).await? {
                    Written::Applied(item) => {
                        Ok(Outcome::Refreshed(Connection::from_item(&item).map_err(StoreError::from)?, pair))
                    }
                    Written::Refused(_) => Err(self.found(&old.id, old.pair.token_set).await?),
                },
            },
            Some(stored) if stored.status != Status::Disconnecting => {
                tracing::info!("another pair was stored meanwhile, and is adopted");
                Err(adopt(stored))
            }
            Some(_) | None => {
                tracing::info!("the connection has gone, its newest pair is revoked");
                self.revoke(&pair, &prepared.secrets).await;
                Err(Outcome::Gone)
            }
        }
    }

    /// `invalid_grant`: a rival may have rotated the pair, the provider may be wrong for a moment, or it is true.
    async fn refused(&self, lease: &Lease, unknown_before: bool) -> Result<Outcome, Outcome> {
        let old = lease.connection.pair.token_set;
        let stored = match self.connections.read(&lease.connection.id).await? {
            Some(stored) if stored.pair.token_set == old => stored,
            Some(stored) => return Err(adopt(stored)),
            None => return Err(Outcome::Gone),
        };
        let ambiguous = unknown_before || stored.has_unknown_outcome();
        let (reason, confirm_after) = if ambiguous {
            // Another attempt on this pair has not ended in sight: its answer may still be on its way to the table.
            (FailureClass::AmbiguousRotation, LONGEST_INVOCATION + CONFIRM_AFTER)
        } else {
            (FailureClass::InvalidGrant, CONFIRM_AFTER)
        };
        let now = self.clock.now();
        let first_refusal = stored.refused_at.unwrap_or(now);
        if first_refusal > now - confirm_after {
            let settlement = Settlement {
                reason: reason.as_str(),
                not_before: first_refusal + confirm_after,
                known: !unknown_before,
                refused_at: Some(now),
            };
            return Err(self.settle_as(lease, Failure::Provider(ProviderError::InvalidGrant), settlement).await);
        }
        match self.write(&writes::give_up(&stored, &lease.owner, confirm_after, reason.as_str(), now)).await? {
            Written::Applied(item) => {
                log_given_up(reason);
                Err(Outcome::ReauthRequired(Connection::from_item(&item).map_err(StoreError::from)?))
            }
            Written::Refused(_) => Err(self.found(&lease.connection.id, old).await?),
        }
    }

    async fn settle(&self, lease: &Lease, failure: Failure, known: bool) -> Outcome {
        let mut wait = schedule::backoff(lease.connection.failures + 1);
        if let Failure::Provider(ProviderError::Throttled { retry_after: Some(asked), .. }) = &failure {
            wait = wait.max(*asked).min(RETRY_AFTER_LONGEST);
        }
        let settlement = Settlement {
            reason: failure.class().as_str(),
            not_before: self.clock.now() + wait,
            known,
            refused_at: None,
        };
        self.settle_as(lease, failure, settlement).await
    }

    async fn settle_as(&self, lease: &Lease, failure: Failure, settlement: Settlement) -> Outcome {
        let connection = &lease.connection;
        let write = writes::settle(&connection.id, connection.pair.token_set, &lease.owner, &settlement);
        match self.connection_writes.write(&write).await {
            Ok(Written::Applied(_)) => {}
            Ok(Written::Refused(Some(item))) => match Connection::from_item(&item) {
                Ok(stored) if stored.pair.token_set != connection.pair.token_set => return adopt(stored),
                Ok(_) | Err(_) => tracing::warn!("the lease was lost before its failure could be noted"),
            },
            Ok(Written::Refused(None)) => return Outcome::Gone,
            // The lease runs out by itself.
            Err(error) => tracing::warn!(%error, "a failure could not be noted"),
        }
        Outcome::Failed { failure, retry_at: Some(settlement.not_before), connection: Some(connection.clone()) }
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

    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        let written = self.connection_writes.write(write).await?;
        if let Written::Refused(image) = &written {
            tracing::debug!(write = write.name, clauses = ?write.evaluate(image.as_ref()), "a condition refused");
        }
        Ok(written)
    }

    /// Writes as long as the invocation lives: the condition makes a repetition harmless.
    async fn write_until(&self, write: &Write, deadline: Timestamp) -> Result<Written, StoreError> {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.write(write).await {
                Err(error @ StoreError::Unavailable(_)) if self.clock.now() < deadline => {
                    tracing::error!(%error, "a new pair could not be stored yet, trying again");
                }
                done => return done,
            }
            self.clock.sleep(pause + self.entropy.jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn revoke(&self, pair: &TokenPair, secrets: &[ClientSecret]) {
        let Some(secret) = secrets.first() else { return };
        if let Err(error) = self.revocation.revoke(pair, secret).await {
            tracing::warn!(%error, "a pair that belongs to no connection could not be revoked");
        }
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

fn log_given_up(reason: FailureClass) {
    let class = reason.as_str();
    if reason == FailureClass::AmbiguousRotation {
        tracing::error!(reauthorizations_needed = 1, ambiguous_rotations = 1, class, "the customer must connect again");
    } else {
        tracing::error!(reauthorizations_needed = 1, class, "the customer must connect again");
    }
}

/// A secret that the provider has not just refused: the list is read again, since somebody may have rotated it.
pub async fn another_secret(source: &dyn ReadClientSecret, refused: &[ClientSecret]) -> Option<ClientSecret> {
    let tried = refused.first()?.expose();
    match source.reread().await {
        Ok(secrets) => secrets.into_iter().find(|secret| secret.expose() != tried),
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
