//! What an operator runs by hand: seal every pair anew after the sealing key was changed, and remove rows that have
//! been of no use for long. It has no schedule and no route. No other function may delete rows.
//!
//! 1. the table is walked page by page, in its own order, a few rows at a time
//! 2. each row is read, and changed on the condition that it is still as it was read ([`Maintenance::reseal`],
//!    [`Maintenance::reap`]); a dry run leaves the change out
//! 3. near the deadline it stops between two rows, and returns the cursor from which another run continues
//!
//! A run that died has lost nothing: another one without a cursor finds what is left, since finished rows are skipped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, future, stream};
use serde::Serialize;
use shared::config::Environment;
use shared::domain::connection::Row;
use shared::domain::connection::refresh::PutOffBy;
use shared::domain::time::Timestamp;
use shared::ports::{
    Clock, DeleteConnections, Entropy, MakeDataKeys, StoreError, TraceDataKeys, WalkConnections, WriteConnections,
};
use shared::protocol::quarantine::Quarantine;
use shared::protocol::refresh::Failure;
use tracing::Instrument;

mod event;
mod reap;
mod reseal;
pub use event::{Event, InvalidEvent, Task};

/// Rows at a time. At most one page of them is in memory.
const CONCURRENCY: usize = 8;

/// A row takes four calls, of up to 8 s each (`shared::aws::timeouts`). One that holds a replaced pair, or changes
/// meanwhile, may take longer: a run that is ended in the middle of it has lost nothing.
const ROW_BUDGET: Duration = Duration::from_secs(35);

pub struct Settings {
    pub connections_table: String,
    /// The key that pairs are to be sealed under, by its ARN.
    pub kms_key_id: String,
    pub stack: String,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        let kms_key_id = env.required("KMS_KEY_ID");
        // KMS answers a key's ARN, even if it was asked by an alias. An alias would be equal to none, and each run
        // would seal everything again.
        let is_a_keys_arn = kms_key_id.starts_with("arn:") && kms_key_id.contains(":key/");
        if !is_a_keys_arn && !kms_key_id.is_empty() {
            env.problem("KMS_KEY_ID", "must be the ARN of a key, not of an alias");
        }
        Self { connections_table: env.required("CONNECTIONS_TABLE"), kms_key_id, stack: env.stack() }
    }
}

pub struct Maintenance {
    pub settings: Settings,
    pub rows: Arc<dyn WalkConnections>,
    pub connection_writes: Arc<dyn WriteConnections>,
    pub quarantine: Quarantine,
    pub deletes: Arc<dyn DeleteConnections>,
    pub keys: Arc<dyn TraceDataKeys>,
    pub new_keys: Arc<dyn MakeDataKeys>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// What a run has done: `scanned = changed (or would_change) + skipped + all of failed`.
#[derive(Debug, Serialize)]
pub struct Report {
    pub task: Task,
    pub dry_run: bool,
    /// Rows of connections and tombstones.
    pub scanned: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<usize>,
    /// A dry run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_change: Option<usize>,
    /// Nothing was to be done to them, or not any more.
    pub skipped: usize,
    /// By [`shared::failure::FailureClass`]. A row that failed has not changed.
    pub failed: BTreeMap<&'static str, usize>,
    /// Whether the walk has reached the table's end.
    pub finished: bool,
    /// Where to continue if it has not; null is the table's beginning.
    pub cursor: Option<String>,
}

/// The result for a row.
enum Done {
    Changed,
    Skipped,
}

impl Maintenance {
    pub async fn run(&self, event: &Event, deadline: Timestamp) -> Report {
        let mut report = Report::of(event);
        let has_time = || self.clock.now() + ROW_BUDGET <= deadline;
        while has_time() {
            let page = match self.rows.page(report.cursor.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    report.fail(&error.into());
                    break;
                }
            };
            let rows = page.rows.len();
            let done: Vec<_> = stream::iter(page.rows)
                .take_while(|_| future::ready(has_time()))
                .map(|row| self.visit(event, row))
                .buffered(CONCURRENCY)
                .collect()
                .await;
            let all = done.len() == rows;
            for (key, done) in done {
                report.count(done);
                report.cursor = Some(key);
            }
            if all {
                report.finished = page.next.is_none();
                report.cursor = page.next;
            }
            if !all || report.finished {
                break;
            }
        }
        report
    }

    async fn visit(&self, event: &Event, row: Row) -> (String, Result<Done, Failure>) {
        let key = row.id().to_owned();
        let span = tracing::info_span!("connection", connection = key);
        let done = async {
            let done = self.one(event, row).await?;
            match done {
                Done::Changed if event.dry_run => tracing::info!(task = ?event.task, "the row would be changed"),
                Done::Changed => tracing::info!(task = ?event.task, "the row was changed"),
                Done::Skipped => {}
            }
            Ok(done)
        };
        let done: Result<Done, Failure> = done.instrument(span.clone()).await;
        if let Err(failure) = &done {
            span.in_scope(|| failure.log());
        }
        (key, done)
    }

    async fn one(&self, event: &Event, row: Row) -> Result<Done, Failure> {
        if let Row::Unreadable(unreadable) = row {
            if !event.dry_run {
                self.quarantine.put_off(&unreadable, PutOffBy::Caller).await;
            }
            return Err(StoreError::from(unreadable).into());
        }
        match event.task {
            Task::Reseal => self.reseal(row, event.dry_run).await,
            Task::Reap => self.reap(&row, event).await,
        }
    }
}

impl Report {
    fn of(event: &Event) -> Self {
        Self {
            task: event.task,
            dry_run: event.dry_run,
            scanned: 0,
            changed: (!event.dry_run).then_some(0),
            would_change: event.dry_run.then_some(0),
            skipped: 0,
            failed: BTreeMap::new(),
            finished: false,
            cursor: event.cursor.clone(),
        }
    }

    fn count(&mut self, done: Result<Done, Failure>) {
        self.scanned += 1;
        match done {
            Ok(Done::Changed) => {
                for count in [&mut self.changed, &mut self.would_change].into_iter().flatten() {
                    *count += 1;
                }
            }
            Ok(Done::Skipped) => self.skipped += 1,
            Err(failure) => *self.failed.entry(failure.class().as_str()).or_default() += 1,
        }
    }

    /// A failure of the walk itself.
    fn fail(&mut self, failure: &Failure) {
        failure.log();
        *self.failed.entry(failure.class().as_str()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_must_be_named_as_kms_names_it() {
        let problem = |key: &'static str| {
            let lookup = |name: &str| Some(if name == "KMS_KEY_ID" { key } else { "x" }.to_owned());
            Environment::read(&lookup, Settings::read).err().map(|error| error.to_string())
        };
        assert_eq!(problem("arn:aws:kms:eu-west-1:111122223333:key/1b2c"), None);
        for other in ["1b2c", "alias/sealing", "arn:aws:kms:eu-west-1:111122223333:alias/sealing"] {
            assert!(problem(other).unwrap().contains("KMS_KEY_ID must be the ARN of a key"), "{other}");
        }
        assert!(problem("").unwrap().contains("KMS_KEY_ID is required"));
    }
}
