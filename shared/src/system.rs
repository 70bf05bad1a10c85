//! The real clock and the real randomness. All other code receives them.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::rand;

use crate::domain::time::Timestamp;
use crate::ports::{Clock, Entropy};

/// Unix time of the system; waits with Tokio's timer.
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes from")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix(since_epoch.as_secs() as i64)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that waits")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The random generator of AWS-LC.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is where randomness comes from")]
    fn fill(&self, bytes: &mut [u8]) {
        // A process without randomness must stop: its secrets could be guessed.
        rand::fill(bytes).expect("the system has no randomness");
    }
}
