//! What the alarms watch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::failure::FailureClass;
use shared::metrics::{METRICS, NAMESPACE};

use crate::stack::{FUNCTIONS, Stack, logical_id};

/// What AWS documents: namespace, metric, and the dimensions that it reports by.
const OF_AWS: [(&str, &str, &[&str]); 8] = [
    ("AWS/ApiGateway", "5xx", &["ApiId"]),
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "IteratorAge", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &["FunctionName"]),
    ("AWS/Lambda", "Invocations", &["FunctionName"]),
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", &["QueueName"]),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", &["QueueName"]),
    ("AWS/SQS", "NumberOfMessagesSent", &["QueueName"]),
];

#[tokio::test]
async fn every_alarm_watches_a_metric_that_reports_under_its_dimensions() {
    let stack = Stack::with(&[]).await;
    let name_of = |value: &Value| value.as_str().unwrap().to_owned();
    let mut watched = BTreeSet::new();
    for (id, alarm) in stack.of_type("AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        assert_eq!(alarm["AlarmActions"], json!([stack.resource("AlarmTopic")["physical_id"]]), "{id}");
        let metrics: Vec<&Value> = match alarm["Metrics"].as_array() {
            Some(several) => several.iter().filter_map(|one| one["MetricStat"].get("Metric")).collect(),
            None => vec![alarm],
        };
        assert!(!metrics.is_empty(), "{id}");
        for metric in metrics {
            let (namespace, name) = (name_of(&metric["Namespace"]), name_of(&metric["MetricName"]));
            let dimensions: BTreeMap<String, String> = metric["Dimensions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| (name_of(&one["Name"]), name_of(&one["Value"])))
                .collect();
            let names: BTreeSet<&str> = dimensions.keys().map(String::as_str).collect();
            let reports = if namespace == NAMESPACE {
                let ours = METRICS.iter().find(|metric| metric.name == name);
                let sets = ours.unwrap_or_else(|| panic!("{id}: the code writes no {name}")).dimensions();
                sets.into_iter().any(|set| names == set.into_iter().collect())
            } else {
                let same = |(space, metric, set): &(&str, &str, &[&str])| {
                    *space == namespace && *metric == name && names == set.iter().copied().collect()
                };
                OF_AWS.iter().any(same)
            };
            assert!(reports, "{id}: {namespace} {name} does not report by {names:?}");
            for (dimension, value) in dimensions {
                let is_there = match dimension.as_str() {
                    "stack" => stack.environment("refresh")["STACK"] == value,
                    "cause" => FailureClass::ALL.iter().any(|class| class.cause() == value),
                    "ApiId" => stack.resource("Api")["physical_id"] == value.as_str(),
                    "FunctionName" => {
                        FUNCTIONS.iter().any(|it| stack.resource(&logical_id(it))["physical_id"] == value.as_str())
                    }
                    "QueueName" => {
                        ["DeadLetters", "Escrow"].iter().any(|it| stack.arn(it).ends_with(&format!(":{value}")))
                    }
                    other => panic!("{id}: an unknown dimension: {other}"),
                };
                assert!(is_there, "{id}: nothing reports as {dimension} {value}");
            }
            watched.insert(name);
        }
    }
    for name in [
        "least_remaining_seconds",
        "unfinished_runs",
        "reauthorizations_needed",
        "ambiguous_rotations",
        "failures",
        "5xx",
        "Throttles",
    ] {
        assert!(watched.contains(name), "no alarm watches {name}");
    }
    // Each cause but the customer's own acts has its alarm.
    let causes: BTreeSet<&str> = FailureClass::ALL.iter().map(|class| class.cause()).collect();
    for cause in causes.into_iter().filter(|cause| *cause != "customer") {
        let alarms = stack.of_type("AWS::CloudWatch::Alarm");
        let watches = |alarm: &Value| alarm["Properties"]["Dimensions"].to_string().contains(&format!("\"{cause}\""));
        assert!(alarms.iter().any(|(_, alarm)| watches(alarm)), "no alarm watches {cause}");
    }
    let dead_man = stack.properties("NoSweepAlarm");
    assert_eq!((&dead_man["EvaluationPeriods"], &dead_man["TreatMissingData"]), (&json!("3"), &json!("breaching")));
    // A sweep that lists nothing still ends: the dead man's alarm stays silent, and this one rings.
    let unfinished = stack.properties("UnfinishedRunsAlarm");
    assert_eq!((&unfinished["Statistic"], &unfinished["Threshold"]), (&json!("Sum"), &json!(1)));
    assert_eq!((&unfinished["EvaluationPeriods"], &unfinished["DatapointsToAlarm"]), (&json!(2), &json!(2)));
    assert_eq!(unfinished["Period"], dead_man["Period"]);
    let schedule = stack.properties("RefreshFunctionSchedule")["ScheduleExpression"].as_str().unwrap();
    assert_eq!((schedule, &dead_man["Period"]), ("rate(5 minutes)", &json!("300")));
}

#[tokio::test]
async fn each_of_our_metrics_has_an_alarm_or_a_line_on_the_dashboard() {
    let stack = Stack::with(&[]).await;
    let (_, dashboard) = stack.of_type("AWS::CloudWatch::Dashboard")[0];
    let shown = dashboard["Properties"]["DashboardBody"].as_str().unwrap();
    let is_watched = |name: &str| {
        let alarms = stack.of_type("AWS::CloudWatch::Alarm");
        alarms.iter().any(|(_, alarm)| alarm["Properties"]["MetricName"] == name)
    };
    for metric in METRICS {
        let is_seen = shown.contains(&format!("\"{}\"", metric.name)) || is_watched(metric.name);
        assert!(is_seen, "neither alarm nor dashboard has {}", metric.name);
    }
}

/// SNS's filter of a message's body, as much of it as the template uses: members and `$or`.
fn passes(filter: &Value, body: &Value) -> bool {
    filter.as_object().unwrap().iter().all(|(member, allowed)| {
        let mut allowed = allowed.as_array().unwrap().iter();
        if member == "$or" { allowed.any(|one| passes(one, body)) } else { allowed.any(|one| *one == body[member]) }
    })
}

#[tokio::test]
async fn a_first_deployment_sends_no_mail_about_alarms_that_are_ok() {
    let stack = Stack::with(&[("AlarmEmail", "ops@example.com")]).await;
    let mail = stack.properties("AlarmSubscription");
    assert_eq!(mail["FilterPolicyScope"], "MessageBody");
    for (from, to, is_sent) in [
        ("INSUFFICIENT_DATA", "OK", false),
        ("OK", "INSUFFICIENT_DATA", false),
        ("INSUFFICIENT_DATA", "ALARM", true),
        ("OK", "ALARM", true),
        ("ALARM", "OK", true),
        ("ALARM", "INSUFFICIENT_DATA", true),
    ] {
        let body = json!({ "AlarmName": "any", "OldStateValue": from, "NewStateValue": to });
        assert_eq!(passes(&mail["FilterPolicy"], &body), is_sent, "{from} to {to}");
    }
}

#[tokio::test]
async fn one_alarm_for_the_pager_is_made_of_those_that_should_wake_a_person() {
    let stack = Stack::with(&[]).await;
    let composite = stack.properties("TokensAtRiskAlarm");
    let pager = json!([stack.resource("PagerTopic")["physical_id"]]);
    assert_eq!((&composite["AlarmActions"], &composite["OKActions"]), (&pager, &pager));
    let rule = composite["AlarmRule"].as_str().unwrap();
    for (alarm, wakes) in
        [("NoSweepAlarm", true), ("EscrowAlarm", true), ("ApiFailuresAlarm", false), ("PairInEscrowAlarm", false)]
    {
        let name = stack.resource(alarm)["physical_id"].as_str().unwrap();
        assert_eq!(rule.contains(&format!("ALARM(\"{name}\")")), wakes, "{alarm}: {rule}");
    }
}

#[tokio::test]
async fn a_namespace_with_a_hyphen_is_quoted_where_the_dashboard_searches() {
    let stack = Stack::with(&[]).await;
    let body: Value = serde_json::from_str(stack.properties("Dashboard")["DashboardBody"].as_str().unwrap()).unwrap();
    let text = body.to_string();
    let searches: Vec<&str> = text.split("SEARCH('").skip(1).map(|rest| rest.split('\'').next().unwrap()).collect();
    assert_eq!(searches.len(), 2);
    for search in searches {
        assert!(search.starts_with(&format!("{{\\\"{NAMESPACE}\\\",stack,")), "{search}");
    }
}
