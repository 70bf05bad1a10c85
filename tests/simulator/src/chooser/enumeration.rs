//! A search through every choice, depth first: each run follows the choices of its path, and then always takes the
//! first one; [`Position::advance`] goes on to the next path.

use std::sync::{Arc, Mutex};

use super::{Chooser, Fate, FaultsAllowed};
use crate::call::{Request, Service};

/// The current path: which choice was taken, and out of how many.
#[derive(Debug, Default)]
pub struct Position {
    path: Vec<(usize, usize)>,
    depth: usize,
    /// Faults of this run so far.
    faults: usize,
    /// The rest of this run has no choices.
    closed: bool,
}

impl Position {
    fn choose(&mut self, count: usize) -> usize {
        if count <= 1 || self.closed {
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

    /// Whether the run has followed all choices that earlier runs have decided for this path.
    pub fn is_unexplored(&self) -> bool {
        self.depth >= self.path.len()
    }

    pub fn faults(&self) -> usize {
        self.faults
    }

    /// From here on the run takes the first choice, and the search does not come back for the others.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Goes back to the beginning of the same path.
    pub fn rewind(&mut self) {
        (self.depth, self.faults, self.closed) = (0, 0, false);
    }

    /// Goes on to the next path. False if there is none.
    pub fn advance(&mut self) -> bool {
        self.rewind();
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
const FROZEN_FOR: u64 = 200_000;

const STORE: &[Fate] = &[
    Fate::Succeed,
    Fate::FailBefore,
    Fate::LostAnswer,
    Fate::Retried,
    Fate::LateEffect(0),
    Fate::Repeated(0),
    Fate::CrashBefore,
    Fate::CrashAfter,
    Fate::FreezeBefore(FROZEN_FOR),
];
const PROVIDER: &[Fate] = &[
    Fate::Succeed,
    Fate::FailBefore,
    Fate::LostAnswer,
    Fate::LateEffect(0),
    Fate::CrashAfter,
    Fate::FreezeBefore(FROZEN_FOR),
    Fate::FreezeAfter(FROZEN_FOR),
    Fate::Throttled { status: 429, retry_after: None },
    Fate::FalseRefusal,
];
const REVOCATION: &[Fate] = &[Fate::Succeed, Fate::FailBefore, Fate::LostAnswer, Fate::CrashAfter, Fate::Refused];
const OTHER: &[Fate] = &[Fate::Succeed, Fate::FailBefore];

impl Chooser for Enumeration {
    fn next(&mut self, count: usize) -> usize {
        self.position().choose(count)
    }

    fn fate(&mut self, request: &Request, allowed: FaultsAllowed) -> Fate {
        let mut position = self.position();
        if allowed.no_faults
            || position.faults >= self.most_faults
            || request.service() == Service::Api
            || request.is_of_the_fleet()
        {
            return Fate::Succeed;
        }
        let fates = match request.service() {
            Service::Store if request.changes() => STORE,
            Service::Provider if request.asks_for_tokens() => PROVIDER,
            Service::Provider if matches!(request, Request::Revoke { .. }) => REVOCATION,
            _ => OTHER,
        };
        // `FalseRefusal` is the last one of the list.
        let possible =
            fates.len() - usize::from(!allowed.may_refuse_falsely && fates.last() == Some(&Fate::FalseRefusal));
        let fate = fates[position.choose(possible)];
        position.faults += usize::from(fate.is_fault());
        fate
    }

    fn latency(&mut self, _: Service) -> u64 {
        0
    }
}
