//! Puts off a row that cannot be read, for every worker that finds one. It hides no other row, its lease is released,
//! and a person finds it in `GET /v1/connections?status=quarantined`.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::connection::refresh::{self, PutOffBy};
use crate::domain::item::Unreadable;
use crate::domain::time::Timestamp;
use crate::ports::{Clock, WriteConnections};

/// How long such a row is left alone.
const PUT_OFF_FOR: Duration = Duration::from_secs(300);

/// Puts off rows that are unreadable: see the module.
#[derive(Clone)]
pub struct Quarantine {
    /// Notes it in the row, if what could not be read is as it was. The pair is left as it is.
    pub writes: Arc<dyn WriteConnections>,
    /// From its time on the row is left alone for five minutes.
    pub clock: Arc<dyn Clock>,
}

impl Quarantine {
    /// Returns when the schedule looks at it again.
    pub async fn put_off(&self, unreadable: &Unreadable, by: PutOffBy<'_>) -> Timestamp {
        let now = self.clock.now();
        let not_before = now + PUT_OFF_FOR;
        let write = refresh::quarantine(unreadable, by, not_before, now);
        if let Err(error) = self.writes.write(&write).await {
            tracing::warn!(%error, "a row that cannot be read could not be put off");
        }
        not_before
    }
}
