//! A row that is dead for long.

use std::time::Duration;

use shared::domain::connection::reaping::reap;
use shared::domain::item::Item;
use shared::ports::StoreError;
use shared::refreshing::Failure;

use crate::{Done, Event, Maintenance};

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Maintenance {
    pub(crate) async fn reap(&self, item: &Item, event: &Event) -> Result<Done, Failure> {
        let limit = self.clock.now() - DAY * u32::from(event.days);
        let Some(delete) = reap(item, limit).map_err(StoreError::from)? else { return Ok(Done::Skipped) };
        if event.dry_run || self.deletes.delete(&delete).await? {
            return Ok(Done::Changed);
        }
        // Its customer has come back, or another run was first.
        Ok(Done::Skipped)
    }
}
