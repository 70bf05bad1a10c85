//! The provider as a model: how long an answer takes, how many requests a second it allows, and when it is in trouble.

use std::sync::Mutex;
use std::time::Duration;

use shared::domain::time::Timestamp;
use shared::ports::ProviderError;

#[derive(Clone)]
pub struct Provider {
    pub latency: Duration,
    /// The requests a second above which it answers 429.
    pub most_a_second: Option<u32>,
    /// Its troubles, each with its first and its last hour since the beginning.
    pub trouble: Vec<(f64, f64, Trouble)>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Trouble {
    /// It refuses TCP connections.
    Unreachable,
    /// It answers 503 with `Retry-After` of this number of seconds.
    RetryAfter(u64),
    /// Every answer takes this number of milliseconds.
    Slow(u64),
}

/// The requests that it has received.
#[derive(Default)]
pub(crate) struct Log {
    seconds: Mutex<Seconds>,
}

#[derive(Default)]
struct Seconds {
    now: i64,
    requests: u32,
    most: u32,
    total: u64,
    throttled: u64,
}

impl Provider {
    /// The answer to a request at this time, and how long it takes.
    pub(crate) fn answer(&self, log: &Log, began: Timestamp, now: Timestamp) -> (Duration, Result<(), ProviderError>) {
        let requests = log.note(now);
        let hours = began.seconds_until(now) as f64 / 3600.0;
        match self.trouble.iter().find(|(from, to, _)| (*from..*to).contains(&hours)) {
            Some((_, _, Trouble::Unreachable)) => {
                return (self.latency, Err(ProviderError::NotSent("connection refused".to_owned())));
            }
            Some((_, _, Trouble::RetryAfter(seconds))) => {
                let retry_after = Some(Duration::from_secs(*seconds));
                return (self.latency, Err(ProviderError::Throttled { status: 503, retry_after }));
            }
            Some((_, _, Trouble::Slow(milliseconds))) => return (Duration::from_millis(*milliseconds), Ok(())),
            None => {}
        }
        if self.most_a_second.is_some_and(|most| requests > most) {
            log.throttled();
            return (self.latency, Err(ProviderError::Throttled { status: 429, retry_after: None }));
        }
        (self.latency, Ok(()))
    }
}

impl Log {
    /// Which request of its second this is.
    fn note(&self, now: Timestamp) -> u32 {
        let mut seconds = self.seconds.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if seconds.now != now.unix() {
            seconds.now = now.unix();
            seconds.requests = 0;
        }
        seconds.requests += 1;
        seconds.total += 1;
        seconds.most = seconds.most.max(seconds.requests);
        seconds.requests
    }

    fn throttled(&self) {
        self.seconds.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).throttled += 1;
    }

    /// All requests, the most in one second, and those that were answered 429.
    pub(crate) fn seen(&self) -> (u64, u32, u64) {
        let seconds = self.seconds.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        (seconds.total, seconds.most, seconds.throttled)
    }
}
