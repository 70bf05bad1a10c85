//! Stores the pairs that wait in the escrow queue.

use serde::Serialize;
use shared::failure::FailureClass;
use shared::protocol::replay::Replaying;
use tracing::Instrument;

use crate::Message;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotReplayed {
    pub batch_item_failures: Vec<ItemIdentifier>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemIdentifier {
    pub item_identifier: String,
}

/// Stores pairs from escrow. The answer names the messages that must come again (SQS's partial batch response).
pub async fn replay(replaying: &Replaying, messages: Vec<Message>) -> NotReplayed {
    let mut not_replayed = NotReplayed::default();
    for message in messages {
        let done = match message.escrowed {
            // The message stays in the queue, and the alarm of the queue rings (decision 0007).
            Err(error) => {
                FailureClass::InconsistentRow.log(&error);
                false
            }
            Ok(escrowed) => {
                let span = tracing::info_span!("connection", connection = escrowed.id().as_str());
                match replaying.replay(&escrowed).instrument(span.clone()).await {
                    Ok(replayed) => {
                        span.in_scope(|| tracing::info!(?replayed, "a pair was taken from the queue"));
                        true
                    }
                    Err(failure) => {
                        span.in_scope(|| failure.log());
                        false
                    }
                }
            }
        };
        if !done {
            not_replayed.batch_item_failures.push(ItemIdentifier { item_identifier: message.id });
        }
    }
    not_replayed
}
