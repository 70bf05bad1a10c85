//! The result of a run, and where another one continues.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::protocol::refresh::Failure;

use crate::walk::{Place, Walk};
use crate::{Done, Event, Task};

/// What was done to rows: `scanned = changed + skipped + all of failed`.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    scanned: usize,
    changed: usize,
    skipped: usize,
    pub failed: BTreeMap<&'static str, usize>,
}

/// The result of a segment in a run.
pub(crate) struct Part {
    pub tally: Tally,
    /// Where another run continues; `None` if the segment is finished.
    pub open: Option<Place>,
    /// The class of the failure that has stopped the walk itself.
    pub stopped_by: Option<&'static str>,
}

/// `scanned = changed (or would_change) + skipped + all of failed`. If the walk itself was stopped by a failure,
/// `failed` counts one more.
#[derive(Debug, Serialize)]
pub struct Report {
    pub task: Task,
    pub dry_run: bool,
    /// Rows of connections and tombstones.
    pub scanned: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<usize>,
    /// Set by a dry run only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_change: Option<usize>,
    /// Rows that needed no change, or no longer needed one.
    pub skipped: usize,
    /// By [`shared::failure::FailureClass`]. A row that failed has not changed.
    pub failed: BTreeMap<&'static str, usize>,
    /// Whether the walk has reached the table's end.
    pub finished: bool,
    /// Where to continue if it has not; null is the table's beginning.
    pub cursor: Option<Walk>,
}

impl Tally {
    pub(crate) fn count(&mut self, done: Result<Done, Failure>) {
        self.scanned += 1;
        match done {
            Ok(Done::Changed) => self.changed += 1,
            Ok(Done::Skipped) => self.skipped += 1,
            Err(failure) => *self.failed.entry(failure.class().as_str()).or_default() += 1,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.scanned += other.scanned;
        self.changed += other.changed;
        self.skipped += other.skipped;
        for (class, rows) in other.failed {
            *self.failed.entry(class).or_default() += rows;
        }
    }
}

impl Report {
    pub(crate) fn of(event: &Event, tally: Tally, left: Option<Walk>) -> Self {
        let Tally { scanned, changed, skipped, failed } = tally;
        Self {
            task: event.task,
            dry_run: event.dry_run,
            scanned,
            changed: (!event.dry_run).then_some(changed),
            would_change: event.dry_run.then_some(changed),
            skipped,
            failed,
            finished: left.is_none(),
            cursor: left.filter(|left| *left != Walk::whole()),
        }
    }
}
