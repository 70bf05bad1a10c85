//! An operator's request: `{"task": "reseal"}`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::walk::Walk;

/// Rows that ended more recently are never deleted. A pair may wait in escrow for 14 days, and a tombstone must refuse
/// earlier journeys until their links have expired.
const DAYS_AT_LEAST: u16 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Puts every pair under the sealing key of new connections.
    Reseal,
    /// Deletes rows that have been of no use for long.
    Reap,
}

/// An unknown member, for example `"dryrun": false`, makes the whole event invalid.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub task: Task,
    /// Whether to read only, and change nothing.
    #[serde(default = "is_dry_run")]
    pub dry_run: bool,
    /// The cursor of an answer that was not finished.
    pub cursor: Option<Walk>,
    /// For [`Task::Reap`]: how many days a row must have been of no use.
    #[serde(default = "three_months")]
    pub days: u16,
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    #[error("the event is not valid: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("`days` is at least {DAYS_AT_LEAST}")]
    Days,
}

fn is_dry_run() -> bool {
    true
}

fn three_months() -> u16 {
    90
}

impl Event {
    pub fn parse(event: &Value) -> Result<Self, InvalidEvent> {
        let parsed = Self::deserialize(event)?;
        if parsed.days < DAYS_AT_LEAST {
            return Err(InvalidEvent::Days);
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_dry_run_is_the_default() {
        let event = Event::parse(&json!({"task": "reap"})).unwrap();
        assert_eq!((event.task, event.dry_run, event.cursor, event.days), (Task::Reap, true, None, 90));
        let event = Event::parse(&json!({"task": "reseal", "dry_run": false, "cursor": "c_1", "days": 30})).unwrap();
        assert_eq!((event.task, event.dry_run, event.cursor.is_some()), (Task::Reseal, false, true));
        assert!(Event::parse(&json!({"task": "reap", "cursor": null})).is_ok(), "as it was answered");
    }

    #[test]
    fn an_invalid_event_is_refused_with_its_reason() {
        for (wrong, says) in [
            (json!({}), "missing field `task`"),
            (json!({"task": "vacuum"}), "expected `reseal` or `reap`"),
            (json!({"task": "reap", "dryrun": false}), "unknown field `dryrun`"),
            (json!({"task": "reap", "dry_run": "no"}), "expected a boolean"),
            (json!({"task": "reap", "days": 29}), "at least 30"),
            (json!({"task": "reap", "days": -1}), "expected u16"),
            (json!({"task": "reap", "cursor": ""}), "`cursor`"),
            (json!("reap"), "expected struct"),
        ] {
            let error = Event::parse(&wrong).unwrap_err().to_string();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
