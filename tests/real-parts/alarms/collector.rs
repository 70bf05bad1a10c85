//! The data points that CloudWatch Logs makes from the log: one from each line with a metric's member.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Once;

use shared::metrics::METRICS;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

thread_local! {
    static LINES: RefCell<Vec<BTreeMap<String, String>>> = const { RefCell::new(Vec::new()) };
}

/// The process has one of these. The lines of each test are on its own thread.
struct Lines;

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if METRICS.iter().any(|metric| event.metadata().fields().field(metric.name).is_some()) {
            let mut line = Members::default();
            event.record(&mut line);
            LINES.with_borrow_mut(|lines| lines.push(line.0));
        }
    }
}

#[derive(Default)]
struct Members(BTreeMap<String, String>);

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::registry().with(Lines).init());
    LINES.take();
}

pub(crate) struct Point {
    pub name: &'static str,
    /// Without `stack`.
    pub dimensions: Vec<(&'static str, String)>,
    pub value: f64,
}

/// The data points since the last call.
pub(crate) fn points() -> Vec<Point> {
    let mut points = Vec::new();
    for line in LINES.take() {
        for metric in METRICS {
            let Some(value) = line.get(metric.name) else { continue };
            for set in metric.dimensions() {
                let beside = set.into_iter().filter(|dimension| *dimension != "stack");
                let dimensions = beside.map(|dimension| (dimension, line[dimension].clone())).collect();
                points.push(Point { name: metric.name, dimensions, value: value.parse().unwrap() });
            }
        }
    }
    points
}
