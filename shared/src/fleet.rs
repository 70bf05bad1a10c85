//! What all workers share: a pause that the provider has asked for, and the count of refusals that freezes marking.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::domain::fleet::{self, PAUSE, Tally};
use crate::domain::time::Timestamp;
use crate::domain::write::Written;
use crate::ports::{Clock, ReadFleet, StoreError, WriteConnections};

/// How long a process believes what it has read of the pause.
const PAUSE_IS_KNOWN_FOR: Duration = Duration::from_secs(30);

pub struct Fleet {
    rows: Arc<dyn ReadFleet>,
    writes: Arc<dyn WriteConnections>,
    clock: Arc<dyn Clock>,
    pause: Mutex<Option<KnownPause>>,
}

#[derive(Clone, Copy)]
struct KnownPause {
    until: Option<Timestamp>,
    read_at: Timestamp,
}

impl Fleet {
    pub fn new(rows: Arc<dyn ReadFleet>, writes: Arc<dyn WriteConnections>, clock: Arc<dyn Clock>) -> Self {
        Self { rows, writes, clock, pause: Mutex::default() }
    }

    /// Until when nothing is sent. A row that cannot be read pauses nobody.
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
        let read = self.rows.read(PAUSE).await;
        let until = read.and_then(|row| Ok(row.map(|row| row.time("until")).transpose()?)).unwrap_or_else(|error| {
            tracing::warn!(%error, "whether the provider has asked to wait could not be read");
            None
        });
        self.know(until, now);
        until
    }

    pub async fn pause(&self, until: Timestamp) {
        self.know(Some(until), self.clock.now());
        tracing::warn!(until = until.rfc3339(), "nothing is sent until then");
        if let Err(error) = self.writes.write(&fleet::pause(until)).await {
            tracing::warn!(%error, "other processes will not know that the provider has asked to wait");
        }
    }

    fn know(&self, until: Option<Timestamp>, read_at: Timestamp) {
        *self.pause.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(KnownPause { until, read_at });
    }

    /// Counts connections that were refused or refreshed in the present window. What is not counted freezes nothing.
    pub async fn count(&self, tally: Tally) {
        if let Err(error) = self.try_count(tally).await {
            tracing::warn!(%error, "refusals could not be counted");
        }
    }

    async fn try_count(&self, tally: Tally) -> Result<(), StoreError> {
        let window = fleet::window(self.clock.now());
        // The row is of this window, or begins it; or somebody begins it in between.
        for write in [tally.count(window), tally.begin(window), tally.count(window)] {
            if let Written::Applied(_) = self.writes.write(&write).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether refusals are everybody's at present. Where that cannot be read nobody is given up either.
    pub async fn marking_is_frozen(&self) -> bool {
        let window = fleet::window(self.clock.now());
        for window in [window, window - 1] {
            match self.tally(window).await {
                Ok(tally) if tally.is_everybody() => return true,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "whether everybody is refused could not be read");
                    return true;
                }
            }
        }
        false
    }

    async fn tally(&self, window: i64) -> Result<Tally, StoreError> {
        match self.rows.read(fleet::key(window)).await? {
            Some(row) => Ok(Tally::of(&row, window)?),
            None => Ok(Tally::default()),
        }
    }
}
