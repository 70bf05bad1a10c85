//! The attempts table: key `pk`, TTL attribute `ttl`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};

use super::expression::Expression;
use super::{Table, unavailable};
use crate::domain::attempt::{Attempt, StateHash};
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{Item, Unreadable};
use crate::domain::order::Order;
use crate::domain::session::{Session, SessionId};
use crate::domain::write::{Write, Written};
use crate::ports::{ReadAttempts, StoreError, WriteAttempts, WriteOrders};

/// Attempts, sessions and counters of events. A clone has the same client.
#[derive(Clone)]
pub struct AttemptsTable(pub(super) Table);

impl AttemptsTable {
    /// `name` is the table's name. Sends nothing.
    pub fn new(client: Client, name: String) -> Self {
        Self(Table { client, name, key: "pk" })
    }

    fn transact_item(&self, write: &Write) -> Result<TransactWriteItem, StoreError> {
        let expression = Expression::render(write);
        let update = Update::builder()
            .table_name(&self.0.name)
            .key(self.0.key, AttributeValue::S(write.key.clone()))
            .condition_expression(expression.condition)
            .update_expression(expression.update)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values).filter(|values| !values.is_empty()))
            .build()
            .map_err(unavailable)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

#[async_trait]
impl ReadAttempts for AttemptsTable {
    async fn attempt(&self, state_hash: &StateHash) -> Result<Option<Attempt>, StoreError> {
        let key = state_hash.key();
        let item = self.0.read(&key).await?;
        Ok(item.map(|item| Attempt::parse(&key, &item)).transpose()?)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let key = id.key();
        let item = self.0.read(&key).await?;
        Ok(item.map(|item| Session::parse(&key, &item)).transpose()?)
    }

    async fn order(&self, id: &ConnectionId) -> Result<Option<Order>, StoreError> {
        let key = Order::key(id);
        let item = self.0.read(&key).await?;
        Ok(item.map(|item| order(&key, &item)).transpose()?)
    }
}

fn order(key: &str, item: &Item) -> Result<Order, Unreadable> {
    Order::parse(item).map_err(|bad| item.unreadable(key, bad))
}

#[async_trait]
impl WriteOrders for AttemptsTable {
    async fn order(&self, write: &Write) -> Result<Written<Order>, StoreError> {
        Ok(self.0.write(write).await?.try_map(|item| order(&write.key, &item))?)
    }
}

#[async_trait]
impl WriteAttempts for AttemptsTable {
    async fn attempt(&self, write: &Write) -> Result<Written<Attempt>, StoreError> {
        Ok(self.0.write(write).await?.try_map(|item| Attempt::parse(&write.key, &item))?)
    }

    async fn session(&self, write: &Write) -> Result<bool, StoreError> {
        Ok(matches!(self.0.write(write).await?, Written::Applied(_)))
    }

    async fn both(&self, first: &Write, second: &Write) -> Result<bool, StoreError> {
        let result = self
            .0
            .client
            .transact_write_items()
            .transact_items(self.transact_item(first)?)
            .transact_items(self.transact_item(second)?)
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) => {
                let refused = match error.as_service_error() {
                    Some(
                        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
                            cancelled,
                        ),
                    ) => cancelled
                        .cancellation_reasons()
                        .iter()
                        .any(|reason| reason.code() == Some("ConditionalCheckFailed")),
                    _ => false,
                };
                if refused { Ok(false) } else { Err(unavailable(error)) }
            }
        }
    }
}
