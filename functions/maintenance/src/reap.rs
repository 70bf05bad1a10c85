//! Deletes a row that has been of no use for long.

use std::time::Duration;

use shared::domain::connection::Row;
use shared::domain::connection::disconnect::disconnect;
use shared::domain::connection::reap::{Reaping, reap};
use shared::domain::write::Written;
use shared::protocol::refresh::Failure;
use shared::protocol::revoke::log_dropped;

use crate::{Done, Event, Maintenance};

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Maintenance {
    pub(crate) async fn reap(&self, row: &Row, event: &Event) -> Result<Done, Failure> {
        let now = self.clock.now();
        let is_done = match reap(row, now - DAY * u32::from(event.days)) {
            Reaping::Leave => return Ok(Done::Skipped),
            _ if event.dry_run => true,
            Reaping::Delete(delete) => self.deletes.delete(&delete).await?,
            Reaping::Disconnect => self.make_a_tombstone(row).await?,
        };
        // If a condition failed, the customer has come back, or another run was first.
        Ok(if is_done { Done::Changed } else { Done::Skipped })
    }

    /// The schedule revokes its grants, and a later run deletes the tombstone. The disconnect gets the order of the
    /// grant, so the tombstone refuses no journey that the connection would not refuse: the customer may be about to
    /// come back.
    async fn make_a_tombstone(&self, row: &Row) -> Result<bool, Failure> {
        let Row::Connection(connection) = row else { return Ok(false) };
        let write = disconnect(row, connection.granted_by.order, self.clock.now());
        let Some((write, dropped)) = write else { return Ok(false) };
        log_dropped(dropped);
        Ok(matches!(self.connection_writes.write(&write).await?, Written::Applied(_)))
    }
}
