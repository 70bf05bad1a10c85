//! A new pair is stored on its predecessor, by whoever got it or by whoever finds it in escrow.

use super::outcome::adopt;
use super::{Failure, Lease, Outcome, Prepared, Refreshing};
use crate::domain::connection::connecting::{CONNECT_TRIES, Refused};
use crate::domain::connection::superseded::Superseded;
use crate::domain::connection::writes::{self, new_pair};
use crate::domain::connection::{Connection, SealedPair, Status};
use crate::domain::escrowed::Escrowed;
use crate::domain::item::Item;
use crate::domain::secret::ClientSecret;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::{Grant, TokenPair, TokenSet};
use crate::domain::write::Written;
use crate::ports::StoreError;
use crate::sealing::{self, Place};

/// What the row says after a commit, whoever made it.
enum Landed {
    /// The pair is stored, and may be released.
    Stored(Connection),
    /// The pair is stored, so that whoever takes the connection away can revoke it; it is never released.
    Disconnecting,
    /// Another pair was stored meanwhile.
    Superseded(Connection),
    /// The connection is gone, or is being taken away with another pair: ours belongs to nobody.
    Orphaned,
}

/// What became of a pair in escrow.
#[derive(Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Stored, now or before.
    Stored,
    /// A newer pair is stored: this one is left to expire.
    Superseded,
    /// It belongs to no connection, and is revoked.
    Revoked,
}

impl Refreshing {
    /// From here on a live pair is in this process's memory only. Nothing comes before storing it.
    pub(super) async fn commit(
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
            refresh_token: grant.pair.refresh_token.or_else(|| prepared.pair.refresh_token.clone()),
        };
        let place = Place { token_set, ..self.place(old) };
        let sealed = sealing::seal(&pair, &prepared.data_key, place, self.entropy.bytes());
        let new = new_pair(
            &old.id,
            old.version + 1,
            SealedPair { token_set, sealed, data_key: old.pair.data_key.clone() },
            grant.token_type.unwrap_or_else(|| old.token_type.clone()),
            grant.scope.or_else(|| old.scope.clone()),
            (sent_at, sent_at + grant.expires_in.unwrap_or(self.default_lifetime)),
            self.refresh_every,
        );
        let write = writes::commit(&old.id, old.pair.token_set, &new);
        let escrowed = || Escrowed::Refreshed { id: old.id.clone(), predecessor: old.pair.token_set, new: new.clone() };
        let image = match self.storing.store(&write, escrowed, deadline).await? {
            Written::Applied(item) => Some(item),
            Written::Refused(image) => image,
        };
        match self.landed(token_set, image).await? {
            Landed::Stored(stored) => {
                let pairs = [&prepared.pair, &pair];
                self.deal_with_superseded(&stored, pairs, &prepared.secrets, deadline).await;
                Ok(Outcome::Refreshed(stored, pair))
            }
            Landed::Disconnecting => Err(Outcome::Disconnecting),
            Landed::Superseded(stored) => {
                tracing::info!("another pair was stored meanwhile, and is adopted");
                Err(adopt(stored))
            }
            Landed::Orphaned => {
                tracing::info!("the connection has gone, its newest pair is revoked");
                self.revoke(&pair, &prepared.secrets).await;
                Err(Outcome::Gone)
            }
        }
    }

    /// `image` is the row after a commit of the token set, or the one that refused it.
    async fn landed(&self, token_set: TokenSet, image: Option<Item>) -> Result<Landed, StoreError> {
        let Some(stored) = image.map(|item| Connection::stored(&item)).transpose()?.flatten() else {
            return Ok(Landed::Orphaned);
        };
        if stored.pair.token_set != token_set {
            let is_taken_away = stored.status == Status::Disconnecting;
            return Ok(if is_taken_away { Landed::Orphaned } else { Landed::Superseded(stored) });
        }
        match stored.status {
            Status::Active => Ok(Landed::Stored(stored)),
            Status::Disconnecting => Ok(Landed::Disconnecting),
            // A rival had given the connection up while this pair was on its way.
            Status::ReauthRequired => match self.revive(&stored).await? {
                Some(now) if now.status == Status::Disconnecting => Ok(Landed::Disconnecting),
                Some(now) if now.is_in_use() && now.pair.token_set == token_set => Ok(Landed::Stored(now)),
                // Somebody has overtaken us once more; our pair was stored, and theirs came after it.
                Some(now) => Ok(Landed::Superseded(now)),
                None => Ok(Landed::Orphaned),
            },
        }
    }

    /// Stores a pair from escrow, under the condition that it was to be stored on.
    pub async fn replay(&self, mut escrowed: Escrowed) -> Result<Replayed, Failure> {
        for _ in 0..CONNECT_TRIES {
            let (image, is_applied) = match self.write(&escrowed.write()).await? {
                Written::Applied(item) => (Some(item), true),
                Written::Refused(image) => (image, false),
            };
            match &mut escrowed {
                Escrowed::Refreshed { new, .. } => {
                    return match self.landed(new.pair.token_set, image).await? {
                        Landed::Stored(_) | Landed::Disconnecting => Ok(Replayed::Stored),
                        Landed::Superseded(_) => Ok(Replayed::Superseded),
                        Landed::Orphaned => self.revoke_escrowed(&escrowed).await,
                    };
                }
                Escrowed::Granted { .. } if is_applied => return Ok(Replayed::Stored),
                Escrowed::Granted { grant, predecessor } => {
                    match grant.refused(image.as_ref()).map_err(StoreError::from)? {
                        Refused::Ours => return Ok(Replayed::Stored),
                        Refused::SessionUsed | Refused::Newer => return Ok(Replayed::Superseded),
                        Refused::Disconnected | Refused::Exists => return self.revoke_escrowed(&escrowed).await,
                        Refused::Again(seen) => {
                            grant.superseded = seen.as_deref().and_then(Superseded::by_a_grant);
                            *predecessor = seen.map(|seen| seen.pair.token_set);
                        }
                    }
                }
            }
        }
        Err(StoreError::changed_at_every_try().into())
    }

    async fn revoke_escrowed(&self, escrowed: &Escrowed) -> Result<Replayed, Failure> {
        let (id, sealed) = (escrowed.id(), escrowed.pair());
        let data_key = self.keys.open(id, &sealed.data_key).await?;
        let place = Place { stack: &self.stack, connection: id, token_set: sealed.token_set };
        let pair = sealing::open(&sealed.sealed, &data_key, place)?;
        self.revoke(&pair, &self.client_secret.current().await?).await;
        Ok(Replayed::Revoked)
    }

    async fn revoke(&self, pair: &TokenPair, secrets: &[ClientSecret]) {
        let Some(secret) = secrets.first() else { return };
        if let Err(error) = self.revocation.revoke(pair, secret).await {
            tracing::warn!(%error, "a pair that belongs to no connection could not be revoked");
        }
    }
}
