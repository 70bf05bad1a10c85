//! The two tables. A row is parsed as the adapter parses it, each by itself.

use async_trait::async_trait;
use shared::domain::attempt::{Attempt, StateHash};
use shared::domain::connection::Row;
use shared::domain::connection_id::ConnectionId;
use shared::domain::fleet::FleetRow;
use shared::domain::item::{Item, Unreadable};
use shared::domain::order::Order;
use shared::domain::session::{Session, SessionId};
use shared::domain::write::{Delete, Write, Written};
use shared::ports::{
    ClaimAccounts, DeleteConnections, DueCursor, DuePage, FleetRows, ListDue, Page, ReadAttempts, ReadConnections,
    Segment, StoreError, WalkConnections, WriteAttempts, WriteConnections, WriteOrders,
};

use super::{Ports, unexpected};
use crate::call::{Answer, CallError, Request, Rows, Table};

fn store_error(answer: Answer) -> StoreError {
    match answer {
        Answer::Failed(CallError::Permanent) => {
            StoreError::Unreadable(Unreadable { key: String::new(), attribute: "simulated", found: Vec::new() })
        }
        answer => StoreError::Unavailable(unexpected(&answer)),
    }
}

impl Ports {
    async fn read_item(&self, table: Table, key: String) -> Result<Option<Item>, StoreError> {
        match self.ask(Request::Read { table, key }).await {
            Answer::Item(item) => Ok(item),
            answer => Err(store_error(answer)),
        }
    }

    async fn write_item(&self, table: Table, write: &Write) -> Result<Written<Item>, StoreError> {
        match self.ask(Request::Write { table, write: write.clone() }).await {
            Answer::Written(written) => Ok(written),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl ReadAttempts for Ports {
    async fn attempt(&self, state_hash: &StateHash) -> Result<Option<Attempt>, StoreError> {
        let key = state_hash.key();
        let item = self.read_item(Table::Attempts, key.clone()).await?;
        Ok(item.map(|item| Attempt::parse(&key, &item)).transpose()?)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let key = id.key();
        let item = self.read_item(Table::Attempts, key.clone()).await?;
        Ok(item.map(|item| Session::parse(&key, &item)).transpose()?)
    }

    async fn order(&self, id: &ConnectionId) -> Result<Option<Order>, StoreError> {
        let key = Order::key(id);
        let item = self.read_item(Table::Attempts, key.clone()).await?;
        Ok(item.map(|item| order(&key, &item)).transpose()?)
    }
}

fn order(key: &str, item: &Item) -> Result<Order, Unreadable> {
    Order::parse(item).map_err(|bad| item.unreadable(key, bad))
}

#[async_trait]
impl WriteAttempts for Ports {
    async fn attempt(&self, write: &Write) -> Result<Written<Attempt>, StoreError> {
        let written = self.write_item(Table::Attempts, write).await?;
        Ok(written.try_map(|item| Attempt::parse(&write.key, &item))?)
    }

    async fn session(&self, write: &Write) -> Result<bool, StoreError> {
        let written = self.write_item(Table::Attempts, write).await?;
        Ok(matches!(written, Written::Applied(_)))
    }

    async fn both(&self, attempt: &Write, session: &Write) -> Result<bool, StoreError> {
        match self.ask(Request::WriteBoth(attempt.clone(), session.clone())).await {
            Answer::Both(applied) => Ok(applied),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl WriteOrders for Ports {
    async fn order(&self, write: &Write) -> Result<Written<Order>, StoreError> {
        let written = self.write_item(Table::Attempts, write).await?;
        Ok(written.try_map(|item| order(&write.key, &item))?)
    }
}

#[async_trait]
impl ReadConnections for Ports {
    async fn row(&self, id: &ConnectionId) -> Result<Option<Row>, StoreError> {
        let item = self.read_item(Table::Connections, id.as_str().to_owned()).await?;
        Ok(item.map(|item| Row::parse(id.as_str(), &item)))
    }
}

#[async_trait]
impl FleetRows for Ports {
    async fn read(&self, key: &'static str) -> Result<Option<FleetRow>, StoreError> {
        let item = self.read_item(Table::Connections, key.to_owned()).await?;
        let parsed = item.map(|item| FleetRow::parse(key, &item).map_err(|bad| item.unreadable(key, bad)));
        Ok(parsed.transpose()?)
    }

    async fn write(&self, write: &Write) -> Result<Written<FleetRow>, StoreError> {
        let written = self.write_item(Table::Connections, write).await?;
        let parse =
            |item: Item| FleetRow::parse(&write.key, &item).map_err(|bad| item.unreadable(write.key.as_str(), bad));
        Ok(written.try_map(parse)?)
    }
}

#[async_trait]
impl WriteConnections for Ports {
    async fn write(&self, write: &Write) -> Result<Written<Row>, StoreError> {
        let written = self.write_item(Table::Connections, write).await?;
        Ok(written.map(|item| Row::parse(&write.key, &item)))
    }
}

#[async_trait]
impl ClaimAccounts for Ports {
    async fn claim(&self, write: &Write) -> Result<Written<ConnectionId>, StoreError> {
        let written = self.write_item(Table::Connections, write).await?;
        let parse = |item: Item| {
            shared::domain::account::parse_claim(&item).map_err(|bad| item.unreadable(write.key.as_str(), bad))
        };
        Ok(written.try_map(parse)?)
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
    async fn page(&self, segment: Segment, after: Option<&str>) -> Result<Page, StoreError> {
        match self.ask(Request::Walk { segment, after: after.map(str::to_owned) }).await {
            Answer::Walked(Rows { rows, next }) => {
                Ok(Page { rows: rows.iter().map(|(key, item)| Row::parse(key, item)).collect(), next })
            }
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
