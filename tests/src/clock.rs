//! A clock that moves only when a test moves it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use shared::domain::time::Timestamp;
use shared::ports::Clock;

pub struct TestClock {
    milliseconds: AtomicI64,
    /// Whether a wait moves the time.
    waits_move_time: AtomicBool,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { milliseconds: AtomicI64::new(1_800_000_000_000), waits_move_time: AtomicBool::new(false) }
    }
}

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.milliseconds.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Whether a wait moves the time for all tasks from now on. Then a task that tries until a deadline comes to its
    /// end.
    pub fn waits_move_time(&self, move_time: bool) {
        self.waits_move_time.store(move_time, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.milliseconds.load(Ordering::SeqCst) / 1000)
    }

    /// Lets all other tasks run. The time changes only if waits move it: of many waiting tasks, none may move the time
    /// of the others.
    #[expect(clippy::disallowed_methods, reason = "engines on other threads need a moment of real time")]
    async fn sleep(&self, duration: Duration) {
        if self.waits_move_time.load(Ordering::SeqCst) {
            self.milliseconds.fetch_add(duration.as_millis() as i64, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
