//! The two tables.

use async_trait::async_trait;
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::{InconsistentItem, Item};
use shared::domain::write::{Delete, Write, Written};
use shared::ports::{
    DeleteConnections, DueCursor, DuePage, ListDue, Page, ReadAttempts, ReadConnections, ReadFleet, StoreError,
    WalkConnections, WriteAttempts, WriteConnections,
};

use super::{Ports, unexpected};
use crate::call::{Answer, Refusal, Request, Table};

fn store_error(answer: Answer) -> StoreError {
    match answer {
        Answer::Failed(Refusal::Nonsense) => StoreError::Inconsistent(InconsistentItem { attribute: "simulated" }),
        answer => StoreError::Unavailable(unexpected(&answer)),
    }
}

#[async_trait]
impl ReadAttempts for Ports {
    async fn read(&self, key: &str) -> Result<Option<Item>, StoreError> {
        match self.ask(Request::Read { table: Table::Attempts, key: key.to_owned() }).await {
            Answer::Item(item) => Ok(item),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl WriteAttempts for Ports {
    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        match self.ask(Request::Write { table: Table::Attempts, write: write.clone() }).await {
            Answer::Written(written) => Ok(written),
            answer => Err(store_error(answer)),
        }
    }

    async fn write_both(&self, first: &Write, second: &Write) -> Result<bool, StoreError> {
        match self.ask(Request::WriteBoth(first.clone(), second.clone())).await {
            Answer::Both(applied) => Ok(applied),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl ReadConnections for Ports {
    async fn row(&self, id: &ConnectionId) -> Result<Option<Item>, StoreError> {
        match self.ask(Request::Read { table: Table::Connections, key: id.as_str().to_owned() }).await {
            Answer::Item(item) => Ok(item),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl ReadFleet for Ports {
    async fn read(&self, key: &'static str) -> Result<Option<Item>, StoreError> {
        match self.ask(Request::Read { table: Table::Connections, key: key.to_owned() }).await {
            Answer::Item(item) => Ok(item),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl WriteConnections for Ports {
    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        match self.ask(Request::Write { table: Table::Connections, write: write.clone() }).await {
            Answer::Written(written) => Ok(written),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl DeleteConnections for Ports {
    async fn delete(&self, delete: &Delete) -> Result<bool, StoreError> {
        match self.ask(Request::Delete(delete.clone())).await {
            Answer::Deleted(deleted) => Ok(deleted),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl WalkConnections for Ports {
    async fn page(&self, after: Option<&str>) -> Result<Page, StoreError> {
        match self.ask(Request::Walk { after: after.map(str::to_owned) }).await {
            Answer::Walked(page) => Ok(page),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl ListDue for Ports {
    async fn list(&self, shard: u8, _: Option<DueCursor>) -> Result<DuePage, StoreError> {
        match self.ask(Request::List { shard }).await {
            Answer::Due(page) => Ok(page),
            answer => Err(store_error(answer)),
        }
    }
}
