//! What a refresh does about a grant that a later one has replaced: see [`crate::domain::connection::superseded`].

use super::{Failure, Refreshing};
use crate::domain::connection::Connection;
use crate::domain::connection::superseded::{Superseded, forget};
use crate::domain::secret::ClientSecret;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenPair;
use crate::ports::REQUEST_BUDGET;
use crate::sealing::{self, Place};

impl Refreshing {
    /// After the new pair is stored. Whatever fails here is tried again with the next refresh.
    pub(super) async fn deal_with_superseded(
        &self,
        connection: &Connection,
        pairs: [&TokenPair; 2],
        secrets: &[ClientSecret],
        deadline: Timestamp,
    ) {
        let Some(superseded) = &connection.superseded else { return };
        if self.clock.now() + REQUEST_BUDGET > deadline {
            return;
        }
        let is_of_another_account =
            connection.account.as_ref().is_some_and(|known| known.account.id != superseded.account_id);
        let done = match is_of_another_account {
            true => self.revoke_superseded(connection, superseded, pairs, secrets).await,
            false => Ok(()),
        };
        let forgotten = match done {
            Ok(()) => self.write(&forget(&connection.id, superseded)).await.map(|_| ()).map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        if let Err(error) = forgotten {
            tracing::warn!(%error, "the grant that a later one has replaced is not dealt with yet");
        }
    }

    async fn revoke_superseded(
        &self,
        connection: &Connection,
        superseded: &Superseded,
        pairs: [&TokenPair; 2],
        secrets: &[ClientSecret],
    ) -> Result<(), Failure> {
        let token_set = superseded.pair.token_set;
        let place = Place { stack: &self.stack, connection: &connection.id, token_set };
        let data_key = self.keys.open(&connection.id, &superseded.pair.data_key).await?;
        let old = sealing::open(&superseded.pair.sealed, &data_key, place)?;
        // A provider that says two accounts and gives one token: revoking it would end what we have just refreshed.
        let is_in_use = pairs.iter().any(|pair| old.has_the_refresh_token_of(pair));
        if let Some(secret) = secrets.first().filter(|_| !is_in_use) {
            self.revocation.revoke(&old, secret).await?;
            tracing::info!("a grant of another account, which a later one has replaced, is revoked");
        }
        Ok(())
    }
}
