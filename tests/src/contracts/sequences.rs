//! The model against an engine: random sequences of conditional writes, through the shipped adapters.
//!
//! A sequence consists of writes of the protocol and made-up ones. Half of them are chosen so that the model applies
//! them. After each write, the adapter's answer and the engine's row must be those of [`Write::evaluate`] and
//! [`Write::apply`]. So the model describes the shipped code.
//!
//! If they differ, the failure names the seed; `SEED=… ` with the same test runs that sequence first.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use local::tables;
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Item;
use shared::domain::write::{Delete, Write, WriteName};

use super::engine::{Engine, Kind};
use crate::random::Random;

mod attempts;
mod connections;
mod counts;
mod show;
mod synthetic;

use attempts::Journey;

const STEPS: u64 = 6;

/// Sequences that run side by side, each on its own rows.
const WORKERS: u64 = 4;

/// The most tries to find a write that the model applies, or refuses: for one name, and the most names.
const TRIES: usize = 60;
const NAMES: usize = 6;

/// All times of a sequence are near this one.
const NOW: i64 = 1_800_000_000;

/// How often each write was applied and refused, by its name.
#[derive(Debug, Default)]
pub struct Tried(pub BTreeMap<WriteName, (u64, u64)>);

impl Tried {
    fn count(&mut self, name: Option<WriteName>, applied: bool) {
        let Some(name) = name else { return };
        let (yes, no) = self.0.entry(name).or_default();
        *(if applied { yes } else { no }) += 1;
    }

    pub fn writes(&self) -> u64 {
        self.0.values().map(|(applied, refused)| applied + refused).sum()
    }

    /// Panics if a write of the protocol was never applied, or its condition never failed.
    pub fn assert_that_all_were_tried(&self) {
        for name in WriteName::ALL {
            let (applied, refused) = self.0.get(name).copied().unwrap_or_default();
            assert!(
                applied > 0 && refused > 0,
                "{name}: {applied} applied, {refused} refused: one of the two was never tried"
            );
        }
    }
}

/// Panics at the first difference.
pub async fn agree(client: &Client, seed: u64, sequences: u64) -> Tried {
    tables::create(client).await.unwrap();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let engine = Engine::new(client);
            tokio::spawn(async move {
                let mut tried = Tried::default();
                for number in (worker..sequences).step_by(WORKERS as usize) {
                    Sequence::new(&engine, seed.wrapping_add(number)).run(&mut tried).await;
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

/// A row of a sequence, by the model.
struct Subject {
    kind: Kind,
    key: String,
    image: Option<Item>,
    /// The names of the writes that are tried on it.
    names: Vec<WriteName>,
}

/// One step of a sequence.
enum Step {
    Write(Write),
    Delete(Delete),
}

impl Step {
    fn holds(&self, image: Option<&Item>) -> bool {
        match self {
            Self::Write(write) => write.evaluate(image).is_empty(),
            Self::Delete(delete) => delete.evaluate(image).is_empty(),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Write(write) => show::write(write),
            Self::Delete(delete) => show::delete(delete),
        }
    }
}

struct Sequence {
    engine: Engine,
    random: Random,
    seed: u64,
    step: u64,
    id: ConnectionId,
    journey: Journey,
}

impl Sequence {
    fn new(engine: &Engine, seed: u64) -> Self {
        Self {
            engine: engine.clone(),
            random: Random::new(seed),
            seed,
            step: 0,
            id: ConnectionId::parse(&format!("t{seed}")).unwrap(),
            journey: Journey::new(seed),
        }
    }

    async fn run(mut self, tried: &mut Tried) {
        let seed = self.seed;
        match self.random.below(20) {
            0..11 => self.of_one_row(Kind::Connection, self.id.as_str().to_owned(), tried).await,
            11..16 => self.of_an_attempt_and_its_session(tried).await,
            16 => self.of_one_row(Kind::Account, format!("#account#{seed}"), tried).await,
            17 => self.of_one_row(Kind::Order, format!("order#{seed}"), tried).await,
            _ => self.of_one_row(Kind::Fleet, format!("#fleet#{seed}"), tried).await,
        }
    }

    async fn of_one_row(&mut self, kind: Kind, key: String, tried: &mut Tried) {
        let mut subject = self.begin(kind, key).await;
        for step in 0..STEPS {
            self.step = step;
            let (name, step) = self.choose(&subject);
            self.one(&mut subject, name, &step, tried).await;
        }
    }

    async fn of_an_attempt_and_its_session(&mut self, tried: &mut Tried) {
        let mut attempt = self.begin(Kind::Attempt, self.journey.state_key()).await;
        let mut session = self.begin(Kind::Session, self.journey.session_key()).await;
        for step in 0..STEPS {
            self.step = step;
            let (of_attempt, of_session) = (self.choose(&attempt), self.choose(&session));
            match self.random.below(3) {
                0 => self.one(&mut attempt, of_attempt.0, &of_attempt.1, tried).await,
                1 => self.one(&mut session, of_session.0, &of_session.1, tried).await,
                _ => self.both((&mut attempt, of_attempt), (&mut session, of_session), tried).await,
            }
        }
    }

    /// Begins without a row, or with a stored one.
    async fn begin(&mut self, kind: Kind, key: String) -> Subject {
        let all = kind.names();
        let (image, names) = match kind {
            _ if self.random.percent(30) => (None, all),
            Kind::Connection => {
                let (item, names) = connections::first_row(&mut self.random, &self.id);
                (Some(item), names)
            }
            Kind::Attempt => (Some(self.journey.any_attempt(&mut self.random)), all),
            Kind::Session => (Some(self.journey.any_session(&mut self.random)), all),
            Kind::Account | Kind::Fleet | Kind::Order => (None, all),
        };
        self.engine.place(kind, &key, image.as_ref()).await;
        Subject { kind, key, image, names }
    }

    /// A write that the model applies, or one that it refuses, equally often. The name is drawn first, so that writes
    /// with many clauses are also applied. A made-up write has no name.
    fn choose(&mut self, subject: &Subject) -> (Option<WriteName>, Step) {
        let (wanted, is_made_up) = (self.random.percent(50), self.random.percent(30));
        let image = subject.image.as_ref();
        let mut chosen = None;
        for names_drawn in 0.. {
            let name = (!is_made_up).then(|| self.random.pick(&subject.names));
            for _ in 0..TRIES {
                let step = match name {
                    None => Some(Step::Write(synthetic::write(&mut self.random, subject))),
                    Some(name) => self.make(name, subject),
                };
                let Some(step) = step else { continue };
                if step.holds(image) == wanted {
                    return (name, step);
                }
                chosen = Some((name, step));
            }
            if names_drawn >= NAMES && chosen.is_some() {
                break;
            }
        }
        chosen.expect("the loop ends with one")
    }

    fn make(&mut self, name: WriteName, subject: &Subject) -> Option<Step> {
        let (random, image) = (&mut self.random, subject.image.as_ref());
        match subject.kind {
            Kind::Connection => connections::make(name, random, &self.id, image),
            Kind::Attempt | Kind::Session => self.journey.make(name, random).map(Step::Write),
            Kind::Account | Kind::Fleet | Kind::Order => {
                counts::make(name, random, &subject.key, image).map(Step::Write)
            }
        }
    }

    async fn one(&self, subject: &mut Subject, name: Option<WriteName>, step: &Step, tried: &mut Tried) {
        let (kind, image) = (subject.kind, subject.image.as_ref());
        let holds = step.holds(image);
        let (answered, expected, after) = match step {
            Step::Write(write) => {
                let answered = self.engine.write(kind, write).await.map(|answer| format!("{answer:?}"));
                (answered, format!("{:?}", kind.expected(write, image)), Some(kind.after(write, image)))
            }
            Step::Delete(delete) => {
                let answered = self.engine.delete(delete).await.map(|is_deleted| format!("{is_deleted}"));
                (answered, format!("{holds}"), None)
            }
        };
        if answered.as_ref() != Ok(&expected) {
            let what = format!("the adapter has answered {answered:?}\nby the model: {expected}");
            self.diverged(&what, subject, &step.show(), image);
        }
        if holds {
            subject.image = after;
        }
        tried.count(name, holds);
        self.is_stored(subject, step).await;
    }

    async fn both(
        &self,
        first: (&mut Subject, (Option<WriteName>, Step)),
        second: (&mut Subject, (Option<WriteName>, Step)),
        tried: &mut Tried,
    ) {
        let ((first, (first_name, first_step)), (second, (second_name, second_step))) = (first, second);
        let (Step::Write(first_write), Step::Write(second_write)) = (&first_step, &second_step) else {
            panic!("no row of the attempts table is deleted");
        };
        let expected = first_step.holds(first.image.as_ref()) && second_step.holds(second.image.as_ref());
        let answered = self.engine.both(first_write, second_write).await;
        if answered.as_ref() != Ok(&expected) {
            let what = format!("both were answered {answered:?}, by the model {expected}");
            self.diverged(&what, first, &first_step.show(), None);
        }
        let done = [(first, first_name, first_write, &first_step), (second, second_name, second_write, &second_step)];
        for (subject, name, write, step) in done {
            if expected {
                subject.image = Some(subject.kind.after(write, subject.image.as_ref()));
            }
            tried.count(name, expected);
            self.is_stored(subject, step).await;
        }
    }

    async fn is_stored(&self, subject: &Subject, step: &Step) {
        let stored = self.engine.read(subject.kind, &subject.key).await;
        if stored != subject.image {
            self.diverged("the stored row", subject, &step.show(), stored.as_ref());
        }
    }

    fn diverged(&self, what: &str, subject: &Subject, step: &str, engine: Option<&Item>) -> ! {
        panic!(
            "model and engine differ: {what}\nSEED={} at step {}, {:?} {}\n{step}\nmodel:  {}\nengine: {}",
            self.seed,
            self.step,
            subject.kind,
            subject.key,
            show::row(subject.image.as_ref()),
            show::row(engine)
        );
    }
}
