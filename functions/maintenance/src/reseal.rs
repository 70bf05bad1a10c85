//! A pair under the key that new connections are sealed under.

use shared::domain::connection::resealing::{is_ours, reseal};
use shared::domain::connection::{Connection, SealedPair};
use shared::domain::item::Item;
use shared::domain::write::Written;
use shared::ports::{KeyError, StoreError};
use shared::refreshing::Failure;
use shared::sealing::{self, Place};

use crate::{Done, Maintenance};

/// How often a row may change under our hands: a refresh stores a pair in an hour, not in a moment.
const TRIES: usize = 3;

impl Maintenance {
    /// Every row that holds a pair, whatever its status: the newest pair of a connection that is being taken away must
    /// open to be revoked.
    pub(crate) async fn reseal(&self, mut item: Item, dry_run: bool) -> Result<Done, Failure> {
        let mut replaced = None;
        for _ in 0..TRIES {
            let Some(seen) = Connection::stored(&item).map_err(StoreError::from)? else { return Ok(Done::Skipped) };
            let Some(pair) = self.sealed_anew(&seen, &mut replaced, dry_run).await? else { return Ok(Done::Skipped) };
            if dry_run {
                return Ok(Done::Changed);
            }
            match self.connection_writes.write(&reseal(&seen, &pair)).await? {
                Written::Applied(_) => return Ok(Done::Changed),
                Written::Refused(None) => return Ok(Done::Skipped),
                Written::Refused(Some(image)) if is_ours(&image, &pair) => return Ok(Done::Changed),
                // A refresh has stored its pair, under the data key that it had read: to be sealed anew like the first.
                Written::Refused(Some(image)) => item = image,
            }
        }
        Err(StoreError::changed_at_every_try().into())
    }

    /// `None` where it is under the right key already, or no longer under the one that is to be `replaced`: then another run
    /// has been there, whose key may be newer than ours (found by the simulator, in which two runs sealed in turns). A dry
    /// run opens the pair too, and answers it as it is.
    async fn sealed_anew(
        &self,
        seen: &Connection,
        replaced: &mut Option<String>,
        dry_run: bool,
    ) -> Result<Option<SealedPair>, Failure> {
        let place = Place { stack: &self.settings.stack, connection: &seen.id, token_set: seen.pair.token_set };
        let opened = self.keys.trace(&seen.id, &seen.pair.data_key).await?;
        let pair = sealing::open(&seen.pair.sealed, &opened.plain, place)?;
        let is_to_be_replaced = *replaced.get_or_insert_with(|| opened.wrapped_by.clone()) == opened.wrapped_by;
        if opened.wrapped_by == self.settings.kms_key_id || !is_to_be_replaced {
            return Ok(None);
        }
        if dry_run {
            return Ok(Some(seen.pair.clone()));
        }
        let data_key = self.new_keys.make(&seen.id).await?;
        let sealed = sealing::seal(&pair, &data_key.plain, place, self.entropy.bytes());
        // What is about to replace the only copy must open: a key that may make data keys need not be allowed to open them.
        let again = self.keys.trace(&seen.id, &data_key.wrapped).await?;
        if again.wrapped_by != self.settings.kms_key_id {
            return Err(KeyError::Refused(format!("a new data key was wrapped by {}", again.wrapped_by)).into());
        }
        sealing::open(&sealed, &again.plain, place)?;
        Ok(Some(SealedPair { token_set: seen.pair.token_set, sealed, data_key: data_key.wrapped }))
    }
}
