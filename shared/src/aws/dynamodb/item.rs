//! Rows between DynamoDB's types and ours.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::domain::item::{InconsistentItem, Item, Value};

/// A type that we never write makes the row inconsistent.
pub(super) fn parse(attributes: HashMap<String, AttributeValue>) -> Result<Item, InconsistentItem> {
    let value = |value| match value {
        AttributeValue::S(text) => Ok(Value::S(text)),
        AttributeValue::N(number) => {
            number.parse().map(Value::N).map_err(|_| InconsistentItem { attribute: "a number" })
        }
        AttributeValue::B(blob) => Ok(Value::B(blob.into_inner())),
        _ => Err(InconsistentItem { attribute: "of an unknown type" }),
    };
    attributes
        .into_iter()
        .map(|(name, attribute)| Ok((name.into(), value(attribute)?)))
        .collect::<Result<_, _>>()
        .map(Item)
}

pub(super) fn render(value: &Value) -> AttributeValue {
    match value {
        Value::S(text) => AttributeValue::S(text.clone()),
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::B(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
    }
}
