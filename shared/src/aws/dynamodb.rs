//! The two tables in DynamoDB.

mod attempts;
mod connections;
mod describing;
mod expression;
mod item;
mod listing;

pub use attempts::AttemptsTable;
pub use connections::ConnectionsTable;
pub use describing::{IndexShape, TableShape};
pub use listing::Listing;

pub use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::domain::item::Item;
use crate::domain::write::{Delete, Write, Written};
use crate::ports::StoreError;
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
        Ok(output.item.map(item::parse))
    }

    async fn write(&self, write: &Write) -> Result<Written<Item>, StoreError> {
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
            Ok(output) => Ok(Written::Applied(item::parse(output.attributes.unwrap_or_default()))),
            Err(error) => match error.as_service_error() {
                Some(service) if service.is_conditional_check_failed_exception() => {
                    let image = match error.into_service_error() {
                        aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                            refused,
                        ) => refused.item,
                        _ => None,
                    };
                    Ok(Written::ConditionFailed(image.map(item::parse)))
                }
                _ => Err(unavailable(error)),
            },
        }
    }

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
}

/// Only the `Display` texts: the `Debug` form of an SDK error holds the response, which may hold a row.
fn unavailable(error: impl std::error::Error + 'static) -> StoreError {
    StoreError::Unavailable(Chain(&error).to_string())
}
