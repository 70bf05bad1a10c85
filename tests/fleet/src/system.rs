//! The clock, the randomness and the fleet's rows of a simulated day.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use shared::domain::fleet::FleetRow;
use shared::domain::item::Item;
use shared::domain::time::Timestamp;
use shared::domain::write::{Write, Written};
use shared::ports::{Clock, Entropy, FleetRows, StoreError};
use tokio::time::Instant;

/// tokio's clock, which is paused: it moves when every task waits.
pub(crate) struct VirtualClock(Instant);

impl Default for VirtualClock {
    #[expect(clippy::disallowed_methods, reason = "virtual time")]
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(1_800_000_000) + self.0.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The same numbers in every simulation (SplitMix64).
#[derive(Default)]
pub(crate) struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let mut number = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            part.copy_from_slice(&(number ^ (number >> 31)).to_le_bytes()[..part.len()]);
        }
    }
}

/// The rows that all workers share.
#[derive(Default)]
pub(crate) struct FleetTable(Mutex<HashMap<String, Item>>);

#[async_trait]
impl FleetRows for FleetTable {
    async fn read(&self, key: &'static str) -> Result<Option<FleetRow>, StoreError> {
        let rows = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let parse = |item: &Item| FleetRow::parse(key, item).map_err(|bad| item.unreadable(key, bad));
        Ok(rows.get(key).map(parse).transpose()?)
    }

    async fn write(&self, write: &Write) -> Result<Written<FleetRow>, StoreError> {
        let mut rows = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let image = rows.get(&write.key);
        let parse = |item: &Item| FleetRow::parse(&write.key, item).map_err(|bad| item.unreadable(&*write.key, bad));
        if !write.evaluate(image).is_empty() {
            return Ok(Written::ConditionFailed(image.map(parse).transpose()?));
        }
        let item = write.apply(image);
        let row = parse(&item)?;
        rows.insert(write.key.clone(), item);
        Ok(Written::Applied(row))
    }
}
