//! What has happened to each connection, read from the records of the table's stream.

use std::collections::{HashMap, VecDeque};

use events::record::{Read, images};
use serde_json::Value;
use shared::domain::connection::{Connection, Row, State};
use shared::domain::time::Timestamp;

/// Changes that are kept of one connection.
const CHANGES: usize = 100;
/// Connections whose changes are kept, and events.
const CONNECTIONS: usize = 500;
const EVENTS: usize = 200;

/// How a change is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Neutral,
}

#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) connection: String,
    pub(crate) sequence_number: String,
    pub(crate) at: Timestamp,
    pub(crate) tone: Tone,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    /// The event that the bus would have received for it.
    pub(crate) event: Option<Value>,
}

#[derive(Default)]
pub(crate) struct History {
    changes: HashMap<String, VecDeque<Change>>,
    events: VecDeque<Value>,
    pub(crate) last: Option<String>,
}

impl History {
    /// The change that a record means to a person, if it means one.
    pub(crate) fn read(&mut self, record: &Value, stack: &str) -> Option<Change> {
        let written = &record["dynamodb"];
        let sequence_number = written["SequenceNumber"].as_str()?.to_owned();
        self.last = Some(sequence_number.clone());
        let connection = written["Keys"]["id"]["S"].as_str()?.to_owned();
        let [old, new] = images(record)?;
        let at = Timestamp::from_unix(written["ApproximateCreationDateTime"].as_f64()? as i64);
        let occurred = Read::of(record).ok().and_then(|read| read.occurred);
        let event = occurred.and_then(|it| serde_json::from_str(&it.event.entry(stack, it.at).detail).ok());
        let (tone, title, detail) = match (described(old.as_ref(), new.as_ref()), &event) {
            (Some(described), _) => described,
            (None, Some(_)) => (Tone::Neutral, "Event", String::new()),
            (None, None) => return None,
        };
        let change = Change { connection, sequence_number, at, tone, title, detail, event };
        self.keep(change.clone());
        Some(change)
    }

    fn keep(&mut self, change: Change) {
        if let Some(event) = change.event.clone() {
            if self.events.len() >= EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
        if self.changes.len() >= CONNECTIONS && !self.changes.contains_key(&change.connection) {
            let last = |changes: &VecDeque<Change>| changes.back().map(|change| change.at);
            let silent = self.changes.iter().min_by_key(|(_, changes)| last(changes)).map(|(id, _)| id.clone());
            silent.and_then(|id| self.changes.remove(&id));
        }
        let changes = self.changes.entry(change.connection.clone()).or_default();
        if changes.len() >= CHANGES {
            changes.pop_front();
        }
        changes.push_back(change);
    }

    /// The earliest first.
    pub(crate) fn of(&self, connection: &str) -> Vec<Change> {
        self.changes.get(connection).into_iter().flatten().cloned().collect()
    }

    /// The latest first.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Value> {
        self.events.iter().rev()
    }
}

type Described = (Tone, &'static str, String);

fn described(old: Option<&Row>, new: Option<&Row>) -> Option<Described> {
    match (old, new) {
        (_, Some(Row::Unreadable(unreadable))) => Some((Tone::Bad, "Unreadable", unreadable.to_string())),
        (Some(Row::Connection(old)), Some(Row::Connection(new))) => changed(old, new),
        (_, Some(Row::Connection(new))) => Some(match new.has_been_refreshed {
            true => (Tone::Good, "Connected", pair(new)),
            false => (Tone::Neutral, "Imported", "its refresh token was not used here yet".to_owned()),
        }),
        (Some(Row::Connection(_)), Some(Row::Tombstone(_)) | None) => {
            Some((Tone::Neutral, "Disconnected", "no token is handed out from now on".to_owned()))
        }
        (old, Some(Row::Tombstone(new))) => {
            let before = old.and_then(|row| row.state().ok());
            match (before, new.state()) {
                (Some(State::AwaitingConfirmation { .. }), State::AwaitingConfirmation { .. }) => None,
                (_, State::AwaitingConfirmation { .. }) => Some((Tone::Neutral, "Awaits confirmation", waits())),
                (Some(State::Disconnecting), State::Tombstone) => {
                    Some((Tone::Neutral, "Ended", "nothing is left to revoke".to_owned()))
                }
                _ => None,
            }
        }
        (_, None) => None,
    }
}

fn changed(old: &Connection, new: &Connection) -> Option<Described> {
    if new.version > old.version && new.granted_by != old.granted_by {
        return Some((Tone::Good, "Connected again", pair(new)));
    }
    if new.version > old.version {
        return Some((Tone::Good, "Refreshed", pair(new)));
    }
    if let (State::NeedsCustomer { why, .. }, State::Active | State::NotRefreshed) = (new.state, old.state) {
        return Some((Tone::Bad, "Needs its customer", why.as_str().to_owned()));
    }
    if new.journal.invalid_grant_at.is_some() && old.journal.invalid_grant_at.is_none() {
        let detail = "invalid_grant: tried again a minute later, before the connection is given up";
        return Some((Tone::Bad, "Refused", detail.to_owned()));
    }
    let reason = new.journal.reason.map_or("unknown", |class| class.as_str());
    if new.journal.failures > old.journal.failures {
        let detail = match (new.journal.failures, new.journal.not_before) {
            (1, Some(until)) => format!("{reason}; tried again from {}", clock(until)),
            (failures, Some(until)) => {
                format!("{reason}, failure {failures} in a row; tried again from {}", clock(until))
            }
            (failures, None) => format!("{reason}, failure {failures} in a row"),
        };
        return Some((Tone::Bad, "Refresh failed", detail));
    }
    match (&old.account, &new.account) {
        (before, Some(after)) if before.as_ref().is_none_or(|before| before.account.id != after.account.id) => {
            Some((Tone::Neutral, "Account known", format!("account {}", after.account.id)))
        }
        _ if new.waiting.is_some() && old.waiting.is_none() => Some((Tone::Neutral, "Awaits confirmation", waits())),
        _ => None,
    }
}

fn waits() -> String {
    "a new grant waits until your backend confirms it".to_owned()
}

fn pair(connection: &Connection) -> String {
    format!("version {}, lives until {}", connection.version, clock(connection.expires_at))
}

/// The time of the day, UTC.
pub(crate) fn clock(at: Timestamp) -> String {
    let text = at.rfc3339();
    text.get(11..19).map_or(text.clone(), str::to_owned)
}
