//! The place of an event in the history of a connection id.
//!
//! Sessions, disconnects and imports each take the next number of a counter; a journey notes the number that it finds
//! when it begins. So "before" and "after" do not depend on a clock: two events in the same second, or of two processes
//! whose clocks differ, have the order in which the table has received them.
//!
//! The counter is a row of the attempts table (`order#<connection id>`). It is never behind the clock, so the row may
//! expire when it has not been used for some days: the next number is still higher.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connection_id::ConnectionId;
use super::item::{BadAttribute, Item};
use super::time::Timestamp;
use super::write::{Change, Test, Write, WriteName, clause};

/// A number of the counter: the higher one is the later event of the same connection id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Order(i64);

/// Longer than a connect session and its journey together.
const KEPT_FOR: Duration = Duration::from_secs(4 * 86_400);

const LAST: &str = "last";

impl Order {
    /// A number that was stored before.
    pub fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// As it is stored. It is near the Unix time in milliseconds; use it only to compare.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The lowest number that the counter gives at this moment or later.
    pub fn at(now: Timestamp) -> Self {
        Self(now.unix().saturating_mul(1000))
    }

    /// The key of the counter's row in the attempts table.
    pub fn key(id: &ConnectionId) -> String {
        format!("order#{id}")
    }

    /// Takes the number of the present moment, if no event has it or a later one.
    pub fn take_present(id: &ConnectionId, now: Timestamp) -> Write {
        let present = Self::at(now).0;
        let is_free = Test::Any(vec![Test::Absent(LAST), Test::Below(LAST, present)]);
        Write {
            name: WriteName::TakePresentOrder,
            key: Self::key(id),
            clauses: vec![clause("no event had this number or a later one", is_free)],
            changes: vec![Change::Set(LAST, present.into()), Change::Set("ttl", (now + KEPT_FOR).into())],
        }
    }

    /// Takes the number after `seen`. The counter has already reached the number of the present moment: there were
    /// several events in one second, or this clock is behind.
    pub fn take_after(id: &ConnectionId, seen: Self, now: Timestamp) -> Write {
        Write {
            name: WriteName::TakeNextOrder,
            key: Self::key(id),
            clauses: vec![clause("no other event has come in between", Test::Equals(LAST, seen.0.into()))],
            changes: vec![Change::Set(LAST, (seen.0 + 1).into()), Change::Set("ttl", (now + KEPT_FOR).into())],
        }
    }

    /// Parses the counter's row.
    pub fn parse(item: &Item) -> Result<Self, BadAttribute> {
        Self::of(item, LAST)
    }

    /// Parses an order from an attribute of another row.
    pub fn of(item: &Item, attribute: &'static str) -> Result<Self, BadAttribute> {
        item.count(attribute).map(Self)
    }
}
