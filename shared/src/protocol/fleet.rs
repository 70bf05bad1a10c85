//! What all workers share: a pause that the provider has asked for, and the count of refusals. While many are refused,
//! marking is frozen: no connection is given up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::pace::Pace;
use crate::domain::fleet::{self, FleetRow, PAUSE, SUCCESS, Tally};
use crate::domain::time::Timestamp;
use crate::domain::write::Written;
use crate::ports::{Clock, FleetRows, StoreError};

/// How long a process uses the pause that it has read.
const PAUSE_IS_KNOWN_FOR: Duration = Duration::from_secs(30);

/// The rows that all workers share. No refresh fails because one of them cannot be read or written.
pub struct Fleet {
    rows: Arc<dyn FleetRows>,
    clock: Arc<dyn Clock>,
    pause: Mutex<Option<KnownPause>>,
}

#[derive(Clone, Copy)]
struct KnownPause {
    until: Option<Timestamp>,
    read_at: Timestamp,
}

impl Fleet {
    /// Reads nothing yet.
    pub fn new(rows: Arc<dyn FleetRows>, clock: Arc<dyn Clock>) -> Self {
        Self { rows, clock, pause: Mutex::default() }
    }

    /// Until when nothing is sent. A row that cannot be read counts as no pause.
    pub async fn paused_until(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let known = *self.pause.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let until = match known {
            Some(known) if known.read_at <= now && now < known.read_at + PAUSE_IS_KNOWN_FOR => known.until,
            _ => self.read_pause(now).await,
        };
        until.filter(|until| *until > now)
    }

    async fn read_pause(&self, now: Timestamp) -> Option<Timestamp> {
        let until = match self.rows.read(PAUSE).await {
            Ok(Some(FleetRow::PausedUntil(until))) => Some(until),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "the fleet's pause could not be read: this process sends as if there were none");
                None
            }
        };
        self.keep_pause(until, now);
        until
    }

    /// No refresh token is sent until then. Other processes learn of it within 30 seconds, if it can be stored.
    pub async fn pause(&self, until: Timestamp) {
        let now = self.clock.now();
        // A shorter pause never ends a longer one.
        let known = *self.pause.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.keep_pause(known.and_then(|known| known.until).max(Some(until)), now);
        tracing::warn!(until = until.rfc3339(), "WebinarGeek has asked to wait: no refresh token is sent until then");
        if let Err(error) = self.rows.write(&fleet::pause(until)).await {
            tracing::warn!(%error, "the pause could not be stored: other processes do not wait");
        }
    }

    fn keep_pause(&self, until: Option<Timestamp>, read_at: Timestamp) {
        *self.pause.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(KnownPause { until, read_at });
    }

    /// The pace of a run: see [`Pace`].
    pub fn pace(&self, most: i64, without_slot: i64) -> Pace {
        Pace::new(self.rows.clone(), self.clock.clone(), most, without_slot)
    }

    /// Whether this run may hand shards on: no other run has done so that may still be at work. False where the row
    /// cannot be written.
    pub async fn may_hand_on(&self, until: Timestamp) -> bool {
        match self.rows.write(&fleet::hand_on(self.clock.now(), until)).await {
            Ok(written) => matches!(written, Written::Applied(_)),
            Err(error) => {
                tracing::warn!(%error, "the fleet's row of started runs could not be written: no run is started");
                false
            }
        }
    }

    /// Counts connections that were refused or refreshed in the present window. If it fails, nothing is frozen.
    pub async fn count(&self, tally: Tally) {
        if let Err(error) = self.try_count(tally).await {
            tracing::warn!(%error, "refusals could not be counted");
        }
    }

    async fn try_count(&self, tally: Tally) -> Result<(), StoreError> {
        let window = fleet::window(self.clock.now());
        // The row may be of this window; or this worker begins the window; or another worker has begun it meanwhile.
        for write in [tally.count(window), tally.begin(window), tally.count(window)] {
            if let Written::Applied(_) = self.rows.write(&write).await? {
                break;
            }
        }
        if tally.refreshed > 0 {
            self.rows.write(&fleet::note_success(self.clock.now())).await?;
        }
        Ok(())
    }

    /// Whether other connections were refreshed since that time. False where that cannot be read.
    pub async fn has_succeeded_since(&self, since: Timestamp) -> bool {
        match self.rows.read(SUCCESS).await {
            Ok(Some(FleetRow::SucceededAt(at))) => at >= since,
            Ok(_) => false,
            Err(error) => {
                tracing::warn!(%error, "the fleet's last success could not be read: no connection is given up");
                false
            }
        }
    }

    /// Whether so many connections are refused at present that none is given up. True where that cannot be read.
    pub async fn marking_is_frozen(&self) -> bool {
        let window = fleet::window(self.clock.now());
        for window in [window, window - 1] {
            match self.tally(window).await {
                Ok(tally) if tally.exceeds_refusal_threshold() => return true,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the number of refused connections could not be read: none is given up");
                    return true;
                }
            }
        }
        false
    }

    async fn tally(&self, window: i64) -> Result<Tally, StoreError> {
        match self.rows.read(fleet::key(window)).await? {
            Some(FleetRow::Tally { window: stored, tally }) if stored == window => Ok(tally),
            Some(_) | None => Ok(Tally::default()),
        }
    }
}
