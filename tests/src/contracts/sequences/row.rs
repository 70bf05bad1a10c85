//! One row of a sequence: in the model, and in the engine.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use local::tables;
use shared::domain::item::{Item, Value};
use shared::domain::write::Write;

/// A row as the model has it.
pub(super) struct Row {
    pub table: &'static str,
    pub key_name: &'static str,
    pub key: String,
    pub image: Option<Item>,
}

impl Row {
    pub(super) fn new(table: &'static str, key: String) -> Self {
        let key_name = if table == tables::CONNECTIONS { "id" } else { "pk" };
        Self { table, key_name, key, image: None }
    }

    /// What the model makes of it.
    pub(super) fn after(&self, write: &Write) -> Item {
        let mut item = write.apply(self.image.as_ref());
        item.0.insert(self.key_name.into(), self.key.clone().into());
        item
    }

    /// As the engine has it, read strongly consistent and by no adapter of ours.
    pub(super) async fn stored(&self, client: &Client) -> Option<Item> {
        let key = AttributeValue::S(self.key.clone());
        let request = client.get_item().table_name(self.table).key(self.key_name, key).consistent_read(true);
        let attributes = request.send().await.unwrap().item?;
        Some(Item(attributes.into_iter().map(|(name, attribute)| (name.into(), value(attribute))).collect()))
    }
}

fn value(attribute: AttributeValue) -> Value {
    match attribute {
        AttributeValue::S(text) => Value::S(text),
        AttributeValue::N(number) => Value::N(number.parse().unwrap_or_else(|_| panic!("no whole number: {number}"))),
        AttributeValue::B(blob) => Value::B(blob.into_inner()),
        other => panic!("a type that is never written: {other:?}"),
    }
}
