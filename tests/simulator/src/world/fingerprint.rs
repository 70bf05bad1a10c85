//! The whole state as one number: a search need not go on from where it has been.
//!
//! A process is a future and its state is not visible. But it is deterministic: its answers so far decide its state.

use std::hash::{DefaultHasher, Hash, Hasher};

use shared::domain::item::{Item, Value};
use shared::domain::write::Written;

use super::{ProcessId, Step, World};
use crate::call::Answer;

impl World {
    pub(super) fn hear(&mut self, process: ProcessId, answer: &Answer) {
        let mut hasher = DefaultHasher::new();
        let heard = &mut self.processes[process].heard;
        (*heard, self.now, answer.name()).hash(&mut hasher);
        if let Answer::Item(Some(item))
        | Answer::Written(Written::Applied(item) | Written::ConditionFailed(Some(item))) = answer
        {
            hash_item(item, &mut hasher);
        }
        *heard = hasher.finish();
    }

    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.now.hash(&mut hasher);
        for process in &self.processes {
            (process.alive, process.frozen_until, process.heard, process.looked_at).hash(&mut hasher);
        }
        for item in self.store.connections.values().chain(self.store.attempts.values()) {
            hash_item(item, &mut hasher);
        }
        self.provider.hash_tokens(&mut hasher);
        // The order of the queue is the order in which calls were made, which no longer matters.
        let mut steps: Vec<_> = self.steps.iter().map(|((time, _), step)| self.hash_step(*time, step)).collect();
        steps.sort_unstable();
        steps.hash(&mut hasher);
        hasher.finish()
    }

    fn hash_step(&self, time: u64, step: &Step) -> u64 {
        let mut hasher = DefaultHasher::new();
        time.hash(&mut hasher);
        match step {
            Step::Effect(id) | Step::Deliver(id) | Step::Wake(id) => {
                std::mem::discriminant(step).hash(&mut hasher);
                if let Some(call) = self.calls.get(id) {
                    (call.process, call.request.name(), call.fate, call.created_at, call.is_over).hash(&mut hasher);
                    call.outcome.as_ref().map(Answer::name).hash(&mut hasher);
                }
            }
            Step::Run(process) | Step::Crash(process) => (2, process).hash(&mut hasher),
            Step::Drive(actor) => (3, actor).hash(&mut hasher),
        }
        hasher.finish()
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
