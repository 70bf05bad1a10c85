//! Lists of connections, page by page.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::{ConnectionsTable, item, unavailable};
use crate::domain::connection::Row;
use crate::ports::{Page, Segment, StoreError, WalkConnections};

type Attributes = HashMap<String, AttributeValue>;

/// DynamoDB may leave keys of a batch unread, and says which: they are requested again.
const BATCH_TRIES: usize = 5;

/// Rows of one page of a scan.
const WALK: i32 = 100;

/// Which rows a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Every row of a connection, in no order.
    Everything,
    /// Those in the sparse `attention` index under this word.
    Attention(&'static str),
}

impl ConnectionsTable {
    /// Reads at most `limit` rows (`dynamodb:Scan`; or `dynamodb:Query` on the index and `dynamodb:BatchGetItem`).
    pub async fn list_connections(
        &self,
        listing: Listing,
        limit: u8,
        after: Option<String>,
    ) -> Result<Page, StoreError> {
        match listing {
            Listing::Everything => self.scan(self.0.client.scan().limit(i32::from(limit)), after).await,
            Listing::Attention(word) => self.query_attention(word, limit, after).await,
        }
    }
}

#[async_trait]
impl WalkConnections for ConnectionsTable {
    async fn page(&self, segment: Segment, after: Option<&str>) -> Result<Page, StoreError> {
        let mut scan = self.0.client.scan().limit(WALK).consistent_read(true);
        // A walk in one segment is a plain scan: the cursor of an earlier version without segments belongs to its
        // order.
        if segment.of > 1 {
            scan = scan.segment(segment.number.into()).total_segments(segment.of.into());
        }
        self.scan(scan, after.map(str::to_owned)).await
    }
}

impl ConnectionsTable {
    async fn scan(&self, scan: ScanFluentBuilder, after: Option<String>) -> Result<Page, StoreError> {
        let scan = scan.table_name(&self.0.name);
        let output = scan.set_exclusive_start_key(after.map(key_of)).send().await.map_err(unavailable)?;
        let next = output.last_evaluated_key.and_then(id_of);
        Ok(Page { rows: rows(output.items.unwrap_or_default()), next })
    }

    /// The index holds keys only. The rows are read from the table, in their present state.
    async fn query_attention(&self, word: &str, limit: u8, after: Option<String>) -> Result<Page, StoreError> {
        let table = &self.0;
        let word = AttributeValue::S(word.to_owned());
        let start = after.map(|id| {
            let mut key = key_of(id);
            key.insert("attention".to_owned(), word.clone());
            key
        });
        let query = table
            .client
            .query()
            .table_name(&table.name)
            .index_name("attention")
            .key_condition_expression("#attention = :attention")
            .expression_attribute_names("#attention", "attention")
            .expression_attribute_values(":attention", word)
            .limit(i32::from(limit));
        let output = query.set_exclusive_start_key(start).send().await.map_err(unavailable)?;
        let next = output.last_evaluated_key.and_then(id_of);
        let keys = output.items.unwrap_or_default().into_iter().filter_map(id_of).map(key_of).collect();
        Ok(Page { rows: self.read_all(keys).await?, next })
    }

    async fn read_all(&self, mut keys: Vec<Attributes>) -> Result<Vec<Row>, StoreError> {
        let table = &self.0;
        let mut found = Vec::new();
        for _ in 0..BATCH_TRIES {
            if keys.is_empty() {
                break;
            }
            let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
            let batch = table.client.batch_get_item().request_items(&table.name, request.build().map_err(unavailable)?);
            let mut output = batch.send().await.map_err(unavailable)?;
            found.extend(output.responses.as_mut().and_then(|found| found.remove(&table.name)).unwrap_or_default());
            let unread = output.unprocessed_keys.and_then(|mut unread| unread.remove(&table.name));
            keys = unread.map(|unread| unread.keys).unwrap_or_default();
        }
        if !keys.is_empty() {
            return Err(StoreError::Unavailable("a batch of rows was not read to its end".to_owned()));
        }
        let mut rows = rows(found);
        // A batch comes in any order. The index is in the order of the ids.
        rows.sort_by(|one, other| one.id().cmp(other.id()));
        Ok(rows)
    }
}

/// Each row is parsed by itself. Rows of the fleet (keys that begin with `#`) are not rows of a connection.
fn rows(found: Vec<Attributes>) -> Vec<Row> {
    let keyed = found.into_iter().filter_map(|row| match row.get("id") {
        Some(AttributeValue::S(key)) if !key.starts_with('#') => Some((key.clone(), row)),
        _ => None,
    });
    keyed.map(|(key, row)| Row::parse(&key, &item::parse(row))).collect()
}

fn key_of(id: String) -> Attributes {
    [("id".to_owned(), AttributeValue::S(id))].into()
}

fn id_of(mut key: Attributes) -> Option<String> {
    match key.remove("id") {
        Some(AttributeValue::S(id)) => Some(id),
        _ => None,
    }
}
