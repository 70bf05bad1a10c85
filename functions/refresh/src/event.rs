//! The event of an invocation: the scheduled event, any JSON object (`{"shards": [0, 7]}` limits the run); or messages
//! of the escrow queue, in the form of SQS's event source mapping.

use serde_json::Value;
use shared::domain::escrow::{Escrowed, InvalidEscrow};
use shared::domain::schedule::SHARDS;

use crate::all_shards;

#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    #[error("the event is not a JSON object")]
    NotAnObject,
    #[error("`shards` is not a list of numbers from 0 to {}", SHARDS - 1)]
    Shards,
}

pub enum Event {
    Run(Vec<u8>),
    Replay(Vec<Message>),
}

pub struct Message {
    pub id: String,
    pub escrowed: Result<Escrowed, InvalidEscrow>,
}

impl Event {
    pub fn parse(event: &Value) -> Result<Self, InvalidEvent> {
        let Some(records) = event.get("Records").and_then(Value::as_array) else {
            return shards(event).map(Self::Run);
        };
        let text = |record: &Value, member: &str| record[member].as_str().unwrap_or_default().to_owned();
        let messages = records.iter().map(|record| Message {
            id: text(record, "messageId"),
            escrowed: Escrowed::from_json(&text(record, "body")),
        });
        Ok(Self::Replay(messages.collect()))
    }
}

/// The shards that the event names, each once; all of them if it names none.
pub fn shards(event: &Value) -> Result<Vec<u8>, InvalidEvent> {
    let members = event.as_object().ok_or(InvalidEvent::NotAnObject)?;
    let Some(named) = members.get("shards") else { return Ok(all_shards()) };
    let shard =
        |value: &Value| value.as_u64().and_then(|shard| u8::try_from(shard).ok()).filter(|shard| *shard < SHARDS);
    let mut shards: Vec<u8> = named
        .as_array()
        .ok_or(InvalidEvent::Shards)?
        .iter()
        .map(shard)
        .collect::<Option<_>>()
        .ok_or(InvalidEvent::Shards)?;
    shards.sort_unstable();
    shards.dedup();
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_of_the_scheduler_means_all_shards() {
        assert_eq!(shards(&json!({"source": "aws.scheduler", "detail": {}})).unwrap(), all_shards());
    }

    #[test]
    fn named_shards_are_swept_once_each() {
        assert_eq!(shards(&json!({"shards": [7, 0, 7]})).unwrap(), [0, 7]);
        assert!(shards(&json!({"shards": []})).unwrap().is_empty());
    }

    #[test]
    fn what_names_no_shard_is_refused() {
        for bad in [
            json!([]),
            json!(null),
            json!({"shards": 3}),
            json!({"shards": [16]}),
            json!({"shards": [-1]}),
            json!({"shards": ["0"]}),
        ] {
            assert!(shards(&bad).is_err(), "{bad}");
        }
    }
}
