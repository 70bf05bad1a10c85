//! Chance: time orders the steps; latencies and faults are drawn at random.

use super::{Chooser, Fate, FaultsAllowed};
use crate::call::{Request, Service};
use crate::random::Random;

/// Probabilities, per call.
#[derive(Clone, Copy, Debug)]
pub struct Odds {
    /// Of a fault.
    pub fault: f64,
    /// Of a slow call, which still ends before its client's timeout.
    pub slow: f64,
    /// Of a token endpoint that answers 503 with `Retry-After`.
    pub closed: f64,
    /// Of an answer without a refresh token. The old one stays valid.
    pub no_refresh_token: f64,
    /// Of a code without a refresh token.
    pub access_token_only: f64,
    /// Of a failure or a refusal of the revocation endpoint.
    pub unrevocable: f64,
}

pub struct Dice {
    random: Random,
    odds: Odds,
}

impl Dice {
    pub fn new(seed: u64, odds: Odds) -> Self {
        Self { random: Random::new(seed ^ 0xD1CE), odds }
    }

    /// The duration of a freeze: mostly seconds, sometimes longer than a lease, seldom longer than its grace.
    fn freeze(&mut self) -> u64 {
        match self.random.below(10) {
            0..4 => self.random.between(100, 20_000),
            4..8 => self.random.between(20_000, 60_000),
            _ => self.random.between(60_000, 250_000),
        }
    }

    fn any_service(&mut self) -> Fate {
        match self.random.below(12) {
            0..4 => Fate::FailBefore,
            4..7 => Fate::CrashBefore,
            7..10 => {
                let for_long = self.freeze();
                Fate::FreezeBefore(for_long)
            }
            _ => {
                let for_long = self.freeze();
                Fate::FreezeAfter(for_long)
            }
        }
    }

    fn store(&mut self) -> Fate {
        match self.random.below(14) {
            0..2 => Fate::LostAnswer,
            2..4 => Fate::LateEffect(self.random.between(10, 90_000)),
            4..6 => Fate::Retried,
            6..8 => Fate::Repeated(self.random.between(10, 90_000)),
            8..10 => Fate::CrashAfter,
            10..12 => Fate::FailBefore,
            _ => self.any_service(),
        }
    }

    fn revocation_endpoint(&mut self) -> Fate {
        match self.random.below(10) {
            0..3 => Fate::Refused,
            3..6 => Fate::ServerError,
            6 => Fate::LostAnswer,
            7 => Fate::Throttled { status: 429, retry_after: None },
            8 => Fate::LateEffect(self.random.between(10, 60_000)),
            _ => self.any_service(),
        }
    }

    fn token_endpoint(&mut self, allowed: FaultsAllowed) -> Fate {
        match self.random.below(17) {
            14 => Fate::Refused,
            0..3 => Fate::LostAnswer,
            3..5 => Fate::LateEffect(self.random.between(10, 60_000)),
            5..8 => Fate::CrashAfter,
            8 => Fate::Throttled { status: 429, retry_after: Some(self.random.between(1, 1200) as u32) },
            9 => Fate::Throttled { status: 503, retry_after: Some(self.random.between(1, 300) as u32) },
            10 => Fate::Throttled { status: 429, retry_after: None },
            11 => Fate::ServerError,
            12 => Fate::Html,
            13 if allowed.may_refuse_falsely => Fate::FalseRefusal,
            _ => self.any_service(),
        }
    }
}

impl Chooser for Dice {
    fn next(&mut self, _: usize) -> usize {
        0
    }

    fn fate(&mut self, request: &Request, allowed: FaultsAllowed) -> Fate {
        if allowed.no_faults || request.service() == Service::Api {
            return Fate::Succeed;
        }
        if request.asks_for_tokens() && self.random.chance(self.odds.closed) {
            return Fate::Throttled { status: 503, retry_after: Some(self.random.between(1, 300) as u32) };
        }
        if matches!(request, Request::Revoke { .. }) && self.random.chance(self.odds.unrevocable) {
            return self.revocation_endpoint();
        }
        if self.random.chance(self.odds.fault) {
            return match request.service() {
                Service::Store if request.changes() => self.store(),
                Service::Provider if request.asks_for_tokens() => self.token_endpoint(allowed),
                _ => self.any_service(),
            };
        }
        if matches!(request, Request::Exchange { .. }) && self.random.chance(self.odds.access_token_only) {
            return Fate::AccessTokenOnly;
        }
        if request.asks_for_tokens() && self.random.chance(self.odds.no_refresh_token) {
            return Fate::NoRefreshToken;
        }
        Fate::Succeed
    }

    fn latency(&mut self, service: Service) -> u64 {
        let slow = self.random.chance(self.odds.slow);
        let (usual, longest) = match service {
            Service::Store => (8, 3_500),
            Service::Keys | Service::Secrets | Service::Queue => (12, 3_000),
            Service::Provider | Service::Api => (200, 6_000),
        };
        self.random.between(1, if slow { longest } else { usual })
    }
}
