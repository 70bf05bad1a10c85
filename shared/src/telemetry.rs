//! The log: one JSON object a line on standard output. The fields of the surrounding spans are top-level members.

use std::error::Error;
use std::fmt;
use std::io::Write;

use json_subscriber::JsonLayer;
use serde::Serialize;
use serde_json::{Value, json};
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::metrics;
use crate::ports::Clock;
use crate::system::SystemClock;

/// Starts the log of a Lambda function. It does not use `EnvFilter`, which compiles regular expressions at every start.
pub fn init(stack: &str) {
    tracing_subscriber::registry().with(LevelFilter::INFO).with(layer(stack)).init();
}

/// The layer that writes the lines.
pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(stack: &str) -> JsonLayer<S> {
    let mut layer = JsonLayer::stdout();
    layer.with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime);
    layer.with_level("level");
    layer.with_target("target");
    layer.with_flattened_event();
    layer.with_top_level_flattened_span_list();
    layer.add_static_field("stack", stack.into());
    layer.add_dynamic_field("_aws", |event, _| {
        metrics::directive(|name| event.metadata().fields().field(name).is_some(), SystemClock.now())
    });
    layer
}

/// Displays an error with all its causes, each once.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors repeat the message of their cause.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

/// The line at the end of a scheduled run. It is not a tracing event: the fields of an event cannot be objects.
pub fn log_summary(stack: &str, function: &str, request_id: &str, summary: &impl Serialize) {
    let now = SystemClock.now();
    let mut line = json!({
        "timestamp": now.rfc3339(),
        "level": "INFO",
        "stack": stack,
        "function": function,
        "request_id": request_id,
        "message": "the run has ended",
    });
    let summary = serde_json::to_value(summary).expect("numbers and names are JSON");
    // A member that is null is no metric.
    if let Some(directive) = metrics::directive(|name| summary[name].is_number(), now) {
        line["_aws"] = directive;
    }
    if let (Value::Object(line), Value::Object(summary)) = (&mut line, summary) {
        line.extend(summary);
    }
    // A log that cannot be written must not fail a run that has stored its pairs.
    writeln!(std::io::stdout().lock(), "{line}").unwrap_or_default();
}
