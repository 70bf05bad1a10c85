//! The result of a run, and what stops it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use shared::domain::time::Timestamp;
use shared::failure::FailureClass;
use shared::ports::{Due, ProviderError, StoreError};
use shared::protocol::refresh::{Failure, Outcome};

/// If so many connections get the answer to wait, or `invalid_client`, the run assumes that it applies to all of them.
const ENOUGH: usize = 3;

/// The result of a run. `due` counts connections: `refreshed + adopted + deferred + reauth_required + all of failed`.
/// `failed` also counts shards that could not be listed to their end. It counts the reason why the run stopped too, if
/// no connection has failed for that reason. A row that only has grants to revoke is counted if that failed.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub due: usize,
    pub refreshed: usize,
    /// Another worker had refreshed the connection, or it was taken away.
    pub adopted: usize,
    /// Left for a later run: another worker refreshes it, it must wait after a failure, or this run had to stop.
    pub deferred: usize,
    /// By [`FailureClass`]: how many connections have failed.
    pub failed: BTreeMap<&'static str, usize>,
    /// Connections that were found to need their customer.
    pub reauth_required: usize,
    /// Seconds until the first access token of the fleet expires; negative if one has expired. Null if none is active.
    pub least_remaining_seconds: Option<i64>,
    /// Shards that other runs were started for, which have summaries of their own.
    #[serde(skip_serializing_if = "is_zero")]
    pub handed_on: usize,
    /// Whether every shard that was not handed on was swept to its end, and every due row was tried.
    pub finished: bool,
    /// The same as a metric, which is set for a run that was not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished_runs: Option<u8>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Debug, thiserror::Error)]
#[error("a defect in this product: the panic's message is logged before this line")]
struct Panicked;

#[derive(Debug, thiserror::Error)]
#[error("the run has stopped before its end")]
struct StoppedEarly;

/// The state of the run that its refreshes share.
pub(crate) struct Run {
    summary: Summary,
    earliest_expiry: Option<Timestamp>,
    throttled: usize,
    /// How long the provider has asked to wait. It is set when it has asked three connections.
    pause: Option<Duration>,
    invalid_client: usize,
    /// Why the run sends no more requests.
    stopped: Option<FailureClass>,
}

impl Run {
    pub(crate) fn begin() -> Self {
        Self {
            summary: Summary { finished: true, ..Summary::default() },
            earliest_expiry: None,
            throttled: 0,
            pause: None,
            invalid_client: 0,
            stopped: None,
        }
    }

    /// The summary, and for how long the provider has asked all requests to wait.
    pub(crate) fn end(mut self, now: Timestamp) -> (Summary, Option<Duration>) {
        self.note_stop();
        self.summary.unfinished_runs = (!self.summary.finished).then_some(1);
        self.summary.least_remaining_seconds = self.earliest_expiry.map(|expiry| now.seconds_until(expiry));
        (self.summary, self.pause)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    pub(crate) fn handed_on(&mut self, shards: usize) {
        self.summary.handed_on += shards;
    }

    /// A row without a live pair has no access token that could expire.
    pub(crate) fn expires(&mut self, expires_at: Option<Timestamp>) {
        let earliest = self.earliest_expiry.into_iter().chain(expires_at).min();
        self.earliest_expiry = earliest;
    }

    pub(crate) fn not_listed(&mut self, error: &StoreError) {
        let class = FailureClass::from(error);
        class.log(error);
        self.fail(class);
        self.summary.finished = false;
    }

    fn fail(&mut self, class: FailureClass) {
        *self.summary.failed.entry(class.as_str()).or_default() += 1;
    }

    pub(crate) fn must_stop(&mut self, deadline_is_near: bool) -> bool {
        if deadline_is_near {
            self.stop(FailureClass::OutOfTime);
        }
        self.stopped.is_some()
    }

    pub(crate) fn stop(&mut self, why: FailureClass) {
        self.summary.finished = false;
        self.stopped.get_or_insert(why);
    }

    /// Logs why the run has stopped. It is counted too, unless a connection has failed for the same reason.
    fn note_stop(&mut self) {
        match self.stopped {
            Some(class) if !self.summary.failed.contains_key(class.as_str()) => {
                class.log(&StoppedEarly);
                self.fail(class);
            }
            Some(class) => tracing::warn!(class = class.as_str(), "{StoppedEarly}"),
            None => {}
        }
    }

    pub(crate) fn deferred(&mut self, due: &Due) {
        self.summary.due += 1;
        self.summary.deferred += 1;
        self.expires(due.expires_at);
    }

    /// `outcome` is `None` after a panic.
    pub(crate) fn count(&mut self, due: &Due, outcome: Option<Outcome>) {
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
                tracing::info!(until = until.rfc3339(), "WebinarGeek has asked to wait: this run sends nothing more");
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

    /// Stops the run if the failure of one connection applies to all.
    fn apply_backpressure(&mut self, failure: &Failure) {
        match failure {
            // A 429 without `Retry-After` may lower the rate, and the run goes on.
            Failure::Provider(ProviderError::Throttled { status: 429, retry_after: None }) => {}
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
                self.invalid_client += 1;
                if self.invalid_client >= ENOUGH {
                    self.stop(FailureClass::InvalidClient);
                }
            }
            _ => {}
        }
    }
}
