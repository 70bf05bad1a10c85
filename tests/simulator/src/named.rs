//! The grants that the log has named as not revoked. A subscriber per thread collects that one event.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Once;

use shared::domain::token_pair::PairId;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static NAMED: RefCell<HashSet<String>> = RefCell::default();
}

struct Listener;

struct Pair(Option<String>);

impl Visit for Pair {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "pair" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

fn names_grants(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.fields().field("grants_not_revoked").is_some()
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if names_grants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        names_grants(metadata)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut pair = Pair(None);
        event.record(&mut pair);
        NAMED.with_borrow_mut(|named| named.extend(pair.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Begins to collect for a new run.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    // If a subscriber exists already, it receives the same events.
    ONCE.call_once(|| drop(tracing::subscriber::set_global_default(Listener)));
    NAMED.with_borrow_mut(HashSet::clear);
}

pub(crate) fn hash(hasher: &mut impl Hasher) {
    let mut named: Vec<String> = NAMED.with_borrow(|named| named.iter().cloned().collect());
    named.sort_unstable();
    named.hash(hasher);
}

pub(crate) fn contains(pair: PairId) -> bool {
    NAMED.with_borrow(|named| named.contains(&String::from(pair)))
}
