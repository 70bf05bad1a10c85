//! The pace of a scheduled run.
//!
//! How many refreshes are in flight depends on the results of this run: few at first, one more after each success, one
//! less after each request that got no usable answer.
//!
//! How many begin in a second depends on all runs: each refresh takes a slot of the fleet's rate. A run takes a few
//! slots at a time from the fleet's row ([`crate::domain::rate`]). The first refreshes of a run need no slot, so in a
//! small fleet no run writes this row.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::fleet::FleetRow;
use crate::domain::rate::{self, Lowered, Rate};
use crate::domain::time::Timestamp;
use crate::domain::write::Written;
use crate::ports::{Clock, FleetRows, ProviderError, StoreError};

/// The refreshes that a run may have in flight when it begins.
const FIRST_IN_FLIGHT: usize = 10;
/// The most refreshes that one run may have in flight.
pub const MOST_IN_FLIGHT: usize = 64;

/// The most slots that one write takes.
const MOST_SLOTS: i64 = 64;

/// One write takes at most an eighth of a second's slots, so that all runs that work at the same time get some.
const SHARE: i64 = 8;

/// A run that has begun so many refreshes in a second takes no more slots of that second. All its rows may be of one
/// shard; each refresh writes the index twice, and a partition of DynamoDB allows 1,000 writes a second.
const ENOUGH_OF_A_SECOND: i64 = 400;

/// The rate is lowered after so many answers of 429, if they are at least a twentieth of the requests.
const ENOUGH: i64 = 3;
const LEAST_SHARE: i64 = 20;

/// How long a run that has found no slot in a second waits before it looks at the clock again.
const PAUSE: Duration = Duration::from_millis(50);

/// Up to this rate, requests are spread over the second. Above it the timer is too coarse, and a run's own limit of
/// requests in flight spreads them.
const SPREAD_UP_TO: i64 = 250;

/// How fast one scheduled run may send: see the module.
pub struct Pace {
    rows: Arc<dyn FleetRows>,
    clock: Arc<dyn Clock>,
    /// Requests a second, as the operator has set it.
    most: i64,
    in_flight: Semaphore,
    /// The permits of `in_flight`, those in use included.
    most_in_flight: AtomicUsize,
    /// Whether the last request took the last permit.
    is_full: AtomicBool,
    slots: tokio::sync::Mutex<Slots>,
    known: Mutex<Known>,
}

/// What a run knows of the rate.
#[derive(Default)]
struct Known {
    /// Whether the row was read or written.
    is_read: bool,
    lowered: Option<Lowered>,
    /// Requests since the rate was last lowered, and those of them that were answered 429.
    begun: i64,
    throttled: i64,
}

impl Known {
    /// Whether the answers of 429 are about the rate. A few among many requests are about single customers.
    fn must_be_lowered(&self, sent_at: Timestamp) -> bool {
        let is_of_this_rate = self.lowered.is_none_or(|lowered| lowered.at < sent_at);
        is_of_this_rate && self.throttled >= ENOUGH && self.throttled * LEAST_SHARE >= self.begun
    }
}

/// A request that may be sent.
pub struct Turn<'a> {
    pace: &'a Pace,
    permit: SemaphorePermit<'a>,
    sent_at: Timestamp,
}

/// The slots that a run has taken and not used yet.
struct Slots {
    left: i64,
    /// The second that they are of; `None` for the first refreshes of a run, which need no slot of a second.
    second: Option<Timestamp>,
    /// Refreshes that were begun in that second.
    begun: i64,
    /// The last second in which this run found no slot.
    none_left_in: Option<Timestamp>,
    /// Whether this run has sent a request.
    is_in_use: bool,
}

impl Pace {
    /// `without_slot`: how many requests of this run need no slot.
    pub fn new(rows: Arc<dyn FleetRows>, clock: Arc<dyn Clock>, most: i64, without_slot: i64) -> Self {
        let slots = tokio::sync::Mutex::new(Slots {
            left: without_slot,
            second: None,
            begun: 0,
            none_left_in: None,
            is_in_use: false,
        });
        Self {
            rows,
            clock,
            most,
            in_flight: Semaphore::new(FIRST_IN_FLIGHT),
            most_in_flight: AtomicUsize::new(FIRST_IN_FLIGHT),
            is_full: AtomicBool::new(false),
            slots,
            known: Mutex::default(),
        }
    }

    /// Waits until a request may be sent. `None` if `must_stop` becomes true before.
    pub async fn turn(&self, must_stop: impl Fn() -> bool) -> Option<Turn<'_>> {
        let mut slots = self.slots.lock().await;
        // The semaphore is never closed.
        let permit = self.in_flight.acquire().await.ok()?;
        self.is_full.store(self.in_flight.available_permits() == 0, Relaxed);
        if slots.is_in_use && !must_stop() {
            self.keep_apart().await;
        }
        slots.is_in_use = true;
        loop {
            if must_stop() {
                return None;
            }
            let now = self.clock.now();
            if slots.left > 0 && slots.second.is_none_or(|second| second == now) {
                slots.left -= 1;
                slots.begun += 1;
                self.known().begun += 1;
                return Some(Turn { pace: self, permit, sent_at: now });
            }
            let begun = if slots.second == Some(now) { slots.begun } else { 0 };
            if begun >= ENOUGH_OF_A_SECOND || slots.none_left_in == Some(now) {
                self.clock.sleep(PAUSE).await;
                continue;
            }
            let taken = self.take(slots.second, now).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the fleet's rate could not be used: this run keeps to an eighth of it");
                if slots.second == Some(now) { 0 } else { self.wanted(now) }
            });
            if taken == 0 {
                // Another write in this second would find no slot either.
                slots.none_left_in = Some(now);
            } else {
                (slots.left, slots.second, slots.begun) = (taken, Some(now), begun);
            }
        }
    }

    async fn keep_apart(&self) {
        let allowed = self.allowed(self.clock.now());
        if allowed <= SPREAD_UP_TO {
            // One millisecond less: a timer is late by up to one.
            let apart = Duration::from_millis(1000 / allowed.unsigned_abs()).saturating_sub(Duration::from_millis(1));
            self.clock.sleep(apart.min(PAUSE)).await;
        }
    }

    /// Whether as many requests are in flight as this run may have. Then other runs help; they do not help if the
    /// requests wait for the rate.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }

    /// Takes slots of the present second: none, if all are taken.
    async fn take(&self, last: Option<Timestamp>, now: Timestamp) -> Result<i64, StoreError> {
        self.read().await?;
        let mut wanted = self.wanted(now);
        let mut begins = last != Some(now);
        // This run begins the second, or another run has begun it. Then fewer slots may be left, or the rate was
        // lowered.
        for _ in 0..4 {
            let allowed = self.allowed(now);
            let write = if begins { rate::begin_second(now, wanted) } else { rate::take_slots(now, wanted, allowed) };
            match self.rows.write(&write).await? {
                Written::Applied(row) => {
                    self.learn(&row);
                    return Ok(wanted);
                }
                Written::ConditionFailed(Some(FleetRow::Rate(row))) => {
                    self.learn(&FleetRow::Rate(row));
                    // If the row is of a later second, the clock of another run is ahead: no slot is left.
                    let taken = if row.second == now { row.taken } else { self.allowed(now) };
                    begins = row.second != now && !row.is_past(now);
                    wanted = if begins { self.wanted(now) } else { self.wanted(now).min(self.allowed(now) - taken) };
                    if wanted <= 0 {
                        return Ok(0);
                    }
                }
                Written::ConditionFailed(_) => begins = true,
            }
        }
        Ok(0)
    }

    fn wanted(&self, now: Timestamp) -> i64 {
        (self.allowed(now) / SHARE).clamp(1, MOST_SLOTS)
    }

    fn allowed(&self, now: Timestamp) -> i64 {
        rate::allowed(self.known().lowered, self.most, now)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Reads the row, once: another run may have lowered the rate.
    async fn read(&self) -> Result<(), StoreError> {
        if !self.known().is_read
            && let Some(row) = self.rows.read(rate::RATE).await?
        {
            self.learn(&row);
        }
        self.known().is_read = true;
        Ok(())
    }

    fn learn(&self, row: &FleetRow) {
        if let FleetRow::Rate(Rate { lowered, .. }) = row {
            let mut known = self.known();
            if known.lowered != *lowered {
                *known = Known { lowered: *lowered, ..Known::default() };
            }
            known.is_read = true;
        }
    }

    /// Halves the fleet's rate.
    async fn lower(&self, sent_at: Timestamp) -> Result<(), StoreError> {
        self.read().await?;
        let now = self.clock.now();
        let lowered = Lowered { to: (self.allowed(now) / 2).max(1), at: now };
        match self.rows.write(&rate::lower(lowered, sent_at)).await? {
            Written::Applied(row) => {
                self.learn(&row);
                tracing::warn!(requests_a_second = lowered.to, "WebinarGeek has answered 429: the rate is halved");
            }
            Written::ConditionFailed(Some(row)) => self.learn(&row),
            // There is no row: the fleet is small, and no run has taken a slot.
            Written::ConditionFailed(None) => {}
        }
        Ok(())
    }
}

impl Turn<'_> {
    /// The provider has given a pair: one more request may be in flight.
    pub fn succeeded(self) {
        let added =
            self.pace.most_in_flight.fetch_update(Relaxed, Relaxed, |most| (most < MOST_IN_FLIGHT).then_some(most + 1));
        if added.is_ok() {
            self.pace.in_flight.add_permits(1);
        }
    }

    /// The provider has given no pair.
    pub async fn failed(self, error: &ProviderError) {
        let pace = self.pace;
        match error {
            // These are answers of a provider that works.
            ProviderError::InvalidGrant | ProviderError::InvalidClient | ProviderError::Refused(_) => return,
            ProviderError::Throttled { status: 429, .. } => {
                pace.known().throttled += 1;
                if pace.known().must_be_lowered(self.sent_at)
                    && let Err(error) = pace.lower(self.sent_at).await
                {
                    tracing::warn!(%error, "the fleet's rate could not be lowered");
                }
            }
            ProviderError::Throttled { .. } | ProviderError::NotSent(_) | ProviderError::Unknown(_) => {}
        }
        let fewer = pace.most_in_flight.fetch_update(Relaxed, Relaxed, |most| (most > 1).then_some(most - 1));
        if fewer.is_ok() {
            self.permit.forget();
        }
    }
}
