//! Checks of grants that are not live any more. Each is revoked, waits to be revoked, may be left to expire, or is
//! named in the log.

use std::collections::hash_map::Entry;

use shared::domain::connection::SealedPair;
use shared::domain::connection::attributes::{DATA_KEY, PAIR_ID, REVOKE, SEALED};
use shared::domain::connection::revocation::{Revocation, Verdict};
use shared::domain::connection::{Connection, Row, State};
use shared::domain::item::{Item, Value};
use shared::domain::token_pair::PairId;
use shared::domain::write::{Change, Write, WriteName};

use super::storing::Facts;
use super::{Invariant, Ledger, Opened, held, open};
use crate::named;
use crate::provider::Provider;
use crate::world::{ProcessId, World};

/// The number of slots in the list.
const FULL: usize = REVOKE.len();

/// A grant that is not revoked for this time may leave the list, named in the log. A day, less a second of rounding.
const A_DAY: u64 = 86_399_000;

impl Ledger {
    /// The grants of a row stay in it, or are removed for a reason.
    pub(super) fn pairs_kept(&mut self, facts: &Facts<'_>) {
        let id = facts.write.key.as_str();
        let now_held = held(facts.new);
        for sealed in &now_held {
            if let Entry::Vacant(vacant) = self.opened.entry(sealed.id) {
                let Some(opened) = open(id, sealed, facts.provider) else {
                    return self.violate(facts.times.now, Invariant::RowIsConsistent, || {
                        format!("\"{}\" stored a pair that does not open", facts.write.name)
                    });
                };
                vacant.insert(opened);
            }
            let owned = self.owned.entry(id.to_owned()).or_default();
            if !owned.contains(&sealed.id) {
                owned.push(sealed.id);
            }
            if let Some(brought_late) = self.brought_late.get_mut(&facts.process) {
                brought_late.retain(|pair| *pair != sealed.id);
            }
        }
        // Also if the row was unreadable at that moment.
        let predecessor = facts.old_item.and_then(|old| old.optional_bytes(PAIR_ID).ok().flatten());
        if facts.write.name == WriteName::Commit
            && let Some(predecessor) = predecessor.and_then(PairId::parse)
        {
            self.dealt_with.insert(predecessor, "its successor is stored");
        }
        let Some(old) = facts.old else { return };
        if let Row::Unreadable(_) = old {
            return self.removed_from_an_unreadable_row(facts);
        }
        let is_full = facts.new.revocations().is_some_and(|list| list.iter().count() == FULL);
        for sealed in held(old) {
            if now_held.iter().any(|held| held.id == sealed.id) || matches!(facts.new, Row::Unreadable(_)) {
                continue;
            }
            let is_live = old.live().is_some_and(|live| live.pair.id == sealed.id);
            let is_in_list = old.revocations().is_some_and(|list| list.contains(sealed.id));
            match facts.write.name {
                WriteName::Commit if is_live => {}
                WriteName::RemoveRevocation if is_in_list => self.removed_from_the_list(facts, old, sealed.id),
                _ if is_in_list && is_full && named::contains(sealed.id) => {}
                _ => self.violate(facts.times.now, Invariant::NoGrantForgotten, || {
                    format!("\"{}\" removes a pair of {id} without a reason", facts.write.name)
                }),
            }
        }
    }

    /// A late removal from a row that has become unreadable.
    fn removed_from_an_unreadable_row(&mut self, facts: &Facts<'_>) {
        for slot in REVOKE {
            let text = |item: Option<&Item>| item.and_then(|item| item.string(slot).ok()).map(str::to_owned);
            let (Some(before), None) = (text(facts.old_item), text(Some(facts.item))) else { continue };
            let grant: serde_json::Value = serde_json::from_str(&before).unwrap_or_default();
            let id = grant["pair"]["id"].as_str().map(str::to_owned).and_then(|id| PairId::try_from(id).ok());
            if let Some(id) = id {
                self.removed_from_list(facts, id, grant["since"].as_i64().map(World::at));
            }
        }
    }

    fn removed_from_the_list(&mut self, facts: &Facts<'_>, old: &Row, pair: PairId) {
        let since = old.revocations().into_iter().flat_map(|list| list.iter());
        let since = since.filter(|grant| grant.pair.id == pair).map(|grant| World::at(grant.since.unix())).min();
        self.removed_from_list(facts, pair, since);
    }

    fn removed_from_list(&mut self, facts: &Facts<'_>, pair: PairId, since: Option<u64>) {
        let Some(opened) = self.opened.get(&pair).cloned() else { return };
        let provider = facts.provider;
        let of_live = self.current.get(&facts.write.key).map(|current| &current.pair);
        let of_the_same_account =
            of_live.is_some_and(|of_live| provider.account_of(of_live) == provider.account_of(&opened));
        let excuse = if !provider.lives(&opened, facts.times.now) {
            "it is revoked"
        } else if of_the_same_account {
            "it is of the account that is connected"
        } else if self.refused_revocations.contains(&opened.refresh) && named::contains(pair) {
            "the provider refuses, and the log says so"
        } else if since.is_some_and(|since| since + A_DAY <= facts.times.now) && named::contains(pair) {
            "a day has passed, and the log says so"
        } else {
            return self.violate(facts.times.now, Invariant::NoGrantForgotten, || {
                format!("{} of {} is removed from the list, and is still valid", opened.refresh, facts.write.key)
            });
        };
        self.dealt_with.insert(pair, excuse);
    }

    /// One worker at a time, and not before the time that the last try has set.
    pub(super) fn revocation_claimed(&mut self, facts: &Facts<'_>) {
        let (Some(before), Some(after)) = (facts.old.and_then(|old| old.revocations()), facts.new.revocations()) else {
            return;
        };
        for grant in after.iter() {
            let Some(seen) = before.iter().find(|seen| seen.pair.id == grant.pair.id && *seen != grant) else {
                continue;
            };
            if World::at(seen.next_try_at.unix()) > facts.times.asked_at {
                self.violate(facts.times.now, Invariant::BackoffHonoured, || {
                    format!("a grant of {} is claimed before the time of its next try", facts.write.key)
                });
            }
            let Some(opened) = self.opened.get(&grant.pair.id) else { continue };
            let is_right = grant.verdict(facts.new) == Verdict::Revoke;
            self.claims.insert((facts.process, opened.refresh.clone()), is_right);
        }
    }

    /// No later run reads this row, so no work of a run may be left.
    pub(super) fn has_left_the_schedule(&mut self, facts: &Facts<'_>) {
        if has_work(facts.new) {
            self.violate(facts.times.now, Invariant::NoGrantForgotten, || {
                format!("no run reads {} any more, which has grants to revoke", facts.write.key)
            });
        }
    }

    /// A process sends a request to revoke a token.
    pub fn revocation_is_sent(&mut self, now: u64, process: ProcessId, refresh: &str) {
        if self.claims.get(&(process, refresh.to_owned())) != Some(&true) {
            self.violate(now, Invariant::NothingLiveRevoked, || {
                format!("{refresh} is to be revoked beside a live connection, or without a claim")
            });
        }
        if self.current.values().any(|stored| stored.pair.refresh == refresh) {
            self.violate(now, Invariant::NothingLiveRevoked, || format!("{refresh} is live, and is to be revoked"));
        }
    }

    pub fn revocation_refused(&mut self, refresh: &str) {
        self.refused_revocations.insert(refresh.to_owned());
    }

    /// The table does not accept a refreshed pair. From here on only its process has it.
    pub fn commit_refused(&mut self, process: ProcessId, write: &Write, provider: &Provider) {
        let bytes = |name: &str| {
            write.changes.iter().find_map(|change| match change {
                Change::Set(set, Value::B(bytes)) if *set == name => Some(bytes.clone()),
                _ => None,
            })
        };
        let id = write.key.as_str();
        let (Some(pair_id), Some(sealed), Some(data_key)) =
            (bytes(PAIR_ID).and_then(|bytes| PairId::parse(&bytes)), bytes(SEALED), bytes(DATA_KEY))
        else {
            return;
        };
        let pair = SealedPair { id: pair_id, sealed, data_key };
        if self.opened.contains_key(&pair.id) {
            return;
        }
        let Some(opened) = open(id, &pair, provider) else { return };
        let family = |refresh: &str| provider.refresh_tokens.get(refresh).map(|token| token.family);
        if self.current.get(id).is_some_and(|current| family(&current.pair.refresh) == family(&opened.refresh)) {
            self.dealt_with.insert(pair.id, "it is of the grant that is live");
        }
        if self.crashed.contains(&process) {
            self.dealt_with.insert(pair.id, "its process had died with it");
        }
        self.opened.insert(pair.id, opened);
        self.owned.entry(id.to_owned()).or_default().push(pair.id);
        self.brought_late.entry(process).or_default().push(pair.id);
    }

    /// A process could not note its late pair because of a fault. It cannot do more for the pair.
    pub fn late_pairs_fail(&mut self, process: ProcessId) {
        for pair in self.brought_late.get(&process).cloned().unwrap_or_default() {
            self.dealt_with.insert(pair, "the table failed when it should be noted");
        }
    }

    /// Checked at the end, for every pair that was ever stored.
    pub(super) fn judge_grants(&mut self, now: u64, id: &str, row: Option<&Row>, provider: &Provider) {
        let live_pair: Option<&Connection> = row.and_then(Row::live);
        let of_live = live_pair.and_then(|live| self.opened.get(&live.pair.id)).map(|pair| provider.account_of(pair));
        let mut forgotten: Vec<&Opened> = Vec::new();
        for pair in self.owned.get(id).into_iter().flatten() {
            let Some(opened) = self.opened.get(pair) else { continue };
            let is_live = live_pair.is_some_and(|live| live.pair.id == *pair);
            let is_listed = row.and_then(Row::revocations).is_some_and(|list| list.contains(*pair));
            let is_waiting = row.and_then(Row::waiting).is_some_and(|waiting| waiting.pair_id() == *pair);
            let is_left = self.dealt_with.contains_key(pair)
                || of_live == Some(provider.account_of(opened))
                || named::contains(*pair);
            if !is_live && !is_listed && !is_waiting && !is_left && provider.lives(opened, now) {
                forgotten.push(opened);
            }
        }
        let forgotten = forgotten.first().map(|opened| opened.refresh.clone());
        if let Some(refresh) = forgotten {
            self.violate(now, Invariant::NoGrantForgotten, || {
                format!("{refresh} of {id} is valid, and no row and no log line names it")
            });
        }
        if row.and_then(|row| row.state().ok()) == Some(State::Disconnecting) {
            self.violate(now, Invariant::NoGrantForgotten, || format!("the grants of {id} are still to be revoked"));
        }
    }
}

/// Whether a run of the schedule has work to do for the grants of a row that are not live.
pub(super) fn has_work(row: &Row) -> bool {
    let is_left = |grant: &Revocation| grant.verdict(row) != Verdict::Keep;
    row.waiting().is_some() || row.revocations().is_some_and(|list| list.iter().any(is_left))
}
