//! Checks of what takes a connection away, of what waits in the queue, and of what all workers share.

use shared::domain::connection::Status;
use shared::domain::connection::disconnecting::Revocation;
use shared::domain::escrowed::Escrowed;
use shared::domain::item::Item;
use shared::domain::write::Write;

use super::{Invariant, Ledger, open};
use crate::provider::Provider;
use crate::world::World;

impl Ledger {
    /// Somebody is about to revoke the newest pair: no refresh may be about to store a newer one, and no backoff may run.
    pub(super) fn revocation_leased(&mut self, now: u64, asked_at: u64, write: &Write, old: Option<&Item>) {
        let number = |name: &'static str| old.and_then(|old| old.number(name).ok());
        let status = old.and_then(|old| old.string("status").ok()).unwrap_or("no row");
        if status != Status::Disconnecting.as_str() {
            self.violate(now, Invariant::DisconnectWins, || format!("{} is to be revoked, and is {status}", write.key));
        }
        let owner = old.and_then(|old| old.string("lease_owner").ok()).unwrap_or_default().to_owned();
        if number("lease_until").is_some_and(|until| World::at(until) > asked_at) {
            self.violate(now, Invariant::DisconnectWins, || {
                format!("{} is to be revoked under the lease of {owner}", write.key)
            });
        }
        if number("not_before").is_some_and(|not_before| World::at(not_before) > asked_at + 1000) {
            self.violate(now, Invariant::BackoffHonoured, || {
                format!("{} is to be revoked while it backs off", write.key)
            });
        }
    }

    /// What is left must be a tombstone of a pair that the provider no longer accepts.
    pub(super) fn buried(&mut self, now: u64, write: &Write, new: &Item, provider: &Provider) {
        let is_done = new.string("revocation").is_ok_and(|revocation| revocation == Revocation::Done.as_str());
        let Some(last) = self.current.remove(&write.key) else { return };
        if is_done && provider.honours(&last.refresh, now) {
            self.violate(now, Invariant::DisconnectWins, || {
                format!("{} was buried with {}, which the provider accepts", write.key, last.refresh)
            });
        }
        let of_the_living = ["sealed", "data_key", "token_set", "shard", "refresh_at", "attention"];
        if let Some(name) = of_the_living.into_iter().find(|name| new.0.contains_key(*name)) {
            self.violate(now, Invariant::RowMakesSense, || format!("the tombstone of {} has a {name}", write.key));
        }
    }

    /// A connection that has to be confirmed is left alone until it is, or until it is too late for that.
    pub(super) fn confirmed(&mut self, now: u64, asked_at: u64, write: &Write, old: Option<&Item>, new: &Item) {
        let confirm_by = |item: Option<&Item>| item.and_then(|item| item.number("confirm_by").ok());
        let is_too_late = confirm_by(old).is_some_and(|until| World::at(until) <= asked_at);
        let wrong = match write.name {
            "acquire" if confirm_by(Some(new)).is_some() => "leased before it was confirmed",
            "confirm" if is_too_late => "confirmed too late",
            "expire" if !is_too_late => "taken away while it could be confirmed",
            _ => "",
        };
        if !wrong.is_empty() {
            self.violate(now, Invariant::ConfirmedBeforeUse, || format!("{} was {wrong}", write.key));
        }
        match confirm_by(Some(new)) {
            Some(_) if write.name == "connect" => drop(self.waiting.insert(write.key.clone(), now)),
            Some(_) => {}
            None => drop(self.waiting.remove(&write.key)),
        }
    }

    /// A pair is in the queue: it is as good as stored, whatever becomes of its process.
    pub fn escrowed(&mut self, escrowed: &Escrowed, provider: &Provider) {
        let Some(pair) = open(escrowed.id(), escrowed.pair()) else { return };
        let made_from = provider.access_tokens.get(pair.access_token.expose()).and_then(|access| access.parent.clone());
        self.holding.values_mut().for_each(|held| held.retain(|(token, _)| Some(token) != made_from.as_ref()));
    }

    /// What all workers share: no count is lost, none is of another window, and no pause ends before its time.
    pub(super) fn fleet_written(&mut self, now: u64, asked_at: u64, write: &Write, old: Option<&Item>, new: &Item) {
        let number = |item: Option<&Item>, name: &'static str| item.and_then(|item| item.number(name).ok());
        let (before, after) = (number(old, "window"), number(Some(new), "window"));
        let present = shared::domain::fleet::window(World::time(asked_at));
        let wrong = match write.name {
            "begin window" if before.is_some_and(|before| Some(before) >= after) => "begins a window anew",
            "count refusals" if after.is_none_or(|after| after != present && after + 1 != present) => {
                "counts into another window"
            }
            "pause" if number(old, "until") > number(Some(new), "until") => "shortens a pause",
            _ => return,
        };
        self.violate(now, Invariant::FleetIsCounted, || format!("\"{}\" {wrong}", write.name));
    }
}
