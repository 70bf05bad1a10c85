//! The whole state as one number: a search need not continue from a state that it has already seen.
//!
//! A process is a future, and its state is not visible. But it is deterministic: its answers so far decide its state.
//! Of an ended process, only the ledger's facts count. Of the counter of effects, only the order of those effects
//! counts that a check compares.
//! counts that a check compares.

use std::hash::{DefaultHasher, Hash, Hasher};

use shared::domain::item::{Item, Value};
use shared::domain::write::Written;

use super::{ProcessId, Step, World};
use crate::call::Answer;
use crate::named;

impl World {
    pub(super) fn note_answer(&mut self, process: ProcessId, answer: &Answer) {
        let mut hasher = DefaultHasher::new();
        let clock = self.clock().unix();
        let answers_hash = &mut self.processes[process].answers_hash;
        // Clocks have whole seconds.
        (*answers_hash, clock).hash(&mut hasher);
        hash_answer(answer, &mut hasher);
        *answers_hash = hasher.finish();
    }

    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let moments = self.moments();
        let place = |moment: u64| moments.binary_search(&moment).unwrap_or(moments.len());
        self.now.hash(&mut hasher);
        for process in &self.processes {
            let frozen_until = process.frozen_until.max(self.now);
            let state = (process.answers_hash, process.key_fails, frozen_until, place(process.last_read_at));
            process.alive.then_some(state).hash(&mut hasher);
        }
        for item in self.store.connections.values().chain(self.store.attempts.values()) {
            hash_item(item, &mut hasher);
        }
        self.provider.hash_tokens(&mut hasher);
        self.queue.hash_messages(&mut hasher);
        self.ledger.hash_what_decides(place, &mut hasher);
        named::hash(&mut hasher);
        // The steps are in the order in which calls were made. That order has no effect any more.
        let mut steps: Vec<_> = self.steps.iter().map(|((time, _), step)| self.hash_step(*time, step, place)).collect();
        steps.sort_unstable();
        steps.hash(&mut hasher);
        hasher.finish()
    }

    /// The effects whose order a later check may ask for.
    fn moments(&self) -> Vec<u64> {
        let looked = self.processes.iter().filter(|process| process.alive).map(|process| process.last_read_at);
        let decided = self.calls.values().map(|call| call.last_read_at);
        let mut moments: Vec<u64> = looked.chain(decided).chain(self.ledger.moments()).collect();
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    fn hash_step(&self, time: u64, step: &Step, place: impl Fn(u64) -> usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        time.hash(&mut hasher);
        match step {
            Step::Effect(id) | Step::Deliver(id) | Step::Wake(id) => {
                std::mem::discriminant(step).hash(&mut hasher);
                if let Some(call) = self.calls.get(id) {
                    (call.process, call.answers_hash, call.request.name(), call.fate).hash(&mut hasher);
                    (call.created_at, place(call.last_read_at), call.is_over, call.steps).hash(&mut hasher);
                    if let Some(outcome) = &call.outcome {
                        hash_answer(outcome, &mut hasher);
                    }
                }
            }
            Step::Run(process) | Step::Crash(process) => (2, process).hash(&mut hasher),
            Step::Act(actor) => (3, actor).hash(&mut hasher),
        }
        hasher.finish()
    }
}

fn hash_answer(answer: &Answer, hasher: &mut impl Hasher) {
    answer.name().hash(hasher);
    if let Answer::Item(Some(item)) | Answer::Written(Written::Applied(item) | Written::ConditionFailed(Some(item))) =
        answer
    {
        hash_item(item, hasher);
    }
}

fn hash_item(item: &Item, hasher: &mut impl Hasher) {
    for (name, value) in &item.0 {
        name.hash(hasher);
        match value {
            Value::S(text) => text.hash(hasher),
            Value::N(number) => number.hash(hasher),
            Value::B(bytes) => bytes.hash(hasher),
            Value::Other => 0.hash(hasher),
        }
    }
}
