//! Finding out whose account a connection is for, once its pair is stored (protocol rule 1: the look-up is a first use of the
//! access token, which may end the pair before).
//!
//! A connection is good without it: whatever fails here is told in the log, and changes nothing else.

use std::sync::Arc;

use crate::domain::account::{Account, KnownAccount, claim, claimant, identify};
use crate::domain::connection_id::ConnectionId;
use crate::domain::secret::AccessToken;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenSet;
use crate::domain::write::Written;
use crate::ports::{Clock, REQUEST_BUDGET, ReadAccount, ReadConnections, StoreError, WriteConnections};

pub struct Identifying {
    /// `None` where the provider has no address for it.
    pub accounts: Option<Arc<dyn ReadAccount>>,
    pub connections: Arc<dyn ReadConnections>,
    pub connection_writes: Arc<dyn WriteConnections>,
    pub clock: Arc<dyn Clock>,
}

impl Identifying {
    pub async fn identify(
        &self,
        id: &ConnectionId,
        token_set: TokenSet,
        access_token: &AccessToken,
        deadline: Timestamp,
    ) {
        let Some(accounts) = self.accounts.as_ref().filter(|_| self.clock.now() + REQUEST_BUDGET < deadline) else {
            return;
        };
        let account = match accounts.read(access_token).await {
            Ok(account) => account,
            Err(error) => return tracing::warn!(%error, "the connection's account could not be read"),
        };
        if let Err(error) = self.note(id, token_set, account).await {
            tracing::warn!(%error, "the connection's account could not be stored");
        }
    }

    async fn note(&self, id: &ConnectionId, token_set: TokenSet, account: Account) -> Result<(), StoreError> {
        // Before it is claimed: whoever finds a claim asks the connection whether it still has the account. The other way
        // round, of two that come at once neither would know of the other.
        let mut known = KnownAccount { account, also_connected_as: None };
        match self.connection_writes.write(&identify(id, token_set, &known)).await? {
            Written::Applied(_) => {}
            // A later grant, which has been asked with by its own journey; a refresh, or a disconnect.
            Written::Refused(_) => return Ok(()),
        }
        let Some(other) = self.another_connection_of(&known.account, id).await? else { return Ok(()) };
        let other = other.as_str();
        tracing::warn!(other, "the account has another connection, which the provider may end");
        known.also_connected_as = Some(other.to_owned());
        self.connection_writes.write(&identify(id, token_set, &known)).await.map(|_| ())
    }

    async fn another_connection_of(
        &self,
        account: &Account,
        id: &ConnectionId,
    ) -> Result<Option<ConnectionId>, StoreError> {
        let other = match self.connection_writes.write(&claim(account, id, None)).await? {
            Written::Applied(_) | Written::Refused(None) => return Ok(None),
            Written::Refused(Some(row)) => claimant(&row)?,
        };
        if self.has(&other, account).await? {
            return Ok(Some(other));
        }
        // Gone, or another account's by now. If a third one is faster, it has the account, and we are not the first.
        match self.connection_writes.write(&claim(account, id, Some(other.as_str()))).await? {
            // Or it has come back in this moment, and found the claim to be its own.
            Written::Applied(_) | Written::Refused(None) => Ok(self.has(&other, account).await?.then_some(other)),
            Written::Refused(Some(row)) => Ok(Some(claimant(&row)?)),
        }
    }

    async fn has(&self, id: &ConnectionId, account: &Account) -> Result<bool, StoreError> {
        let stored = self.connections.read(id).await?;
        Ok(stored.and_then(|stored| stored.account).is_some_and(|known| known.account.id == account.id))
    }
}
