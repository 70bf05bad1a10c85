//! Seals the pairs of a row under the sealing key of new connections.

use shared::domain::connection::reseal::{held, reseal};
use shared::domain::connection::{Row, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::token_pair::{PairId, TokenPair};
use shared::domain::write::Written;
use shared::ports::{KeyError, StoreError};
use shared::protocol::refresh::Failure;
use shared::sealing::{self, SealingContext};

use crate::{Done, Maintenance};

/// How often a row may change meanwhile. A refresh stores a pair about once an hour.
const TRIES: usize = 3;

impl Maintenance {
    /// Seals every pair of the row: the live pair, the waiting pair, and the pairs that are still to be revoked. If one
    /// of them does not open, the others are still sealed again.
    pub(crate) async fn reseal(&self, mut row: Row, dry_run: bool) -> Result<Done, Failure> {
        let mut all = Ok(Done::Skipped);
        // A refresh seals its successor under the data key that it has read.
        let mut data_keys: Vec<Vec<u8>> = held(&row).into_iter().map(|pair| pair.data_key).collect();
        let (mut looked_at, mut replaced) = (Vec::new(), 0);
        while let Some(pair) = held(&row).into_iter().find(|pair| !looked_at.contains(&pair.id)) {
            if replaced == TRIES {
                return all.and(Err(StoreError::changed_at_every_try().into()));
            }
            match self.reseal_one(&mut row, pair.id, &mut data_keys, dry_run).await {
                Ok(Done::Skipped) => {}
                Ok(Done::Changed) => all = all.map(|_| Done::Changed),
                // Another run has sealed the pair, maybe under a newer key than ours. That run also does the other
                // pairs (found by the simulator).
                Err(failure @ Failure::Store(_)) => return Err(failure),
                Err(failure) => all = all.and(Err(failure)),
            }
            looked_at.push(pair.id);
            // A refresh has stored the successor of the pair, under the data key that it had read before. The successor
            // is sealed again too.
            if !held(&row).iter().any(|held| held.id == pair.id) {
                replaced += 1;
            }
        }
        all
    }

    /// `data_keys` are the data keys of the row as it was first read, and those that this run has made. `row` becomes
    /// the row as it was last read.
    async fn reseal_one(
        &self,
        row: &mut Row,
        pair: PairId,
        data_keys: &mut Vec<Vec<u8>>,
        dry_run: bool,
    ) -> Result<Done, Failure> {
        for _ in 0..TRIES {
            let Some(seen) = held(row).into_iter().find(|held| held.id == pair) else { return Ok(Done::Skipped) };
            if !data_keys.contains(&seen.data_key) {
                // Another run has sealed it meanwhile, maybe under a newer key. Two runs with different keys would seal
                // it in turns (found by the simulator). The next run reads the row again.
                return Err(StoreError::Unavailable("another run has sealed the pair meanwhile".to_owned()).into());
            }
            let id = ConnectionId::parse(row.id()).map_err(|_| StoreError::changed_at_every_try())?;
            let context = SealingContext { stack: &self.settings.stack, connection: &id, pair_id: pair };
            let opened = self.keys.trace(&id, &seen.data_key).await?;
            let plain = sealing::open(&seen.sealed, &opened.plain, context)?;
            if opened.wrapped_by == self.settings.kms_key_id {
                return Ok(Done::Skipped);
            }
            if dry_run {
                return Ok(Done::Changed);
            }
            let sealed = self.sealed_anew(&id, &plain, context).await?;
            let Some(write) = reseal(row, &sealed) else { return Ok(Done::Skipped) };
            data_keys.push(sealed.data_key.clone());
            match self.connection_writes.write(&write).await? {
                Written::Applied(now) => {
                    *row = now;
                    return Ok(Done::Changed);
                }
                Written::ConditionFailed(None) => return Ok(Done::Skipped),
                // The SDK has repeated our own write after its acknowledgement was lost.
                Written::ConditionFailed(Some(now)) if held(&now).contains(&sealed) => {
                    *row = now;
                    return Ok(Done::Changed);
                }
                // Another attribute of the row has changed.
                Written::ConditionFailed(Some(now)) => *row = now,
            }
        }
        Err(StoreError::changed_at_every_try().into())
    }

    async fn sealed_anew(
        &self,
        id: &ConnectionId,
        pair: &TokenPair,
        context: SealingContext<'_>,
    ) -> Result<SealedPair, Failure> {
        let data_key = self.new_keys.make(id).await?;
        let sealed = sealing::seal(pair, &data_key.plain, context, self.entropy.bytes());
        // From now on only the new data key opens the pair, so it is opened once before it is stored: the permission to
        // make data keys does not include the permission to open them.
        let again = self.keys.trace(id, &data_key.wrapped).await?;
        if again.wrapped_by != self.settings.kms_key_id {
            return Err(KeyError::NotAccepted(format!("a new data key was wrapped by {}", again.wrapped_by)).into());
        }
        sealing::open(&sealed, &again.plain, context)?;
        Ok(SealedPair { id: context.pair_id, sealed, data_key: data_key.wrapped })
    }
}
