//! Whether a connection was lost, and whether anything could have saved it.

use std::time::Duration;

use shared::domain::connection::{Row, State};
use shared::domain::failure_class::FailureClass;
use shared::domain::item::Item;
use shared::domain::time::Timestamp;

use super::reports::TokenAnswer;
use super::{Invariant, Ledger, Opened};
use crate::provider::{Class, Provider};
use crate::world::World;

/// The condition of a connection after the faults have stopped and the sweeps have gone on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A caller must get a token of it now.
    Lives,
    /// It is lost, which was unavoidable, and its row says so.
    Lost,
    /// It was taken away, or nothing is promised for it.
    Gone,
}

/// The longest time that a sweep without faults takes.
const SWEEP: Duration = Duration::from_secs(60);

/// The time between two tries of a pair that was refused for a day.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(6 * 3600);

impl Ledger {
    pub fn judge(
        &mut self,
        (now, between_sweeps): (u64, Duration),
        id: &str,
        item: Option<&Item>,
        provider: &Provider,
    ) -> Verdict {
        // A sweep has handled each connection that was due by then.
        let is_over = |due: Timestamp| due + between_sweeps + SWEEP < World::clock_at(now);
        let row = item.map(|item| Row::parse(id, item));
        self.judge_grants(now, id, row.as_ref(), provider);
        let connection = match row {
            Some(Row::Connection(connection)) => connection,
            Some(Row::Unreadable(_)) => {
                self.violate(now, Invariant::RowIsConsistent, || format!("the row of {id} is unreadable"));
                return Verdict::Gone;
            }
            Some(Row::Tombstone(tombstone)) => {
                if let State::AwaitingConfirmation { .. } = tombstone.state() {
                    self.violate(now, Invariant::ConfirmedBeforeUse, || {
                        format!("{id} still waits for its confirmation")
                    });
                }
                return Verdict::Gone;
            }
            None => return Verdict::Gone,
        };
        let Some(stored) = self.current.get(id).cloned() else {
            self.violate(now, Invariant::RowIsConsistent, || format!("no write has made {id} live"));
            return Verdict::Gone;
        };
        let needs_customer = match connection.state {
            State::NeedsCustomer { why, .. } => Some(why),
            _ => None,
        };
        if !stored.pair.has_refresh_token {
            if is_over(connection.expires_at) && needs_customer != Some(FailureClass::NoRefreshToken) {
                self.violate(now, Invariant::LossLabelled, || {
                    format!("{id} has no refresh token, but its row does not say so")
                });
            }
            return Verdict::Gone;
        }
        if provider.honours(&stored.pair.refresh, now) {
            let is_refused = provider.is_refused(&stored.pair.refresh, now);
            // A token that was `refused` is tried again every six hours, and then works.
            let is_to_be_tried = needs_customer == Some(FailureClass::Refused)
                && !is_over(connection.refresh_at)
                && connection.refresh_at <= World::clock_at(now) + TRIED_AGAIN_AFTER;
            return if is_refused || is_to_be_tried { Verdict::Gone } else { Verdict::Lives };
        }
        self.counts.lost += 1;
        match self.excuse_of(&stored.pair.refresh, provider) {
            Some(_) => self.counts.unavoidable += 1,
            None => self.violate(now, Invariant::NoneLost, || {
                format!("{id} is lost: {} is not valid any more, and no fault excuses it", stored.pair.refresh)
            }),
        }
        if needs_customer.is_none() {
            self.violate(now, Invariant::LossLabelled, || {
                format!("{id} is lost, but its state is {:?}", connection.state)
            });
        }
        Verdict::Lost
    }

    /// A new grant has replaced a pair. If that pair was dead, the customer has repaired the loss.
    pub(super) fn replaced(&mut self, now: u64, id: &str, before: &Opened, provider: &Provider) {
        let refresh = &before.refresh;
        let is_on_its_way = self.holding.values().flatten().any(|(token, _)| token == refresh);
        // That pair was not lost: its successor is on its way, and goes to the grants to revoke.
        let is_on_its_way = is_on_its_way || self.has_queued_successor.contains(refresh);
        if is_on_its_way || !before.has_refresh_token || provider.honours(refresh, now) {
            return;
        }
        self.counts.lost += 1;
        match self.excuse_of(refresh, provider) {
            Some(_) => self.counts.unavoidable += 1,
            None => self.violate(now, Invariant::NoneLost, || {
                format!("{id} had been lost: {refresh} was not valid any more, and no fault excuses it")
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
    /// Whether an access token may have ended before its refresh was due: by a new grant, a disconnect, a caller who
    /// asked for an early refresh, a rotation whose pair has not arrived, or the end of its family.
    pub fn is_disturbed(&self, id: &str, access: &str, since: u64, provider: &Provider) -> bool {
        let Some(stored) = self.current.get(id) else { return true };
        if self.early.contains(access) || self.disturbed.get(id).is_some_and(|at| *at >= since) {
            return true;
        }
        let refresh = provider.access_tokens.get(access).map(|token| token.refresh.as_str());
        let family = refresh.and_then(|refresh| provider.refresh_tokens.get(refresh)).map(|token| token.family);
        self.open.contains_key(&stored.pair.refresh)
            || refresh.is_some_and(|refresh| self.excused_tokens.contains_key(refresh))
            || family.is_some_and(|family| provider.class == Class::P4 && self.excused_families.contains_key(&family))
    }

    /// An access token is shown to an integrator who had asked at that moment.
    pub fn handed_out(&mut self, now: u64, asked_at: u64, id: &str, access: &str) {
        self.counts.handed_out += 1;
        if access.is_empty() {
            self.violate(now, Invariant::StoredBeforeHandOut, || {
                format!("a token of {id} was handed out, which its import does not have yet")
            });
        } else if !self.stored.contains(access) {
            // A pair that waits for its confirmation is not stored as a live pair either.
            self.violate(now, Invariant::StoredBeforeHandOut, || {
                format!("{access} was handed out before it was stored")
            });
        }
        self.answered(now, asked_at, id, TokenAnswer::Live);
    }
}
