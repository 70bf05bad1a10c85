//! What CloudWatch counts: a log line with one of these members also has a member `_aws` (embedded metric format), from
//! which CloudWatch Logs makes metrics. This needs no call, no permission and no second line.
//!
//! Why no library writes them: `docs/decisions/0005-metrics-are-log-lines.md`.

use serde_json::{Value, json};

use crate::domain::time::Timestamp;

/// The namespace of all metrics in CloudWatch.
pub const NAMESPACE: &str = "webinargeek-connect";

/// A member of a log line that is a metric. Each name with its dimension values costs money in each hour in which it is
/// reported. So a rare one is written only when it happens, and never as a zero.
pub struct Metric {
    /// The member of the log line, and the name of the metric.
    pub name: &'static str,
    /// The unit as CloudWatch names it.
    pub unit: &'static str,
    /// Dimensions beside `stack`; each of them makes a metric of its own.
    pub by: &'static [&'static str],
}

/// Every metric of the product.
pub const METRICS: &[Metric] = &[
    // Of a run's summary.
    Metric { name: "due", unit: "Count", by: &[] },
    Metric { name: "refreshed", unit: "Count", by: &[] },
    Metric { name: "least_remaining_seconds", unit: "Seconds", by: &[] },
    // Of a run that has not done all its work.
    Metric { name: "unfinished_runs", unit: "Count", by: &[] },
    // Of a journey that returns without a code, by the name of the error.
    Metric { name: "authorization_errors", unit: "Count", by: &["reported"] },
    // Of one connection, from every function that finds the failure.
    Metric { name: "failures", unit: "Count", by: &["class", "cause"] },
    Metric { name: "reauthorizations_needed", unit: "Count", by: &[] },
    Metric { name: "ambiguous_rotations", unit: "Count", by: &[] },
    Metric { name: "pairs_in_escrow", unit: "Count", by: &[] },
    Metric { name: "marking_frozen", unit: "Count", by: &[] },
    Metric { name: "grants_not_revoked", unit: "Count", by: &[] },
];

/// The member `_aws` of a line that `has` some members; `None` where none of them is a metric.
pub fn directive(has: impl Fn(&str) -> bool, now: Timestamp) -> Option<Value> {
    let directives: Vec<Value> = METRICS.iter().filter(|metric| has(metric.name)).map(Metric::directive).collect();
    (!directives.is_empty()).then(|| json!({ "Timestamp": now.unix() * 1000, "CloudWatchMetrics": directives }))
}

impl Metric {
    /// `Dimensions` of the embedded metric format: each inner list makes a metric of its own.
    pub fn dimensions(&self) -> Vec<Vec<&'static str>> {
        if self.by.is_empty() {
            return vec![vec!["stack"]];
        }
        self.by.iter().map(|dimension| vec!["stack", dimension]).collect()
    }

    fn directive(&self) -> Value {
        json!({
            "Namespace": NAMESPACE,
            "Dimensions": self.dimensions(),
            "Metrics": [{ "Name": self.name, "Unit": self.unit }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_of_its_members_are_metrics_and_by_what() {
        let has = |name: &str| ["refreshed", "failures", "message"].contains(&name);
        let directive = directive(has, Timestamp::from_unix(1_795_495_962)).unwrap();
        assert_eq!(directive["Timestamp"], 1_795_495_962_000_i64);
        assert_eq!(
            directive["CloudWatchMetrics"],
            json!([
                {
                    "Namespace": "webinargeek-connect",
                    "Dimensions": [["stack"]],
                    "Metrics": [{ "Name": "refreshed", "Unit": "Count" }],
                },
                {
                    "Namespace": "webinargeek-connect",
                    "Dimensions": [["stack", "class"], ["stack", "cause"]],
                    "Metrics": [{ "Name": "failures", "Unit": "Count" }],
                },
            ])
        );
    }

    #[test]
    fn a_line_without_a_metric_has_no_directive() {
        assert!(directive(|name| name == "message", Timestamp::from_unix(0)).is_none());
    }
}
