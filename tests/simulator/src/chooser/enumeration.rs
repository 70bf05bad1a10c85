//! A search through every choice, depth first: each run follows the choices of its path, and then always takes the first
//! one; [`Position::advance`] goes on to the next path.

use std::sync::{Arc, Mutex};

use super::{Chooser, Fate, Weather};
use crate::call::{Request, Service};

/// Where the search stands: which choice was taken, of how many.
#[derive(Debug, Default)]
pub struct Position {
    path: Vec<(usize, usize)>,
    depth: usize,
    /// Faults that this run has met.
    faults: usize,
}

impl Position {
    fn choose(&mut self, count: usize) -> usize {
        if count <= 1 {
            return 0;
        }
        if self.depth == self.path.len() {
            self.path.push((0, count));
        }
        let (choice, of) = self.path[self.depth];
        debug_assert_eq!(of, count, "a run did not repeat itself");
        self.depth += 1;
        choice
    }

    /// Whether the choices of the current path that were decided by an earlier run have been followed.
    pub fn is_new_ground(&self) -> bool {
        self.depth >= self.path.len()
    }

    pub fn faults(&self) -> usize {
        self.faults
    }

    /// Forgets what was chosen after this point of the run: it leads to where the search has been.
    pub fn cut(&mut self) {
        self.path.truncate(self.depth);
    }

    /// On to the next path. False when there is none.
    pub fn advance(&mut self) -> bool {
        self.depth = 0;
        self.faults = 0;
        while let Some((choice, count)) = self.path.pop() {
            if choice + 1 < count {
                self.path.push((choice + 1, count));
                return true;
            }
        }
        false
    }
}

pub struct Enumeration {
    pub position: Arc<Mutex<Position>>,
    pub most_faults: usize,
}

impl Enumeration {
    fn position(&self) -> std::sync::MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Longer than a lease and its grace.
const STANDSTILL: u64 = 200_000;

const STORE: &[Fate] = &[
    Fate::Succeed,
    Fate::FailBefore,
    Fate::LostAnswer,
    Fate::Retried,
    Fate::LateEffect(1),
    Fate::Repeated(1),
    Fate::CrashBefore,
    Fate::CrashAfter,
    Fate::FreezeBefore(STANDSTILL),
];
const PROVIDER: &[Fate] = &[
    Fate::Succeed,
    Fate::FailBefore,
    Fate::LostAnswer,
    Fate::LateEffect(1),
    Fate::CrashAfter,
    Fate::FreezeBefore(STANDSTILL),
    Fate::FreezeAfter(STANDSTILL),
    Fate::Throttled { status: 429, retry_after: None },
    Fate::FalseRefusal,
];
const OTHER: &[Fate] = &[Fate::Succeed, Fate::FailBefore];

impl Chooser for Enumeration {
    fn next(&mut self, count: usize) -> usize {
        self.position().choose(count)
    }

    fn fate(&mut self, request: &Request, weather: Weather) -> Fate {
        let mut position = self.position();
        if weather.calm || position.faults >= self.most_faults || request.service() == Service::Api {
            return Fate::Succeed;
        }
        let fates = match request.service() {
            Service::Store if request.changes() => STORE,
            Service::Provider if request.asks_for_tokens() => PROVIDER,
            _ => OTHER,
        };
        let fate = fates[position.choose(fates.len())];
        position.faults += usize::from(fate.is_fault());
        fate
    }

    fn latency(&mut self, _: Service) -> u64 {
        0
    }
}
