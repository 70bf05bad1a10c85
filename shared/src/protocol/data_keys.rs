//! Opened data keys that a process keeps for a while. A read of a fresh token is then one call to AWS, a refresh two,
//! and both work while KMS is down.
//!
//! The price: after a KMS key is disabled, or a permission is taken away, a running process still opens pairs until the
//! keys that it keeps are too old. A key is wiped from memory when it is dropped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lru::LruCache;

use crate::domain::connection_id::ConnectionId;
use crate::domain::secret::DataKey;
use crate::domain::time::Timestamp;
use crate::ports::{Clock, KeyError, OpenDataKeys};

/// About 4 MB. With more keys, the least recently used one is dropped.
const MOST_KEYS: usize = 10_000;

/// After so many uses, KMS opens the key again: so CloudTrail shows a connection that is read very often.
const MOST_USES: u32 = 10_000;

/// A cache in front of KMS: see the module. The same wrapped key of another connection is another entry.
pub struct KeptDataKeys {
    inner: Arc<dyn OpenDataKeys>,
    clock: Arc<dyn Clock>,
    kept_for: Duration,
    /// The connection is a part of the key: KMS opens a wrapped key for its own connection only, and so does this. The
    /// cache is made without a capacity: with one, it would reserve the memory for all keys at every start.
    keys: Mutex<LruCache<(ConnectionId, Vec<u8>), Kept>>,
}

struct Kept {
    key: DataKey,
    until: Timestamp,
    uses: u32,
}

impl KeptDataKeys {
    /// `kept_for` zero keeps none.
    pub fn new(inner: Arc<dyn OpenDataKeys>, clock: Arc<dyn Clock>, kept_for: Duration) -> Self {
        Self { inner, clock, kept_for, keys: Mutex::new(LruCache::unbounded()) }
    }

    fn kept(&self, place: &(ConnectionId, Vec<u8>)) -> Option<DataKey> {
        let now = self.clock.now();
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = keys.get_mut(place)?;
        if kept.until <= now || kept.uses >= MOST_USES {
            keys.pop(place);
            return None;
        }
        kept.uses += 1;
        Some(kept.key.clone())
    }
}

#[async_trait]
impl OpenDataKeys for KeptDataKeys {
    async fn open(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        if self.kept_for.is_zero() {
            return self.inner.open(connection, wrapped).await;
        }
        let place = (connection.clone(), wrapped.to_vec());
        if let Some(key) = self.kept(&place) {
            return Ok(key);
        }
        let until = self.clock.now() + self.kept_for;
        let key = self.inner.open(connection, wrapped).await?;
        let kept = Kept { key: key.clone(), until, uses: 1 };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.put(place, kept);
        if keys.len() > MOST_KEYS {
            keys.pop_lru();
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Kms(AtomicUsize);

    #[async_trait]
    impl OpenDataKeys for Kms {
        async fn open(&self, _: &ConnectionId, _: &[u8]) -> Result<DataKey, KeyError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(DataKey::new([7; 32]))
        }
    }

    struct NoTimePasses;

    #[async_trait]
    impl Clock for NoTimePasses {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix(0)
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[tokio::test]
    async fn a_full_cache_drops_the_key_that_was_not_used_for_the_longest_time() {
        let kms = Arc::new(Kms(AtomicUsize::new(0)));
        let keys = KeptDataKeys::new(kms.clone(), Arc::new(NoTimePasses), Duration::from_secs(60));
        let connection = ConnectionId::parse("tenant").unwrap();
        let opened = || kms.0.load(Ordering::Relaxed);
        for number in 0..=MOST_KEYS {
            keys.open(&connection, &number.to_le_bytes()).await.unwrap();
        }
        assert_eq!(opened(), MOST_KEYS + 1);
        keys.open(&connection, &1_usize.to_le_bytes()).await.unwrap();
        assert_eq!(opened(), MOST_KEYS + 1, "the second one is kept");
        keys.open(&connection, &0_usize.to_le_bytes()).await.unwrap();
        assert_eq!(opened(), MOST_KEYS + 2, "the first one was dropped");
    }
}
