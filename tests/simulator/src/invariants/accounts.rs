//! Checks of whose account a connection is for, and of what is decided by that.

use shared::domain::account;
use shared::domain::connection::Connection;
use shared::domain::item::Item;
use shared::domain::write::Write;

use super::{Invariant, Ledger, open};
use crate::provider::Provider;

impl Ledger {
    pub(super) fn identified(&mut self, now: u64, write: &Write, old: Option<&Item>, new: &Item, provider: &Provider) {
        let told = new.string("account_id").unwrap_or_default().to_owned();
        let claim = account::key(&told);
        self.ever_identified.insert((write.key.clone(), claim.clone()));
        // Noted again, it has the account since then.
        let since =
            self.identified.get(&write.key).filter(|(known, _)| *known == claim).map_or(now, |(_, since)| *since);
        self.identified.insert(write.key.clone(), (claim, since));
        let is_flagged = |item: &Item| item.0.contains_key("account_also");
        if old.is_some_and(is_flagged) && !is_flagged(new) {
            self.violate(now, Invariant::AccountsAreTrue, || format!("{} is no longer flagged", write.key));
        }
        let Some(current) = self.current.get(&write.key) else { return };
        let access = current.access.clone();
        if provider.account(&access).as_ref() != Some(&told) {
            self.violate(now, Invariant::AccountsAreTrue, || {
                format!("{} is said to be {told}'s, and {access} is not", write.key)
            });
        }
    }

    /// Whoever claims an account that another connection has must have looked at that one, and found that it has not.
    pub(super) fn claimed(&mut self, now: u64, looked_at: u64, write: &Write, old: Option<&Item>, new: &Item) {
        let claims = new.string("connection").unwrap_or_default().to_owned();
        if !self.ever_identified.contains(&(claims.clone(), write.key.clone())) {
            // Whoever comes at the same moment would find nobody who has the account, and neither would know of the other.
            self.violate(now, Invariant::AccountsAreTrue, || format!("{claims} claims {} too early", write.key));
        }
        let Some(other) = old.and_then(|old| old.string("connection").ok()).map(str::to_owned) else { return };
        let has_it = self.identified.get(&other).is_some_and(|(key, since)| *key == write.key && *since < looked_at);
        if has_it && claims != other {
            self.violate(now, Invariant::AccountsAreTrue, || {
                format!("{other} has {}, and another one claims it", write.key)
            });
        }
    }

    pub(super) fn superseded_forgotten(&mut self, now: u64, write: &Write, old: Option<&Item>, provider: &Provider) {
        let Some(Ok(Some(connection))) = old.map(Connection::stored) else { return };
        let (Some(known), Some(superseded)) = (&connection.account, &connection.superseded) else { return };
        let still_lives = replaced(&connection).filter(|refresh| provider.honours(refresh, now));
        if let Some(refresh) = still_lives.filter(|_| known.account.id != superseded.account_id) {
            self.violate(now, Invariant::EndedBeforeForgotten, || {
                format!("{} has forgotten {refresh}, which lives on", write.key)
            });
        }
    }
}

/// The refresh token of the pair that a later grant has replaced.
pub(super) fn replaced(connection: &Connection) -> Option<String> {
    let pair = open(&connection.id, &connection.superseded.as_ref()?.pair)?;
    Some(pair.refresh_token?.expose().to_owned())
}
