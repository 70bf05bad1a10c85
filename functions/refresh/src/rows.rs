//! What a run finds in the shards of the `due` index, and the shards that it hands on to other runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use shared::domain::schedule::VACANT_SHARD;
use shared::domain::time::Timestamp;
use shared::ports::{Clock, Due, DueCursor, ListDue, StartRun, StoreError};
use shared::protocol::fleet::Fleet;

/// Time that a run must have left to ask for another page of rows, and still write its summary.
const PAGE_BUDGET: Duration = Duration::from_secs(10);

/// A run that works for this long hands on the shards that it has not begun. The run of a small fleet never does.
const HANDS_ON_AFTER: Duration = Duration::from_secs(20);

/// With less time left, a started run could not begin any refresh.
const LEAST_TIME: Duration = Duration::from_secs(60);

/// What the sweep finds.
pub(crate) enum SweepItem {
    /// A row, and whether it has a live pair.
    Due(Due, bool),
    /// The first row of a shard that is not due yet.
    Later(Option<Timestamp>),
    /// A shard that could not be listed to its end.
    Unlisted(StoreError),
    /// A shard that could not be listed to its end before the run must end.
    NoTime,
    /// The number of shards that were handed on to other runs.
    HandedOn(usize),
}

/// The runs that a scheduled run may start.
#[derive(Clone)]
pub struct OtherRuns {
    pub starts: Arc<dyn StartRun>,
    pub most: usize,
}

/// The shards of one run, and where they are listed.
pub(crate) struct Shards<'a> {
    due: &'a dyn ListDue,
    fleet: &'a Fleet,
    clock: &'a dyn Clock,
    not_begun: Mutex<Vec<u8>>,
    /// Kept until they are started, if this run may start others.
    others: Mutex<Option<OtherRuns>>,
    is_helped_by_others: &'a (dyn Fn() -> bool + Sync),
    began: Timestamp,
    deadline: Timestamp,
}

impl<'a> Shards<'a> {
    pub(crate) fn new(
        (due, fleet, clock): (&'a dyn ListDue, &'a Fleet, &'a dyn Clock),
        shards: Vec<u8>,
        others: Option<OtherRuns>,
        is_helped_by_others: &'a (dyn Fn() -> bool + Sync),
        deadline: Timestamp,
    ) -> Self {
        let (not_begun, others) = (Mutex::new(shards), Mutex::new(others));
        Self { due, fleet, clock, not_begun, others, is_helped_by_others, began: clock.now(), deadline }
    }

    /// Every due row of the shards, one shard after the other. After the due rows of a shard comes its first row that
    /// is not due yet. No shard is begun while this run waits for a page: so shards that cannot be handed on are not
    /// missed.
    pub(crate) fn rows(&self) -> impl Stream<Item = SweepItem> {
        let next = |()| async { self.not_begun().pop().map(|shard| (shard, ())) };
        stream::unfold((), next).flat_map(move |shard| {
            let pages = stream::unfold(Some(None), move |after| async move { self.page(shard, after?).await });
            pages.flat_map(stream::iter).boxed()
        })
    }

    /// A page, and where the next one begins if it may have due rows.
    async fn page(&self, shard: u8, after: Option<DueCursor>) -> Option<(Vec<SweepItem>, Option<Option<DueCursor>>)> {
        let mut found = Vec::from_iter(self.hand_on().await.map(SweepItem::HandedOn));
        if self.clock.now() + PAGE_BUDGET > self.deadline {
            found.push(SweepItem::NoTime);
            return Some((found, None));
        }
        let page = match self.due.list(shard, after).await {
            Ok(page) => page,
            Err(error) => {
                found.push(SweepItem::Unlisted(error));
                return Some((found, None));
            }
        };
        let is_live = shard != VACANT_SHARD;
        // In this shard, no row has an access token that callers need.
        let expires_at = |row: &Due| row.expires_at.filter(|_| is_live);
        let mut next = page.next.map(Some);
        for row in page.rows {
            let expires_at = expires_at(&row);
            if row.refresh_at > self.began {
                found.push(SweepItem::Later(expires_at));
                next = None;
                break;
            }
            found.push(SweepItem::Due(Due { expires_at, ..row }, is_live));
        }
        Some((found, next))
    }

    /// Starts other runs, once, if this run has worked for long. Each gets as many of the shards as this run keeps.
    /// Returns the number of shards that were handed on.
    async fn hand_on(&self) -> Option<usize> {
        let now = self.clock.now();
        let has_time = now + LEAST_TIME <= self.deadline;
        let is_late = now >= self.began + HANDS_ON_AFTER;
        if !is_late || !has_time || self.not_begun().is_empty() || !(self.is_helped_by_others)() {
            return None;
        }
        let others = self.others.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let OtherRuns { starts, most } = others?;
        if !self.fleet.may_hand_on(self.deadline).await {
            return None;
        }
        let shards = std::mem::take(&mut *self.not_begun());
        let mut parts = vec![Vec::new(); most + 1];
        for (number, shard) in shards.into_iter().enumerate() {
            parts[number % (most + 1)].push(shard);
        }
        let mut handed_on = 0;
        // This run keeps the last part, which is the smallest: it also has a shard that it has begun.
        let own = parts.pop().unwrap_or_default();
        self.not_begun().extend(own);
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            match starts.start(&part, self.deadline).await {
                Ok(()) => handed_on += part.len(),
                Err(error) => {
                    tracing::warn!(%error, ?part, "shards could not be handed on: this run keeps them");
                    self.not_begun().extend(part);
                }
            }
        }
        tracing::info!(handed_on, "this run has handed shards on to other runs");
        Some(handed_on)
    }

    fn not_begun(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.not_begun.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
