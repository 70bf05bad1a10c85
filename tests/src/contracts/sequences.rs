//! The model against an engine: random sequences of conditional writes, through the shipped adapters.
//!
//! A sequence begins without a row and goes on with writes of the protocol and with made-up ones, half of them chosen so
//! that the model applies them. After each one the engine must have answered as [`Write::evaluate`] and [`Write::apply`]
//! say, and must hold the row that they say. Whoever reasons about a `Write` then reasons about what ships.
//!
//! A divergence names the seed; `SEED=… ` with the same test runs it again, as the first sequence of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use local::tables;
use shared::aws::dynamodb::{AttemptsTable, ConnectionsTable};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Item;
use shared::domain::write::{Write, Written};
use shared::ports::{WriteAttempts, WriteConnections};

use crate::random::Random;

mod attempts;
mod connections;
mod row;
mod show;
mod synthetic;

use row::Row;

const STEPS: u64 = 6;

/// Sequences that run side by side: each has rows of its own.
const WORKERS: u64 = 4;

/// How often a write that the model applies, or refuses, is looked for before any will do.
const TRIES: usize = 200;

/// Around which all times of a sequence lie.
const NOW: i64 = 1_800_000_000;

/// How often each write was applied and refused, by its name.
#[derive(Debug, Default)]
pub struct Tried(pub BTreeMap<&'static str, (u64, u64)>);

impl Tried {
    fn count(&mut self, write: &Write, applied: bool) {
        let (yes, no) = self.0.entry(write.name).or_default();
        *(if applied { yes } else { no }) += 1;
    }

    pub fn writes(&self) -> u64 {
        self.0.values().map(|(applied, refused)| applied + refused).sum()
    }
}

/// Panics at the first divergence.
pub async fn agree(client: &Client, seed: u64, sequences: u64) -> Tried {
    tables::create(client).await.unwrap();
    let client = Arc::new(client.clone());
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut tried = Tried::default();
                for number in (worker..sequences).step_by(WORKERS as usize) {
                    Sequence::new(&client, seed.wrapping_add(number)).run(&mut tried).await;
                }
                tried
            })
        })
        .collect();
    let mut all = Tried::default();
    for worker in workers {
        for (name, (applied, refused)) in worker.await.unwrap().0 {
            let (yes, no) = all.0.entry(name).or_default();
            (*yes, *no) = (*yes + applied, *no + refused);
        }
    }
    all
}

struct Sequence {
    client: Client,
    connections: ConnectionsTable,
    attempts: AttemptsTable,
    random: Random,
    seed: u64,
    step: u64,
}

impl Sequence {
    fn new(client: &Client, seed: u64) -> Self {
        Self {
            client: client.clone(),
            connections: ConnectionsTable::new(client.clone(), tables::CONNECTIONS.to_owned()),
            attempts: AttemptsTable::new(client.clone(), tables::ATTEMPTS.to_owned()),
            random: Random::new(seed),
            seed,
            step: 0,
        }
    }

    async fn run(mut self, tried: &mut Tried) {
        if self.random.percent(50) {
            self.of_a_connection(tried).await;
        } else {
            self.of_an_attempt(tried).await;
        }
    }

    async fn of_a_connection(&mut self, tried: &mut Tried) {
        let id = ConnectionId::parse(&format!("t{}", self.seed)).unwrap();
        let mut row = Row::new(tables::CONNECTIONS, id.as_str().to_owned());
        for step in 0..STEPS {
            self.step = step;
            let write = self.choose(&row, |random| {
                if row.image.is_none() && random.percent(70) {
                    connections::standing(random, &id)
                } else if random.percent(70) {
                    connections::write(random, &id)
                } else {
                    synthetic::write(random, &row)
                }
            });
            let written = self.connections.write(&write).await;
            self.compare(&mut row, &write, written, tried).await;
        }
    }

    async fn of_an_attempt(&mut self, tried: &mut Tried) {
        let journey = attempts::Journey::new(self.seed);
        let mut state = Row::new(tables::ATTEMPTS, journey.state_key());
        let mut session = Row::new(tables::ATTEMPTS, journey.session_key());
        for step in 0..STEPS {
            self.step = step;
            let of_state = self.choose(&state, |random| {
                if state.image.is_none() && random.percent(70) {
                    journey.standing(random)
                } else if random.percent(70) {
                    journey.of_state(random)
                } else {
                    synthetic::write(random, &state)
                }
            });
            let of_session = self.choose(&session, |random| {
                if random.percent(70) { journey.of_session(random) } else { synthetic::write(random, &session) }
            });
            match self.random.below(3) {
                0 => {
                    let written = self.attempts.write(&of_state).await;
                    self.compare(&mut state, &of_state, written, tried).await;
                }
                1 => {
                    let written = self.attempts.write(&of_session).await;
                    self.compare(&mut session, &of_session, written, tried).await;
                }
                _ => self.both((&mut state, &of_state), (&mut session, &of_session), tried).await,
            }
        }
    }

    /// A write that the model applies, or one that it refuses, as often as the other. Its name is drawn first, so that the
    /// writes with many clauses are applied too.
    fn choose(&mut self, row: &Row, make: impl Fn(&mut Random) -> Write) -> Write {
        let wanted = self.random.percent(50);
        let mut chosen = make(&mut self.random);
        for _ in 0..TRIES {
            if chosen.evaluate(row.image.as_ref()).is_empty() == wanted {
                break;
            }
            let another = make(&mut self.random);
            if another.name == chosen.name {
                chosen = another;
            }
        }
        chosen
    }

    async fn compare(
        &self,
        row: &mut Row,
        write: &Write,
        written: Result<Written, impl std::fmt::Display>,
        tried: &mut Tried,
    ) {
        let failing = write.evaluate(row.image.as_ref());
        match written {
            Ok(Written::Applied(item)) if failing.is_empty() => {
                let expected = row.after(write);
                if item != expected {
                    self.diverged("the row after it", row, &[write], Some(&expected), Some(&item));
                }
                row.image = Some(expected);
                tried.count(write, true);
            }
            Ok(Written::Refused(stored)) if !failing.is_empty() => {
                if stored != row.image {
                    self.diverged("the row that refused it", row, &[write], row.image.as_ref(), stored.as_ref());
                }
                tried.count(write, false);
            }
            Ok(Written::Applied(item)) => {
                let what = format!("applied, although {failing:?}");
                self.diverged(&what, row, &[write], row.image.as_ref(), Some(&item));
            }
            Ok(Written::Refused(stored)) => {
                self.diverged(
                    "refused, although every clause holds",
                    row,
                    &[write],
                    Some(&row.after(write)),
                    stored.as_ref(),
                );
            }
            Err(error) => self.diverged(&format!("an error: {error}"), row, &[write], row.image.as_ref(), None),
        }
        self.is_stored(row, &[write]).await;
    }

    async fn both(&self, first: (&mut Row, &Write), second: (&mut Row, &Write), tried: &mut Tried) {
        let pair = [first.1, second.1];
        let holds = |(row, write): &(&mut Row, &Write)| write.evaluate(row.image.as_ref()).is_empty();
        let expected = holds(&first) && holds(&second);
        match self.attempts.write_both(first.1, second.1).await {
            Ok(applied) if applied == expected => {}
            Ok(applied) => {
                let what = format!("both were applied: {applied}; by the model: {expected}");
                self.diverged(&what, first.0, &pair, first.0.image.as_ref(), second.0.image.as_ref());
            }
            Err(error) => self.diverged(&format!("an error: {error}"), first.0, &pair, first.0.image.as_ref(), None),
        }
        for (row, write) in [first, second] {
            if expected {
                row.image = Some(row.after(write));
            }
            tried.count(write, expected);
            self.is_stored(row, &pair).await;
        }
    }

    async fn is_stored(&self, row: &Row, writes: &[&Write]) {
        let stored = row.stored(&self.client).await;
        if stored != row.image {
            self.diverged("the stored row", row, writes, row.image.as_ref(), stored.as_ref());
        }
    }

    fn diverged(&self, what: &str, row: &Row, writes: &[&Write], model: Option<&Item>, engine: Option<&Item>) -> ! {
        let writes: Vec<String> = writes.iter().map(|write| show::write(write)).collect();
        panic!(
            "model and engine differ: {what}\nSEED={} at step {}, {} {}\n{}\nmodel:  {}\nengine: {}",
            self.seed,
            self.step,
            row.table,
            row.key,
            writes.join("\n"),
            show::row(model),
            show::row(engine)
        );
    }
}
