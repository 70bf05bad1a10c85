//! Checks of the account that a connection is for.

use std::collections::HashSet;

use shared::domain::account;
use shared::domain::connection::Row;
use shared::domain::item::Item;
use shared::domain::write::Write;

use super::storing::{Facts, Times};
use super::{Invariant, Ledger};

impl Ledger {
    /// The account of the live pair, of the waiting pair, and of the pairs in the list: each is its own grant's.
    pub(super) fn account_is_true(&mut self, facts: &Facts<'_>) {
        let of_live = facts.new.live().and_then(|live| Some((live.pair.id, live.account.as_ref()?.account.id.clone())));
        let of_waiting =
            facts.new.waiting().and_then(|waits| Some((waits.pair_id(), waits.account.as_ref()?.id.clone())));
        let listed = facts.new.revocations().into_iter().flat_map(|list| list.iter());
        let of_listed = listed.filter_map(|grant| Some((grant.pair.id, grant.account_id.clone()?)));
        for (pair, noted) in of_live.into_iter().chain(of_waiting).chain(of_listed) {
            let Some(opened) = self.opened.get(&pair) else { continue };
            if facts.provider.account_of(opened) != Some(noted.clone()) {
                let access = opened.access.clone();
                self.violate(facts.times.now, Invariant::AccountsAreTrue, || {
                    format!("{} has the account {noted}, and {access} is of another one", facts.write.key)
                });
            }
        }
        let id = &facts.write.key;
        match facts.new.live().and_then(|new| new.account.clone()) {
            Some(known) => self.has_account(id, &known.account.id, facts.times.at),
            None => drop(self.identified.remove(id)),
        }
    }

    /// The account that a session has asked for is the account of the grant that it makes live.
    pub(super) fn session_asked(&mut self, facts: &Facts<'_>) {
        let Some(live) = facts.new.live() else { return };
        let made = |session: &str| self.sessions.get(session).is_some_and(|(_, grant)| *grant == live.granted_by.name);
        // A grant without a session leaves the mark of the session before it.
        let session = live.session.as_ref().map(|session| session.id.as_str()).filter(|session| made(session));
        let asked_for = |sessions: &HashSet<String>| session.is_some_and(|session| sessions.contains(session));
        let (may_be_lost, same_account) =
            (asked_for(&self.throw_away_sessions), asked_for(&self.same_account_sessions));
        if live.is_throw_away != may_be_lost {
            self.violate(facts.times.now, Invariant::AccountsAreTrue, || {
                format!("{} and its session differ in whether it may be lost", facts.write.key)
            });
        }
        let before = facts.old.and_then(Row::live).and_then(|old| old.account.as_ref());
        let (Some(before), Some(opened)) = (before, self.opened.get(&live.pair.id)) else { return };
        let is_of_another = facts.provider.account_of(opened).as_ref() != Some(&before.account.id);
        if is_of_another && same_account {
            self.violate(facts.times.now, Invariant::AccountsAreTrue, || {
                format!("{} has another account, and its session asked for the same one", facts.write.key)
            });
        }
    }

    pub(super) fn identified(&mut self, facts: &Facts<'_>) {
        let id = &facts.write.key;
        if let (Row::Unreadable(_), Ok(account_id)) = (facts.new, facts.item.string("account_id")) {
            self.has_account(id, account_id, facts.times.at);
        }
        let known = |row: &Row| row.live().and_then(|live| live.account.clone());
        let (before, Some(after)) = (facts.old.and_then(known), known(facts.new)) else { return };
        let was_flagged = before.filter(|before| before.account.id == after.account.id);
        if was_flagged.is_some_and(|before| before.also_connected_as.is_some()) && after.also_connected_as.is_none() {
            self.violate(facts.times.now, Invariant::AccountsAreTrue, || format!("{id} is no longer flagged"));
        }
    }

    fn has_account(&mut self, id: &str, account_id: &str, at: u64) {
        let claim = account::key(account_id);
        self.ever_identified.insert((id.to_owned(), claim.clone()));
        // The account is noted again: the connection has it since the first time.
        let since = self.identified.get(id).filter(|(known, _)| *known == claim).map_or(at, |(_, since)| *since);
        self.identified.insert(id.to_owned(), (claim, since));
    }

    /// A worker may claim an account that another connection has claimed. Before that it must have read the other
    /// connection, and found that it does not have the account.
    pub(super) fn claimed(&mut self, times: Times, write: &Write, old: Option<&Item>, new: &Item) {
        let claims = new.string("connection").unwrap_or_default().to_owned();
        if !self.ever_identified.contains(&(claims.clone(), write.key.clone())) {
            // If another worker came at the same moment, neither would find a connection that has the account, and
            // neither would know of the other.
            self.violate(times.now, Invariant::AccountsAreTrue, || {
                format!("{claims} claims {} before its row has the account", write.key)
            });
        }
        let Some(other) = old.and_then(|old| old.string("connection").ok()).map(str::to_owned) else { return };
        let has_it =
            self.identified.get(&other).is_some_and(|(key, since)| *key == write.key && *since < times.last_read_at);
        if has_it && claims != other {
            self.violate(times.now, Invariant::AccountsAreTrue, || {
                format!("{other} has {}, and another connection claims it", write.key)
            });
        }
    }
}
