//! Stores a new pair over its predecessor: for the worker that has received it, or that takes it from the queue.

use super::outcome::adopt;
use super::{Failure, Lease, Outcome, Prepared, Refreshing};
use crate::domain::connection::grant::NewPair;
use crate::domain::connection::refresh::{self as writes, PutOffBy};
use crate::domain::connection::revocation::Revocation;
use crate::domain::connection::{Connection, Row, SealedPair};
use crate::domain::escrow::{Escrowed, RefreshedPair};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::{PairId, TokenPair, TokenResponse};
use crate::domain::write::{Write, Written};
use crate::ports::StoreError;
use crate::sealing::{self, SealingContext};

/// The result of a commit, from the row.
#[derive(Debug)]
pub enum CommitOutcome {
    /// The pair is stored, and may be released.
    Stored(Box<Connection>),
    /// Another pair was stored meanwhile. If it is of another grant, this pair is in the list of grants to revoke.
    Superseded(Box<Connection>),
    /// The connection was taken away: this pair is in the list of grants to revoke, if there is a row.
    Orphaned,
}

impl Refreshing {
    /// From here on a live pair is only in the memory of this process. So it is stored first.
    pub(super) async fn commit(
        &self,
        lease: &Lease,
        prepared: Prepared,
        response: TokenResponse,
        sent_at: Timestamp,
        deadline: Timestamp,
    ) -> Result<Outcome, Outcome> {
        let old = &lease.connection;
        let pair = TokenPair {
            access_token: response.pair.access_token,
            refresh_token: response.pair.refresh_token.or_else(|| prepared.pair.refresh_token.clone()),
        };
        let pair_id = PairId::new(self.entropy.bytes());
        let context = SealingContext { pair_id, ..self.context(old) };
        let sealed = sealing::seal(&pair, &prepared.data_key, context, self.entropy.bytes());
        let new = NewPair {
            pair: SealedPair { id: pair_id, sealed, data_key: old.pair.data_key.clone() },
            has_refresh_token: pair.refresh_token.is_some(),
            token_type: response.token_type.unwrap_or_else(|| old.token_type.clone()),
            scope: response.scope.or_else(|| old.scope.clone()),
            granted_at: sent_at,
            expires_at: sent_at + response.expires_in.unwrap_or(self.deployment.default_lifetime),
        };
        let refreshed = RefreshedPair {
            id: old.id.clone(),
            predecessor: old.pair.id,
            version: old.version + 1,
            granted_by: old.granted_by.clone(),
            account_id: old.account.as_ref().map(|known| known.account.id.clone()),
            new,
        };
        let escrowed = || Escrowed::Refreshed(Box::new(refreshed.clone()));
        let written = self.pairs.store(&self.commit_of(&refreshed), escrowed, deadline).await?;
        let outcome = match self.commit_outcome(&refreshed, written).await {
            Ok(outcome) => outcome,
            // If the row does not hold the pair, it is nowhere else.
            Err(error) => {
                self.pairs.put_into_queue(&escrowed()).await;
                return Err(error.into());
            }
        };
        match outcome {
            CommitOutcome::Stored(stored) => {
                self.work_off_revocations(&stored, [&prepared.pair, &pair], deadline).await;
                Ok(Outcome::Refreshed(stored, pair))
            }
            CommitOutcome::Superseded(stored) => {
                tracing::info!("another worker stored a pair first: its pair is used");
                Err(adopt(*stored))
            }
            CommitOutcome::Orphaned => Err(Outcome::Gone),
        }
    }

    /// Stores a pair from the queue.
    pub async fn commit_again(&self, refreshed: &RefreshedPair) -> Result<CommitOutcome, Failure> {
        let written = self.write(&self.commit_of(refreshed)).await?;
        Ok(self.commit_outcome(refreshed, written).await?)
    }

    fn commit_of(&self, refreshed: &RefreshedPair) -> Write {
        let RefreshedPair { id, predecessor, version, new, .. } = refreshed;
        writes::commit(id, *predecessor, *version, new, self.deployment.refresh_every)
    }

    async fn commit_outcome(
        &self,
        refreshed: &RefreshedPair,
        written: Written<Row>,
    ) -> Result<CommitOutcome, StoreError> {
        let row = match written {
            Written::Applied(row) => Some(row),
            Written::ConditionFailed(image) => image,
        };
        match row {
            // The condition fails too if the SDK repeats our own write after its acknowledgement was lost.
            Some(Row::Connection(stored)) if stored.pair.id == refreshed.new.pair.id => {
                Ok(CommitOutcome::Stored(stored))
            }
            // Another worker has refreshed the same grant: our pair is left to expire, as its predecessor is.
            Some(Row::Connection(stored)) if stored.granted_by == refreshed.granted_by => {
                Ok(CommitOutcome::Superseded(stored))
            }
            Some(Row::Connection(stored)) => {
                self.add_to_revocations(refreshed, Some(Row::Connection(stored.clone()))).await?;
                Ok(CommitOutcome::Superseded(stored))
            }
            Some(Row::Unreadable(unreadable)) => {
                self.quarantine.put_off(&unreadable, PutOffBy::Caller).await;
                Err(unreadable.into())
            }
            row @ (Some(Row::Tombstone(_)) | None) => {
                tracing::info!("the connection was taken away: its new pair will be revoked");
                self.add_to_revocations(refreshed, row).await?;
                Ok(CommitOutcome::Orphaned)
            }
        }
    }

    async fn add_to_revocations(&self, refreshed: &RefreshedPair, row: Option<Row>) -> Result<(), StoreError> {
        let RefreshedPair { account_id, new, granted_by, .. } = refreshed;
        let left = Revocation::new(new.pair.clone(), granted_by.order, account_id.clone(), self.clock.now());
        self.revoking.list.add(left, row).await
    }

    /// Runs after the new pair is stored. If it fails, the next refresh tries again.
    async fn work_off_revocations(&self, stored: &Connection, in_use: [&TokenPair; 2], deadline: Timestamp) {
        if stored.revocations.is_empty() && stored.waiting.is_none() {
            return;
        }
        let row = Row::Connection(Box::new(stored.clone()));
        if let Err(error) = self.revoking.work_off(row, &in_use, deadline).await {
            tracing::warn!(%error, "grants could not be revoked: the next refresh tries again");
        }
    }
}
