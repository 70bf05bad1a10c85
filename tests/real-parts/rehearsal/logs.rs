//! Checks of the log lines of all functions.

use std::collections::BTreeSet;

use shared::metrics::METRICS;

use crate::runtime_api::Function;

pub(super) fn each_line_has_its_members_and_no_secret(functions: &[&Function], secrets: &[String]) {
    for function in functions {
        for line in function.log() {
            assert_eq!(line["function"], function.name(), "{line}");
            assert!(line["request_id"].as_str().is_some_and(|id| id.starts_with('r')), "{line}");
            let texts = ["level", "message", "timestamp", "stack"].map(|member| line[member].is_string());
            assert_eq!(texts, [true; 4], "{line}");
            for secret in secrets {
                assert!(!line.to_string().contains(secret), "{secret} in {line}");
            }
        }
    }
    let callback = functions.iter().find(|function| function.name() == "callback").unwrap().log();
    assert!(callback.iter().any(|line| line["connection"] == "tenant" && line["attempt"].is_string()));
}

/// The alarms watch what the code writes: `template.rs` compares the alarms with the same list.
pub(super) fn every_metric_has_been_written(functions: &[&Function]) {
    let mut written = BTreeSet::new();
    for line in functions.iter().flat_map(|function| function.log()) {
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            assert!(line["_aws"]["Timestamp"].is_number(), "{line}");
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(line[name].is_number(), "{name} in {line}");
                for dimension in
                    directive["Dimensions"].as_array().unwrap().iter().flat_map(|it| it.as_array().unwrap())
                {
                    assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension} in {line}");
                }
                written.insert(name.to_owned());
            }
        }
    }
    let all: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(written, all);
}
