//! The integrator. It asks for a token, uses it at the provider, keeps it as long as allowed, and reports it if it is
//! refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use shared::http::{Endpoint, Invocation};
use shared::ports::Clock;

use super::Scenario;
use super::fleet::{Deployment, ORIGIN};
use crate::call::{Answer, Request as Ask};
use crate::invariants::{Invariant, TokenAnswer};
use crate::ports::Ports;
use crate::world::World;

/// The longest invocation of the token route.
const INVOCATION: Duration = Duration::from_secs(60);

/// A token that an integrator keeps.
#[derive(Clone, Debug)]
struct Cached {
    access: String,
    version: i64,
    until: u64,
    handed_out_at: u64,
    refused: bool,
}

/// The tokens that the integrator keeps, by connection.
#[derive(Clone)]
pub(super) struct Caches {
    tokens: Arc<Mutex<Vec<Option<Cached>>>>,
    /// Tokens that the provider has accepted.
    answers: Arc<AtomicU64>,
}

impl Caches {
    pub(super) fn new(connections: usize) -> Self {
        Self { tokens: Arc::new(Mutex::new(vec![None; connections])), answers: Arc::default() }
    }

    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    fn get(&self, index: usize) -> Option<Cached> {
        self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner())[index].clone()
    }

    fn forget(&self, index: usize) {
        self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner())[index] = None;
    }

    fn put(&self, index: usize, cached: Cached) {
        self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner())[index] = Some(cached);
    }
}

/// One call of the integrator.
struct Visit {
    id: String,
    index: usize,
    orderly: bool,
    caches: Caches,
    deployment: Deployment,
    min_ttl: Option<u64>,
    /// Uses its cached token before it asks.
    from_cache: bool,
    /// Reports its token as refused, although it was not.
    is_mistaken: bool,
}

impl Scenario {
    pub(super) fn read(&mut self, index: usize) {
        let visit = Visit {
            id: self.ids[index].as_str().to_owned(),
            index,
            orderly: self.plan.orderly,
            caches: self.cached.clone(),
            deployment: self.deployment(),
            min_ttl: (!self.plan.orderly && self.random.chance(0.3)).then(|| self.random.below(self.plan.lifetime)),
            from_cache: !self.is_concluding && self.random.chance(0.5),
            is_mistaken: !self.is_concluding && self.random.chance(self.plan.mistakes),
        };
        let now = self.now();
        let times = (now, now + INVOCATION.as_millis() as u64);
        self.scheduler.spawn(format!("reader of {}", visit.id), times, |ports| visit.run(ports));
    }
}

impl Visit {
    async fn run(self, ports: Ports) {
        let cached = self.caches.get(self.index);
        let now = ports.world.lock().time();
        if let Some(cached) = cached.filter(|cached| now < cached.until || cached.refused) {
            let refused = cached.refused || self.is_mistaken;
            if self.from_cache && !refused {
                return self.use_token(&ports, cached).await;
            }
            if refused && !self.orderly {
                let body = format!("{{\"rejected_version\":{}}}", cached.version).into_bytes();
                return self.ask(&ports, Method::POST, "", body).await;
            }
        }
        let query = self.min_ttl.map(|seconds| format!("?min_ttl={seconds}")).unwrap_or_default();
        self.ask(&ports, Method::GET, &query, Vec::new()).await;
    }

    async fn ask(&self, ports: &Ports, method: Method, query: &str, body: Vec<u8>) {
        let request = http::Request::builder()
            .method(method.clone())
            .uri(format!("/v1/connections/{}/token{query}", self.id))
            .header("content-type", "application/json")
            .body(body)
            .expect("a path and a number");
        let ports = Arc::new(ports.clone());
        let asked_at = {
            let mut world = ports.world.lock();
            // A caller that asks for a longer lifetime than the default, or rejects a token: the token may be refreshed
            // early.
            world.processes[ports.process].is_early = method == Method::POST || !query.is_empty();
            world.sequence += 1;
            world.sequence
        };
        let invocation = Invocation {
            request_id: "request".to_owned(),
            origin: ORIGIN.to_owned(),
            deadline: Clock::now(&*ports) + INVOCATION,
            principal: None,
        };
        let response = self.deployment.token(&ports).handle(request, &invocation).await;
        if response.status() != StatusCode::OK {
            let status = response.status();
            let is_unconfirmed = response.body().contains(r#""code":"unconfirmed""#);
            let mut world = ports.world.lock();
            let now = world.time();
            match status {
                StatusCode::NOT_FOUND => world.ledger.answered(now, asked_at, &self.id, TokenAnswer::NotFound),
                StatusCode::CONFLICT if is_unconfirmed => {
                    world.ledger.answered(now, asked_at, &self.id, TokenAnswer::Unconfirmed);
                }
                StatusCode::CONFLICT => world.ledger.answered(now, asked_at, &self.id, TokenAnswer::NeedsCustomer),
                _ => {}
            }
            world.note(ports.process, || format!("= {status}"));
            drop(world);
            // The connection was removed, and its versions began at one again.
            if is_unconfirmed || matches!(status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) {
                self.caches.forget(self.index);
            }
            return;
        }
        let body: serde_json::Value = serde_json::from_str(response.body()).unwrap_or_default();
        let access = body["access_token"].as_str().unwrap_or_default().to_owned();
        let cached = {
            let mut world = ports.world.lock();
            let now = world.time();
            world.note(ports.process, || format!("= handed out {access}"));
            world.ledger.handed_out(now, asked_at, &self.id, &access);
            let until = body["cache_until"].as_str().and_then(seconds).map(World::at);
            Cached {
                access,
                version: body["version"].as_i64().unwrap_or_default(),
                until: until.unwrap_or(now),
                handed_out_at: now,
                refused: false,
            }
        };
        self.caches.put(self.index, cached.clone());
        self.use_token(&ports, cached).await;
    }

    async fn use_token(&self, ports: &Ports, mut cached: Cached) {
        let used_at = ports.world.lock().time();
        let answer = ports.ask(Ask::Use { access_token: cached.access.clone() }).await;
        if matches!(answer, Answer::Used(true)) {
            self.caches.answers.fetch_add(1, Ordering::Relaxed);
            return;
        }
        cached.refused = true;
        let mut world = ports.world.lock();
        let now = world.time();
        let was_disturbed = world.ledger.is_disturbed(&self.id, &cached.access, cached.handed_out_at, &world.provider);
        if now < cached.until && used_at < cached.until && !was_disturbed {
            let access = cached.access.clone();
            world.ledger.violate(now, Invariant::CacheHonoured, || {
                format!("{access} could be kept until {}, and is refused before that", cached.until)
            });
        }
        drop(world);
        self.caches.put(self.index, cached);
    }
}

/// Parses a time of an answer (RFC 3339, in UTC).
fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hours, minutes, seconds) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Days since 1970, in a calendar whose years begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}
