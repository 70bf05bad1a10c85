//! Checks of the writes to the tables. Each write must have its checks: a new one without checks does not compile.

use shared::domain::attempt::Attempt;
use shared::domain::connection::{Row, State};
use shared::domain::failure_class::FailureClass;
use shared::domain::fleet::FleetRow;
use shared::domain::item::Item;
use shared::domain::order::Order;
use shared::domain::session::Session;
use shared::domain::write::{Write, WriteName};

use super::{Invariant, Ledger, Opened, Stored};
use crate::call::Table;
use crate::provider::Provider;
use crate::world::{Process, ProcessId, World};

/// The table holds whole seconds. So the time between two answers may look one second shorter than it was.
const CONFIRMED_AFTER: u64 = 58_000;

/// The time after the end of its access token after which a pair that is `refused` is given up.
const REFUSED_FOR: i64 = 86_400;

/// The moments of a write, in milliseconds, and in the order of all effects.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub now: u64,
    /// The process asked for the write.
    pub asked_at: u64,
    /// The place of this write.
    pub at: u64,
    /// The effect in which the process last read the connection, or the index.
    pub last_read_at: u64,
    /// The process serves a caller that wants a token before its time.
    pub is_early: bool,
}

/// A write of a connection's row.
pub struct Facts<'a> {
    pub times: Times,
    pub process: ProcessId,
    pub write: &'a Write,
    pub old: Option<&'a Row>,
    pub old_item: Option<&'a Item>,
    pub new: &'a Row,
    pub item: &'a Item,
    pub provider: &'a Provider,
}

impl Times {
    pub fn of(world: &World, process: &Process, asked_at: u64, last_read_at: u64) -> Self {
        Self { now: world.time(), asked_at, at: world.sequence, last_read_at, is_early: process.is_early }
    }
}

impl Ledger {
    /// A write was applied.
    #[expect(clippy::too_many_arguments, reason = "one row of facts, from the one place that knows them")]
    pub fn written(
        &mut self,
        times: Times,
        process: ProcessId,
        table: Table,
        write: &Write,
        old: Option<&Item>,
        new: &Item,
        provider: &Provider,
    ) {
        let is_of_a_connection = table == Table::Connections && !write.key.starts_with('#');
        if old.is_none() && !is_of_a_connection && !is_complete(table, &write.key, new) {
            return self.violate(times.now, Invariant::RowIsConsistent, || {
                format!("\"{}\" stored an incomplete row", write.name)
            });
        }
        match write.name {
            WriteName::BeginAttempt
            | WriteName::NoteFailure
            | WriteName::TakeAttempt
            | WriteName::GiveAttemptBack
            | WriteName::EndAttempt => {
                self.attempt_written(times, process, write, old, new);
            }
            WriteName::BeginSession | WriteName::EndSession | WriteName::ConfirmSession => {
                self.session_written(times, write, new);
            }
            WriteName::TakePresentOrder | WriteName::TakeNextOrder => {
                self.order_taken(times, process, write, old, new);
            }
            WriteName::ClaimAccount => self.claimed(times, write, old, new),
            WriteName::Pause
            | WriteName::CountRefusals
            | WriteName::BeginWindow
            | WriteName::NoteSuccess
            | WriteName::TakeSlots
            | WriteName::BeginSecond
            | WriteName::LowerRate
            | WriteName::HandOn => {
                self.fleet_written(times, write, old, new);
            }
            WriteName::Connect
            | WriteName::AwaitConfirmation
            | WriteName::Confirm
            | WriteName::ExpireConfirmation
            | WriteName::Acquire
            | WriteName::Commit
            | WriteName::Settle
            | WriteName::GiveUp
            | WriteName::Quarantine
            | WriteName::Disconnect
            | WriteName::AddRevocation
            | WriteName::ClaimRevocation
            | WriteName::RemoveRevocation
            | WriteName::LeaveSchedule
            | WriteName::Identify
            | WriteName::IdentifyWaiting
            | WriteName::Reseal
            | WriteName::ReapTombstone
            | WriteName::ReapConnection => self.row_written(times, process, write, old, new, provider),
        }
    }

    fn row_written(
        &mut self,
        times: Times,
        process: ProcessId,
        write: &Write,
        old: Option<&Item>,
        item: &Item,
        provider: &Provider,
    ) {
        let before = self.rows.remove(&write.key).or_else(|| old.map(|old| Row::parse(&write.key, old)));
        let before = before.filter(|_| old.is_some());
        let new = Row::parse(&write.key, item);
        let facts = Facts { times, process, write, old: before.as_ref(), old_item: old, new: &new, item, provider };
        self.row_changed(&facts);
        self.rows.insert(write.key.clone(), new);
    }

    fn row_changed(&mut self, facts: &Facts<'_>) {
        let Facts { times, write, old, new, .. } = *facts;
        if let Row::Unreadable(unreadable) = new
            && !matches!(old, Some(Row::Unreadable(_)))
        {
            let attribute = unreadable.attribute;
            return self.violate(times.now, Invariant::RowIsConsistent, || {
                format!("after \"{}\" the attribute {attribute} of {} is unreadable", write.name, write.key)
            });
        }
        // A lease changes none of these values, and is the most frequent write besides the commit.
        if write.name != WriteName::Acquire {
            self.pairs_kept(facts);
            self.check_events(facts);
            self.account_is_true(facts);
            self.routes_agree(facts);
            self.state_changed(facts);
        }
        match write.name {
            WriteName::Connect | WriteName::Confirm => {
                self.pair_stored(facts);
                self.session_used(facts);
                self.session_asked(facts);
                self.confirmation_ended(facts);
            }
            WriteName::AwaitConfirmation => self.session_used(facts),
            WriteName::ExpireConfirmation => self.confirmation_ended(facts),
            WriteName::Acquire => self.leased(facts),
            WriteName::Commit => self.pair_stored(facts),
            WriteName::Settle => self.settled(facts),
            WriteName::GiveUp => self.is_of_its_lease(facts),
            WriteName::Quarantine => self.quarantined(facts),
            WriteName::Disconnect => self.disconnected(facts),
            WriteName::ClaimRevocation => self.revocation_claimed(facts),
            WriteName::LeaveSchedule => self.has_left_the_schedule(facts),
            WriteName::Identify => self.identified(facts),
            WriteName::Reseal => self.resealed(facts),
            // `pairs_kept` and `account_is_true` check these: they change the list, or the waiting pair.
            WriteName::AddRevocation | WriteName::RemoveRevocation | WriteName::IdentifyWaiting => {}
            WriteName::BeginAttempt
            | WriteName::NoteFailure
            | WriteName::TakeAttempt
            | WriteName::GiveAttemptBack
            | WriteName::EndAttempt
            | WriteName::BeginSession
            | WriteName::EndSession
            | WriteName::ConfirmSession
            | WriteName::TakePresentOrder
            | WriteName::TakeNextOrder
            | WriteName::ClaimAccount
            | WriteName::ReapTombstone
            | WriteName::ReapConnection
            | WriteName::Pause
            | WriteName::CountRefusals
            | WriteName::BeginWindow
            | WriteName::NoteSuccess
            | WriteName::TakeSlots
            | WriteName::BeginSecond
            | WriteName::LowerRate
            | WriteName::HandOn => {
                self.violate(times.now, Invariant::RowIsConsistent, || {
                    format!("\"{}\" is no write of a connection, but writes {}", write.name, write.key)
                });
            }
        }
        self.kept_if_unreadable(facts);
    }

    fn disconnected(&mut self, facts: &Facts<'_>) {
        let id = &facts.write.key;
        self.taken_away(facts.process, id);
        self.identified.remove(id);
        if let Some(last) = self.current.remove(id) {
            self.forget(&last.pair, None);
        }
    }

    fn pair_stored(&mut self, facts: &Facts<'_>) {
        let Facts { times, process, write, old, new, provider, .. } = *facts;
        let Some(connection) = new.live() else { return };
        let Some(pair) = self.opened.get(&connection.pair.id).cloned() else { return };
        let stored = Stored { pair, stored_at: times.at };
        let made_from = provider.access_tokens.get(&stored.pair.access).and_then(|access| access.parent.clone());
        let before = self.current.insert(write.key.clone(), stored.clone());
        let pair = &stored.pair;
        let is_new = self.stored.insert(pair.access.clone());
        if !is_new && connection.has_been_refreshed && !self.removed_pairs.contains(&pair.access) {
            self.violate(times.now, Invariant::CommitOnPredecessor, || {
                format!("\"{}\" stores {} {} a second time", write.name, pair.access, pair.refresh)
            });
        }
        let is_commit = write.name == WriteName::Commit;
        if is_commit {
            self.counts.refreshes += 1;
            if let Some(before) = &before {
                self.dealt_with.insert(before.pair.pair_id, "its successor is stored");
            }
            let predecessor = before.as_ref().map(|before| before.pair.refresh.clone());
            if made_from != predecessor {
                self.violate(times.now, Invariant::CommitOnPredecessor, || {
                    format!("{} was made from {made_from:?} and stored over {predecessor:?}", pair.access)
                });
            }
        } else {
            self.counts.connects += 1;
            self.disturbed.insert(write.key.clone(), times.now);
            // Also if the row had said already that the pair was lost.
            if let Some(before) = before.as_ref().filter(|_| old.and_then(Row::live).is_some()) {
                self.replaced(times.now, &write.key, &before.pair, provider);
            }
        }
        if let Some(before) = before {
            let by_its_successor = is_commit && before.pair.refresh != stored.pair.refresh;
            self.forget(&before.pair, by_its_successor.then_some(process));
        }
        self.holding.values_mut().for_each(|held| held.retain(|(token, _)| Some(token) != made_from.as_ref()));
    }

    /// Removes the facts about a pair that another one has replaced.
    fn forget(&mut self, before: &Opened, successor_by: Option<ProcessId>) {
        let leases = self.leases.remove(&before.refresh).unwrap_or_default();
        self.senders.remove(&before.refresh);
        self.not_before.remove(&before.refresh);
        self.open.remove(&before.refresh);
        if let Some(process) = successor_by {
            let until = leases.iter().filter(|lease| lease.process == process).map(|lease| lease.until).max();
            let took_over = leases.iter().filter(|lease| until.is_some_and(|until| lease.acquired_at > until));
            self.spent.insert(before.refresh.clone(), took_over.map(|lease| lease.process).collect());
        }
    }

    /// The connection needs its customer from now on. Checks that this is right.
    fn state_changed(&mut self, facts: &Facts<'_>) {
        let Facts { times, process, write, old, new, provider, .. } = *facts;
        let Some(connection) = new.live() else { return };
        let State::NeedsCustomer { why, .. } = connection.state else { return };
        let needed = |row: &Row| matches!(row.state(), Ok(State::NeedsCustomer { .. }));
        if old.is_some_and(needed) {
            return;
        }
        let Some(current) = self.current.get(&write.key) else { return };
        let token = current.pair.refresh.clone();
        let known = provider.refresh_tokens.get(&token);
        let refused = known.map(|known| known.refused.clone()).unwrap_or_default();
        let is_confirmed = match why {
            FailureClass::NoRefreshToken => {
                !current.pair.has_refresh_token && World::at(connection.expires_at.unix()) <= times.asked_at
            }
            FailureClass::Refused => {
                World::at(connection.expires_at.unix() + REFUSED_FOR) <= times.asked_at
                    && known.is_some_and(|known| known.refused_otherwise)
            }
            _ => match (refused.first(), refused.last()) {
                (Some(first), Some(last)) => last - first >= CONFIRMED_AFTER,
                _ => false,
            },
        };
        let owner = old.and_then(Row::live).and_then(|old| old.lease.as_ref()).map(|lease| lease.owner.clone());
        let rivals = self.leases.get(&token).map(Vec::as_slice).unwrap_or_default();
        let rival = rivals.iter().any(|lease| {
            lease.process != process
                && Some(&lease.owner) == owner.as_ref()
                && !lease.settled
                && World::at(lease.until) >= times.asked_at
        });
        let id = &write.key;
        if !is_confirmed {
            self.violate(times.now, Invariant::EndedOnConfirmation, || {
                format!("{id} was given up ({why:?}), and {token} was refused at {refused:?}")
            });
        } else if rival {
            self.violate(times.now, Invariant::EndedOnConfirmation, || {
                format!("{id} was given up under the lease of another worker")
            });
        }
    }
}

/// Whether a new row is complete.
fn is_complete(table: Table, key: &str, new: &Item) -> bool {
    match table {
        Table::Connections if key.starts_with("#account#") => shared::domain::account::parse_claim(new).is_ok(),
        Table::Connections => FleetRow::parse(key, new).is_ok(),
        Table::Attempts if key.starts_with("session#") => Session::parse(key, new).is_ok(),
        Table::Attempts if key.starts_with("order#") => Order::parse(new).is_ok(),
        Table::Attempts => Attempt::parse(key, new).is_ok(),
    }
}
