//! The work on one due row.

use std::sync::Arc;

use async_trait::async_trait;
use shared::domain::connection::refresh::{PutOffBy, RefreshReason};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Unreadable;
use shared::domain::time::Timestamp;
use shared::ports::StoreError;
use shared::protocol::refresh::{Outcome, Refreshing};
use shared::protocol::revoke::Revoking;

/// Does what a row needs. The product uses [`DueRows`]; the simulation of large fleets has its own.
#[async_trait]
pub trait RefreshDue: Send + Sync {
    /// `is_live`: whether the row has a live pair.
    async fn refresh(&self, key: &str, is_live: bool, deadline: Timestamp) -> Outcome;
}

pub struct DueRows {
    pub refreshing: Arc<Refreshing>,
    pub revoking: Arc<Revoking>,
}

#[async_trait]
impl RefreshDue for DueRows {
    async fn refresh(&self, key: &str, is_live: bool, deadline: Timestamp) -> Outcome {
        let Ok(id) = ConnectionId::parse(key) else {
            let found = vec![("id", Some(key.into()))];
            let unreadable = Unreadable { key: key.to_owned(), attribute: "id", found };
            return self.refreshing.unreadable(unreadable, PutOffBy::Schedule).await.logged();
        };
        if is_live {
            return self.refreshing.refresh(&id, &RefreshReason::Scheduled, deadline).await;
        }
        match self.revoking.drive(&id, deadline).await {
            Ok(()) => Outcome::Gone,
            Err(StoreError::Unreadable(unreadable)) => {
                self.refreshing.unreadable(unreadable, PutOffBy::Schedule).await.logged()
            }
            Err(error) => Outcome::from(error).logged(),
        }
    }
}
