//! Checks of whose account a connection is for, and of what is decided by that.

use shared::domain::connection::Connection;
use shared::domain::digest;
use shared::domain::item::Item;
use shared::domain::write::Write;
use shared::sealing::{self, Place};

use super::{Invariant, Ledger};
use crate::keys;
use crate::provider::Provider;
use crate::scenario::STACK;

impl Ledger {
    pub(super) fn identified(&mut self, now: u64, write: &Write, new: &Item, provider: &Provider) {
        let told = new.string("account_id").unwrap_or_default().to_owned();
        let claim = format!("#account#{}", digest::sha256(&told));
        self.ever_identified.insert((write.key.clone(), claim.clone()));
        self.identified.insert(write.key.clone(), (claim, now));
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
        let (Some(known), Some(superseded)) = (connection.account, connection.superseded) else { return };
        let place = Place { stack: STACK, connection: &connection.id, token_set: superseded.pair.token_set };
        let key = keys::open(connection.id.as_str(), &superseded.pair.data_key);
        let pair = key.and_then(|key| sealing::open(&superseded.pair.sealed, &key, place).ok());
        let refresh = pair.and_then(|pair| pair.refresh_token);
        let still_lives = refresh.filter(|refresh| provider.honours(refresh.expose(), now));
        if let Some(refresh) = still_lives.filter(|_| known.account.id != superseded.account_id) {
            self.violate(now, Invariant::EndedBeforeForgotten, || {
                format!("{} has forgotten {}, which lives on", write.key, refresh.expose())
            });
        }
    }
}
