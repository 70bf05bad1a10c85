//! The scheduled refresh: a sweep over every connection that is due.
//!
//! 1. the shards of the `due` index in random order, each from its earliest row to the first that is not due yet
//! 2. each due connection is refreshed by [`shared::protocol::refresh`], as in the token route: a few at a time, a
//!    little apart; a row without a live pair has its grants revoked ([`shared::protocol::revoke`])
//! 3. a provider that asks to wait, or does not accept the client, ends the refreshing of this run; so does the
//!    approaching deadline
//! 4. the summary: the run's answer, and its one line in the log
//!
//! A run that does not do all its work reports it: what could not be listed is a failure, and `finished` is false.
//!
//! Pairs in escrow come from their queue, and are stored: [`Refresh::replay`].
//!
//! A run may overlap another, or be repeated: leases and due times make every run idempotent.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use serde::Serialize;
use shared::domain::connection::refresh::{PutOffBy, RefreshReason};
use shared::domain::connection_id::ConnectionId;
use shared::domain::fleet::Tally;
use shared::domain::item::Unreadable;
use shared::domain::schedule::{RETRY_AFTER_LONGEST, SHARDS, VACANT_SHARD};
use shared::domain::time::Timestamp;
use shared::failure::FailureClass;
use shared::ports::{Clock, Due, DueCursor, Entropy, ListDue, ProviderError, StoreError};
use shared::protocol::composition::Refreshes;
use shared::protocol::refresh::{Failure, INVOCATION_BUDGET, Outcome, Refreshing};
use shared::protocol::replay::Replaying;
use shared::protocol::revoke::Revoking;
use tracing::Instrument;

mod event;
pub use event::{Event, InvalidEvent, Message, shards};

/// Refreshes in flight. Each holds one request to the provider.
const CONCURRENCY: usize = 10;

/// A random delay up to this long before each refresh, so that ten do not arrive at once.
const SPREAD: Duration = Duration::from_millis(200);

/// Time that a run must have left to ask for another page of rows, and still write its summary.
const PAGE_BUDGET: Duration = Duration::from_secs(10);

/// After so many connections were answered "wait" or "unknown client", the run takes it as meant for all of them.
const ENOUGH: usize = 3;

pub struct Refresh {
    pub refreshing: Arc<Refreshing>,
    pub revoking: Arc<Revoking>,
    pub replaying: Replaying,
    pub due: Arc<dyn ListDue>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// What a run has done. `due` counts connections: `refreshed + adopted + deferred + reauth_required + all of failed`,
/// where `failed` also counts shards that could not be listed to their end, and what has stopped the run if no
/// connection has failed of it. A row that only has grants to revoke is counted if that failed.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub due: usize,
    pub refreshed: usize,
    /// Another worker had refreshed it, or it was taken away.
    pub adopted: usize,
    /// Left for a later run: another worker refreshes it, it backs off, or this run had to stop.
    pub deferred: usize,
    /// By [`FailureClass`].
    pub failed: BTreeMap<&'static str, usize>,
    /// Found to need the customer.
    pub reauth_required: usize,
    /// Seconds until the first access token of the fleet expires; negative if one has. Null if none is active.
    pub least_remaining_seconds: Option<i64>,
    /// Whether every shard was swept to its end, and every due row was tried.
    pub finished: bool,
    /// The same as a metric, for a run that was not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished_runs: Option<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("a defect in this product: the panic's message is logged before this line")]
struct Panicked;

#[derive(Debug, thiserror::Error)]
#[error("the run has stopped before its end")]
struct StoppedEarly;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotReplayed {
    pub batch_item_failures: Vec<ItemIdentifier>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemIdentifier {
    pub item_identifier: String,
}

/// What the sweep finds.
enum SweepItem {
    /// A row, and whether it has a live pair.
    Due(Due, bool),
    /// The first row of a shard that is not due yet.
    Later(Option<Timestamp>),
    /// A shard that could not be listed to its end.
    Unlisted(StoreError),
    /// A shard that could not be listed to its end before the run must end.
    NoTime,
}

/// The state of the run that its refreshes share.
#[derive(Default)]
struct Run {
    summary: Summary,
    earliest_expiry: Option<Timestamp>,
    throttled: usize,
    /// How long the provider has asked three connections or more to wait.
    pause: Option<Duration>,
    unknown_client: usize,
    /// Why nothing more is sent.
    stopped: Option<FailureClass>,
}

impl Refresh {
    pub fn new(refreshes: &Refreshes, due: Arc<dyn ListDue>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            refreshing: refreshes.refreshing.clone(),
            revoking: refreshes.revoking.clone(),
            replaying: refreshes.replaying(),
            due,
            clock,
            entropy,
        }
    }

    pub async fn run(&self, mut shards: Vec<u8>, deadline: Timestamp) -> Summary {
        // 1.
        self.shuffle(&mut shards);
        let run =
            std::sync::Mutex::new(Run { summary: Summary { finished: true, ..Summary::default() }, ..Run::default() });
        let locked = || run.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let sweep = self.rows(shards, self.clock.now(), deadline);
        let refreshes = sweep.map(|item| {
            let locked = &locked;
            async move {
                let (due, is_live) = match item {
                    SweepItem::Due(due, is_live) => (due, is_live),
                    SweepItem::Later(expires_at) => return locked().expires(expires_at),
                    SweepItem::Unlisted(error) => return locked().not_listed(&error),
                    SweepItem::NoTime => return locked().stop(FailureClass::OutOfTime),
                };
                // 3.
                if locked().stopped.is_some() {
                    return locked().deferred(&due);
                }
                self.clock.sleep(self.entropy.jitter(SPREAD)).await;
                if locked().must_stop(self.clock.now() + INVOCATION_BUDGET > deadline) {
                    return locked().deferred(&due);
                }
                // 2. A panic in one connection's refresh must not lose other connections' pairs.
                let span = tracing::info_span!("connection", connection = due.key.as_str());
                // Boxed: of the rows that a sweep reads, few are due, and the others need no memory for a refresh.
                let refresh = Box::pin(self.refresh(&due.key, is_live, deadline)).instrument(span.clone());
                let outcome = AssertUnwindSafe(refresh).catch_unwind().await;
                let outcome = outcome.ok();
                if is_live || !matches!(outcome, Some(Outcome::Gone)) {
                    span.in_scope(|| locked().count(&due, outcome));
                }
            }
        });
        refreshes.buffer_unordered(CONCURRENCY).collect::<()>().await;

        // 4.
        let mut run = run.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let now = self.clock.now();
        if run.summary.refreshed > 0 {
            let refreshed = i64::try_from(run.summary.refreshed).unwrap_or(i64::MAX);
            self.refreshing.fleet.count(Tally { refused: 0, refreshed }).await;
        }
        if let Some(pause) = run.pause {
            self.refreshing.fleet.pause(now + pause.min(RETRY_AFTER_LONGEST)).await;
        }
        run.has_stopped();
        run.summary.unfinished_runs = (!run.summary.finished).then_some(1);
        run.summary.least_remaining_seconds = run.earliest_expiry.map(|expiry| now.seconds_until(expiry));
        run.summary
    }

    /// Stores pairs from escrow. The answer names the messages that must come again (SQS's partial batch response).
    pub async fn replay(&self, messages: Vec<Message>) -> NotReplayed {
        let mut not_replayed = NotReplayed::default();
        for message in messages {
            let done = match message.escrowed {
                // It stays in the queue, whose alarm calls a person (decision 0007).
                Err(error) => {
                    FailureClass::InconsistentRow.log(&error);
                    false
                }
                Ok(escrowed) => {
                    let span = tracing::info_span!("connection", connection = escrowed.id().as_str());
                    match self.replaying.replay(&escrowed).instrument(span.clone()).await {
                        Ok(replayed) => {
                            span.in_scope(|| tracing::info!(?replayed, "a pair has come out of escrow"));
                            true
                        }
                        Err(failure) => {
                            span.in_scope(|| failure.log());
                            false
                        }
                    }
                }
            };
            if !done {
                not_replayed.batch_item_failures.push(ItemIdentifier { item_identifier: message.id });
            }
        }
        not_replayed
    }

    async fn refresh(&self, key: &str, is_live: bool, deadline: Timestamp) -> Outcome {
        let Ok(id) = ConnectionId::parse(key) else {
            let found = vec![("id", Some(key.into()))];
            let unreadable = Unreadable { key: key.to_owned(), attribute: "id", found };
            return self.refreshing.unreadable(unreadable, PutOffBy::Schedule).await.logged();
        };
        if is_live {
            return self.refreshing.refresh(&id, &RefreshReason::Scheduled, deadline).await;
        }
        match self.revoking.drive(&id, deadline).await {
            Ok(()) => Outcome::Gone,
            Err(StoreError::Unreadable(unreadable)) => {
                self.refreshing.unreadable(unreadable, PutOffBy::Schedule).await.logged()
            }
            Err(error) => Outcome::from(error).logged(),
        }
    }

    /// Every due row of the shards, and after each shard's last one the first that is not due yet.
    fn rows(&self, shards: Vec<u8>, now: Timestamp, deadline: Timestamp) -> impl Stream<Item = SweepItem> {
        stream::iter(shards).flat_map(move |shard| {
            let pages = stream::unfold(Some(None), move |after: Option<Option<DueCursor>>| async move {
                let after = after?;
                if self.clock.now() + PAGE_BUDGET > deadline {
                    return Some((vec![SweepItem::NoTime], None));
                }
                let page = match self.due.list(shard, after).await {
                    Ok(page) => page,
                    Err(error) => return Some((vec![SweepItem::Unlisted(error)], None)),
                };
                let is_live = shard != VACANT_SHARD;
                let is_due = move |row: &Due| row.refresh_at <= now;
                // The token of a connection that was given up is missed by no caller.
                let expires_at = move |row: &Due| row.expires_at.filter(|_| is_live);
                let later = page.rows.iter().find(|row| !is_due(row)).map(|row| SweepItem::Later(expires_at(row)));
                let next = if later.is_some() { None } else { page.next.map(Some) };
                let due = page.rows.into_iter().filter(is_due);
                let due = due.map(move |due| SweepItem::Due(Due { expires_at: expires_at(&due), ..due }, is_live));
                Some((due.chain(later).collect::<Vec<_>>(), next))
            });
            pages.flat_map(stream::iter).boxed()
        })
    }

    /// Fisher and Yates: two runs that overlap, or that both stop early, do not begin with the same shards.
    fn shuffle(&self, shards: &mut [u8]) {
        for last in (1..shards.len()).rev() {
            let [random] = self.entropy.bytes();
            shards.swap(last, usize::from(random) % (last + 1));
        }
    }
}

impl Run {
    /// A row without a live pair has no access token that could expire.
    fn expires(&mut self, expires_at: Option<Timestamp>) {
        let earliest = self.earliest_expiry.into_iter().chain(expires_at).min();
        self.earliest_expiry = earliest;
    }

    fn not_listed(&mut self, error: &StoreError) {
        let class = FailureClass::from(error);
        class.log(error);
        self.fail(class);
        self.summary.finished = false;
    }

    fn fail(&mut self, class: FailureClass) {
        *self.summary.failed.entry(class.as_str()).or_default() += 1;
    }

    fn must_stop(&mut self, deadline_is_near: bool) -> bool {
        if deadline_is_near {
            self.stop(FailureClass::OutOfTime);
        }
        self.stopped.is_some()
    }

    fn stop(&mut self, why: FailureClass) {
        self.summary.finished = false;
        self.stopped.get_or_insert(why);
    }

    /// Says why. What connections have failed of is counted already.
    fn has_stopped(&mut self) {
        match self.stopped {
            Some(class) if !self.summary.failed.contains_key(class.as_str()) => {
                class.log(&StoppedEarly);
                self.fail(class);
            }
            Some(class) => tracing::warn!(class = class.as_str(), "{StoppedEarly}"),
            None => {}
        }
    }

    fn deferred(&mut self, due: &Due) {
        self.summary.due += 1;
        self.summary.deferred += 1;
        self.expires(due.expires_at);
    }

    /// `None` is a panic.
    fn count(&mut self, due: &Due, outcome: Option<Outcome>) {
        match outcome {
            Some(Outcome::Busy { .. } | Outcome::Waiting { .. }) => return self.deferred(due),
            Some(Outcome::NoTime) => {
                self.stop(FailureClass::OutOfTime);
                return self.deferred(due);
            }
            Some(Outcome::Refreshed(connection, _)) => {
                self.summary.refreshed += 1;
                self.expires(Some(connection.expires_at));
            }
            Some(Outcome::Adopted(connection)) => {
                self.summary.adopted += 1;
                self.expires(Some(connection.expires_at));
            }
            Some(Outcome::Gone) => self.summary.adopted += 1,
            Some(Outcome::Paused { until }) => {
                tracing::info!(until = until.rfc3339(), "the provider has asked to wait with every request");
                self.stop(FailureClass::Throttled);
                return self.deferred(due);
            }
            Some(Outcome::NeedsCustomer(_)) => self.summary.reauth_required += 1,
            Some(Outcome::Failed { failure, .. }) => {
                self.fail(failure.class());
                self.expires(due.expires_at);
                self.apply_backpressure(&failure);
            }
            None => {
                self.fail(FailureClass::Panic);
                self.expires(due.expires_at);
                FailureClass::Panic.log(&Panicked);
            }
        }
        self.summary.due += 1;
    }

    /// What one connection's failure means for all others.
    fn apply_backpressure(&mut self, failure: &Failure) {
        match failure {
            Failure::Provider(ProviderError::Throttled { status, retry_after }) => {
                self.throttled += 1;
                if self.throttled >= ENOUGH {
                    self.pause = self.pause.max(*retry_after);
                }
                if *status == 503 || self.throttled >= ENOUGH {
                    self.stop(FailureClass::Throttled);
                }
            }
            Failure::Provider(ProviderError::InvalidClient) => {
                self.unknown_client += 1;
                if self.unknown_client >= ENOUGH {
                    self.stop(FailureClass::InvalidClient);
                }
            }
            _ => {}
        }
    }
}

/// All shards, and the one of the rows without a live pair.
pub fn all_shards() -> Vec<u8> {
    (0..SHARDS).chain([VACANT_SHARD]).collect()
}
