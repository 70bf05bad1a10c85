//! The connections table: key `id`; index `due`: partition `shard`, sort `refresh_at`, with `expires_at`,
//! `needs_customer_since` and `not_refreshed`; sparse.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Table, item, unavailable};
use crate::domain::account;
use crate::domain::connection::Row;
use crate::domain::connection::attributes::{NEEDS_CUSTOMER_SINCE, NOT_REFRESHED};
use crate::domain::connection_id::ConnectionId;
use crate::domain::fleet::FleetRow;
use crate::domain::item::{Item, Value};
use crate::domain::time::Timestamp;
use crate::domain::write::{Delete, Write, Written};
use crate::ports::{
    ClaimAccounts, DeleteConnections, Due, DueCursor, DuePage, FleetRows, ListDue, ReadConnections, StoreError,
    WriteConnections,
};

const PAGE: i32 = 100;

/// Connections, claims of accounts, and the rows that all workers share. A clone has the same client.
#[derive(Clone)]
pub struct ConnectionsTable(pub(super) Table);

impl ConnectionsTable {
    /// `name` is the table's name. Sends nothing.
    pub fn new(client: Client, name: String) -> Self {
        Self(Table { client, name, key: "id" })
    }
}

#[async_trait]
impl ReadConnections for ConnectionsTable {
    async fn row(&self, id: &ConnectionId) -> Result<Option<Row>, StoreError> {
        Ok(self.0.read(id.as_str()).await?.map(|item| Row::parse(id.as_str(), &item)))
    }
}

#[async_trait]
impl WriteConnections for ConnectionsTable {
    async fn write(&self, write: &Write) -> Result<Written<Row>, StoreError> {
        Ok(self.0.write(write).await?.map(|item| Row::parse(&write.key, &item)))
    }
}

#[async_trait]
impl ClaimAccounts for ConnectionsTable {
    async fn claim(&self, write: &Write) -> Result<Written<ConnectionId>, StoreError> {
        let parse = |item: Item| account::parse_claim(&item).map_err(|bad| item.unreadable(&write.key, bad));
        Ok(self.0.write(write).await?.try_map(parse)?)
    }
}

#[async_trait]
impl FleetRows for ConnectionsTable {
    async fn read(&self, key: &'static str) -> Result<Option<FleetRow>, StoreError> {
        let parse = |item: Item| FleetRow::parse(key, &item).map_err(|bad| item.unreadable(key, bad));
        Ok(self.0.read(key).await?.map(parse).transpose()?)
    }

    async fn write(&self, write: &Write) -> Result<Written<FleetRow>, StoreError> {
        let parse = |item: Item| FleetRow::parse(&write.key, &item).map_err(|bad| item.unreadable(&write.key, bad));
        Ok(self.0.write(write).await?.try_map(parse)?)
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
        let start = after.map(|cursor| {
            [
                ("id".to_owned(), AttributeValue::S(cursor.key)),
                ("shard".to_owned(), shard.clone()),
                ("refresh_at".to_owned(), AttributeValue::N(cursor.refresh_at)),
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
        let next = output.last_evaluated_key.and_then(cursor);
        let rows = output.items.unwrap_or_default().into_iter().filter_map(|row| due(&item::parse(row))).collect();
        Ok(DuePage { rows, next })
    }
}

fn cursor(mut key: HashMap<String, AttributeValue>) -> Option<DueCursor> {
    match (key.remove("id"), key.remove("refresh_at")) {
        (Some(AttributeValue::S(key)), Some(AttributeValue::N(refresh_at))) => Some(DueCursor { key, refresh_at }),
        _ => None,
    }
}

/// DynamoDB checks the types of an index's keys. If another attribute cannot be read, this is found when the row is
/// read.
fn due(row: &Item) -> Option<Due> {
    let number = |name: &'static str| row.optional_time(name).ok().flatten();
    let Some(Value::S(key)) = row.0.get("id") else { return None };
    // A number that is not an integer makes the row due at once. It is put off when the row itself is read.
    let refresh_at = number("refresh_at").unwrap_or(Timestamp::from_unix(0));
    // Such a row does not count for the fleet's least remaining lifetime: it has no access token yet, or it has been
    // reported that its customer is needed.
    let has_none = [NEEDS_CUSTOMER_SINCE, NOT_REFRESHED].into_iter().any(|name| row.0.contains_key(name));
    Some(Due { key: key.clone(), refresh_at, expires_at: number("expires_at").filter(|_| !has_none) })
}
