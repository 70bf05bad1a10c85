//! Publishes what happens to connections: from the stream of the connections table to an event bus.
//!
//! 1. each record of the stream is a stored change; its meaning is in the images before and after it
//! 2. the events are put on the bus, in the order of the stream
//! 3. if the bus does not accept one, the stream is delivered again from that record on, so that the order is kept
//!
//! Delivery is at least once. An event's id is made of the connection, its version and what happened, so each delivery
//! has the same id. A record that cannot be read is logged and skipped: otherwise it would block all records after it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use shared::config::Environment;
use shared::failure::FailureClass;
use shared::ports::{BusEntry, PutEvents};

pub mod event;
pub mod record;
pub mod state;

use record::{Occurred, Read};

pub struct Settings {
    pub stack: String,
    pub event_bus: String,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        Self { stack: env.stack(), event_bus: env.required("EVENT_BUS_NAME") }
    }
}

pub struct Events {
    pub bus: Arc<dyn PutEvents>,
    pub stack: String,
}

/// The answer that a stream's event source mapping expects (`ReportBatchItemFailures`): the stream is delivered again
/// from the first record that is named.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotDelivered {
    pub batch_item_failures: Vec<ItemIdentifier>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemIdentifier {
    pub item_identifier: String,
}

impl Events {
    /// `batch` is `{"Records": […]}`.
    pub async fn deliver(&self, batch: &Value) -> NotDelivered {
        // 1.
        let records = batch["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
        let occurred: Vec<Occurred> = records.iter().filter_map(read).collect();
        // 2.
        let entries: Vec<BusEntry> = occurred.iter().map(|it| it.event.entry(&self.stack, it.at)).collect();
        let put = self.bus.put(&entries).await;
        let taken = put.as_ref().map_or_else(|error| error.taken, |()| entries.len());
        for delivered in occurred.iter().take(taken) {
            tracing::info!(connection = delivered.event.connection.as_str(), event = delivered.event.id(), "delivered");
        }
        // 3.
        let mut not_delivered = NotDelivered::default();
        if let Err(error) = &put {
            FailureClass::from(error).log(error);
            let first = occurred.get(taken).map(|it| ItemIdentifier { item_identifier: it.sequence_number.clone() });
            not_delivered.batch_item_failures.extend(first);
        }
        not_delivered
    }
}

fn read(record: &Value) -> Option<Occurred> {
    let connection = record["dynamodb"]["Keys"]["id"]["S"].as_str().unwrap_or_default();
    let span = tracing::info_span!("connection", connection);
    match Read::of(record) {
        Ok(Read { occurred, unreadable }) => {
            if let Some(error) = unreadable {
                span.in_scope(|| FailureClass::InconsistentRow.log(&error));
            }
            occurred
        }
        Err(error) => {
            span.in_scope(|| FailureClass::InconsistentRow.log(&error));
            None
        }
    }
}
