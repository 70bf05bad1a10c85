//! Conversion of rows between DynamoDB's types and ours.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::domain::item::{Item, Value};

/// A value of another type than those that are written becomes [`Value::Other`]: it makes its own row unreadable.
pub(super) fn parse(attributes: HashMap<String, AttributeValue>) -> Item {
    let value = |value| match value {
        AttributeValue::S(text) => Value::S(text),
        AttributeValue::N(number) => number.parse().map_or(Value::Other, Value::N),
        AttributeValue::B(blob) => Value::B(blob.into_inner()),
        _ => Value::Other,
    };
    Item(attributes.into_iter().map(|(name, attribute)| (name.into(), value(attribute))).collect())
}

pub(super) fn render(value: &Value) -> AttributeValue {
    match value {
        Value::S(text) => AttributeValue::S(text.clone()),
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::B(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        // Never written.
        Value::Other => AttributeValue::Null(true),
    }
}
