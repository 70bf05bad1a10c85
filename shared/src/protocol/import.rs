//! Takes over a refresh token from another system.
//!
//! 1. take the next number in the order of the id's events
//! 2. if the connection is active, the token is **refreshed first**, and the new pair is stored over the live one like
//!    a customer's grant: a connection that works is replaced only by a token that works
//! 3. otherwise the token is **stored first** and then refreshed, like any other connection: in the other order, a new
//!    pair that cannot be stored would be lost
//!
//! A token that is stored first and then refused stays stored: the connection is given up like any other, when the
//! refusal is confirmed.

use std::sync::Arc;
use std::time::Duration;

use super::Deployment;
use super::client_secrets::ClientSecrets;
use super::connect::{Connecting, Kept, Stored};
use super::fleet::Fleet;
use super::orders::Orders;
use super::refresh::{INVOCATION_BUDGET, Outcome, Refreshing};
use crate::domain::connection::grant::{NewGrant, NewPair, Refusal};
use crate::domain::connection::refresh::RefreshReason;
use crate::domain::connection::{Row, SealedPair, State};
use crate::domain::connection_id::ConnectionId;
use crate::domain::digest;
use crate::domain::order::Order;
use crate::domain::secret::{AccessToken, RefreshToken};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::{PairId, TokenPair};
use crate::ports::{
    Clock, Entropy, KeyError, MakeDataKeys, ProviderError, REQUEST_BUDGET, ReadConnections, RefreshPair, SecretError,
    StoreError, WrappedDataKey,
};
use crate::sealing::{self, SealingContext};

/// An imported pair has no access token yet. It is stored as one that expired a while ago, longer than clocks differ.
const EXPIRED_SINCE: Duration = Duration::from_secs(60);

/// Imports a refresh token.
pub struct Importing {
    /// The client id, the stack, and the default lifetime of an access token.
    pub deployment: Deployment,
    /// Reads the row: its state decides whether the token is refreshed first or stored first.
    pub connections: Arc<dyn ReadConnections>,
    /// Gives the import its place in the order of the id's events.
    pub orders: Orders,
    /// Stores the grant of the import like a customer's grant.
    pub connecting: Arc<Connecting>,
    /// Refreshes what was stored first.
    pub refreshing: Arc<Refreshing>,
    /// The pause: an active connection is not replaced while it lasts.
    pub fleet: Arc<Fleet>,
    /// Makes the data key under which the new pair is sealed.
    pub keys: Arc<dyn MakeDataKeys>,
    /// The client secret for a token that is refreshed first.
    pub secrets: Arc<ClientSecrets>,
    /// Refreshes a token that is not stored yet (RFC 6749 section 6).
    pub provider: Arc<dyn RefreshPair>,
    /// The time of the grant, and whether the deadline leaves time for a request.
    pub clock: Arc<dyn Clock>,
    /// The pair id, the nonce and the name of the grant.
    pub entropy: Arc<dyn Entropy>,
}

/// How an import ended.
#[derive(Debug)]
pub enum Imported {
    /// It is stored, also if its first refresh has failed.
    Stored {
        /// The id had no live pair before.
        is_new: bool,
        /// The outcome of its first refresh.
        refresh: Outcome,
    },
    /// It was refreshed, and has replaced the live pair.
    Replaced {
        /// The id of the new live pair.
        pair_id: PairId,
        /// Its access token, which is stored and may be released.
        access_token: AccessToken,
    },
}

/// Why an import failed. After [`ImportError::Store`] the pair may be stored nevertheless.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// `replace` is false, and the connection is active or not refreshed.
    #[error("a live connection would be overwritten")]
    Exists,
    /// The grant of the import is in the revocation list.
    #[error("a customer has connected meanwhile, or another import was later")]
    Superseded,
    /// The grant of the import is in the revocation list, if there is a row.
    #[error("the connection was taken away meanwhile")]
    Disconnected,
    /// Less time than [`INVOCATION_BUDGET`] is left until the deadline.
    #[error("the invocation has too little time left")]
    NoTime,
    /// Only where an active connection would be replaced: nothing was sent.
    #[error("WebinarGeek has asked to wait with all requests")]
    Paused {
        /// When the pause ends.
        until: Timestamp,
    },
    /// The live connection is as it was.
    #[error("the refresh token could not be refreshed: {0}")]
    Provider(#[source] ProviderError),
    /// The table failed, or the row is unreadable. A pair that was refreshed first is in escrow, if the queue takes it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// KMS made no data key. Nothing was sent or stored.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The client secrets could not be read. Nothing was sent or stored.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Importing {
    /// `replace`: a live connection may be replaced. `deadline`: when the invocation ends.
    pub async fn import(
        &self,
        id: &ConnectionId,
        refresh_token: RefreshToken,
        replace: bool,
        deadline: Timestamp,
    ) -> Result<Imported, ImportError> {
        if self.clock.now() + INVOCATION_BUDGET > deadline {
            return Err(ImportError::NoTime);
        }
        // 1.
        let order = self.orders.take(id).await?;
        let seen = self.connections.row(id).await?;
        if let Some(Row::Unreadable(unreadable)) = seen {
            return Err(StoreError::from(unreadable).into());
        }
        let live = seen.as_ref().and_then(Row::live).map(|live| live.state);
        match live {
            Some(State::Active | State::NotRefreshed) if !replace => Err(ImportError::Exists),
            // 2.
            Some(State::Active) => self.refresh_first(id, order, refresh_token, seen, deadline).await,
            // 3.
            _ => self.store_first(id, order, refresh_token, seen, deadline).await,
        }
    }

    async fn refresh_first(
        &self,
        id: &ConnectionId,
        order: Order,
        refresh_token: RefreshToken,
        seen: Option<Row>,
        deadline: Timestamp,
    ) -> Result<Imported, ImportError> {
        if let Some(until) = self.fleet.paused_until().await {
            return Err(ImportError::Paused { until });
        }
        let data_key = self.keys.make(id).await?;
        let secrets = self.secrets.current().await?;
        let has_time = || self.clock.now() + INVOCATION_BUDGET <= deadline;
        let send = |secret| {
            let refresh_token = &refresh_token;
            async move {
                let sent_at = self.clock.now();
                self.provider.refresh(refresh_token, &secret).await.map(|response| (response, sent_at))
            }
        };
        let mut answer = self.secrets.send(&secrets, has_time, send).await;
        // As in every refresh, the same token may be sent again: at many providers, that saves the grant.
        if matches!(answer, Err(ProviderError::Unknown(_))) && self.clock.now() + REQUEST_BUDGET * 2 <= deadline {
            answer = self.secrets.send(&secrets, has_time, send).await;
        }
        let (response, sent_at) = answer.map_err(ImportError::Provider)?;
        let pair = TokenPair {
            access_token: response.pair.access_token,
            refresh_token: response.pair.refresh_token.or(Some(refresh_token)),
        };
        let expires_at = sent_at + response.expires_in.unwrap_or(self.deployment.default_lifetime);
        let new = NewPair {
            pair: self.sealed(id, &pair, data_key),
            has_refresh_token: true,
            token_type: response.token_type.unwrap_or_else(|| "Bearer".to_owned()),
            scope: response.scope,
            granted_at: sent_at,
            expires_at,
        };
        let pair_id = new.pair.id;
        self.store(&self.grant(id, order, new, false), seen, Kept::InMemory { deadline }).await?;
        Ok(Imported::Replaced { pair_id, access_token: pair.access_token })
    }

    async fn store_first(
        &self,
        id: &ConnectionId,
        order: Order,
        refresh_token: RefreshToken,
        seen: Option<Row>,
        deadline: Timestamp,
    ) -> Result<Imported, ImportError> {
        let is_new = seen.as_ref().and_then(Row::live).is_none();
        let data_key = self.keys.make(id).await?;
        let pair = TokenPair { access_token: AccessToken::new(""), refresh_token: Some(refresh_token) };
        let now = self.clock.now();
        let new = NewPair {
            pair: self.sealed(id, &pair, data_key),
            has_refresh_token: true,
            token_type: "Bearer".to_owned(),
            scope: None,
            granted_at: now - EXPIRED_SINCE,
            expires_at: now - EXPIRED_SINCE,
        };
        let pair_id = new.pair.id;
        // The token was not sent yet, and the caller still has it: if the table fails, the queue is not needed.
        self.store(&self.grant(id, order, new, true), seen, Kept::Elsewhere).await?;
        let refresh = self.refreshing.refresh(id, &RefreshReason::OnDemand { seen: pair_id }, deadline).await;
        Ok(Imported::Stored { is_new, refresh })
    }

    fn sealed(&self, id: &ConnectionId, pair: &TokenPair, data_key: WrappedDataKey) -> SealedPair {
        let pair_id = PairId::new(self.entropy.bytes());
        let context = SealingContext { stack: &self.deployment.stack, connection: id, pair_id };
        let sealed = sealing::seal(pair, &data_key.plain, context, self.entropy.bytes());
        SealedPair { id: pair_id, sealed, data_key: data_key.wrapped }
    }

    fn grant(&self, id: &ConnectionId, order: Order, new: NewPair, is_not_refreshed: bool) -> NewGrant {
        NewGrant {
            id: id.clone(),
            client_id: self.deployment.client_id.clone(),
            name: format!("import#{}", digest::base64url(self.entropy.bytes::<16>())),
            order,
            session: None,
            awaited: None,
            is_throw_away: false,
            is_not_refreshed,
            new,
        }
    }

    async fn store(&self, grant: &NewGrant, seen: Option<Row>, kept: Kept) -> Result<(), ImportError> {
        match self.connecting.store(grant, seen, kept).await? {
            Stored::Yes => Ok(()),
            Stored::No(Refusal::Disconnected) => Err(ImportError::Disconnected),
            Stored::No(Refusal::Superseded | Refusal::SessionUsed) => Err(ImportError::Superseded),
        }
    }
}
