//! The write that takes a connection away. From then on no token is handed out, and no journey that began before brings it
//! back; its grants are in the list of those to revoke, and what is left is a tombstone.

use super::attributes::{DISCONNECT_ORDER, REVOCATION, STATUS, VACANT, removed_by_a_tombstone};
use super::grant::{is_as_seen, pair_is};
use super::revocation::{Added, Revocation, is_to_be_worked_off};
use super::{Connection, Row};
use crate::domain::order::Order;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::{Change, Write, WriteName, clause};

/// What became of the grants of a connection that was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider has ended them.
    Done,
    /// The provider has no endpoint for it.
    Off,
    /// The provider will not, or has not for a day.
    Failed,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Done, Self::Off, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Off => "off",
            Self::Failed => "failed",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Takes away what a row holds, the live pair and the one that waits. `None` where it holds neither.
pub fn disconnect(seen: &Row, order: Order, now: Timestamp) -> Option<(Write, Vec<PairId>)> {
    let live: Option<&Connection> = match seen {
        Row::Connection(connection) => Some(connection),
        Row::Tombstone(_) => None,
        Row::Unreadable(_) => return None,
    };
    if live.is_none() && seen.waiting().is_none() {
        return None;
    }
    // Of two that come at once, the earlier one may come to the row last: what the later one refuses stays refused.
    let order = seen.disconnected().map_or(order, |before| before.max(order));
    let grants = live.map(|live| Revocation::of(live, now)).into_iter();
    let grants = grants.chain(seen.waiting().map(|waiting| waiting.revocation(now)));
    let Added { changes: mut sets, dropped } = seen.revocations()?.add(grants);
    let mut clauses = vec![is_as_seen(Some(seen))];
    clauses.extend(live.map(|live| clause("the live pair is the one that was seen", pair_is(live.pair.id))));
    sets.extend([Change::Set(STATUS, VACANT.into()), Change::Set(DISCONNECT_ORDER, order.number().into())]);
    sets.extend(is_to_be_worked_off(now));
    let is_set = |name: &str| sets.iter().any(|set| set.attribute() == name);
    let mut changes: Vec<Change> = removed_by_a_tombstone().filter(|remove| !is_set(remove.attribute())).collect();
    changes.push(Change::Remove(REVOCATION));
    changes.extend(sets);
    Some((Write { name: WriteName::Disconnect, key: seen.id().to_owned(), clauses, changes }, dropped))
}
