//! What one connection's failure says about all of them: rows of the connections table whose ids begin with `#`,
//! outside the grammar of connection ids and in no index.

use std::time::Duration;

use super::item::{BadAttribute, Item};
use super::rate::{RATE, Rate};
use super::time::Timestamp;
use super::write::{Change, Test, Write, WriteName, clause};

/// The row that says until when the provider has asked to wait with all requests.
pub const PAUSE: &str = "#pause";

/// How long refusals are counted together.
pub const WINDOW: Duration = Duration::from_secs(900);

/// The number of the window that a time falls into.
pub fn window(now: Timestamp) -> i64 {
    now.unix().div_euclid(WINDOW.as_secs() as i64)
}

/// The row of a window: one for windows with an even number, and one for the others.
pub fn key(window: i64) -> &'static str {
    if window.rem_euclid(2) == 0 { "#refusals-even" } else { "#refusals-odd" }
}

/// Notes that no request is sent before `until`. A shorter pause never ends a longer one.
pub fn pause(until: Timestamp) -> Write {
    Write {
        name: WriteName::Pause,
        key: PAUSE.to_owned(),
        clauses: vec![clause(
            "no longer pause is running",
            Test::Any(vec![Test::Absent("until"), Test::Below("until", until.unix())]),
        )],
        changes: vec![Change::Set("until", until.into())],
    }
}

/// The row that says when any connection was last refreshed.
pub const SUCCESS: &str = "#success";

/// Notes that refreshes succeed at present.
pub fn note_success(now: Timestamp) -> Write {
    Write {
        name: WriteName::NoteSuccess,
        key: SUCCESS.to_owned(),
        clauses: vec![clause(
            "no later success is noted",
            Test::Any(vec![Test::Absent("at"), Test::Below("at", now.unix())]),
        )],
        changes: vec![Change::Set("at", now.into())],
    }
}

/// The row that says until when the runs work that a scheduled run has started.
pub const OTHER_RUNS: &str = "#runs";

/// Allows a run to hand shards on to other runs, which end by the given time. It is allowed to one run at a time, so
/// the number of runs is limited.
pub fn hand_on(now: Timestamp, until: Timestamp) -> Write {
    Write {
        name: WriteName::HandOn,
        key: OTHER_RUNS.to_owned(),
        clauses: vec![clause(
            "no others are at work",
            Test::Any(vec![Test::Absent("until"), Test::AtMost("until", now.unix())]),
        )],
        changes: vec![Change::Set("until", until.into())],
    }
}

/// A row of the fleet, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetRow {
    /// The row [`PAUSE`]: no request is sent before this time.
    PausedUntil(Timestamp),
    /// The row [`SUCCESS`].
    SucceededAt(Timestamp),
    /// The count of refused and refreshed connections in one window.
    Tally {
        /// The number of the window; the row may be of one that is over.
        window: i64,
        /// The counts in this window.
        tally: Tally,
    },
    /// The row [`OTHER_RUNS`]: until then no run hands shards on.
    OtherRunsUntil(Timestamp),
    /// The row [`RATE`].
    Rate(Rate),
}

impl FleetRow {
    /// Parses the row of this key; the error names the attribute that cannot be read.
    pub fn parse(key: &str, item: &Item) -> Result<Self, BadAttribute> {
        match key {
            PAUSE => item.time("until").map(Self::PausedUntil),
            SUCCESS => item.time("at").map(Self::SucceededAt),
            OTHER_RUNS => item.time("until").map(Self::OtherRunsUntil),
            RATE => Rate::parse(item).map(Self::Rate),
            _ => {
                let tally = Tally { refused: item.count("refused")?, refreshed: item.count("refreshed")? };
                Ok(Self::Tally { window: item.number("window")?, tally })
            }
        }
    }
}

/// Connections that were refused or refreshed in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections whose refresh was refused; each once in a window.
    pub refused: i64,
    /// Connections that were refreshed.
    pub refreshed: i64,
}

impl Tally {
    /// Adds to the counts of a window that has begun.
    pub fn count(self, window: i64) -> Write {
        Write {
            name: WriteName::CountRefusals,
            key: key(window).to_owned(),
            clauses: vec![clause("the row is of this window", Test::Equals("window", window.into()))],
            changes: vec![Change::Add("refused", self.refused), Change::Add("refreshed", self.refreshed)],
        }
    }

    /// Begins a window, in the row of the window before the last.
    pub fn begin(self, window: i64) -> Write {
        Write {
            name: WriteName::BeginWindow,
            key: key(window).to_owned(),
            clauses: vec![clause(
                "the row is of an earlier window",
                Test::Any(vec![Test::Absent("window"), Test::Below("window", window)]),
            )],
            changes: vec![
                Change::Set("window", window.into()),
                Change::Set("refused", self.refused.into()),
                Change::Set("refreshed", self.refreshed.into()),
            ],
        }
    }

    /// Whether so many connections are refused that the cause is our configuration or the provider's outage, and not
    /// the customers: at least five, and a fifth of those that were tried. A fleet of one never reaches this.
    pub fn exceeds_refusal_threshold(self) -> bool {
        self.refused >= 5 && self.refused * 5 >= self.refused + self.refreshed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_refusals_or_a_small_share_of_them_do_not_freeze_the_marking() {
        let tally = |refused, refreshed| Tally { refused, refreshed };
        assert!(!tally(4, 0).exceeds_refusal_threshold());
        assert!(tally(5, 0).exceeds_refusal_threshold());
        assert!(tally(5, 20).exceeds_refusal_threshold());
        assert!(!tally(5, 21).exceeds_refusal_threshold());
    }
}
