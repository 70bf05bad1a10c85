//! One JSON object a line on standard output, the fields of the surrounding spans as top-level members.

use std::error::Error;
use std::fmt;
use std::io::Write;

use serde::Serialize;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::domain::time::Timestamp;

/// Starts the log of a Lambda function. Without `EnvFilter`, which compiles regular expressions at every start.
pub fn init() {
    let mut layer = json_subscriber::JsonLayer::stdout();
    layer.with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime);
    layer.with_level("level");
    layer.with_target("target");
    layer.with_flattened_event();
    layer.with_top_level_flattened_span_list();
    tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).init();
}

/// An error with all its causes, each said once.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // A wrapper that repeats its cause's message adds nothing.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

/// The one line at the end of a scheduled run. Written here and not as an event, whose fields cannot be objects.
pub fn log_summary(function: &str, request_id: &str, summary: &impl Serialize, now: Timestamp) {
    #[derive(Serialize)]
    struct Line<'a, S> {
        timestamp: String,
        level: &'a str,
        function: &'a str,
        request_id: &'a str,
        message: &'a str,
        #[serde(flatten)]
        summary: &'a S,
    }
    let timestamp = now.rfc3339();
    let line = Line { timestamp, level: "INFO", function, request_id, message: "the run has ended", summary };
    let text = serde_json::to_string(&line).expect("numbers and names are JSON");
    // A log that cannot be written is no reason to fail a run that has stored its pairs.
    writeln!(std::io::stdout().lock(), "{text}").unwrap_or_default();
}
