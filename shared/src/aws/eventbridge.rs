//! The bus that a connection's events are put on.

use async_trait::async_trait;
pub use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use crate::ports::{BusEntry, BusError, PutEvents};
use crate::telemetry::Chain;

/// `source` of every event, as the rules of a bus see it.
pub const SOURCE: &str = "webinargeek-connect";

/// The most entries that one call accepts.
const ENTRIES: usize = 10;

/// `events:PutEvents` on one bus.
pub struct EventBus {
    /// The client of EventBridge.
    pub client: Client,
    /// The name or the ARN of the bus.
    pub name: String,
}

#[async_trait]
impl PutEvents for EventBus {
    async fn put(&self, entries: &[BusEntry]) -> Result<(), BusError> {
        for (call, entries) in entries.chunks(ENTRIES).enumerate() {
            let before = call * ENTRIES;
            let request =
                self.client.put_events().set_entries(Some(entries.iter().map(|entry| self.entry(entry)).collect()));
            let answer = request.send().await;
            let answer = answer.map_err(|error| BusError { taken: before, why: Chain(&error).to_string() })?;
            // A successful call may have failed for some of its entries: the answer has one result for each, in order.
            let answers = answer.entries();
            let taken = answers.iter().take_while(|answer| answer.event_id().is_some()).count();
            if taken < entries.len() || answer.failed_entry_count() > 0 {
                let refused = answers.iter().find_map(|answer| answer.error_code());
                let why = format!("{} entries were refused: {refused:?}", answer.failed_entry_count());
                return Err(BusError { taken: before + taken.min(entries.len() - 1), why });
            }
        }
        Ok(())
    }
}

impl EventBus {
    fn entry(&self, entry: &BusEntry) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(entry.detail_type)
            .detail(&entry.detail)
            .time(DateTime::from_secs(entry.at.unix()))
            .build()
    }
}
