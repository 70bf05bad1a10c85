//! The rows of a large fleet, a few bytes each, and what a refresh does with a row.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use refresh::{RefreshDue, Summary};
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::{Connection, Row, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::order::Order;
use shared::domain::schedule::{self, RETRY_AFTER_LONGEST, SHARDS};
use shared::domain::secret::AccessToken;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{PairId, TokenPair};
use shared::ports::{Clock, Due, DueCursor, DuePage, ListDue, ProviderError, StoreError};
use shared::protocol::fleet::Fleet;
use shared::protocol::refresh::{Failure, INVOCATION_BUDGET, Outcome};
use tokio::time::Instant;

use crate::Scenario;
use crate::provider::Log;

const LIFETIME: Duration = Duration::from_secs(7200);

/// Rows of a page: the number that the adapter asks for.
const PAGE: usize = 100;

/// A refresh changes the sort key of the index: one row is deleted there, and one is put.
const INDEX_WRITES: u32 = 2;

/// The result of the day.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Seen {
    pub refreshed: u64,
    /// Access tokens that expired before their refresh, and the hour in which this last happened.
    pub expired: u64,
    pub last_expired: Option<f64>,
    /// Tokens that are expired at the end of the day.
    pub expired_at_the_end: u64,
    pub requests: u64,
    pub most_requests_a_second: u32,
    pub throttled: u64,
    /// In one shard.
    pub most_index_writes_a_second: u32,
    pub runs: u64,
    pub unfinished_runs: u64,
    pub handed_on: u64,
    pub longest_run: i64,
}

pub(crate) struct Rows {
    scenario: Scenario,
    refresh_every: Duration,
    clock: Arc<dyn Clock>,
    fleet: Arc<Fleet>,
    began: Timestamp,
    template: Connection,
    table: Mutex<Table>,
    provider: Log,
}

struct Table {
    rows: Vec<Stored>,
    /// The index, by shard.
    due: Vec<BTreeSet<(i64, u32)>>,
    writes: Vec<(i64, u32)>,
    seen: Seen,
}

#[derive(Clone, Copy)]
struct Stored {
    granted_at: i64,
    refresh_at: i64,
    version: u32,
    failures: u8,
    is_leased: bool,
}

/// The process of one run. Its refreshes use its share of a processor one after the other.
pub(crate) struct Process {
    rows: Arc<Rows>,
    busy_until: Mutex<Instant>,
}

impl Rows {
    /// Connections that were made evenly over the last two hours.
    pub(crate) fn new(scenario: &Scenario, refresh_every: Duration, clock: Arc<dyn Clock>, fleet: Arc<Fleet>) -> Self {
        let now = clock.now();
        let mut due = vec![BTreeSet::new(); usize::from(SHARDS) + 1];
        let rows = (0..scenario.connections).map(|number| {
            let age = u64::from(number) * LIFETIME.as_secs() * 7 / 10 / u64::from(scenario.connections);
            let granted_at = now - Duration::from_secs(age);
            let refresh_at = schedule::refresh_at(&id(number), 1, granted_at, granted_at + LIFETIME, refresh_every);
            due[usize::from(schedule::shard(&id(number)))].insert((refresh_at.unix(), number));
            let (granted_at, refresh_at) = (granted_at.unix(), refresh_at.unix());
            Stored { granted_at, refresh_at, version: 1, failures: 0, is_leased: false }
        });
        let table =
            Table { rows: rows.collect(), due, writes: vec![(0, 0); usize::from(SHARDS) + 1], seen: Seen::default() };
        let (scenario, table, provider) = (scenario.clone(), Mutex::new(table), Log::default());
        Self { scenario, refresh_every, clock, fleet, began: now, template: template(now), table, provider }
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time")]
    pub(crate) fn process(self: &Arc<Self>) -> Process {
        Process { rows: self.clone(), busy_until: Mutex::new(Instant::now()) }
    }

    pub(crate) fn run_ended(&self, summary: &Summary, began: Timestamp) {
        let seen = &mut self.table().seen;
        seen.runs += 1;
        seen.unfinished_runs += u64::from(!summary.finished);
        seen.handed_on += summary.handed_on as u64;
        seen.longest_run = seen.longest_run.max(began.seconds_until(self.clock.now()));
    }

    pub(crate) fn seen(&self, end: Timestamp) -> Seen {
        let table = self.table();
        let has_expired = |row: &&Stored| row.granted_at + LIFETIME.as_secs() as i64 <= end.unix();
        let expired_at_the_end = table.rows.iter().filter(has_expired).count() as u64;
        let (requests, most_requests_a_second, throttled) = self.provider.seen();
        Seen { expired_at_the_end, requests, most_requests_a_second, throttled, ..table.seen.clone() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn connection(&self, expires_at: Timestamp) -> Box<Connection> {
        Box::new(Connection { expires_at, ..self.template.clone() })
    }
}

impl Table {
    /// Moves a row in the index.
    fn schedule(&mut self, number: u32, refresh_at: Timestamp, now: Timestamp) {
        let shard = usize::from(schedule::shard(&id(number)));
        let row = &mut self.rows[number as usize];
        self.due[shard].remove(&(row.refresh_at, number));
        row.refresh_at = refresh_at.unix();
        row.is_leased = false;
        self.due[shard].insert((row.refresh_at, number));
        let (second, writes) = &mut self.writes[shard];
        if *second != now.unix() {
            (*second, *writes) = (now.unix(), 0);
        }
        *writes += INDEX_WRITES;
        self.seen.most_index_writes_a_second = self.seen.most_index_writes_a_second.max(*writes);
    }
}

#[async_trait]
impl ListDue for Rows {
    async fn list(&self, shard: u8, after: Option<DueCursor>) -> Result<DuePage, StoreError> {
        self.clock.sleep(self.scenario.write).await;
        let table = self.table();
        let from =
            after.map_or((i64::MIN, 0), |cursor| (cursor.refresh_at.parse().unwrap_or(0), number(&cursor.key) + 1));
        let page = table.due[usize::from(shard)].range(from..).take(PAGE).map(|(refresh_at, number)| Due {
            key: format!("c{number}"),
            refresh_at: Timestamp::from_unix(*refresh_at),
            expires_at: Some(Timestamp::from_unix(table.rows[*number as usize].granted_at) + LIFETIME),
        });
        let rows = Vec::from_iter(page);
        let last = rows.last().filter(|_| rows.len() == PAGE);
        let next = last.map(|row| DueCursor { key: row.key.clone(), refresh_at: row.refresh_at.unix().to_string() });
        Ok(DuePage { rows, next })
    }
}

#[async_trait]
impl RefreshDue for Process {
    async fn refresh(&self, key: &str, _: bool, deadline: Timestamp) -> Outcome {
        let (rows, number) = (&self.rows, number(key));
        let now = rows.clock.now();
        if now + INVOCATION_BUDGET > deadline {
            return Outcome::NoTime;
        }
        if let Some(until) = rows.fleet.paused_until().await {
            return Outcome::Paused { until };
        }
        {
            let row = &mut rows.table().rows[number as usize];
            if row.is_leased {
                return Outcome::Busy { until: now };
            }
            if row.refresh_at > now.unix() {
                return Outcome::Adopted(rows.connection(Timestamp::from_unix(row.granted_at) + LIFETIME));
            }
            row.is_leased = true;
        }
        let processor = self.processor();
        rows.clock.sleep(processor + rows.scenario.write).await;
        let sent_at = rows.clock.now();
        let (takes, answer) = rows.scenario.provider.answer(&rows.provider, rows.began, sent_at);
        rows.clock.sleep(takes + rows.scenario.write).await;
        match answer {
            Ok(()) => self.store(number, sent_at),
            Err(error) => self.settle(number, error).await,
        }
    }
}

impl Process {
    /// How long this refresh waits for its share of the processor.
    #[expect(clippy::disallowed_methods, reason = "virtual time")]
    fn processor(&self) -> Duration {
        let mut busy_until = self.busy_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let now = Instant::now();
        *busy_until = (*busy_until).max(now) + self.rows.scenario.processor;
        *busy_until - now
    }

    fn store(&self, number: u32, granted_at: Timestamp) -> Outcome {
        let now = self.rows.clock.now();
        let mut table = self.rows.table();
        let row = &mut table.rows[number as usize];
        let expired_for = now.unix() - (row.granted_at + LIFETIME.as_secs() as i64);
        let expires_at = granted_at + LIFETIME;
        (row.granted_at, row.failures) = (granted_at.unix(), 0);
        row.version += 1;
        let version = i64::from(row.version);
        table.seen.refreshed += 1;
        if expired_for > 0 {
            table.seen.expired += 1;
            table.seen.last_expired = Some(self.rows.began.seconds_until(now) as f64 / 3600.0);
        }
        let refresh_at = schedule::refresh_at(&id(number), version, granted_at, expires_at, self.rows.refresh_every);
        table.schedule(number, refresh_at, now);
        drop(table);
        let pair = TokenPair { access_token: AccessToken::new(""), refresh_token: None };
        Outcome::Refreshed(self.rows.connection(expires_at), pair)
    }

    /// Settles a failure as `shared::protocol::refresh` does.
    async fn settle(&self, number: u32, error: ProviderError) -> Outcome {
        let now = self.rows.clock.now();
        let failures = {
            let row = &mut self.rows.table().rows[number as usize];
            row.failures = row.failures.saturating_add(1);
            row.failures
        };
        let mut wait = schedule::backoff(i64::from(failures));
        if let ProviderError::Throttled { retry_after: Some(asked), status } = &error {
            wait = wait.max((*asked).min(RETRY_AFTER_LONGEST));
            if *status == 503 {
                self.rows.fleet.pause(now + wait).await;
            }
        }
        self.rows.table().schedule(number, now + wait, now);
        Outcome::Failed { failure: Failure::Provider(error), retry_at: Some(now + wait), connection: None }
    }
}

fn id(number: u32) -> ConnectionId {
    ConnectionId::parse(&format!("c{number}")).expect("in the grammar")
}

fn number(key: &str) -> u32 {
    key[1..].parse().expect("made here")
}

/// A connection, by the write that stores one.
fn template(now: Timestamp) -> Connection {
    let new = NewPair {
        pair: SealedPair { id: PairId::new([1; 16]), sealed: Vec::new(), data_key: Vec::new() },
        has_refresh_token: true,
        token_type: "Bearer".to_owned(),
        scope: None,
        granted_at: now,
        expires_at: now + LIFETIME,
    };
    let grant = NewGrant {
        id: id(0),
        client_id: "client".to_owned(),
        name: "fleet".to_owned(),
        order: Order::at(now),
        session: None,
        awaited: None,
        is_throw_away: false,
        is_not_refreshed: false,
        new,
    };
    let (write, _) = connect(&grant, None, Duration::from_secs(300), now);
    let mut item = write.apply(None);
    item.0.insert("id".into(), "c0".into());
    let Row::Connection(connection) = Row::parse("c0", &item) else { unreachable!("the write makes a connection") };
    *connection
}
