//! Taking a connection away: what `DELETE` begins and the schedule drives on.
//!
//! 1. **disconnect**: from now on no token is handed out, and nothing brings the connection back
//! 2. **acquire revocation**: a refresh in flight is waited out, its pair is the newest
//! 3. open the newest pair, and revoke it (RFC 7009)
//! 4. **bury**: if that is still the newest pair, a tombstone is left; otherwise from 2 on again
//!
//! What cannot be revoked is tried for a day.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::connection::Connection;
use crate::domain::connection::confirming;
use crate::domain::connection::disconnecting::{self, Revocation, acquire_revocation, bury};
use crate::domain::connection::writes::{LEASE, Settlement, settle};
use crate::domain::connection_id::ConnectionId;
use crate::domain::digest;
use crate::domain::item::Item;
use crate::domain::schedule;
use crate::domain::time::Timestamp;
use crate::domain::write::Written;
use crate::ports::{
    Clock, Entropy, OpenDataKeys, ProviderError, ReadClientSecret, ReadConnections, RevokeToken, StoreError,
    WriteConnections,
};
use crate::refreshing::{Failure, INVOCATION_BUDGET, Refreshing, another_secret};
use crate::sealing::{self, Place};

/// How long a pair is tried to be revoked.
const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);

/// How often a newer pair may turn up under our hands.
const ROUNDS: usize = 3;

pub struct Disconnecting {
    pub stack: String,
    pub client_id: String,
    pub connections: Arc<dyn ReadConnections>,
    pub connection_writes: Arc<dyn WriteConnections>,
    pub keys: Arc<dyn OpenDataKeys>,
    pub client_secret: Arc<dyn ReadClientSecret>,
    pub revocation: Arc<dyn RevokeToken>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnection {
    /// The connection is gone.
    Ended(Revocation),
    /// A refresh is in flight, or the pair could not be revoked yet: the schedule goes on with it.
    Pending,
    /// There is no such connection.
    NotFound,
}

impl Disconnecting {
    /// With the parts of a deployment that refreshes.
    pub fn beside(refreshing: &Refreshing) -> Self {
        Self {
            stack: refreshing.stack.clone(),
            client_id: refreshing.client_id.clone(),
            connections: refreshing.connections.clone(),
            connection_writes: refreshing.connection_writes.clone(),
            keys: refreshing.keys.clone(),
            client_secret: refreshing.client_secret.clone(),
            revocation: refreshing.revocation.clone(),
            clock: refreshing.clock.clone(),
            entropy: refreshing.entropy.clone(),
        }
    }

    pub async fn disconnect(&self, id: &ConnectionId, deadline: Timestamp) -> Result<Disconnection, StoreError> {
        match self.connection_writes.write(&disconnecting::disconnect(id, self.clock.now())).await? {
            Written::Applied(_) => {}
            // Gone; or being taken away already, and driven on here all the same.
            Written::Refused(None) => return Ok(Disconnection::NotFound),
            Written::Refused(Some(item)) => {
                if Connection::stored(&item)?.is_none() {
                    // Whoever asks again learns how it ended: the first answer may have been "pending", or lost.
                    let revocation = Revocation::stored(&item)?;
                    return Ok(revocation.map_or(Disconnection::NotFound, Disconnection::Ended));
                }
            }
        }
        self.drive(id, deadline).await
    }

    /// Begins with a connection that nobody has confirmed in time.
    pub async fn expire(&self, id: &ConnectionId, deadline: Timestamp) -> Result<Disconnection, StoreError> {
        match self.connection_writes.write(&confirming::expire(id, self.clock.now())).await? {
            Written::Applied(_) => {
                tracing::warn!("nobody has confirmed the connection: it is taken away");
                self.drive(id, deadline).await
            }
            // Confirmed at the last moment, or taken away by somebody else.
            Written::Refused(_) => Ok(Disconnection::Pending),
        }
    }

    /// Goes on with a connection that is being taken away.
    pub async fn drive(&self, id: &ConnectionId, deadline: Timestamp) -> Result<Disconnection, StoreError> {
        for _ in 0..ROUNDS {
            if self.clock.now() + INVOCATION_BUDGET > deadline {
                return Ok(Disconnection::Pending);
            }
            let Some((connection, owner)) = self.acquire(id).await? else {
                return Ok(match self.connections.read(id).await? {
                    Some(_) => Disconnection::Pending,
                    None => Disconnection::NotFound,
                });
            };
            let revocation = match self.revoke(&connection).await {
                Ok(true) => Revocation::Done,
                Ok(false) => Revocation::Off,
                Err(failure) => {
                    failure.log();
                    let begun = connection.disconnecting_at.unwrap_or(connection.refreshed_at);
                    if self.clock.now() < begun + TRIED_FOR {
                        self.settle(&connection, &owner, &failure).await?;
                        return Ok(Disconnection::Pending);
                    }
                    Revocation::Failed
                }
            };
            match self.connection_writes.write(&bury(&connection, revocation, self.clock.now())).await? {
                Written::Applied(_) => return Ok(Disconnection::Ended(revocation)),
                // Buried by somebody else, or our own write whose acknowledgement was lost.
                Written::Refused(image) if image.as_ref().is_none_or(is_tombstone) => {
                    return Ok(Disconnection::Ended(revocation));
                }
                // A refresh that was in flight has stored a newer pair.
                Written::Refused(_) => {}
            }
        }
        Ok(Disconnection::Pending)
    }

    async fn acquire(&self, id: &ConnectionId) -> Result<Option<(Connection, String)>, StoreError> {
        let owner = digest::base64url(self.entropy.bytes::<16>());
        let now = self.clock.now();
        let item = match self.connection_writes.write(&acquire_revocation(id, &owner, now)).await? {
            Written::Applied(item) => item,
            Written::Refused(None) => return Ok(None),
            Written::Refused(Some(item)) => item,
        };
        let connection = Connection::stored(&item)?;
        // Applied, or repeated by the SDK after its answer was lost.
        let ours = connection.filter(|connection| connection.lease_owner.as_deref() == Some(&*owner));
        Ok(ours.map(|connection| (connection, owner)))
    }

    async fn revoke(&self, connection: &Connection) -> Result<bool, Failure> {
        if connection.client_id != self.client_id {
            return Err(Failure::ForeignClient);
        }
        let place = Place { stack: &self.stack, connection: &connection.id, token_set: connection.pair.token_set };
        let data_key = self.keys.open(&connection.id, &connection.pair.data_key).await?;
        let pair = sealing::open(&connection.pair.sealed, &data_key, place)?;
        let secrets = self.client_secret.current().await?;
        let secret = secrets.first().ok_or(Failure::Provider(ProviderError::InvalidClient))?;
        let refused = match self.revocation.revoke(&pair, secret).await {
            Err(error @ ProviderError::InvalidClient) => error,
            ended => return Ok(ended?),
        };
        let another = another_secret(&*self.client_secret, secret).await.ok_or(refused)?;
        let revoked = self.revocation.revoke(&pair, &another).await?;
        self.client_secret.prefer(&another).await;
        Ok(revoked)
    }

    async fn settle(&self, connection: &Connection, owner: &str, failure: &Failure) -> Result<(), StoreError> {
        let settlement = Settlement {
            reason: failure.class().as_str(),
            needs_a_person: false,
            not_before: self.clock.now() + schedule::backoff(connection.failures + 1).max(LEASE),
            known: true,
            refused_at: None,
        };
        let write = settle(&connection.id, owner, &settlement);
        self.connection_writes.write(&write).await.map(|_| ())
    }
}

fn is_tombstone(item: &Item) -> bool {
    matches!(Connection::stored(item), Ok(None))
}
