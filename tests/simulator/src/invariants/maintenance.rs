//! Checks of an operator's acts, and of rows that cannot be read.

use events::event::Event;
use events::state::Seen;
use shared::domain::connection::{Row, State};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Item;
use shared::domain::write::{Delete, Test, WriteName};

use super::storing::Facts;
use super::{Invariant, Ledger, held, unseal};
use crate::keys;
use crate::world::World;

/// In seconds; the smallest value that the function accepts.
const LONG_DEAD: i64 = 30 * 86_400;

impl Ledger {
    /// The pairs are the same, under a key that is not older. One exception: a run of an earlier deployment that
    /// reaches a row of a later one.
    pub(super) fn resealed(&mut self, facts: &Facts<'_>) {
        // The row has become unreadable meanwhile.
        let Some(old) = facts.old.filter(|old| !matches!(old, Row::Unreadable(_))) else { return };
        let id = facts.write.key.as_str();
        let after = held(facts.new);
        for was in held(old) {
            let Some(is) = after.iter().find(|is| is.id == was.id) else { continue };
            if is.sealed == was.sealed {
                continue;
            }
            let tokens = |pair: &shared::domain::token_pair::TokenPair| {
                let refresh = pair.refresh_token.as_ref().map(|token| token.expose().to_owned());
                (pair.access_token.expose().to_owned(), refresh)
            };
            let is_the_same = match (unseal(id, &was), unseal(id, is)) {
                (Some(was), Some(is)) => tokens(&was) == tokens(&is),
                _ => false,
            };
            let before = self.resealed.insert(is.id, facts.times.at);
            if !is_the_same {
                self.violate(facts.times.now, Invariant::MaintenanceIsHarmless, || {
                    format!("the pair of {id} has changed")
                });
            } else if keys::wrapped_by(id, &was.data_key) > keys::wrapped_by(id, &is.data_key)
                && before.is_some_and(|at| at > facts.times.last_read_at)
            {
                self.violate(facts.times.now, Invariant::MaintenanceIsHarmless, || {
                    format!("the pair of {id} is under an older key again")
                });
            }
        }
    }

    pub fn deleted(&mut self, now: u64, at: u64, delete: &Delete, item: &Item) {
        let row = self.rows.remove(&delete.key).unwrap_or_else(|| Row::parse(&delete.key, item));
        if let Ok(id) = ConnectionId::parse(&delete.key)
            && let Some(event) = Event::between(id, &Seen::of(Some(&row)), &Seen::of(None))
        {
            self.event(now, &event);
        }
        let limit = World::clock_at(now).unix() - LONG_DEAD;
        let is_dead = match &row {
            Row::Tombstone(tombstone) => tombstone.state() == State::Tombstone && tombstone.since.unix() < limit,
            Row::Connection(connection) => match connection.state {
                State::NeedsCustomer { since, .. } => since.unix() < limit && connection.expires_at.unix() < limit,
                _ => false,
            },
            Row::Unreadable(_) => false,
        };
        if !is_dead {
            self.violate(now, Invariant::MaintenanceIsHarmless, || {
                format!("{} was deleted while it was in use", delete.key)
            });
        } else if row.waiting().is_some() || row.revocations().is_some_and(|list| !list.is_empty()) {
            self.violate(now, Invariant::NoGrantForgotten, || format!("{} was deleted with its grants", delete.key));
        }
        self.touched(at, &delete.key, None);
    }

    /// A row may be put off by the worker whose lease is in it. A worker without a lease may put it off if the row has
    /// no lease and is not put off yet.
    pub(super) fn quarantined(&mut self, facts: &Facts<'_>) {
        let id = &facts.write.key;
        let Some(Row::Unreadable(_)) = facts.old else {
            // A value of a type that cannot be compared may have been replaced by another value: no condition can see
            // that.
            if self.repaired.contains(id) && facts.item.0.contains_key("scope") && tests_for(facts, "scope") {
                return;
            }
            return self.violate(facts.times.now, Invariant::UnreadableIsKept, || {
                format!("{id} was put off, but can be read")
            });
        };
        let before = |name: &'static str| self.before(facts, name);
        let (owner, until, not_before) =
            (self.owner_before(facts), before("lease_until").map(World::at), before("not_before").map(World::at));
        let is_ours = |lease: &super::Lease| lease.process == facts.process && Some(&lease.owner) == owner.as_ref();
        if self.leases.values().flatten().any(is_ours) {
            return;
        }
        if owner.is_some() && until.is_some_and(|until| until >= facts.times.asked_at) {
            self.violate(facts.times.now, Invariant::UnreadableIsKept, || {
                format!("{id} was put off under the lease of another worker")
            });
        } else if not_before.is_some_and(|not_before| not_before > facts.times.asked_at + 999) {
            self.violate(facts.times.now, Invariant::UnreadableIsKept, || format!("{id} was put off a second time"));
        }
    }

    fn before(&self, facts: &Facts<'_>, name: &'static str) -> Option<i64> {
        facts.old_item.and_then(|old| old.number(name).ok())
    }

    fn owner_before(&self, facts: &Facts<'_>) -> Option<String> {
        facts.old_item.and_then(|old| old.string("lease_owner").ok()).map(str::to_owned)
    }

    /// A worker that has seen that a row cannot be read does not overwrite it. It may release the row, or store its
    /// successor.
    pub(super) fn kept_if_unreadable(&mut self, facts: &Facts<'_>) {
        let id = &facts.write.key;
        let Some(since) = self.damaged.get(id).copied() else { return };
        let may_come = matches!(
            facts.write.name,
            WriteName::Acquire
                | WriteName::Commit
                | WriteName::Settle
                | WriteName::Quarantine
                | WriteName::GiveUp
                // These change only the pair, which is the same. And the worker may have read another row last.
                | WriteName::Reseal
                | WriteName::Identify
                | WriteName::IdentifyWaiting
        );
        if !may_come && since < facts.times.last_read_at {
            self.violate(facts.times.now, Invariant::UnreadableIsKept, || {
                format!("\"{}\" writes over {id}, which cannot be read", facts.write.name)
            });
        }
        if !matches!(facts.new, Row::Unreadable(_)) {
            self.damaged.remove(id);
        }
    }
}

/// Whether the write requires that an attribute exists, with any value.
fn tests_for(facts: &Facts<'_>, name: &str) -> bool {
    facts.write.clauses.iter().any(|clause| matches!(&clause.test, Test::Exists(asked) if *asked == name))
}
