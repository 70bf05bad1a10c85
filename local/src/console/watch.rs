//! Looks once a second: the product's own list, the stream, and the simulated provider's counters.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use shared::domain::time::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use super::history::{Change, History};

/// The time between two looks, and between two samples of the chart.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
pub(super) const SAMPLES: usize = 300;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    /// The remaining seconds of the token that ends first.
    pub(crate) least_remaining: Option<i64>,
    /// Requests to the provider since the last sample, and how many of them met a fault.
    pub(crate) requests: usize,
    pub(crate) faulty: usize,
}

#[derive(Default)]
pub(crate) struct Seen {
    /// As `GET /v1/connections` shows them.
    pub(crate) connections: Vec<Value>,
    /// Whether there are more than the first page of the list.
    pub(crate) has_more: bool,
    pub(crate) history: History,
    pub(crate) samples: VecDeque<Sample>,
    /// The last examination, and when it was.
    pub(crate) examination: Option<(Timestamp, Value)>,
    requests: usize,
    faulty: usize,
    has_looked: bool,
}

pub(crate) struct Watch {
    seen: Mutex<Seen>,
    /// One look at a time: two would read the same records twice.
    looking: tokio::sync::Mutex<()>,
    looks: watch::Sender<u64>,
}

/// The result of one look.
pub(super) struct Found {
    pub(super) list: Value,
    pub(super) records: Vec<Value>,
    /// All requests to the simulated provider so far, and those that met a fault.
    pub(super) requests: (usize, usize),
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { seen: Mutex::default(), looking: tokio::sync::Mutex::default(), looks: watch::Sender::new(0) }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn looks(&self) -> watch::Receiver<u64> {
        self.looks.subscribe()
    }

    pub(super) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.looking.lock().await
    }

    pub(super) fn note(&self, found: &Found, stack: &str, now: Timestamp) {
        let mut seen = self.seen();
        seen.note_list(&found.list);
        let is_first = !seen.has_looked;
        for record in &found.records {
            // Changes of an earlier process are kept, but not printed.
            if let Some(change) = seen.history.read(record, stack)
                && !is_first
            {
                print(&change);
            }
        }
        seen.has_looked = true;
        seen.sample(found.requests, now);
        drop(seen);
        self.looks.send_modify(|looks| *looks += 1);
    }
}

impl Seen {
    fn note_list(&mut self, list: &Value) {
        // Any other answer: the table could not be read, and the log says so.
        let Some(connections) = list["connections"].as_array() else { return };
        self.connections.clone_from(connections);
        self.has_more = list["next_cursor"].is_string();
    }

    fn sample(&mut self, (requests, faulty): (usize, usize), now: Timestamp) {
        let is_another_second = self.samples.back().is_none_or(|last| last.at < now);
        let (new, new_faulty) = (requests - self.requests.min(requests), faulty - self.faulty.min(faulty));
        (self.requests, self.faulty) = (requests, faulty);
        if is_another_second {
            if self.samples.len() >= SAMPLES {
                self.samples.pop_front();
            }
            let ends = self.connections.iter().filter(|shown| shown["status"] == "active").filter_map(expires_at);
            let least_remaining = ends.min().map(|end| now.seconds_until(end).max(0));
            self.samples.push_back(Sample { at: now, least_remaining, requests: new, faulty: new_faulty });
        } else if let Some(last) = self.samples.back_mut() {
            last.requests += new;
            last.faulty += new_faulty;
        }
    }
}

pub(super) fn expires_at(connection: &Value) -> Option<Timestamp> {
    read_time(&connection["expires_at"])
}

/// A time as the routes answer it.
pub(super) fn read_time(value: &Value) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()?;
    Some(Timestamp::from_unix(at.unix_timestamp()))
}

/// Prints one line on the terminal for each refresh and each event.
fn print(change: &Change) {
    let connection = change.connection.as_str();
    match change.title {
        "Event" => {}
        "Refreshed" | "Refresh failed" | "Refused" => {
            tracing::info!(target: "local::refresh", connection, "{}: {}", change.title, change.detail);
        }
        _ => tracing::info!(target: "local::change", connection, "{}: {}", change.title, change.detail),
    }
    if let Some(event) = &change.event {
        let (kind, version) = (event["type"].as_str().unwrap_or_default(), event["version"].as_i64());
        tracing::info!(target: "local::event", connection, version, "{kind}");
    }
}
