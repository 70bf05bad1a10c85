//! The connections table: key `id`; index `due`: partition `shard`, sort `refresh_at`, with `expires_at`; sparse.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Table, item, unavailable};
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{InconsistentItem, Item};
use crate::domain::write::{Delete, Write, Written};
use crate::ports::{
    DeleteConnections, Due, DueCursor, DuePage, ListDue, Page, ReadConnections, ReadFleet, StoreError, WalkConnections,
    WriteConnections,
};

const PAGE: i32 = 100;

#[derive(Clone)]
pub struct ConnectionsTable(pub(super) Table);

impl ConnectionsTable {
    pub fn new(client: Client, name: String) -> Self {
        Self(Table { client, name, key: "id" })
    }
}

#[async_trait]
impl ReadConnections for ConnectionsTable {
    async fn row(&self, id: &ConnectionId) -> Result<Option<Item>, StoreError> {
        self.0.read(id.as_str()).await
    }
}

#[async_trait]
impl ReadFleet for ConnectionsTable {
    async fn read(&self, key: &'static str) -> Result<Option<Item>, StoreError> {
        self.0.read(key).await
    }
}

#[async_trait]
impl WriteConnections for ConnectionsTable {
    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        self.0.write(write).await
    }
}

#[async_trait]
impl WalkConnections for ConnectionsTable {
    async fn page(&self, after: Option<&str>) -> Result<Page, StoreError> {
        self.0.page(after, PAGE).await
    }
}

#[async_trait]
impl DeleteConnections for ConnectionsTable {
    async fn delete(&self, delete: &Delete) -> Result<bool, StoreError> {
        self.0.delete(delete).await
    }
}

#[async_trait]
impl ListDue for ConnectionsTable {
    async fn list(&self, shard: u8, after: Option<DueCursor>) -> Result<DuePage, StoreError> {
        let shard = AttributeValue::N(shard.to_string());
        let start = after.map(|DueCursor(row)| {
            [
                ("id".to_owned(), AttributeValue::S(row.id.as_str().to_owned())),
                ("shard".to_owned(), shard.clone()),
                ("refresh_at".to_owned(), AttributeValue::N(row.refresh_at.unix().to_string())),
            ]
            .into()
        });
        let output = self
            .0
            .client
            .query()
            .table_name(&self.0.name)
            .index_name("due")
            .key_condition_expression("#shard = :shard")
            .expression_attribute_names("#shard", "shard")
            .expression_attribute_values(":shard", shard)
            .set_exclusive_start_key(start)
            .limit(PAGE)
            .send()
            .await
            .map_err(unavailable)?;
        let more = output.last_evaluated_key.is_some();
        let rows = output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|attributes| due(&item::parse(attributes)?))
            .collect::<Result<Vec<_>, _>>()?;
        let next = rows.last().filter(|_| more).cloned().map(DueCursor);
        Ok(DuePage { rows, next })
    }
}

fn due(item: &Item) -> Result<Due, InconsistentItem> {
    Ok(Due {
        id: ConnectionId::parse(item.string("id")?).map_err(|_| InconsistentItem { attribute: "id" })?,
        refresh_at: item.time("refresh_at")?,
        expires_at: item.time("expires_at")?,
    })
}
