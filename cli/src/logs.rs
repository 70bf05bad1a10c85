//! `logs`: the failures of the last hours, one line for each kind of failure, with what to do.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::arguments::Logs;
use crate::clock::now;
use crate::deployment::{Deployment, Kind, refused};
use crate::failure::Failure;
use crate::output::Output;
use crate::remedies::remedy;
use crate::table::{Table, from_now, moment};

/// The lines that the alarms count.
const FAILURES: &str =
    "{ ($.failures = 1) || ($.reauthorizations_needed = 1) || ($.grants_not_revoked = 1) || ($.marking_frozen = 1) }";

/// The lines that Lambda writes about a function that could not end.
const CRASHES: &str = "?\"Task timed out\" ?\"Runtime exited\" ?\"Runtime.ExitError\"";

/// More lines would repeat the same failures, and CloudWatch answers slowly.
const MOST: usize = 10_000;

/// All lines of one kind.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Group {
    kind: String,
    count: usize,
    last_at: String,
    functions: BTreeSet<String>,
    connections: BTreeSet<String>,
    /// Of the last line.
    error: Option<String>,
    request_id: Option<String>,
    remedy: &'static str,
}

pub(crate) async fn logs(deployment: &Deployment, output: &Output, asked: Logs) -> Result<(), Failure> {
    let stack = match &deployment.kind {
        Kind::Stack(stack) => stack,
        Kind::Laptop(_) => {
            let says = "the log of `cargo dev` is on its terminal and is not kept, so it cannot be searched; \
                        `wgc list --status degraded` and `wgc list --status reauth_required` show what fails now";
            return Err(Failure::Usage(says.to_owned()));
        }
        Kind::Address => return Err(Deployment::address_is_not_enough("the log")),
    };
    let now = now();
    let client = Client::new(&stack.config);
    let mut lines = Vec::new();
    for (function, group) in stack.log_groups().await? {
        for pattern in [FAILURES, CRASHES] {
            let found = search(&client, &group, pattern, now - asked.since).await?;
            lines.extend(found.into_iter().map(|line| (function.clone(), line)));
        }
    }
    if lines.len() >= MOST {
        output.note(&format!("There are more than {MOST} lines: use a shorter --since."));
    }
    let groups = grouped(lines, asked.connection.as_deref());
    if groups.is_empty() {
        output.note("Nothing has failed.");
    }
    if output.json {
        output.line(&groups);
    } else if !groups.is_empty() {
        output.text(&table(&groups, now).to_string());
    }
    Ok(())
}

/// The matching lines of a log group, from a moment on.
pub(crate) async fn search(
    client: &Client,
    group: &str,
    pattern: &str,
    from: OffsetDateTime,
) -> Result<Vec<FilteredLogEvent>, Failure> {
    let request = client.filter_log_events().log_group_name(group).filter_pattern(pattern);
    let mut pages = request.start_time(from.unix_timestamp() * 1000).into_paginator().send();
    let mut lines = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| refused("the log cannot be read", error))?;
        lines.extend(page.events.unwrap_or_default());
        if lines.len() >= MOST {
            break;
        }
    }
    Ok(lines)
}

/// When a line was written.
pub(crate) fn written_at(line: &FilteredLogEvent) -> OffsetDateTime {
    let seconds = line.timestamp().unwrap_or_default() / 1000;
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The kinds, most frequent first.
fn grouped(mut lines: Vec<(String, FilteredLogEvent)>, connection: Option<&str>) -> Vec<Group> {
    lines.sort_by_key(|(_, line)| line.timestamp());
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (function, line) in lines {
        // Lines of Lambda itself are not JSON.
        let members: Value = serde_json::from_str(line.message().unwrap_or_default()).unwrap_or_default();
        let text = |name: &str| members[name].as_str().map(str::to_owned);
        let about = text("connection");
        if connection.is_some() && about.as_deref() != connection {
            continue;
        }
        let kind = kind(&members);
        let group = groups.entry(kind.clone()).or_default();
        (group.remedy, group.kind) = (remedy(&kind), kind);
        group.count += 1;
        group.last_at = moment(written_at(&line));
        group.functions.insert(function);
        group.connections.extend(about);
        (group.error, group.request_id) = (text("error").or_else(|| text("message")), text("request_id"));
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn kind(members: &Value) -> String {
    let has = |metric: &str| members[metric] == 1;
    let named = if has("reauthorizations_needed") {
        "reauth_required"
    } else if has("grants_not_revoked") {
        "grant_not_revoked"
    } else if has("marking_frozen") {
        "marking_frozen"
    } else {
        members["class"].as_str().unwrap_or("crashed")
    };
    named.to_owned()
}

fn table(groups: &[Group], now: OffsetDateTime) -> Table {
    let mut table = Table::new(&["failure", "times", "last", "connections", "error", "what to do"]);
    for group in groups {
        let mut connections: Vec<&str> = group.connections.iter().map(String::as_str).take(3).collect();
        let others = group.connections.len().saturating_sub(3);
        let more = format!("and {others} more");
        connections.extend((others > 0).then_some(more.as_str()));
        let last_at = OffsetDateTime::parse(&group.last_at, &time::format_description::well_known::Rfc3339);
        table.row([
            group.kind.clone(),
            group.count.to_string(),
            last_at.map(|at| from_now(at, now)).unwrap_or_default(),
            connections.join(", "),
            group.error.clone().unwrap_or_default(),
            group.remedy.to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(at: i64, message: &str) -> (String, FilteredLogEvent) {
        ("refresh".to_owned(), FilteredLogEvent::builder().timestamp(at * 1000).message(message).build())
    }

    #[test]
    fn a_process_that_stood_still_got_the_remedy_for_many_refusals_at_once() {
        let lines = vec![
            line(10, &json!({ "failures": 1, "class": "frozen", "connection": "a" }).to_string()),
            line(20, &json!({ "marking_frozen": 1 }).to_string()),
        ];
        let mut remedies: Vec<_> = grouped(lines, None).into_iter().map(|group| (group.kind, group.remedy)).collect();
        remedies.sort();
        assert_eq!(remedies.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["frozen", "marking_frozen"]);
        assert!(remedies[0].1.contains("stood still") && remedies[1].1.contains("many refresh tokens"), "{remedies:?}");
    }

    #[test]
    fn failures_of_one_kind_are_grouped_and_counted() {
        let failed = |connection: &str| {
            json!({ "failures": 1, "class": "unreachable", "error": "no route", "connection": connection }).to_string()
        };
        let lines = vec![
            line(20, &failed("b")),
            line(10, &failed("a")),
            line(30, &json!({ "reauthorizations_needed": 1, "class": "invalid_grant", "connection": "a" }).to_string()),
            line(40, "2026-11-24T16:00:00Z 4f1c Task timed out after 60.00 seconds"),
        ];
        let groups = grouped(lines.clone(), None);
        let kinds: Vec<_> =
            groups.iter().map(|group| (group.kind.as_str(), group.count, group.last_at.as_str())).collect();
        assert_eq!(
            kinds,
            [
                ("unreachable", 2, "1970-01-01T00:00:20Z"),
                ("crashed", 1, "1970-01-01T00:00:40Z"),
                ("reauth_required", 1, "1970-01-01T00:00:30Z"),
            ]
        );
        assert_eq!(groups[0].connections.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(groups[0].error.as_deref(), Some("no route"));
        let of_a = grouped(lines, Some("a"));
        assert_eq!(of_a.iter().map(|group| group.count).sum::<usize>(), 2, "{of_a:?}");
    }
}
