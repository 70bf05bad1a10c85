//! Refreshes a connection, for the schedule and the token route. This decides whether a connection is lost.
//!
//! 1. stop, if the invocation has too little time to finish
//! 2. **acquire**: lease, read and journal in one write
//! 3. open the sealed pair, read the client secret: everything that can fail comes before the request
//! 4. stop, if the process was frozen and the lease may end during the request
//! 5. send the refresh token; once more, if the outcome is unknown and the lease has room
//! 6. seal, and **commit** on the predecessor
//! 7. only now release the access token
//!
//! A lost race is not a failure: the worker that finds another pair in the row adopts it. A failure is **settled**: it
//! backs off and releases the lease. Only a confirmed refusal **gives up**, and not while many connections are refused.
//!
//! Steps 6 and 7 are in `refresh/commit.rs`, the steps after a failure in `refresh/failure.rs`.

use std::sync::Arc;
use std::time::Duration;

use super::Deployment;
use super::client_secrets::{ClientSecrets, Secrets};
use super::escrow::PairStore;
use super::fleet::Fleet;
use super::quarantine::Quarantine;
use super::revoke::Revoking;
use crate::domain::connection::refresh::{self as writes, LEASE, PutOffBy, RefreshReason};
use crate::domain::connection::{Connection, Row};
use crate::domain::connection_id::ConnectionId;
use crate::domain::digest;
use crate::domain::item::Unreadable;
use crate::domain::secret::{DataKey, RefreshToken};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::{TokenPair, TokenResponse};
use crate::domain::write::{Write, Written};
use crate::ports::{
    Clock, Entropy, OpenDataKeys, ProviderError, REQUEST_BUDGET, ReadConnections, RefreshPair, StoreError,
    WriteConnections,
};
use crate::sealing::{self, SealingContext};

mod commit;
mod failure;
mod outcome;

pub use commit::CommitOutcome;
use outcome::refused_lease;
pub use outcome::{Failure, Outcome};

/// The time for sealing and one write, at the end of a lease.
const COMMIT_BUDGET: Duration = Duration::from_secs(5);

/// Time that an invocation must have left to begin.
pub const INVOCATION_BUDGET: Duration = Duration::from_secs(LEASE.as_secs() + COMMIT_BUDGET.as_secs());

/// How long a connection waits for a pair that may be in the queue, after its access token has ended.
const ESCROW_PATIENCE: Duration = Duration::from_secs(1800);

/// Refreshes connections. Several calls for one connection at the same time, also from different processes, are safe.
pub struct Refreshing {
    /// Its client id must be that of the connection, and its stack is bound to each sealed pair.
    pub deployment: Deployment,
    /// Reads the row again after a failure, or after another worker's write came first.
    pub connections: Arc<dyn ReadConnections>,
    /// For the writes acquire, settle and give up.
    pub writes: Arc<dyn WriteConnections>,
    /// Commits a new pair, or puts it into the queue.
    pub pairs: PairStore,
    /// For a row that is unreadable.
    pub quarantine: Quarantine,
    /// The pause, and whether marking is frozen.
    pub fleet: Arc<Fleet>,
    /// Opens the data key of the stored pair. Its successor is sealed under the same key.
    pub keys: Arc<dyn OpenDataKeys>,
    /// Which client secret the request is sent with.
    pub secrets: Arc<ClientSecrets>,
    /// The token endpoint (RFC 6749 section 6).
    pub provider: Arc<dyn RefreshPair>,
    /// Works off the revocation list of a connection after its commit.
    pub revoking: Arc<Revoking>,
    /// The time of the lease, the deadline and the backoff.
    pub clock: Arc<dyn Clock>,
    /// Lease owners, pair ids and nonces.
    pub entropy: Arc<dyn Entropy>,
}

/// A connection that only this call may refresh.
struct Lease {
    connection: Connection,
    /// Random per call: one process may hold many leases.
    owner: String,
    until: Timestamp,
}

/// What a refresh needs before its request: every step that can fail has succeeded.
struct Prepared {
    pair: TokenPair,
    refresh_token: RefreshToken,
    data_key: DataKey,
    secrets: Secrets,
}

/// A failed request, and whether an earlier one of the same lease had an unknown outcome.
struct Unanswered {
    error: ProviderError,
    unknown_before: bool,
}

impl Refreshing {
    /// Takes all seven steps, and logs a failure once. `deadline`: when the invocation ends.
    pub async fn refresh(&self, id: &ConnectionId, reason: &RefreshReason, deadline: Timestamp) -> Outcome {
        self.refresh_or_outcome(id, reason, deadline).await.unwrap_or_else(|outcome| outcome).logged()
    }

    async fn refresh_or_outcome(
        &self,
        id: &ConnectionId,
        reason: &RefreshReason,
        deadline: Timestamp,
    ) -> Result<Outcome, Outcome> {
        if self.clock.now() + INVOCATION_BUDGET > deadline {
            return Err(Outcome::NoTime);
        }
        if let Some(until) = self.fleet.paused_until().await {
            return Err(Outcome::Paused { until });
        }
        let lease = self.acquire(id, reason).await?;
        let prepared = match self.prepare(&lease).await {
            Ok(prepared) => prepared,
            Err(Failure::NoRefreshToken) if !lease.connection.access_token_lives(self.clock.now()) => {
                return Err(self.without_refresh_token(&lease).await);
            }
            Err(failure) => return Err(self.settle(&lease, failure, true).await),
        };
        match self.send(&lease, &prepared).await {
            Ok((response, sent_at)) => self.commit(&lease, prepared, response, sent_at, deadline).await,
            Err(Unanswered { error: ProviderError::InvalidGrant, unknown_before }) => {
                self.refused(&lease, unknown_before).await
            }
            Err(Unanswered { error, unknown_before }) => {
                let is_answered = !unknown_before && is_certainly_not_rotated(&error);
                Err(self.settle(&lease, Failure::Provider(error), is_answered).await)
            }
        }
    }

    async fn acquire(&self, id: &ConnectionId, reason: &RefreshReason) -> Result<Lease, Outcome> {
        let owner = digest::base64url(self.entropy.bytes::<16>());
        let now = self.clock.now();
        let (row, is_ours) = match self.write(&writes::acquire(id, reason, &owner, now)).await {
            Ok(Written::Applied(row)) => (row, true),
            Ok(Written::ConditionFailed(None)) => return Err(Outcome::Gone),
            Ok(Written::ConditionFailed(Some(row))) => (row, false),
            Err(error) => return Err(self.not_acquired(id, reason, error).await),
        };
        let connection = match row {
            Row::Connection(connection) => *connection,
            Row::Tombstone(_) => return Err(Outcome::Gone),
            Row::Unreadable(unreadable) => {
                let by = if is_ours { PutOffBy::Lease(&owner) } else { put_off_by(reason) };
                return Err(self.unreadable(unreadable, by).await);
            }
        };
        // The condition failed although the lease is ours: the SDK repeated a write whose answer was lost.
        if !is_ours && !connection.is_leased_to(&owner) {
            return Err(refused_lease(connection, reason, now));
        }
        let until = connection.lease.as_ref().map_or(now + LEASE, |lease| lease.until);
        Ok(Lease { connection, owner, until })
    }

    /// DynamoDB refuses a write that adds to an attribute of another type: then the row cannot be read, and no service
    /// has failed.
    async fn not_acquired(&self, id: &ConnectionId, reason: &RefreshReason, error: StoreError) -> Outcome {
        match self.connections.row(id).await {
            Ok(Some(Row::Unreadable(unreadable))) => self.unreadable(unreadable, put_off_by(reason)).await,
            Ok(_) | Err(_) => error.into(),
        }
    }

    /// Puts off a row that cannot be read.
    pub async fn unreadable(&self, unreadable: Unreadable, by: PutOffBy<'_>) -> Outcome {
        let not_before = self.quarantine.put_off(&unreadable, by).await;
        let failure = Failure::Store(unreadable.into());
        Outcome::Failed { failure, retry_at: Some(not_before), connection: None }
    }

    async fn prepare(&self, lease: &Lease) -> Result<Prepared, Failure> {
        let connection = &lease.connection;
        if connection.client_id != self.deployment.client_id {
            return Err(Failure::ForeignClient);
        }
        let (pair, data_key) = self.open_with_key(connection).await?;
        let refresh_token = pair.refresh_token.clone().ok_or(Failure::NoRefreshToken)?;
        if connection.has_unknown_outcome() && self.may_be_in_escrow(connection).await {
            return Err(Failure::PairInEscrow);
        }
        let secrets = self.secrets.current().await?;
        if !self.has_time_to_send(lease) {
            return Err(Failure::Frozen);
        }
        Ok(Prepared { pair, refresh_token, data_key, secrets })
    }

    /// Whether a request and the commit of its pair end before the lease does.
    fn has_time_to_send(&self, lease: &Lease) -> bool {
        self.clock.now() <= lease.until - (REQUEST_BUDGET + COMMIT_BUDGET)
    }

    /// Whether the pair of an earlier lease without a known outcome may wait in the queue. Then to send the refresh
    /// token again would be a reuse, for which a strict provider ends the whole grant. The wait has a limit.
    async fn may_be_in_escrow(&self, connection: &Connection) -> bool {
        if self.clock.now() > connection.expires_at + ESCROW_PATIENCE {
            return false;
        }
        match self.pairs.escrow.is_empty().await {
            Ok(is_empty) => !is_empty,
            Err(error) => {
                tracing::warn!(%error, "the queue could not be read: a pair may wait in it");
                true
            }
        }
    }

    /// Sends the refresh token once, and a second time where that is allowed. Returns the time before the last request,
    /// from which the new token's lifetime is counted.
    async fn send(&self, lease: &Lease, prepared: &Prepared) -> Result<(TokenResponse, Timestamp), Unanswered> {
        let unknown = match self.send_once(lease, prepared).await {
            Ok(sent) => return Ok(sent),
            Err(ProviderError::Unknown(error)) if self.has_time_to_send(lease) => error,
            Err(error) => return Err(Unanswered { error, unknown_before: false }),
        };
        // The connection to the provider is closed, so no earlier answer can arrive any more: the same token may be
        // sent again. If the provider has not rotated, or still honours the old token, that saves the connection. If it
        // has rotated and the old token has ended, the connection is lost already (protocol rule 7).
        tracing::warn!(
            error = unknown,
            "the outcome of a refresh is unknown: the same refresh token is sent once more"
        );
        let again = self.send_once(lease, prepared).await;
        again.map_err(|error| Unanswered { error, unknown_before: true })
    }

    /// Sends with one client secret, or with another one if the provider does not accept the first: then the grant was
    /// not used.
    async fn send_once(&self, lease: &Lease, prepared: &Prepared) -> Result<(TokenResponse, Timestamp), ProviderError> {
        let has_time = || self.has_time_to_send(lease);
        let send = |secret| async move {
            let sent_at = self.clock.now();
            self.provider.refresh(&prepared.refresh_token, &secret).await.map(|response| (response, sent_at))
        };
        self.secrets.send(&prepared.secrets, has_time, send).await
    }

    async fn write(&self, write: &Write) -> Result<Written<Row>, StoreError> {
        let written = self.writes.write(write).await?;
        if matches!(written, Written::ConditionFailed(_)) {
            tracing::debug!(write = write.name.as_str(), "a condition failed");
        }
        Ok(written)
    }

    fn context<'a>(&'a self, connection: &'a Connection) -> SealingContext<'a> {
        SealingContext { stack: &self.deployment.stack, connection: &connection.id, pair_id: connection.pair.id }
    }

    /// Opens a stored pair for release.
    pub async fn open(&self, connection: &Connection) -> Result<TokenPair, Failure> {
        self.open_with_key(connection).await.map(|(pair, _)| pair)
    }

    async fn open_with_key(&self, connection: &Connection) -> Result<(TokenPair, DataKey), Failure> {
        let data_key = self.keys.open(&connection.id, &connection.pair.data_key).await?;
        let pair = sealing::open(&connection.pair.sealed, &data_key, self.context(connection))?;
        Ok((pair, data_key))
    }
}

/// Whether the provider has certainly not rotated the pair. A 5xx, with or without Retry-After, may come from a proxy
/// that has passed the request on.
fn is_certainly_not_rotated(error: &ProviderError) -> bool {
    match error {
        ProviderError::NotSent(_)
        | ProviderError::InvalidGrant
        | ProviderError::InvalidClient
        | ProviderError::Refused(_) => true,
        ProviderError::Throttled { status, .. } => *status < 500,
        ProviderError::Unknown(_) => false,
    }
}

fn put_off_by(reason: &RefreshReason) -> PutOffBy<'static> {
    match reason {
        RefreshReason::Scheduled => PutOffBy::Schedule,
        RefreshReason::OnDemand { .. } | RefreshReason::Rejected { .. } => PutOffBy::Caller,
    }
}
