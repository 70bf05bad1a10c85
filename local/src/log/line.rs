//! One line of the log.

use std::fmt::{Debug, Write};

use shared::domain::time::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::Terminal;

/// The fields of an event and of its spans.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) connection: Option<String>,
    function: Option<String>,
    request_id: Option<String>,
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    /// From the span around it. The span's other fields appear on the span's own lines.
    pub(super) fn inherit(&mut self, outer: &Self) {
        self.connection = self.connection.take().or_else(|| outer.connection.clone());
        self.function = self.function.take().or_else(|| outer.function.clone());
        self.request_id = self.request_id.take().or_else(|| outer.request_id.clone());
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "connection" => self.connection = Some(value.to_owned()),
            "function" => self.function = Some(value.to_owned()),
            "request_id" => self.request_id = Some(value.to_owned()),
            "message" => value.clone_into(&mut self.message),
            // Metrics are counted from these fields. A laptop counts none.
            "failures" | "attempt" => {}
            name => self.others.push((name, value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[derive(Debug)]
pub struct Line {
    pub at: Timestamp,
    pub level: Level,
    pub target: &'static str,
    pub function: Option<String>,
    pub request_id: Option<String>,
    pub connection: Option<String>,
    pub message: String,
    pub fields: Vec<(&'static str, String)>,
}

const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";
const CYAN: &str = "36";
const DIM: &str = "2";

impl Line {
    pub(super) fn of(metadata: &Metadata<'static>, fields: Fields, at: Timestamp) -> Self {
        let Fields { connection, function, request_id, message, others } = fields;
        let (level, target) = (*metadata.level(), metadata.target());
        Self { at, level, target, function, request_id, connection, message, fields: others }
    }

    /// The message and its fields.
    pub fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            let _ = write!(text, " {name}={value}");
        }
        text
    }

    /// Time (UTC), kind, text, connection.
    pub(crate) fn printed(&self, terminal: Terminal) -> String {
        let paint = |colour: &str, text: &str| match terminal {
            Terminal::Coloured => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            Terminal::Plain => text.to_owned(),
        };
        let (kind, colour) = self.kind();
        let time = self.at.rfc3339();
        let time = time.get(11..19).unwrap_or(&time);
        let connection = self.connection.as_deref().unwrap_or_default();
        let line = format!("{} {} {}", paint(DIM, time), paint(colour, &format!("{kind:<8}")), self.text());
        // The path may contain the connection's id already.
        let is_named = self.message.split(['/', ' ']).any(|part| part == connection);
        if connection.is_empty() || is_named { line } else { format!("{line}  {}", paint(DIM, connection)) }
    }

    fn kind(&self) -> (&'static str, &'static str) {
        let failed = || {
            let status = self.message.strip_suffix(" ms").and_then(|text| text.rsplit(' ').nth(1));
            status.and_then(|status| status.bytes().next())
        };
        match (self.target, self.level) {
            ("local::server", _) => match failed() {
                Some(b'5') => ("request", RED),
                Some(b'4') => ("request", YELLOW),
                _ => ("request", GREEN),
            },
            ("local::refresh", _) => ("refresh", GREEN),
            ("local::change", _) => ("change", DIM),
            ("local::event", _) => ("event", CYAN),
            (_, Level::ERROR) => ("error", RED),
            (_, Level::WARN) => ("warning", YELLOW),
            _ => ("info", DIM),
        }
    }
}
