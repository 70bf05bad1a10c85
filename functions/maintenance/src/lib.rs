//! Tasks that an operator runs by hand: seal every pair under the new key after the sealing key was changed, and delete
//! rows that have been of no use for long. It has no schedule and no route. No other function may delete rows.
//!
//! 1. the table is walked page by page, in several segments at the same time. While one segment reads rows that need no
//!    change, rows of other segments are changed; and the requests are spread over the partitions of the table
//! 2. each row is read, and changed on the condition that it has not changed since ([`Maintenance::reseal`],
//!    [`Maintenance::reap`]); a dry run leaves the change out
//! 3. near the deadline it stops between two rows, and returns the places from which another run continues
//!
//! If a run ends early, nothing is lost: another run without a cursor skips the finished rows, and does the others.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, future, stream};
use shared::config::Environment;
use shared::domain::connection::Row;
use shared::domain::connection::refresh::PutOffBy;
use shared::domain::time::Timestamp;
use shared::ports::{
    Clock, DeleteConnections, Entropy, MakeDataKeys, Segment, StoreError, TraceDataKeys, WalkConnections,
    WriteConnections,
};
use shared::protocol::quarantine::Quarantine;
use shared::protocol::refresh::Failure;
use tokio::sync::Semaphore;
use tracing::Instrument;

mod event;
mod reap;
mod report;
mod reseal;
mod walk;
pub use event::{Event, InvalidEvent, Task};
pub use report::Report;
use report::{Part, Tally};
use walk::Place;
pub use walk::Walk;

/// How many rows are changed at a time, in all segments together. At most one page of each segment is in memory.
const CONCURRENCY: usize = 8;

/// A segment reads a page at most this often. A page of 100 rows of 1 KB, strongly consistent, is 25 read units. So
/// eight segments take 2,000 a second at most, and one partition of the table gives 3,000. The rest is for the token
/// route.
const PAGE_EVERY: Duration = Duration::from_millis(100);

/// A row takes four calls of up to 8 s each (`shared::aws::timeouts`). A row that holds several pairs, or changes
/// meanwhile, may take longer. If Lambda ends the run during a row, nothing is lost.
const ROW_BUDGET: Duration = Duration::from_secs(35);

pub struct Settings {
    pub connections_table: String,
    /// The ARN of the key that pairs are to be sealed under.
    pub kms_key_id: String,
    pub stack: String,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        let kms_key_id = env.required("KMS_KEY_ID");
        // KMS answers with the ARN of the key, even if the request named an alias. The alias never equals this ARN, so
        // each run would seal all pairs again.
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

/// The result for a row.
enum Done {
    Changed,
    Skipped,
}

/// What all segments of a run share.
struct Run<'a> {
    event: &'a Event,
    deadline: Timestamp,
    /// Limits the rows that are changed at a time. Waiting rows are served in their order.
    slots: Semaphore,
}

impl Maintenance {
    pub async fn run(&self, event: &Event, deadline: Timestamp) -> Report {
        let run = Run { event, deadline, slots: Semaphore::new(CONCURRENCY) };
        let walk = event.cursor.clone().unwrap_or_else(Walk::whole);
        let segments = walk.places().map(|(segment, after)| self.segment(&run, segment, after));
        let (mut tally, mut open, mut stopped_by) = (Tally::default(), Vec::new(), None);
        for part in future::join_all(segments).await {
            tally.add(part.tally);
            open.extend(part.open);
            stopped_by = stopped_by.or(part.stopped_by);
        }
        // Logged once, even if it stops many segments.
        if let Some(class) = stopped_by {
            *tally.failed.entry(class).or_default() += 1;
        }
        Report::of(event, tally, walk.at(open))
    }

    fn has_time(&self, run: &Run<'_>) -> bool {
        self.clock.now() + ROW_BUDGET <= run.deadline
    }

    async fn segment(&self, run: &Run<'_>, segment: Segment, mut after: Option<String>) -> Part {
        let mut tally = Tally::default();
        let mut stopped_by = None;
        while self.has_time(run) {
            let page = match self.rows.page(segment, after.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    let failure = Failure::from(error);
                    failure.log();
                    stopped_by = Some(failure.class().as_str());
                    break;
                }
            };
            let visits = stream::iter(page.rows).map(|row| self.visit(run, row)).buffered(CONCURRENCY);
            let pause = async {
                if page.next.is_some() {
                    self.clock.sleep(PAGE_EVERY).await;
                }
            };
            let (visited, ()) = future::join(visits.collect::<Vec<_>>(), pause).await;
            let has_done_all = visited.iter().all(Option::is_some);
            for (key, done) in visited.into_iter().map_while(|visited| visited) {
                tally.count(done);
                after = Some(key);
            }
            if has_done_all {
                let Some(next) = page.next else { return Part { tally, open: None, stopped_by } };
                after = Some(next);
            }
        }
        Part { tally, open: Some(Place { segment: segment.number, after }), stopped_by }
    }

    /// `None` if there is no time left for the row.
    async fn visit(&self, run: &Run<'_>, row: Row) -> Option<(String, Result<Done, Failure>)> {
        let _slot = run.slots.acquire().await;
        if !self.has_time(run) {
            return None;
        }
        let event = run.event;
        let key = row.id().to_owned();
        let span = tracing::info_span!("connection", connection = key);
        let done = async {
            let done = self.do_task(event, row).await?;
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
        Some((key, done))
    }

    async fn do_task(&self, event: &Event, row: Row) -> Result<Done, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_must_be_named_by_its_arn() {
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
