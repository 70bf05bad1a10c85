//! Puts off a row that cannot be read. Its lease is released, other due rows come before it, and a person finds it by
//! `GET /v1/connections?status=quarantined`.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::connection::refresh::{self, PutOffBy};
use crate::domain::item::Unreadable;
use crate::domain::time::Timestamp;
use crate::ports::{Clock, WriteConnections};

/// How long no worker looks at such a row.
const PUT_OFF_FOR: Duration = Duration::from_secs(300);

/// Puts off rows that are unreadable: see the module.
#[derive(Clone)]
pub struct Quarantine {
    /// Notes it in the row, if the attribute that could not be read has not changed. The pair does not change.
    pub writes: Arc<dyn WriteConnections>,
    /// The time from which the row is put off.
    pub clock: Arc<dyn Clock>,
}

impl Quarantine {
    /// Returns when the schedule looks at it again.
    pub async fn put_off(&self, unreadable: &Unreadable, by: PutOffBy<'_>) -> Timestamp {
        let now = self.clock.now();
        let not_before = now + PUT_OFF_FOR;
        let write = refresh::quarantine(unreadable, by, not_before, now);
        if let Err(error) = self.writes.write(&write).await {
            tracing::warn!(%error, "an unreadable row could not be put into quarantine");
        }
        not_before
    }
}
