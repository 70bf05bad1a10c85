//! Checks of journeys: their attempts, their sessions, and the grants that they store.

use shared::domain::connection::Row;
use shared::domain::item::Item;
use shared::domain::write::{Write, WriteName};

use super::storing::{Facts, Times};
use super::{Invariant, Ledger};
use crate::world::{ProcessId, World};

impl Ledger {
    pub(super) fn attempt_written(
        &mut self,
        times: Times,
        process: ProcessId,
        write: &Write,
        old: Option<&Item>,
        new: &Item,
    ) {
        let Some(name) = write.key.strip_prefix("state#") else { return };
        let text = |item: Option<&Item>, name: &'static str| {
            item.and_then(|item| item.string(name).ok()).unwrap_or_default().to_owned()
        };
        if write.name == WriteName::BeginAttempt {
            let began = self.order_seen.get(&process).copied().unwrap_or(times.at);
            self.begun.entry(name.to_owned()).or_insert(began);
        }
        let expires_at = old.and_then(|old| old.number("expires_at").ok());
        let is_late = expires_at.is_some_and(|time| World::at(time) <= times.asked_at);
        if write.name == WriteName::TakeAttempt && is_late {
            self.violate(times.now, Invariant::OneExchange, || "an attempt was taken after its time".to_owned());
        }
        if text(old, "phase") == "connected" && text(Some(new), "phase") != "connected" {
            self.violate(times.now, Invariant::ReportsAreTrue, || {
                format!("an attempt that has connected is {}", text(Some(new), "phase"))
            });
        }
        let sent = |item| matches!(text(item, "phase").as_str(), "exchanging" | "connected" | "failed");
        if write.name == WriteName::NoteFailure && (sent(old) || sent(Some(new))) {
            self.violate(times.now, Invariant::ReportsAreTrue, || {
                "an answer without a code has changed the outcome of a code".to_owned()
            });
        }
        if write.name == WriteName::NoteFailure && is_late && text(Some(new), "failure") != "expired" {
            self.violate(times.now, Invariant::ReportsAreTrue, || {
                "an answer that came too late is noted as if it had come in time".to_owned()
            });
        }
        let id = text(Some(new), "connection_id");
        match text(Some(new), "failure").as_str() {
            "disconnected" if text(old, "failure") != "disconnected" => {
                let began = self.begun.get(name).copied().unwrap_or_default();
                if self.disconnected.get(&id).is_none_or(|disconnected| *disconnected < began) {
                    self.violate(times.now, Invariant::DisconnectWins, || {
                        format!("{id} was taken away before this journey began, and its grant is refused for that")
                    });
                }
            }
            "exists" if text(old, "failure") != "exists" => {
                let began = self.begun.get(name).copied().unwrap_or_default();
                if self.granted.get(&id).is_none_or(|granted| *granted < began) {
                    self.violate(times.now, Invariant::ReportsAreTrue, || {
                        format!("a grant of {id} is refused for a later one, and no later one is stored")
                    });
                }
            }
            _ => {}
        }
    }

    /// An operator has removed the session. The network may repeat the write that has made it.
    pub fn session_removed(&mut self, key: &str) {
        if let Some(session) = key.strip_prefix("session#") {
            self.completed.remove(session);
        }
    }

    pub(super) fn session_written(&mut self, times: Times, write: &Write, new: &Item) {
        let Some(session) = write.key.strip_prefix("session#") else { return };
        if new.number("same_account").is_ok_and(|same_account| same_account != 0) {
            self.same_account_sessions.insert(session.to_owned());
        }
        if new.0.contains_key("throw_away") {
            self.throw_away_sessions.insert(session.to_owned());
        }
        if new.string("status").is_ok_and(|status| status == "completed") {
            self.completed.insert(session.to_owned());
            if !self.sessions.contains_key(session) && !self.removed.contains(session) {
                self.violate(times.now, Invariant::ReportsAreTrue, || {
                    "a session is completed, but no journey of it has connected".to_owned()
                });
            }
        } else if self.completed.contains(session) {
            self.violate(times.now, Invariant::ReportsAreTrue, || {
                "a session that was completed is not completed any more".to_owned()
            });
        }
    }

    /// A grant is in the row: live, or waiting for its confirmation.
    pub(super) fn session_used(&mut self, facts: &Facts<'_>) {
        let (name, session) = match facts.write.name {
            WriteName::AwaitConfirmation => {
                let Some(waiting) = facts.new.waiting() else { return self.waits_in_an_unreadable_row(facts) };
                (waiting.grant.name.clone(), waiting.grant.session.clone())
            }
            WriteName::Confirm => {
                let Some(waiting) = facts.old.and_then(|old| old.waiting()) else { return };
                (waiting.grant.name.clone(), None)
            }
            _ => {
                let Some(connection) = facts.new.live() else { return };
                let name = connection.granted_by.name.clone();
                // An import leaves the mark of the session before it.
                let session = connection.session.clone().filter(|_| !name.starts_with("import#"));
                (name, session)
            }
        };
        self.grant_stored(facts.times, facts.process, &facts.write.key, &name);
        if let Some(mark) = session {
            let order = mark.order.number();
            let latest = self.session_orders.entry(facts.write.key.clone()).or_insert(order);
            let is_earlier = order < *latest;
            *latest = order.max(*latest);
            // A later link may have been used while an earlier grant waits to be confirmed.
            if is_earlier {
                self.violate(facts.times.now, Invariant::OneExchange, || {
                    format!("an earlier session has taken {} over", facts.write.key)
                });
            }
            let first = self
                .sessions
                .entry(mark.id.as_str().to_owned())
                .or_insert_with(|| (facts.write.key.clone(), name.clone()));
            if first.1 != name {
                self.violate(facts.times.now, Invariant::OneExchange, || "a session made two connections".to_owned());
            }
        }
        self.grants.insert(name);
    }

    /// The row has become unreadable between the read and the write. The write does not depend on the unreadable
    /// attribute.
    fn waits_in_an_unreadable_row(&mut self, facts: &Facts<'_>) {
        let text = facts.item.string("waiting").unwrap_or_default();
        let stored: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let name = stored["grant"]["name"].as_str().unwrap_or_default().to_owned();
        if let Some(session) = stored["grant"]["session"]["id"].as_str() {
            self.sessions.entry(session.to_owned()).or_insert_with(|| (facts.write.key.clone(), name.clone()));
        }
        self.grants.insert(name);
    }

    /// A waiting pair becomes live only while it may, and is taken away only when it may not become live any more.
    pub(super) fn confirmation_ended(&mut self, facts: &Facts<'_>) {
        if let Some(Row::Unreadable(_)) = facts.old {
            return;
        }
        let waits = facts.old.and_then(|old| old.waiting());
        let until = waits.map(|waiting| waiting.until.unix());
        // Or its account has turned out to be a different one, or cannot be known.
        let session = waits.and_then(|waiting| waiting.grant.session.as_ref()).map(|session| session.id.as_str());
        let may_be_refused = session.is_some_and(|session| self.same_account_sessions.contains(session));
        let is_too_late = until.is_some_and(|until| World::at(until) <= facts.times.asked_at);
        let wrong = match facts.write.name {
            WriteName::Confirm if is_too_late || until.is_none() => "confirmed too late",
            WriteName::ExpireConfirmation if !is_too_late && !may_be_refused => {
                "taken away while it could be confirmed"
            }
            _ => return,
        };
        self.violate(facts.times.now, Invariant::ConfirmedBeforeUse, || format!("{} was {wrong}", facts.write.key));
    }
}
