//! Works off the list of grants to revoke (RFC 7009), in the background: after a refresh, after a disconnect, and by
//! the schedule. No customer and no caller waits for it.
//!
//! 1. decide about each grant: a grant is not revoked beside a live connection of the same account
//! 2. **claim** it for one try: no other worker sends it at the same time, and the next try comes later
//! 3. open its pair, and revoke it; a complete refusal is final (RFC 7009 section 2.2)
//! 4. **remove** it. A grant that cannot be revoked is tried for a day, and is then named in the log

use std::sync::Arc;

use super::client_secrets::ClientSecrets;
use super::refresh::Failure;
use crate::domain::connection::disconnect::RevocationOutcome;
use crate::domain::connection::revocation::{self, Revocation, TRIED_FOR, Verdict};
use crate::domain::connection::{Row, schedule, waiting};
use crate::domain::connection_id::ConnectionId;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::{PairId, TokenPair};
use crate::domain::write::Written;
use crate::ports::{
    Clock, OpenDataKeys, REQUEST_BUDGET, ReadConnections, RevokeToken, Revoked, StoreError, WriteConnections,
};
use crate::sealing::{self, SealingContext};

/// How often a row may change while a grant is added to its list.
const TRIES: usize = 10;

/// Adds grants to the list of their row.
#[derive(Clone)]
pub struct RevocationList {
    /// Reads the row whose list the schedule works off.
    pub connections: Arc<dyn ReadConnections>,
    /// Adds to the list, claims a grant of it for one try, and removes it.
    pub writes: Arc<dyn WriteConnections>,
    /// The time of each try.
    pub clock: Arc<dyn Clock>,
}

/// Revokes the grants of revocation lists.
pub struct Revoking {
    /// The stack that the pairs are sealed for.
    pub stack: String,
    /// The list, with the table that it is stored in.
    pub list: RevocationList,
    /// Opens the data key of a grant's pair.
    pub keys: Arc<dyn OpenDataKeys>,
    /// Which client secret a revocation is sent with.
    pub secrets: Arc<ClientSecrets>,
    /// The revocation endpoint (RFC 7009), if there is one.
    pub provider: Arc<dyn RevokeToken>,
}

impl RevocationList {
    /// Adds a grant that is in no row to the list of its row. Without a row it cannot be revoked, and the log says so.
    pub async fn add(&self, grant: Revocation, mut seen: Option<Row>) -> Result<(), StoreError> {
        let pair = grant.pair.id;
        for _ in 0..TRIES {
            let Some(row) = seen else {
                log_not_revoked([pair], "its connection was deleted");
                return Ok(());
            };
            if row.revocations().is_some_and(|list| list.contains(pair)) {
                return Ok(());
            }
            let Some((write, dropped)) = revocation::add(&row, grant.clone(), self.clock.now()) else {
                let Row::Unreadable(unreadable) = row else { return Err(StoreError::changed_at_every_try()) };
                return Err(unreadable.into());
            };
            log_dropped(dropped);
            seen = match self.writes.write(&write).await? {
                Written::Applied(_) => return Ok(()),
                Written::ConditionFailed(image) => image,
            };
        }
        Err(StoreError::changed_at_every_try())
    }
}

/// The list is full, and the next write removes these grants from it. They are logged before the write: a process that
/// ends after it, or never gets its answer, could not log them. If the condition of the write fails, the line is wrong.
pub fn log_dropped(dropped: Vec<PairId>) {
    log_not_revoked(dropped, "the list of grants to revoke is full");
}

fn log_not_revoked(pairs: impl IntoIterator<Item = PairId>, why: &str) {
    for pair in pairs {
        let pair = String::from(pair);
        tracing::warn!(
            grants_not_revoked = 1,
            pair,
            why,
            "a grant was not revoked: it stays valid until the provider ends it"
        );
    }
}

impl Revoking {
    /// For the schedule: continues what is left to do in a row.
    pub async fn drive(&self, id: &ConnectionId, deadline: Timestamp) -> Result<(), StoreError> {
        let Some(row) = self.list.connections.row(id).await? else { return Ok(()) };
        match &row {
            Row::Unreadable(unreadable) => return Err(unreadable.clone().into()),
            // Its customer has come back: its refreshes work the list off.
            Row::Connection(connection) if connection.state.given_up_since().is_none() => return Ok(()),
            Row::Connection(_) | Row::Tombstone(_) => {}
        }
        self.work_off(row, &[], deadline).await.map(|_| ())
    }

    /// Revokes the grants of the row's list that are due, and ends the wait of a pair that was not confirmed in time. A
    /// grant that has the refresh token of one of the live pairs `in_use` is not revoked. Returns the row as it is
    /// then.
    pub async fn work_off(&self, row: Row, in_use: &[&TokenPair], deadline: Timestamp) -> Result<Row, StoreError> {
        let mut row = self.expire(row).await?;
        let grants: Vec<Revocation> = row.revocations().map(|list| list.iter().cloned().collect()).unwrap_or_default();
        for grant in grants {
            row = self.work_off_one(row, &grant, in_use, deadline).await?;
        }
        self.leave_schedule(row).await
    }

    async fn leave_schedule(&self, row: Row) -> Result<Row, StoreError> {
        let Some(write) = schedule::leave(&row) else { return Ok(row) };
        Ok(match self.list.writes.write(&write).await? {
            Written::Applied(row) => row,
            // Something was added meanwhile: the next run looks again.
            Written::ConditionFailed(image) => image.unwrap_or(row),
        })
    }

    /// Ends the wait of a pair that was not confirmed in time.
    async fn expire(&self, row: Row) -> Result<Row, StoreError> {
        let now = self.list.clock.now();
        let Some(waits) = row.waiting().filter(|waits| waits.until <= now) else { return Ok(row) };
        let Some((write, dropped)) = waiting::expire(&row, waits, now) else { return Ok(row) };
        log_dropped(dropped);
        Ok(match self.list.writes.write(&write).await? {
            Written::Applied(row) => {
                tracing::warn!("a grant was not confirmed in time: it will be revoked");
                row
            }
            // It was confirmed at the last moment, or taken away.
            Written::ConditionFailed(image) => image.unwrap_or(row),
        })
    }

    async fn work_off_one(
        &self,
        row: Row,
        grant: &Revocation,
        in_use: &[&TokenPair],
        deadline: Timestamp,
    ) -> Result<Row, StoreError> {
        // 1.
        let now = self.list.clock.now();
        let verdict = grant.verdict(&row);
        if verdict == Verdict::Keep {
            return Ok(row);
        }
        if verdict == Verdict::LeaveToExpire {
            tracing::info!("a grant is not revoked, since it is of the connected account: it is left to expire");
            return self.remove(row, grant, RevocationOutcome::Done, Some(verdict)).await;
        }
        // One request, and one more with another client secret.
        if grant.next_try_at > now || now + REQUEST_BUDGET * 2 > deadline {
            return Ok(row);
        }
        // 2.
        let Some((claim, claimed)) = revocation::claim(&row, grant, now) else { return Ok(row) };
        let row = match self.list.writes.write(&claim).await? {
            Written::Applied(row) => row,
            Written::ConditionFailed(image) => return Ok(image.unwrap_or(row)),
        };
        // Since the row was read, the customer may have come back, or another program has made the row unreadable.
        if claimed.verdict(&row) != Verdict::Revoke {
            return Ok(row);
        }
        // 3.
        let outcome = match self.revoke(&row, &claimed, in_use, deadline).await {
            Ok(Some(Revoked::Done)) => RevocationOutcome::Done,
            Ok(Some(Revoked::Off)) => RevocationOutcome::Off,
            Ok(Some(Revoked::NotRevocable(why))) => {
                log_not_revoked([grant.pair.id], &why);
                RevocationOutcome::Failed
            }
            Ok(None) => {
                tracing::info!("a grant is not revoked, since the live pair has the same refresh token");
                RevocationOutcome::Done
            }
            Err(failure) => {
                failure.log();
                if now < grant.since + TRIED_FOR {
                    return Ok(row);
                }
                log_not_revoked([grant.pair.id], "it was tried for a day");
                RevocationOutcome::Failed
            }
        };
        // 4.
        self.remove(row, grant, outcome, None).await
    }

    /// `None` where the grant shares its refresh token with a live pair.
    async fn revoke(
        &self,
        row: &Row,
        grant: &Revocation,
        in_use: &[&TokenPair],
        deadline: Timestamp,
    ) -> Result<Option<Revoked>, Failure> {
        let id = ConnectionId::parse(row.id()).map_err(|_| StoreError::changed_at_every_try())?;
        let context = SealingContext { stack: &self.stack, connection: &id, pair_id: grant.pair.id };
        let data_key = self.keys.open(&id, &grant.pair.data_key).await?;
        let pair = sealing::open(&grant.pair.sealed, &data_key, context)?;
        if in_use.iter().any(|live| pair.has_the_refresh_token_of(live)) {
            return Ok(None);
        }
        let secrets = self.secrets.current().await?;
        let has_time = || self.list.clock.now() + REQUEST_BUDGET <= deadline;
        let send = |secret| {
            let pair = &pair;
            async move { self.provider.revoke(pair, &secret).await }
        };
        Ok(Some(self.secrets.send(&secrets, has_time, send).await?))
    }

    /// `verdict` is set if the row is the reason and not the provider's answer: if the row changes, it must still hold.
    async fn remove(
        &self,
        mut row: Row,
        grant: &Revocation,
        outcome: RevocationOutcome,
        verdict: Option<Verdict>,
    ) -> Result<Row, StoreError> {
        for _ in 0..TRIES {
            if verdict.is_some_and(|verdict| grant.verdict(&row) != verdict) {
                return Ok(row);
            }
            let Some(write) = revocation::remove(&row, grant.pair.id, outcome) else { return Ok(row) };
            row = match self.list.writes.write(&write).await? {
                Written::Applied(row) => return Ok(row),
                // The list has changed meanwhile, or the customer has come back.
                Written::ConditionFailed(image) => image.unwrap_or(row),
            };
        }
        Err(StoreError::changed_at_every_try())
    }
}
