//! The scheduled refresh: a sweep over every connection that is due.
//!
//! 1. read the shards of the `due` index in random order, each from its earliest row to the first that is not due yet.
//!    A run that works for long starts other runs, and hands on the shards that it has not begun
//! 2. each due connection is refreshed by [`shared::protocol::refresh`], as in the token route: many at a time, at the
//!    pace of the fleet ([`shared::protocol::pace`]); a row without a live pair has its grants revoked
//!    ([`shared::protocol::revoke`])
//! 3. the run begins no more refreshes if the provider asks to wait, if it does not accept the client, or if the
//!    deadline is near
//! 4. the summary: the run's answer, and its one line in the log
//!
//! A run that does not do all its work reports it: a shard that could not be listed is a failure, and `finished` is
//! false.
//!
//! Pairs in escrow come from their queue, and are stored: [`replay()`].
//!
//! Runs may overlap, and may be repeated: leases and due times make every run idempotent.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::{FutureExt, StreamExt};
use shared::config::Environment;
use shared::domain::fleet::Tally;
use shared::domain::schedule::{RETRY_AFTER_LONGEST, SHARDS, VACANT_SHARD};
use shared::domain::time::Timestamp;
use shared::failure::FailureClass;
use shared::ports::{Clock, Entropy, ListDue, StartRun};
use shared::protocol::composition::Refreshes;
use shared::protocol::fleet::Fleet;
use shared::protocol::pace::MOST_IN_FLIGHT;
use shared::protocol::refresh::{Failure, INVOCATION_BUDGET, Outcome};
use tracing::Instrument;

mod connection;
mod event;
mod replay;
mod rows;
mod summary;

pub use connection::{DueRows, RefreshDue};
pub use event::{Event, InvalidEvent, Message, Run};
pub use replay::{NotReplayed, replay};
pub use rows::OtherRuns;
use rows::{Shards, SweepItem};
pub use summary::Summary;

/// So many refreshes of a scheduled run need no slot of the fleet's rate.
const WITHOUT_SLOT: i64 = 10;

/// How fast the runs of a deployment work.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Token requests a second of all scheduled runs together.
    pub most_requests: i64,
    /// Scheduled runs that work at the same time.
    pub most_runs: usize,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            most_requests: most_requests(env),
            most_runs: env.number("PARALLEL_RUNS", 4, 1..=u64::from(VACANT_SHARD)) as usize,
        }
    }

    /// The runs that one run may start.
    pub fn others(self, starts: Arc<dyn StartRun>) -> Option<OtherRuns> {
        let most = self.most_runs - 1;
        (most > 0).then_some(OtherRuns { starts, most })
    }
}

/// Token requests a second of all scheduled runs together.
pub fn most_requests(env: &mut Environment) -> i64 {
    env.number("PROVIDER_REQUESTS_PER_SECOND", 50, 1..=10_000) as i64
}

pub struct Refresh {
    pub rows: Arc<dyn RefreshDue>,
    pub due: Arc<dyn ListDue>,
    pub fleet: Arc<Fleet>,
    /// Token requests a second of all scheduled runs together.
    pub most_requests: i64,
    pub others: Option<OtherRuns>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

impl Refresh {
    pub fn new(
        refreshes: &Refreshes,
        due: Arc<dyn ListDue>,
        most_requests: i64,
        others: Option<OtherRuns>,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Self {
        let (refreshing, revoking) = (refreshes.refreshing.clone(), refreshes.revoking.clone());
        Self {
            rows: Arc::new(DueRows { refreshing, revoking }),
            due,
            fleet: refreshes.fleet.clone(),
            most_requests,
            others,
            clock,
            entropy,
        }
    }

    /// `deadline`: when Lambda ends the invocation.
    pub async fn run(&self, run: Run, deadline: Timestamp) -> Summary {
        // 1.
        let Run { mut shards, until } = run;
        self.shuffle(&mut shards);
        let is_scheduled = until.is_none();
        let deadline = until.map_or(deadline, |until| until.min(deadline));
        let others = self.others.clone().filter(|_| is_scheduled);
        let pace = self.fleet.pace(self.most_requests, if is_scheduled { WITHOUT_SLOT } else { 0 });
        let run = Mutex::new(summary::Run::begin());
        let locked = || run.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let must_stop = || locked().must_stop(self.clock.now() + INVOCATION_BUDGET > deadline);
        let is_helped_by_others = || !locked().is_stopped() && pace.is_full();
        let services = (&*self.due, &*self.fleet, &*self.clock);
        let found = Shards::new(services, shards, others, &is_helped_by_others, deadline);
        let refreshes = found.rows().map(|item| {
            let (locked, must_stop, pace) = (&locked, &must_stop, &pace);
            async move {
                let (due, is_live) = match item {
                    SweepItem::Due(due, is_live) => (due, is_live),
                    SweepItem::Later(expires_at) => return locked().expires(expires_at),
                    SweepItem::Unlisted(error) => return locked().not_listed(&error),
                    SweepItem::NoTime => return locked().stop(FailureClass::OutOfTime),
                    SweepItem::HandedOn(shards) => return locked().handed_on(shards),
                };
                // 3.
                if locked().is_stopped() {
                    return locked().deferred(&due);
                }
                let Some(turn) = pace.turn(must_stop).await else { return locked().deferred(&due) };
                // 2. A panic in the refresh of one connection must not lose the pairs of others.
                let span = tracing::info_span!("connection", connection = due.key.as_str());
                // Boxed: few of the rows that a sweep reads are due, and the others must not take memory for a refresh.
                let refresh = Box::pin(self.rows.refresh(&due.key, is_live, deadline)).instrument(span.clone());
                let outcome = AssertUnwindSafe(refresh).catch_unwind().await;
                let outcome = outcome.ok();
                match &outcome {
                    Some(Outcome::Failed { failure: Failure::Provider(error), .. }) => turn.failed(error).await,
                    Some(Outcome::Refreshed(..)) => turn.succeeded(),
                    _ => {}
                }
                if is_live || !matches!(outcome, Some(Outcome::Gone)) {
                    span.in_scope(|| locked().count(&due, outcome));
                }
            }
        });
        refreshes.buffer_unordered(MOST_IN_FLIGHT).collect::<()>().await;

        // 4.
        let now = self.clock.now();
        let (summary, pause) = run.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).end(now);
        if summary.refreshed > 0 {
            let refreshed = i64::try_from(summary.refreshed).unwrap_or(i64::MAX);
            self.fleet.count(Tally { refused: 0, refreshed }).await;
        }
        if let Some(pause) = pause {
            self.fleet.pause(now + pause.min(RETRY_AFTER_LONGEST)).await;
        }
        summary
    }

    /// Fisher and Yates. So overlapping runs begin with different shards, and runs that stop early do not always miss
    /// the same ones.
    fn shuffle(&self, shards: &mut [u8]) {
        for last in (1..shards.len()).rev() {
            let [random] = self.entropy.bytes();
            shards.swap(last, usize::from(random) % (last + 1));
        }
    }
}

/// All shards, and the shard of the rows without a live pair.
pub fn all_shards() -> Vec<u8> {
    (0..SHARDS).chain([VACANT_SHARD]).collect()
}
