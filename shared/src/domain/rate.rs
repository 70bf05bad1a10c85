//! How many token requests a second all scheduled runs together may send: one row of the connections table, which every
//! run takes its slots from.
//!
//! The rate is what the operator has set. Several answers of 429 halve it, and it grows back with time. It depends on
//! the row and the clock alone, so no write is needed while it grows.

use std::time::Duration;

use super::connection::refresh::LONGEST_INVOCATION;
use super::item::{BadAttribute, Item};
use super::time::Timestamp;
use super::write::{Change, Test, Write, WriteName, clause};

/// The row's key.
pub const RATE: &str = "#rate";

/// Each second, a lowered rate grows by a fiftieth of what it was lowered to, and by at least one request in five
/// seconds. So a rate that was halved once is back after 50 seconds, and a lower rate grows more slowly.
const GROWTH: i64 = 50;
const SLOWEST_GROWTH: i64 = 5;

/// A row whose second is further ahead than this comes from a wrong clock, or was written by hand: no run lasts longer,
/// even if its process was frozen.
const FAR_AHEAD: Duration = LONGEST_INVOCATION;

/// The row [`RATE`], parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The last second in which slots were taken.
    pub second: Timestamp,
    /// Slots taken in that second.
    pub taken: i64,
    /// The last 429; `None` where the provider has never answered it.
    pub lowered: Option<Lowered>,
}

/// The provider has answered 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// Requests a second.
    pub to: i64,
    /// When it was lowered; it grows back from then on.
    pub at: Timestamp,
}

impl Rate {
    /// Whether no slot of that second can be taken any more: the row is of a later second, which is not far ahead.
    pub fn is_past(&self, second: Timestamp) -> bool {
        self.second > second && self.second <= second + FAR_AHEAD
    }

    /// Parses the row; the error names the attribute that cannot be read.
    pub fn parse(item: &Item) -> Result<Self, BadAttribute> {
        let lowered = match item.optional_time("lowered_at")? {
            Some(at) => Some(Lowered { to: item.number("lowered_to")?, at }),
            None => None,
        };
        Ok(Self { second: item.time("second")?, taken: item.count("taken")?, lowered })
    }
}

/// Requests a second that may be sent at a time. `most` is what the operator has set.
pub fn allowed(lowered: Option<Lowered>, most: i64, now: Timestamp) -> i64 {
    let Some(Lowered { to, at }) = lowered else { return most };
    let seconds = at.seconds_until(now).max(0);
    let grown = (seconds.saturating_mul(to) / GROWTH).max(seconds / SLOWEST_GROWTH);
    to.saturating_add(grown).clamp(1, most)
}

/// Takes slots of a second that others have taken slots of.
pub fn take_slots(second: Timestamp, slots: i64, allowed: i64) -> Write {
    Write {
        name: WriteName::TakeSlots,
        key: RATE.to_owned(),
        clauses: vec![
            clause("the row is of this second", Test::Equals("second", second.into())),
            clause("the second has so many slots left", Test::AtMost("taken", allowed - slots)),
        ],
        changes: vec![Change::Set("second", second.into()), Change::Add("taken", slots)],
    }
}

/// Takes the first slots of a second.
pub fn begin_second(second: Timestamp, slots: i64) -> Write {
    Write {
        name: WriteName::BeginSecond,
        key: RATE.to_owned(),
        clauses: vec![clause(
            "the row is of an earlier second, or of one that is far away",
            Test::Any(vec![
                Test::Absent("second"),
                Test::Below("second", second.unix()),
                Test::Above("second", (second + FAR_AHEAD).unix()),
            ]),
        )],
        changes: vec![Change::Set("second", second.into()), Change::Set("taken", slots.into())],
    }
}

/// Lowers the rate after a request that was answered 429. A request that was sent before the rate was last lowered says
/// nothing about the present rate.
pub fn lower(lowered: Lowered, sent_at: Timestamp) -> Write {
    Write {
        name: WriteName::LowerRate,
        key: RATE.to_owned(),
        clauses: vec![
            clause("the row is there", Test::Exists("second")),
            clause(
                "the request was sent at the present rate",
                Test::Any(vec![Test::Absent("lowered_at"), Test::Below("lowered_at", sent_at.unix())]),
            ),
        ],
        changes: vec![Change::Set("lowered_to", lowered.to.into()), Change::Set("lowered_at", lowered.at.into())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lowered_rate_grows_back_to_what_was_set_and_is_never_zero() {
        let at = Timestamp::from_unix(1_800_000_000);
        let after =
            |seconds, to, most| allowed(Some(Lowered { to, at }), most, Timestamp::from_unix(at.unix() + seconds));
        assert_eq!([0, 25, 50, 1000].map(|seconds| after(seconds, 100, 200)), [100, 150, 200, 200]);
        assert_eq!([-5, 0, 5, 50, 245, 1000].map(|seconds| after(seconds, 1, 50)), [1, 1, 2, 11, 50, 50]);
        assert_eq!(after(0, 0, 50), 1);
        assert_eq!(allowed(None, 50, at), 50);
    }
}
