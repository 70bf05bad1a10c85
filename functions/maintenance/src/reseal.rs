//! The pairs of a row under the key that new connections are sealed under.

use shared::domain::connection::resealing::{Held, is_ours, reseal};
use shared::domain::connection::{Connection, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Item;
use shared::domain::token_pair::TokenPair;
use shared::domain::write::Written;
use shared::ports::{KeyError, StoreError};
use shared::refreshing::Failure;
use shared::sealing::{self, Place};

use crate::{Done, Maintenance};

/// How often a row may change under our hands: a refresh stores a pair in an hour, not in a moment.
const TRIES: usize = 3;

impl Maintenance {
    /// Every row that holds a pair, whatever its status: the newest pair of a connection that is being taken away must
    /// open to be revoked, and so must one that a later grant has replaced. If one of the two fails, the other is done.
    pub(crate) async fn reseal(&self, item: Item, dry_run: bool) -> Result<Done, Failure> {
        let newest = self.reseal_one(Held::Newest, item.clone(), dry_run).await;
        let superseded = self.reseal_one(Held::Superseded, item, dry_run).await;
        Ok(match (newest?, superseded?) {
            (Done::Skipped, Done::Skipped) => Done::Skipped,
            (Done::Changed, _) | (_, Done::Changed) => Done::Changed,
        })
    }

    async fn reseal_one(&self, held: Held, mut item: Item, dry_run: bool) -> Result<Done, Failure> {
        let mut first_wrapped_by = None;
        for _ in 0..TRIES {
            let Some(connection) = Connection::stored(&item).map_err(StoreError::from)? else {
                return Ok(Done::Skipped);
            };
            let (id, Some(seen)) = (&connection.id, held.of(&connection)) else { return Ok(Done::Skipped) };
            let place = Place { stack: &self.settings.stack, connection: id, token_set: seen.token_set };
            let opened = self.keys.trace(id, &seen.data_key).await?;
            let pair = sealing::open(&seen.sealed, &opened.plain, place)?;
            if opened.wrapped_by == self.settings.kms_key_id {
                return Ok(Done::Skipped);
            }
            if dry_run {
                return Ok(Done::Changed);
            }
            if *first_wrapped_by.get_or_insert_with(|| opened.wrapped_by.clone()) != opened.wrapped_by {
                // Another run has been there meanwhile, and its key may be newer than ours: two that overtake each other would
                // seal in turns (found by the simulator). What is right then, the next run sees.
                return Err(StoreError::Unavailable("another run has sealed it meanwhile".to_owned()).into());
            }
            let sealed = self.sealed_anew(id, &pair, place).await?;
            let write = reseal(id, held, seen, &sealed);
            match self.connection_writes.write(&write).await? {
                Written::Applied(_) => return Ok(Done::Changed),
                Written::Refused(None) => return Ok(Done::Skipped),
                Written::Refused(Some(image)) if is_ours(&image, &write) => return Ok(Done::Changed),
                // A refresh has stored its pair, under the data key that it had read: to be sealed anew like the first.
                Written::Refused(Some(image)) => item = image,
            }
        }
        Err(StoreError::changed_at_every_try().into())
    }

    async fn sealed_anew(&self, id: &ConnectionId, pair: &TokenPair, place: Place<'_>) -> Result<SealedPair, Failure> {
        let data_key = self.new_keys.make(id).await?;
        let sealed = sealing::seal(pair, &data_key.plain, place, self.entropy.bytes());
        // What is about to replace the only copy must open: a key that may make data keys need not be allowed to open them.
        let again = self.keys.trace(id, &data_key.wrapped).await?;
        if again.wrapped_by != self.settings.kms_key_id {
            return Err(KeyError::Refused(format!("a new data key was wrapped by {}", again.wrapped_by)).into());
        }
        sealing::open(&sealed, &again.plain, place)?;
        Ok(SealedPair { token_set: place.token_set, sealed, data_key: data_key.wrapped })
    }
}
