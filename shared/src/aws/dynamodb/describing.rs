//! How the tables are defined.

use aws_sdk_dynamodb::types::{
    GlobalSecondaryIndexDescription, IndexStatus, KeySchemaElement, KeyType, ProjectionType, TimeToLiveStatus,
};

use super::{AttemptsTable, ConnectionsTable, Table, unavailable};
use crate::ports::StoreError;

/// A table as AWS describes it. Keys: the partition key, then the sort key if there is one.
#[derive(Clone, Debug)]
pub struct TableShape {
    /// Names of attributes.
    pub key: Vec<String>,
    /// The global secondary indexes.
    pub indexes: Vec<IndexShape>,
}

/// A global secondary index as AWS describes it.
#[derive(Clone, Debug)]
pub struct IndexShape {
    /// `due` or `attention`, if the table is as the product makes it.
    pub name: String,
    /// Names of attributes: one, if it has no sort key.
    pub key: Vec<String>,
    /// The projected attributes beside the keys; `None` is all of them.
    pub attributes: Option<Vec<String>>,
    /// Whether it can be queried: an index that is still being built cannot.
    pub is_active: bool,
}

impl Table {
    async fn describe(&self) -> Result<Option<TableShape>, StoreError> {
        let described = match self.client.describe_table().table_name(&self.name).send().await {
            Ok(output) => output.table,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => None,
            Err(error) => return Err(unavailable(error)),
        };
        Ok(described.map(|table| TableShape {
            key: key(table.key_schema()),
            indexes: table.global_secondary_indexes().iter().map(index).collect(),
        }))
    }
}

impl AttemptsTable {
    /// `None` where there is no such table (`dynamodb:DescribeTable`).
    pub async fn describe(&self) -> Result<Option<TableShape>, StoreError> {
        self.0.describe().await
    }
}

impl ConnectionsTable {
    /// `None` where there is no such table (`dynamodb:DescribeTable`).
    pub async fn describe(&self) -> Result<Option<TableShape>, StoreError> {
        self.0.describe().await
    }
}

impl AttemptsTable {
    /// The attribute by which rows expire; `None` where they do not expire (`dynamodb:DescribeTimeToLive`).
    pub async fn expires_by(&self) -> Result<Option<String>, StoreError> {
        let output =
            self.0.client.describe_time_to_live().table_name(&self.0.name).send().await.map_err(unavailable)?;
        let is_on =
            |status: &TimeToLiveStatus| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling);
        let described = output.time_to_live_description;
        let described = described.filter(|described| described.time_to_live_status().is_some_and(is_on));
        Ok(described.and_then(|described| described.attribute_name))
    }
}

fn index(described: &GlobalSecondaryIndexDescription) -> IndexShape {
    let projection = described.projection();
    let is_whole = projection.and_then(|projection| projection.projection_type()) == Some(&ProjectionType::All);
    let attributes = projection.map(|projection| projection.non_key_attributes().to_vec()).unwrap_or_default();
    IndexShape {
        name: described.index_name().unwrap_or_default().to_owned(),
        key: key(described.key_schema()),
        attributes: (!is_whole).then_some(attributes),
        is_active: matches!(described.index_status(), Some(IndexStatus::Active | IndexStatus::Updating)),
    }
}

fn key(schema: &[KeySchemaElement]) -> Vec<String> {
    let mut parts: Vec<&KeySchemaElement> = schema.iter().collect();
    parts.sort_by_key(|part| *part.key_type() != KeyType::Hash);
    parts.into_iter().map(|part| part.attribute_name().to_owned()).collect()
}
