//! The two tables.

mod attempts;
mod connections;
mod describing;
mod expression;
mod item;
mod listing;

use std::collections::HashMap;

pub use attempts::AttemptsTable;
pub use connections::ConnectionsTable;

pub use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::domain::item::{InconsistentItem, Item};
use crate::domain::write::{Delete, Write, Written};
use crate::ports::{Page, Row, StoreError};
use crate::telemetry::Chain;
use expression::Expression;

/// A table with a partition key and no sort key.
#[derive(Clone)]
struct Table {
    client: Client,
    name: String,
    key: &'static str,
}

impl Table {
    async fn read(&self, key: &str) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(self.key, AttributeValue::S(key.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        Ok(output.item.map(item::parse).transpose()?)
    }

    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        let expression = Expression::render(write);
        let result = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(self.key, AttributeValue::S(write.key.clone()))
            .condition_expression(expression.condition)
            .update_expression(expression.update)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values).filter(|values| !values.is_empty()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(output) => Ok(Written::Applied(item::parse(output.attributes.unwrap_or_default())?)),
            Err(error) => match error.as_service_error() {
                Some(service) if service.is_conditional_check_failed_exception() => {
                    let image = match error.into_service_error() {
                        aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                            refused,
                        ) => refused.item,
                        _ => None,
                    };
                    Ok(Written::Refused(image.map(item::parse).transpose()?))
                }
                _ => Err(unavailable(error)),
            },
        }
    }
}

impl Table {
    async fn delete(&self, delete: &Delete) -> Result<bool, StoreError> {
        let expression = Expression::condition(&delete.clauses);
        let result = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key(self.key, AttributeValue::S(delete.key.clone()))
            .condition_expression(expression.condition)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values).filter(|values| !values.is_empty()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) => {
                let refused = error.as_service_error().is_some_and(|it| it.is_conditional_check_failed_exception());
                if refused { Ok(false) } else { Err(unavailable(error)) }
            }
        }
    }

    /// Strongly consistent.
    async fn page(&self, after: Option<&str>, limit: i32) -> Result<Page, StoreError> {
        let start = after.map(|key| [(self.key.to_owned(), AttributeValue::S(key.to_owned()))].into());
        let scan = self.client.scan().table_name(&self.name).consistent_read(true);
        let output = scan.limit(limit).set_exclusive_start_key(start).send().await.map_err(unavailable)?;
        let key = |attributes: &HashMap<String, AttributeValue>| attributes.get(self.key)?.as_s().ok().cloned();
        let rows = output.items.unwrap_or_default().into_iter().map(|attributes| {
            let key = key(&attributes).ok_or(InconsistentItem { attribute: self.key })?;
            Ok(Row { key, item: item::parse(attributes) })
        });
        Ok(Page { rows: rows.collect::<Result<_, InconsistentItem>>()?, more: output.last_evaluated_key.is_some() })
    }
}

/// Display texts only: the `Debug` form of an SDK error holds the response, and a response may hold a row.
fn unavailable(error: impl std::error::Error + 'static) -> StoreError {
    StoreError::Unavailable(Chain(&error).to_string())
}
