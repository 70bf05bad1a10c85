//! Time that stands still until a test moves it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use shared::domain::time::Timestamp;
use shared::ports::Clock;

pub struct TestClock {
    milliseconds: AtomicI64,
    /// Whether a wait moves the time.
    waiting_counts: AtomicBool,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { milliseconds: AtomicI64::new(1_800_000_000_000), waiting_counts: AtomicBool::new(false) }
    }
}

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.milliseconds.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// From now on a wait moves the time for all tasks, so a task that tries until a deadline comes to its end.
    pub fn waiting_counts(&self, counts: bool) {
        self.waiting_counts.store(counts, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.milliseconds.load(Ordering::SeqCst) / 1000)
    }

    /// Lets all other tasks run. The time changes only if waits move it: when many tasks wait, no task may move the
    /// time of the others.
    #[expect(clippy::disallowed_methods, reason = "engines on other threads need a moment of real time")]
    async fn sleep(&self, duration: Duration) {
        if self.waiting_counts.load(Ordering::SeqCst) {
            self.milliseconds.fetch_add(duration.as_millis() as i64, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
