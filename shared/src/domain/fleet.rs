//! What one connection's failure says about all of them: rows of the connections table whose ids begin with `#`, outside the
//! grammar of connection ids and in no index.

use std::time::Duration;

use super::item::{InconsistentItem, Item};
use super::time::Timestamp;
use super::write::{Change, Test, Write, clause};

/// Until when the provider has asked everybody to wait.
pub const PAUSE: &str = "#pause";

/// How long refusals are counted together.
pub const WINDOW: Duration = Duration::from_secs(900);

/// The number of the window that a time falls into.
pub fn window(now: Timestamp) -> i64 {
    now.unix().div_euclid(WINDOW.as_secs() as i64)
}

/// Windows take turns in two rows.
pub fn key(window: i64) -> &'static str {
    if window.rem_euclid(2) == 0 { "#refusals-even" } else { "#refusals-odd" }
}

/// Puts the fleet's next request off. A shorter pause never ends a longer one.
pub fn pause(until: Timestamp) -> Write {
    Write {
        name: "pause",
        key: PAUSE.to_owned(),
        clauses: vec![clause(
            "no longer pause is running",
            Test::Any(vec![Test::Absent("until"), Test::Below("until", until.unix())]),
        )],
        changes: vec![Change::Set("until", until.into())],
    }
}

/// Connections that were refused or refreshed in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub refused: i64,
    pub refreshed: i64,
}

impl Tally {
    /// Of the row, if it is of this window.
    pub fn of(item: &Item, window: i64) -> Result<Self, InconsistentItem> {
        if item.optional_number("window")? != Some(window) {
            return Ok(Self::default());
        }
        Ok(Self { refused: item.number("refused")?, refreshed: item.number("refreshed")? })
    }

    /// Adds to a window that has begun.
    pub fn count(self, window: i64) -> Write {
        Write {
            name: "count refusals",
            key: key(window).to_owned(),
            clauses: vec![clause("the row is of this window", Test::Equals("window", window.into()))],
            changes: vec![Change::Add("refused", self.refused), Change::Add("refreshed", self.refreshed)],
        }
    }

    /// Begins a window, over the one before the last.
    pub fn begin(self, window: i64) -> Write {
        Write {
            name: "begin window",
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

    /// Whether so many are refused that it is our configuration or the provider's outage, and not the customers: at least
    /// five connections, and a fifth of those that were tried. A fleet of one never looks like that.
    pub fn is_everybody(self) -> bool {
        self.refused >= 5 && self.refused * 5 >= self.refused + self.refreshed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_refusals_or_a_small_share_of_them_are_the_customers_own() {
        let tally = |refused, refreshed| Tally { refused, refreshed };
        assert!(!tally(4, 0).is_everybody());
        assert!(tally(5, 0).is_everybody());
        assert!(tally(5, 20).is_everybody());
        assert!(!tally(5, 21).is_everybody());
    }
}
