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
pub(super) const NEXT_REVISION: Change = Change::Add(REVISION, 1);

/// For a write that may create the row. A row of this id may have been deleted before, and a worker that read it must
/// not write over the new one. So a new row begins above all earlier revisions: at the order of its grant, since orders
/// of an id only grow.
pub(super) fn first_or_next_revision(seen: Option<&Row>, order: Order) -> Change {
    match seen {
        None => Change::Set(REVISION, order.number().into()),
        Some(_) => NEXT_REVISION,
    }
}

/// `None` is no row.
pub(super) fn is_as_seen(seen: Option<&Row>) -> Clause {
    match seen.and_then(Row::revision) {
        None => clause("there is no row yet", Test::Absent(ID)),
        Some(revision) => clause("the row is as it was seen", Test::Equals(REVISION, revision.into())),
    }
}
