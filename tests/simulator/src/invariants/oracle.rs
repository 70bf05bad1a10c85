//! Whether a connection was lost, and whether anybody could have saved it.

use shared::domain::connection::{Connection, Status};
use shared::domain::item::Item;

use super::{Invariant, Ledger};
use crate::provider::{Class, Provider};

/// How a connection stands when the faults have stopped and the sweeps have gone on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It must yield a token now.
    Lives,
    /// Unavoidably, and it says so.
    Lost,
    /// It was taken away.
    Gone,
}

impl Ledger {
    pub fn judge(&mut self, now: u64, id: &str, item: &Item, provider: &Provider) -> Verdict {
        let connection = match Connection::stored(item) {
            Ok(Some(connection)) => connection,
            Ok(None) => return Verdict::Gone,
            Err(_) => {
                self.violate(now, Invariant::RowMakesSense, || format!("the row of {id} makes no sense"));
                return Verdict::Gone;
            }
        };
        if !connection.is_confirmed() {
            self.violate(now, Invariant::ConfirmedBeforeUse, || format!("{id} still waits for its confirmation"));
        }
        let Some(stored) = self.current.get(id).cloned() else { return Verdict::Gone };
        match connection.status {
            Status::Disconnecting => {
                self.violate(now, Invariant::DisconnectWins, || format!("{id} is still being taken away"));
                Verdict::Gone
            }
            _ if provider.honours(&stored.refresh, now) => Verdict::Lives,
            status => {
                self.counts.lost += 1;
                match self.excuse_of(&stored.refresh, provider) {
                    Some(_) => self.counts.unavoidable += 1,
                    None => self.violate(now, Invariant::NoneLost, || {
                        format!("{id} is lost: {} is dead, and nobody is to blame but us", stored.refresh)
                    }),
                }
                if status != Status::ReauthRequired || connection.reason.is_none() {
                    self.violate(now, Invariant::LossLabelled, || format!("{id} is lost, and says {status:?}"));
                }
                Verdict::Lost
            }
        }
    }

    /// A new grant has replaced a pair. If that was dead, the customer has mended what somebody had lost.
    pub(super) fn replaced(&mut self, now: u64, id: &str, refresh: &str, provider: &Provider) {
        let is_on_its_way = self.holding.values().flatten().any(|(token, _)| token == refresh);
        if is_on_its_way || provider.honours(refresh, now) || self.disconnected.contains_key(id) {
            return;
        }
        self.counts.lost += 1;
        match self.excuse_of(refresh, provider) {
            Some(_) => self.counts.unavoidable += 1,
            None => self.violate(now, Invariant::NoneLost, || {
                format!("{id} had been lost: {refresh} was dead, and nobody is to blame but us")
            }),
        }
    }

    fn excuse_of(&self, refresh: &str, provider: &Provider) -> Option<super::Excuse> {
        if !provider.class.loses_with_the_answer() {
            return None;
        }
        let of_token = self.excused_tokens.get(refresh).copied();
        if provider.class == Class::P2 {
            return of_token;
        }
        let family = provider.refresh_tokens.get(refresh).map(|token| token.family)?;
        of_token.or_else(|| self.excused_families.get(&family).copied())
    }
}

impl Ledger {
    /// Whether something else than a refresh that went well may have ended the tokens of a connection: a new grant, a
    /// rotation whose pair has not arrived, a family that has ended.
    pub fn is_disturbed(&self, id: &str, since: u64, provider: &Provider) -> bool {
        self.disturbed.get(id).is_some_and(|at| *at >= since)
            || self.current.get(id).is_some_and(|stored| {
                let family = provider.refresh_tokens.get(&stored.refresh).map(|token| token.family);
                self.open.contains_key(&stored.refresh)
                    || family.is_some_and(|family| {
                        provider.class == Class::P4 && self.excused_families.contains_key(&family)
                    })
            })
    }

    /// An access token is shown to an integrator, who had asked at that moment.
    pub fn released(&mut self, now: u64, asked_at: u64, id: &str, access: &str) {
        self.counts.released += 1;
        if access.is_empty() {
            self.violate(now, Invariant::StoredBeforeRelease, || {
                format!("{id} gave out what an import has not got yet")
            });
        } else if !self.stored.contains(access) {
            self.violate(now, Invariant::StoredBeforeRelease, || format!("{access} was released, and never stored"));
        }
        if self.waiting.get(id).is_some_and(|since| *since < asked_at) {
            self.violate(now, Invariant::ConfirmedBeforeUse, || {
                format!("{access} was released before {id} was confirmed")
            });
        }
        if self.disconnected.get(id).is_some_and(|at| *at < asked_at) {
            self.violate(now, Invariant::DisconnectWins, || format!("{access} was released after {id} was taken away"));
        }
    }
}
