//! The counts of a chaos run: what it has done, and its losses.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

#[derive(Default)]
pub(super) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    pub(super) fn count(&self, what: &str) {
        *self.0.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn of(&self, what: &str) -> u64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    /// Kills and freezes of functions at work.
    pub(super) fn kills_and_freezes(&self) -> u64 {
        self.of("kills") + self.of("freezes")
    }

    pub(super) fn json(&self) -> Value {
        json!(*self.0.lock().unwrap())
    }
}
