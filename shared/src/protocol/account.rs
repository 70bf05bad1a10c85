//! Finds out whose account a connection is for, after its pair is stored. (Protocol rule 1: the request is a first use
//! of the access token, and a provider may then end the earlier pair.)
//!
//! A connection works without this: a failure here is logged, and changes nothing else.

use std::sync::Arc;

use crate::domain::account::{Account, KnownAccount, claim, identify, identify_waiting, not_identified};
use crate::domain::connection::{Connection, Row};
use crate::domain::connection_id::ConnectionId;
use crate::domain::secret::AccessToken;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::Written;
use crate::ports::{ClaimAccounts, Clock, REQUEST_BUDGET, ReadAccount, ReadConnections, StoreError, WriteConnections};

/// Asks for the account of a connection, notes it in the row, and notes another connection of the same account.
pub struct AccountLookup {
    /// `None` where the provider has no address for it.
    pub accounts: Option<Arc<dyn ReadAccount>>,
    /// Reads the row of another connection, to see whether it still has the account.
    pub connections: Arc<dyn ReadConnections>,
    /// Notes the account, on the condition that the row still holds the pair that was asked with.
    pub writes: Arc<dyn WriteConnections>,
    /// Stores which connection has an account: the first one that claims it.
    pub claims: Arc<dyn ClaimAccounts>,
    /// No request begins that could not end before the deadline.
    pub clock: Arc<dyn Clock>,
}

impl AccountLookup {
    /// For a live pair.
    pub async fn identify(&self, id: &ConnectionId, pair: PairId, access_token: &AccessToken, deadline: Timestamp) {
        let noted = match self.read(access_token, deadline).await {
            Some(account) => self.note(id, pair, account).await,
            None if self.accounts.is_some() => self.writes.write(&not_identified(id, pair)).await.map(|_| ()),
            None => Ok(()),
        };
        log_not_stored(noted);
    }

    /// For a pair that waits for its confirmation. The account is not claimed: the pair may never become live.
    pub async fn identify_waiting(
        &self,
        id: &ConnectionId,
        pair: PairId,
        access_token: &AccessToken,
        deadline: Timestamp,
    ) {
        let Some(account) = self.read(access_token, deadline).await else { return };
        let noted = self.writes.write(&identify_waiting(id, pair, &account)).await.map(|_| ());
        log_not_stored(noted);
    }

    /// For a pair that was just confirmed.
    pub async fn claim_confirmed(&self, connection: &Connection) {
        let Some(known) = connection.account.clone() else { return };
        let noted = self.note_another(&connection.id, connection.pair.id, known).await;
        log_not_stored(noted);
    }

    pub(super) async fn read(&self, access_token: &AccessToken, deadline: Timestamp) -> Option<Account> {
        let accounts = self.accounts.as_ref().filter(|_| self.clock.now() + REQUEST_BUDGET < deadline)?;
        let read = accounts.read(access_token).await;
        read.inspect_err(|error| tracing::warn!(%error, "the connection's account could not be read")).ok()
    }

    async fn note(&self, id: &ConnectionId, pair: PairId, account: Account) -> Result<(), StoreError> {
        // The account is noted before it is claimed: a worker that finds a claim reads whether that connection still
        // has the account. In the other order, two workers at the same time would not find each other.
        let known = KnownAccount { account, also_connected_as: None };
        match self.writes.write(&identify(id, pair, &known)).await? {
            Written::Applied(_) => self.note_another(id, pair, known).await,
            // There was a later grant, whose own journey asks for the account; or a refresh, or a disconnect.
            Written::ConditionFailed(_) => Ok(()),
        }
    }

    async fn note_another(&self, id: &ConnectionId, pair: PairId, mut known: KnownAccount) -> Result<(), StoreError> {
        let Some(other) = self.another_connection_of(&known.account, id).await? else { return Ok(()) };
        let other = other.as_str();
        tracing::warn!(other, "the account has another connection, which the provider may end");
        known.also_connected_as = Some(other.to_owned());
        self.writes.write(&identify(id, pair, &known)).await.map(|_| ())
    }

    async fn another_connection_of(
        &self,
        account: &Account,
        id: &ConnectionId,
    ) -> Result<Option<ConnectionId>, StoreError> {
        let other = match self.claims.claim(&claim(account, id, None)).await? {
            Written::Applied(_) | Written::ConditionFailed(None) => return Ok(None),
            Written::ConditionFailed(Some(other)) => other,
        };
        if self.has(&other, account).await? {
            return Ok(Some(other));
        }
        // The other connection is gone, or has another account now. If a third connection claims the account first, it
        // has it.
        match self.claims.claim(&claim(account, id, Some(other.as_str()))).await? {
            // The other connection may have come back at this moment, and found the claim to be its own.
            Written::Applied(_) | Written::ConditionFailed(None) => {
                Ok(self.has(&other, account).await?.then_some(other))
            }
            Written::ConditionFailed(Some(claimant)) => Ok(Some(claimant)),
        }
    }

    async fn has(&self, id: &ConnectionId, account: &Account) -> Result<bool, StoreError> {
        let row = self.connections.row(id).await?;
        let stored = row.map(Row::connection).transpose()?.flatten();
        Ok(stored.and_then(|stored| stored.account).is_some_and(|known| known.account.id == account.id))
    }
}

fn log_not_stored(noted: Result<(), StoreError>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "the connection's account could not be stored");
    }
}
