//! Checks of what is written to the tables.

use shared::domain::attempt::Attempt;
use shared::domain::connection::{Connection, Status};
use shared::domain::item::{InconsistentItem, Item};
use shared::domain::session::{Session, SessionStatus};
use shared::domain::write::Write;

use super::{Invariant, Lease, Ledger, Stored, YOUNG, open};
use crate::call::Table;
use crate::provider::Provider;
use crate::world::{ProcessId, World};

/// Seconds between two answers may look one second shorter than between the whole seconds that the table holds.
const CONFIRMED_AFTER: u64 = 58_000;

/// When things happened, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub now: u64,
    /// The process asked for the write.
    pub asked_at: u64,
    /// The process began.
    pub began_at: u64,
    /// The process last looked at the connection, or at the index.
    pub looked_at: u64,
}

impl Ledger {
    /// A write was applied.
    #[expect(clippy::too_many_arguments, reason = "one row of facts, from the one place that knows them")]
    pub fn written(
        &mut self,
        Times { now, asked_at, began_at, looked_at }: Times,
        process: ProcessId,
        table: Table,
        write: &Write,
        old: Option<&Item>,
        new: &Item,
        provider: &Provider,
    ) {
        if old.is_none() && !makes_sense(table, &write.key, new) {
            self.violate(now, Invariant::RowMakesSense, || format!("\"{}\" made half a row", write.name));
            return;
        }
        if table == Table::Attempts {
            return self.attempt_written(now, asked_at, write, old, new);
        }
        if write.name == "claim account" {
            return self.claimed(now, looked_at, write, old, new);
        }
        if write.key.starts_with('#') {
            return self.fleet_written(now, asked_at, write, old, new);
        }
        self.told(now, write, old, new);
        let changed = |name: &str| old.and_then(|old| old.0.get(name)) != new.0.get(name);
        if changed("token_set") && !matches!(write.name, "acquire" | "bury") {
            self.pair_stored((now, began_at), process, write, old, new, provider);
        }
        self.confirmed(now, asked_at, write, old, new);
        if changed("account_id") && !new.0.contains_key("account_id") {
            self.identified.remove(&write.key);
        }
        match write.name {
            "acquire" => self.leased(now, looked_at, process, write, new),
            "settle" => self.settled(write, new, process),
            "disconnect" | "expire" => {
                self.disconnected.insert(write.key.clone(), now);
            }
            "acquire revocation" => self.revocation_leased(now, asked_at, write, old),
            "bury" => self.buried(now, write, new, provider),
            "identify" => self.identified(now, write, old, new, provider),
            "forget superseded" => self.superseded_forgotten(now, write, old, provider),
            "reseal" => self.resealed((now, looked_at), write, old, new),
            "quarantine" => self.quarantined(now, process, write, old),
            _ => {}
        }
        if changed("status") && old.is_some() {
            self.status_changed(now, asked_at, process, old, new, provider);
        }
    }

    fn attempt_written(&mut self, now: u64, asked_at: u64, write: &Write, old: Option<&Item>, new: &Item) {
        if let Some(session) = write.key.strip_prefix("session#") {
            if new.string("status").is_ok_and(|status| status == SessionStatus::Completed.as_str()) {
                self.completed.insert(session.to_owned());
            } else if self.completed.contains(session) {
                self.violate(now, Invariant::ToldTheTruth, || "a session that was completed says otherwise".to_owned());
            }
        }
        if let (Some(attempt), Ok(created_at)) = (write.key.strip_prefix("state#"), new.number("created_at")) {
            self.begun.entry(attempt.to_owned()).or_insert(created_at);
        }
        let expires_at = old.and_then(|old| old.number("expires_at").ok());
        if write.name == "take attempt" && expires_at.is_some_and(|expires_at| World::at(expires_at) <= asked_at) {
            self.violate(now, Invariant::OneExchange, || "an attempt was taken after its time".to_owned());
        }
    }

    fn leased(&mut self, now: u64, looked_at: u64, process: ProcessId, write: &Write, new: &Item) {
        let Some(current) = self.current.get(&write.key) else { return };
        let (Ok(until), Ok(expires_at), Ok(owner)) =
            (new.number("lease_until"), new.number("expires_at"), new.string("lease_owner"))
        else {
            return;
        };
        let acquired_at = until - shared::domain::connection::writes::LEASE.as_secs() as i64;
        // What was imported has no access token, and is refreshed at once.
        let is_imported = current.access.is_empty();
        let young = acquired_at - current.granted_at < YOUNG;
        let is_due = new.number("refresh_at").is_ok_and(|refresh_at| refresh_at <= acquired_at);
        let unseen = current.stored_at > looked_at && !is_due;
        if !is_imported && (young || unseen) {
            let token = current.refresh.clone();
            let why = if young { "is young" } else { "was stored since its process looked" };
            self.violate(now, Invariant::NotForNothing, || format!("{token} is to be refreshed, and {why}"));
            return;
        }
        self.leases.entry(current.refresh.clone()).or_default().push(Lease {
            process,
            owner: owner.to_owned(),
            acquired_at,
            until,
            token_lived: expires_at > acquired_at,
            settled: false,
        });
    }

    fn settled(&mut self, write: &Write, new: &Item, process: ProcessId) {
        let Some(current) = self.current.get(&write.key) else { return };
        for lease in self.leases.get_mut(&current.refresh).into_iter().flatten() {
            lease.settled |= lease.process == process;
        }
        if let Ok(not_before) = new.number("not_before") {
            self.not_before.insert(current.refresh.clone(), not_before);
        }
    }

    fn pair_stored(
        &mut self,
        (now, began_at): (u64, u64),
        process: ProcessId,
        write: &Write,
        old: Option<&Item>,
        new: &Item,
        provider: &Provider,
    ) {
        let Some(stored) = newest(now, new) else {
            return self
                .violate(now, Invariant::RowMakesSense, || format!("\"{}\" stored what does not open", write.name));
        };
        let made_from = provider.access_tokens.get(&stored.access).and_then(|access| access.parent.clone());
        let before = self.current.insert(write.key.clone(), stored.clone());
        let is_new = self.stored.insert(stored.access.clone());
        let is_imported = stored.access.is_empty();
        if !is_new && !is_imported && before.as_ref().is_none_or(|before| before.access != stored.access) {
            self.violate(now, Invariant::CommitOnPredecessor, || {
                format!("\"{}\" stores {} {} a second time", write.name, stored.access, stored.refresh)
            });
        }
        if write.name == "commit" {
            self.counts.refreshes += 1;
            let predecessor = before.as_ref().map(|before| before.refresh.clone());
            if made_from != predecessor {
                self.violate(now, Invariant::CommitOnPredecessor, || {
                    format!("{} was made from {made_from:?} and stored over {predecessor:?}", stored.access)
                });
            }
        } else {
            self.counts.connects += 1;
            self.disturbed.insert(write.key.clone(), now);
            self.grant_stored(now, began_at, old, new);
            if let Some(before) = &before {
                self.replaced(now, &write.key, &before.refresh, provider);
            }
        }
        if let Some(before) = before {
            let by_its_successor = write.name == "commit" && before.refresh != stored.refresh;
            self.forget(&before, by_its_successor.then_some(process));
        }
        self.holding.values_mut().for_each(|held| held.retain(|(token, _)| Some(token) != made_from.as_ref()));
    }

    /// What was known of a pair that another one has replaced.
    fn forget(&mut self, before: &Stored, successor_by: Option<ProcessId>) {
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

    fn grant_stored(&mut self, now: u64, began_at: u64, old: Option<&Item>, new: &Item) {
        let grant = new.string("grant").unwrap_or_default().to_owned();
        let id = new.string("id").unwrap_or_default();
        self.disconnected.remove(id);
        let buried_at = old.and_then(|old| old.number("disconnected_at").ok());
        // An import begins with its process.
        let imported = grant.starts_with("import#").then(|| World::time(began_at).unix());
        if let (Some(buried_at), Some(begun)) = (buried_at, imported.or(self.begun.get(&grant).copied()))
            && begun <= buried_at
        {
            self.violate(now, Invariant::DisconnectWins, || format!("{id} is back by a journey that began before"));
        }
        if let Ok(order) = new.number("session_order") {
            let latest = self.orders.entry(id.to_owned()).or_insert(order);
            let is_earlier = order < *latest;
            *latest = order.max(*latest);
            if is_earlier {
                self.violate(now, Invariant::OneExchange, || format!("an earlier session has taken {id} over"));
            }
        }
        // An import leaves the mark of the session before it.
        if let Ok(session) = new.string("session")
            && !grant.starts_with("import#")
        {
            let first = self.sessions.entry(session.to_owned()).or_insert_with(|| grant.clone());
            if *first != grant {
                self.violate(now, Invariant::OneExchange, || "a session made two connections".to_owned());
            }
        }
        self.grants.insert(grant);
    }

    fn status_changed(
        &mut self,
        now: u64,
        asked_at: u64,
        process: ProcessId,
        old: Option<&Item>,
        new: &Item,
        provider: &Provider,
    ) {
        let status = |item: &Item| item.string("status").unwrap_or_default().to_owned();
        let id = new.string("id").unwrap_or_default().to_owned();
        let was_disconnecting = old.map(status).as_deref() == Some(Status::Disconnecting.as_str());
        if was_disconnecting && status(new) != "disconnected" {
            self.violate(now, Invariant::DisconnectWins, || format!("{id} came back"));
        }
        if status(new) != Status::ReauthRequired.as_str() {
            return;
        }
        let Some(current) = self.current.get(&id) else { return };
        let refused = provider.refresh_tokens.get(&current.refresh).map(|token| token.refused.clone());
        let refused = refused.unwrap_or_default();
        let confirmed = match (refused.first(), refused.last()) {
            (Some(first), Some(last)) => last - first >= CONFIRMED_AFTER,
            _ => false,
        };
        let owner = old.and_then(|old| old.string("lease_owner").ok()).unwrap_or_default();
        let rivals = self.leases.get(&current.refresh).map(Vec::as_slice).unwrap_or_default();
        let rival = rivals.iter().any(|lease| {
            lease.process != process && lease.owner == owner && !lease.settled && World::at(lease.until) >= asked_at
        });
        let token = current.refresh.clone();
        if !confirmed {
            self.violate(now, Invariant::EndedOnConfirmation, || {
                format!("{id} was given up, and {token} was refused at {refused:?}")
            });
        } else if rival {
            self.violate(now, Invariant::EndedOnConfirmation, || format!("{id} was given up under a rival's lease"));
        } else if new.string("reason").is_err() || new.0.contains_key("shard") {
            self.violate(now, Invariant::LossLabelled, || {
                format!("{id} was given up without a reason, or stays in the index")
            });
        }
    }
}

fn makes_sense(table: Table, key: &str, new: &Item) -> bool {
    let parsed: Result<(), InconsistentItem> = match table {
        Table::Connections if key.starts_with('#') => Ok(()),
        Table::Connections => Connection::stored(new).map(|_| ()),
        Table::Attempts if key.starts_with("session#") => Session::from_item(new).map(|_| ()),
        Table::Attempts => Attempt::from_item(new).map(|_| ()),
    };
    parsed.is_ok()
}

/// The newest pair of a row.
pub(super) fn newest(now: u64, item: &Item) -> Option<Stored> {
    let connection = Connection::stored(item).ok()??;
    let pair = open(&connection.id, &connection.pair)?;
    Some(Stored {
        token_set: connection.pair.token_set,
        access: pair.access_token.expose().to_owned(),
        refresh: pair.refresh_token?.expose().to_owned(),
        stored_at: now,
        granted_at: connection.refreshed_at.unix(),
    })
}
