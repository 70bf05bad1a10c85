//! The log of this process: kept in memory for the console, and printed as readable lines on a terminal.
//!
//! It is a layer beside the one that writes JSON, and gets the same events. Secrets are types that cannot be printed,
//! so the log holds none. Its size is limited per connection: many lines of one connection do not push out the lines of
//! another.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::ports::Clock;
use tokio::sync::watch;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

mod line;

use line::Fields;
pub use line::Line;

/// Lines that are kept of one connection.
const LINES: usize = 200;
/// The number of connections whose lines are kept. Above it, the connection with the oldest last line is forgotten.
const CONNECTIONS: usize = 200;
/// Lines that a request may write before it knows its connection.
const BEFORE_ITS_CONNECTION: usize = 20;

pub struct Log {
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<String, VecDeque<Arc<Line>>>>,
    /// Grows with every line.
    grown: watch::Sender<u64>,
}

/// How lines are printed for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    Plain,
    Coloured,
}

/// The fields of a span, and the lines in it that were written before its connection was known.
#[derive(Default)]
struct SpanLog {
    fields: Fields,
    early: Vec<Arc<Line>>,
}

/// The lines that are printed for changes of a connection. The console shows these changes from the table's stream.
pub(crate) const CHANGES: [&str; 3] = ["local::refresh", "local::change", "local::event"];

impl Log {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default(), grown: watch::Sender::new(0) }
    }

    /// The lines of a connection, the earliest first.
    pub(crate) fn of(&self, connection: &str) -> Vec<Arc<Line>> {
        self.locked().get(connection).into_iter().flatten().cloned().collect()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    fn keep(&self, connection: &str, line: Arc<Line>) {
        let mut kept = self.locked();
        if kept.len() >= CONNECTIONS && !kept.contains_key(connection) {
            let last = |lines: &VecDeque<Arc<Line>>| lines.back().map(|line| line.at);
            let silent = kept.iter().min_by_key(|(_, lines)| last(lines)).map(|(id, _)| id.clone());
            silent.and_then(|id| kept.remove(&id));
        }
        let lines = kept.entry(connection.to_owned()).or_default();
        if lines.len() >= LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(kept);
        self.grown.send_modify(|lines| *lines += 1);
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Arc<Line>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The layer of a [`Log`].
pub struct Listening {
    pub log: Arc<Log>,
    pub terminal: Option<Terminal>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listening {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut state = SpanLog::default();
        attributes.record(&mut state.fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(state);
        }
    }

    /// A request learns its connection while it runs: the lines that it has written before belong to this connection
    /// too.
    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(state) = extensions.get_mut::<SpanLog>() else { return };
        values.record(&mut state.fields);
        if let Some(connection) = &state.fields.connection {
            for line in state.early.drain(..) {
                self.log.keep(connection, line);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(state) = span.extensions().get::<SpanLog>() {
                fields.inherit(&state.fields);
            }
        }
        let connection = fields.connection.clone();
        let line = Arc::new(Line::of(event.metadata(), fields, self.log.clock.now()));
        if let Some(terminal) = self.terminal {
            // If the log cannot be written, the work that it describes must not fail.
            writeln!(std::io::stdout().lock(), "{}", line.printed(terminal)).unwrap_or_default();
        }
        if CHANGES.contains(&line.target) {
            return;
        }
        if let Some(connection) = connection {
            self.log.keep(&connection, line);
        } else if let Some(span) = context.event_span(event)
            && let Some(state) = span.extensions_mut().get_mut::<SpanLog>()
            && state.early.len() < BEFORE_ITS_CONNECTION
        {
            state.early.push(line);
        }
    }
}

#[cfg(test)]
mod tests;
