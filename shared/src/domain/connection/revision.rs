//! The revision of a row: a number that grows with every change of what the row holds.
//!
//! A write that was decided from a row asks for the revision that was read. Then nothing that the decision depends on
//! has changed: the pair, the waiting pair, the list of grants to revoke, the session, and whether the connection was
//! taken away or needs its customer. Leases, journals and accounts do not count.

use super::Row;
use super::attributes::{ID, REVISION};
use crate::domain::order::Order;
use crate::domain::write::{Change, Clause, Test, clause};

/// A part of every write that changes what the row holds.
pub(super) const COUNTED: Change = Change::Add(REVISION, 1);

/// For a write that may create the row. A row of this id may have been deleted before. Its revisions were lower, since
/// the orders of an id's events do not begin anew, so a worker that read the deleted row cannot write over this one.
pub(super) fn counted(seen: Option<&Row>, order: Order) -> Change {
    match seen {
        None => Change::Set(REVISION, order.number().into()),
        Some(_) => COUNTED,
    }
}

/// `None` is no row.
pub(super) fn is_as_seen(seen: Option<&Row>) -> Clause {
    match seen.and_then(Row::revision) {
        None => clause("there is no row yet", Test::Absent(ID)),
        Some(revision) => clause("the row is as it was seen", Test::Equals(REVISION, revision.into())),
    }
}
