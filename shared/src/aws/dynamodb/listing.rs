//! Lists of connections, page by page.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::{ConnectionsTable, item, unavailable};
use crate::domain::item::Item;
use crate::ports::{ListConnections, ListPage, Listing, StoreError};

type Key = HashMap<String, AttributeValue>;

/// DynamoDB may leave keys of a batch unread, and says which.
const BATCH_TRIES: usize = 5;

#[async_trait]
impl ListConnections for ConnectionsTable {
    async fn list(&self, listing: Listing, limit: u8, after: Option<String>) -> Result<ListPage, StoreError> {
        match listing {
            Listing::Everything => self.scan(limit, after).await,
            Listing::Attention(word) => self.query_attention(word, limit, after).await,
        }
    }
}

impl ConnectionsTable {
    async fn scan(&self, limit: u8, after: Option<String>) -> Result<ListPage, StoreError> {
        let table = &self.0;
        let scan = table.client.scan().table_name(&table.name).limit(i32::from(limit));
        let output = scan.set_exclusive_start_key(after.map(key_of)).send().await.map_err(unavailable)?;
        let next = output.last_evaluated_key.and_then(id_of);
        Ok(ListPage { rows: parse(output.items.unwrap_or_default())?, next })
    }

    /// The index holds keys only. The rows are read from the table, so they are as they are now.
    async fn query_attention(&self, word: &str, limit: u8, after: Option<String>) -> Result<ListPage, StoreError> {
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
        Ok(ListPage { rows: self.read_all(keys).await?, next })
    }

    async fn read_all(&self, mut keys: Vec<Key>) -> Result<Vec<Item>, StoreError> {
        let table = &self.0;
        let mut rows = Vec::new();
        for _ in 0..BATCH_TRIES {
            if keys.is_empty() {
                break;
            }
            let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
            let batch = table.client.batch_get_item().request_items(&table.name, request.build().map_err(unavailable)?);
            let mut output = batch.send().await.map_err(unavailable)?;
            rows.extend(output.responses.as_mut().and_then(|found| found.remove(&table.name)).unwrap_or_default());
            let unread = output.unprocessed_keys.and_then(|mut unread| unread.remove(&table.name));
            keys = unread.map(|unread| unread.keys).unwrap_or_default();
        }
        if !keys.is_empty() {
            return Err(StoreError::Unavailable("a batch of rows was not read to its end".to_owned()));
        }
        let mut rows = parse(rows)?;
        // A batch comes in any order, the index in the order of the ids.
        rows.sort_by(|one, other| one.string("id").unwrap_or_default().cmp(other.string("id").unwrap_or_default()));
        Ok(rows)
    }
}

fn key_of(id: String) -> Key {
    [("id".to_owned(), AttributeValue::S(id))].into()
}

fn id_of(mut key: Key) -> Option<String> {
    match key.remove("id") {
        Some(AttributeValue::S(id)) => Some(id),
        _ => None,
    }
}

fn parse(rows: Vec<Key>) -> Result<Vec<Item>, StoreError> {
    Ok(rows.into_iter().map(item::parse).collect::<Result<_, _>>()?)
}
