//! A stack in operation, minute by minute: the shipped handlers in memory, and the metrics that CloudWatch would have.
//!
//! Our own metrics come from the log and from each run's summary. AWS's come from its documented rules: a function
//! reports each invocation, an HTTP API each 5xx, a queue what is visible, what is in flight, and an age.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use events::Events;
use serde_json::{Value, json};
use shared::domain::escrow::Escrowed;
use shared::metrics::{METRICS, NAMESPACE};
use shared::ports::{BusEntry, BusError, Clock, Entropy, Escrow, PutEvents};
use tests::random::Random;
use tests::world::{Setup, World};

use super::cloudwatch::{Alarm, Metrics};
use super::collector;
use super::queue::Queue;
use crate::stack::{Stack, logical_id};

pub(super) const MINUTE: i64 = 60;

/// What is broken, beside the engines of the world.
#[derive(Default)]
pub(crate) struct Broken {
    pub no_schedule: bool,
    pub refresh_crashes: bool,
    pub no_concurrency: bool,
    pub stream_is_not_followed: bool,
    pub no_bus: bool,
}

struct Bus {
    is_gone: bool,
}

#[async_trait]
impl PutEvents for Bus {
    async fn put(&self, entries: &[BusEntry]) -> Result<(), BusError> {
        match (self.is_gone, entries.len()) {
            (true, 1..) => Err(BusError { taken: 0, why: "the bus is gone".to_owned() }),
            _ => Ok(()),
        }
    }
}

/// The same in each run, so that each alarm rings after the same time.
struct Repeated(Mutex<Random>);

impl Entropy for Repeated {
    fn fill(&self, bytes: &mut [u8]) {
        let mut random = self.0.lock().unwrap();
        bytes.fill_with(|| random.below(256) as u8);
    }
}

pub(crate) struct Operation<'a> {
    pub world: World,
    pub broken: Broken,
    /// The number of messages in the queue that cannot be read, and so are never deleted.
    pub unreadable_messages: usize,
    /// How long a scheduled run takes, by its number.
    pub run_takes: fn(i64) -> i64,
    pub alarms: &'a [Alarm],
    pub metrics: Metrics,
    stack: &'a Stack,
    connections: Vec<String>,
    interval: i64,
    next_run: i64,
    runs: i64,
    escrow: Queue,
    /// Records of the stream that the events function has done.
    followed: usize,
    waiting_since: Option<i64>,
}

impl<'a> Operation<'a> {
    /// Nine connections, ten minutes apart, so that the load is even.
    pub(crate) async fn begin(stack: &'a Stack, alarms: &'a [Alarm], setup: Setup) -> Self {
        collector::begin();
        let entropy = Arc::new(Repeated(Mutex::new(Random::new(1))));
        let world = World::with(Setup { entropy, ..setup }).await;
        let interval = stack.environment("refresh")["REFRESH_EVERY"].parse().unwrap();
        let now = world.clock.now().unix();
        let mut operation = Self {
            world,
            broken: Broken::default(),
            unreadable_messages: 0,
            run_takes: |_| 4,
            alarms,
            metrics: Metrics::default(),
            stack,
            connections: Vec::new(),
            interval,
            next_run: now,
            runs: 0,
            escrow: Queue::default(),
            followed: 0,
            waiting_since: None,
        };
        for number in 0..9 {
            operation.connect(&format!("t{number}")).await;
            for _ in 0..10 {
                operation.minute().await;
            }
        }
        operation
    }

    pub(crate) fn now(&self) -> i64 {
        self.world.clock.now().unix()
    }

    pub(crate) async fn connect(&mut self, id: &str) {
        self.world.connect(id).await;
        self.connections.push(id.to_owned());
    }

    /// Makes all connections due, as in a fleet so large that many are due in each interval.
    pub(crate) async fn all_are_due(&self) {
        for id in &self.connections {
            self.world.set(id, "refresh_at", AttributeValue::N(self.now().to_string())).await;
        }
    }

    /// The alarms that ring if CloudWatch looks this much further back.
    pub(crate) fn ringing(&self, further: usize) -> Vec<&'a str> {
        let (alarms, now) = (self.alarms, self.now());
        alarms.iter().filter(|alarm| alarm.rings(&self.metrics, now, further)).map(|alarm| alarm.id.as_str()).collect()
    }

    /// One minute: a scheduled run, a reader, the table's stream, the queue.
    pub(crate) async fn minute(&mut self) {
        let now = self.now();
        if now >= self.next_run {
            self.next_run = now - now.rem_euclid(self.interval) + self.interval;
            self.scheduled().await;
        }
        self.read_a_token().await;
        self.follow_the_stream().await;
        self.replay_escrow().await;
        self.collect();
        // Waits may have taken a part of the minute.
        let now = self.now();
        self.world.clock.advance(MINUTE - now.rem_euclid(MINUTE));
    }

    async fn scheduled(&mut self) {
        if self.broken.no_schedule {
            return;
        }
        self.runs += 1;
        if self.broken.no_concurrency {
            // Lambda tries again until the event is too old, which is less than an interval.
            self.lambda("refresh", "Throttles", 1.0);
            return self.dead_letter();
        }
        let crashes = self.broken.refresh_crashes;
        self.lambda("refresh", "Invocations", 1.0);
        self.lambda("refresh", "Errors", f64::from(u8::from(crashes)));
        if crashes {
            return self.dead_letter();
        }
        let summary = self.world.sweep().await;
        let ended = self.now() + (self.run_takes)(self.runs);
        for metric in METRICS {
            if let Some(value) = summary[metric.name].as_f64() {
                self.own(metric.name, &[], ended, value);
            }
        }
    }

    async fn read_a_token(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        if self.broken.no_concurrency {
            self.lambda("token", "Throttles", 1.0);
            return self.answered(503);
        }
        let number = self.now() / MINUTE;
        let id = &self.connections[number as usize % self.connections.len()];
        let status = self.world.token(id).await.status.as_u16();
        self.lambda("token", "Invocations", 1.0);
        self.lambda("token", "Errors", 0.0);
        self.answered(status);
    }

    async fn follow_the_stream(&mut self) {
        let records = self.world.stream.records().await.unwrap();
        let waiting = &records[self.followed..];
        // The age is the record's, and not the first try's.
        if waiting.is_empty() {
            return;
        }
        let since = *self.waiting_since.get_or_insert(self.world.clock.now().unix());
        if self.broken.stream_is_not_followed || self.broken.no_concurrency {
            if self.broken.no_concurrency {
                self.lambda("events", "Throttles", 1.0);
            }
            return;
        }
        let bus = Arc::new(Bus { is_gone: self.broken.no_bus });
        let answer = Events { bus, stack: "tests".to_owned() }.deliver(&json!({ "Records": waiting })).await;
        match answer.batch_item_failures.first() {
            None => (self.followed, self.waiting_since) = (records.len(), None),
            Some(first) => {
                let is_it = |record: &Value| record["dynamodb"]["SequenceNumber"] == first.item_identifier.as_str();
                self.followed += waiting.iter().position(is_it).unwrap();
            }
        }
        let age = (self.now() - since) * 1000;
        self.lambda("events", "Invocations", 1.0);
        self.lambda("events", "Errors", 0.0);
        self.lambda("events", "IteratorAge", age as f64);
    }

    async fn replay_escrow(&mut self) {
        let now = self.now();
        let waiting = self.world.escrow.take();
        let unreadable = (0..self.unreadable_messages).map(|number| format!("{{}} {number}"));
        let bodies: Vec<String> = waiting.iter().map(Escrowed::to_json).chain(unreadable).collect();
        self.escrow.holds(&bodies, now);
        let received = self.escrow.receive(now);
        let (delivered, hidden): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|escrowed| received.contains(&escrowed.to_json()));
        for escrowed in hidden {
            self.world.escrow.put(&escrowed).await.unwrap();
        }
        for escrowed in delivered {
            if let Err(failure) = self.world.deployment.replaying.replay(&escrowed).await {
                failure.log();
                self.world.escrow.put(&escrowed).await.unwrap();
            }
        }
        for body in received.iter().filter(|body| body.starts_with("{} ")) {
            let message = refresh::Message { id: "m".to_owned(), escrowed: Escrowed::from_json(body) };
            refresh::replay(&self.world.deployment.replaying, vec![message]).await;
        }
        for (name, value) in self.escrow.metrics(now) {
            self.queue("Escrow", name, value);
        }
    }

    /// The log's metrics.
    fn collect(&mut self) {
        let now = self.now();
        for point in collector::points() {
            self.own(point.name, &point.dimensions, now, point.value);
        }
    }

    fn own(&mut self, name: &str, dimensions: &[(&str, String)], at: i64, value: f64) {
        let stack = self.stack.environment("refresh")["STACK"].clone();
        let mut all: Vec<(&str, &str)> = dimensions.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.push(("stack", &stack));
        self.metrics.put(NAMESPACE, name, &all, at, value);
    }

    fn lambda(&mut self, function: &str, name: &str, value: f64) {
        let physical = self.stack.resource(&logical_id(function))["physical_id"].as_str().unwrap();
        self.metrics.put("AWS/Lambda", name, &[("FunctionName", physical)], self.world.clock.now().unix(), value);
    }

    fn answered(&mut self, status: u16) {
        let api = self.stack.resource("Api")["physical_id"].as_str().unwrap();
        let is_5xx = f64::from(u8::from(status >= 500));
        self.metrics.put("AWS/ApiGateway", "5xx", &[("ApiId", api)], self.world.clock.now().unix(), is_5xx);
    }

    fn queue(&mut self, id: &str, name: &str, value: f64) {
        let queue = self.stack.arn(id).rsplit(':').next().unwrap();
        self.metrics.put("AWS/SQS", name, &[("QueueName", queue)], self.world.clock.now().unix(), value);
    }

    fn dead_letter(&mut self) {
        self.queue("DeadLetters", "NumberOfMessagesSent", 1.0);
    }
}
