//! `events`: what happens to connections, as it happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use serde_json::{Value, json};

use crate::arguments::Events;
use crate::clock::{now, pause};
use crate::deployment::{Deployment, Kind, Stack};
use crate::failure::Failure;
use crate::laptop::Laptop;
use crate::logs::{search, written_at};
use crate::output::Output;
use crate::table::moment;

/// The line that the events function writes when the bus has accepted an event.
const DELIVERED: &str = "{ $.message = \"delivered\" }";

/// How late CloudWatch may show a line.
const LATE: Duration = Duration::from_secs(120);

pub(crate) async fn events(deployment: &Deployment, output: &Output, asked: Events) -> Result<(), Failure> {
    match &deployment.kind {
        Kind::Laptop(laptop) => of_laptop(laptop, output, asked.follow).await,
        Kind::Stack(stack) => of_stack(stack, output, &asked).await,
        Kind::Address => Err(Deployment::address_is_not_enough("the log of events")),
    }
}

async fn of_laptop(laptop: &Laptop, output: &Output, follow: bool) -> Result<(), Failure> {
    let mut shown = BTreeSet::new();
    loop {
        for event in laptop.events().await? {
            if shown.insert(event["id"].to_string()) {
                show(output, &event);
            }
        }
        if !follow {
            return Ok(());
        }
        pause(Duration::from_secs(1)).await;
    }
}

async fn of_stack(stack: &Stack, output: &Output, asked: &Events) -> Result<(), Failure> {
    let groups = stack.log_groups().await?;
    let none = || Failure::NotFound("the stack has no log group of the events function".to_owned());
    let (group, client) = (groups.get("events").ok_or_else(none)?, Client::new(&stack.config));
    // Keyed by the id of the line: one event may be delivered twice, and both deliveries are shown.
    let mut shown = BTreeMap::new();
    let mut from = now() - asked.since;
    loop {
        let mut lines = search(&client, group, DELIVERED, from).await?;
        lines.sort_by_key(FilteredLogEvent::timestamp);
        for line in lines {
            let at = written_at(&line);
            if shown.insert(line.event_id().map(str::to_owned), at).is_none()
                && let Some(event) = delivered(&line)
            {
                show(output, &event);
            }
        }
        if !asked.follow {
            return Ok(());
        }
        from = now() - LATE;
        shown.retain(|_, at| *at >= from - LATE);
        pause(Duration::from_secs(2)).await;
    }
}

/// The log has the event's id, which is made of its parts: `acme/17/connection.degraded`.
fn delivered(line: &FilteredLogEvent) -> Option<Value> {
    let members: Value = serde_json::from_str(line.message()?).ok()?;
    let id = members["event"].as_str()?;
    let (connection, rest) = id.split_once('/')?;
    let (version, kind) = rest.split_once('/')?;
    let version: u64 = version.parse().ok()?;
    Some(json!({
        "id": id, "type": kind, "connection_id": connection, "version": version, "published_at": moment(written_at(line)),
    }))
}

fn show(output: &Output, event: &Value) {
    if output.json {
        return output.line(event);
    }
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let at = event["occurred_at"].as_str().unwrap_or_else(|| text("published_at"));
    let line =
        format!("{at}  {}  {}  version {}  {}", text("type"), text("connection_id"), event["version"], text("reason"));
    output.text(line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_from_its_line_in_the_log() {
        let line = |message: &str| FilteredLogEvent::builder().timestamp(1_000).message(message).build();
        let event = delivered(&line(r#"{"message":"delivered","event":"tenant:42/17/connection.degraded"}"#)).unwrap();
        assert_eq!(
            event,
            json!({
                "id": "tenant:42/17/connection.degraded", "type": "connection.degraded", "connection_id": "tenant:42",
                "version": 17, "published_at": "1970-01-01T00:00:01Z",
            })
        );
        assert_eq!(delivered(&line("START RequestId: 4f1c")), None);
    }
}
