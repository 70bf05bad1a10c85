//! The event of an invocation. The scheduled event is any JSON object (`{"shards": [0, 7]}` limits the run). A run that
//! hands shards on sends them with `until`. Messages of the escrow queue come in the form of an event source mapping of
//! SQS.

use serde_json::Value;
use shared::domain::escrow::{Escrowed, InvalidEscrow};
use shared::domain::schedule::VACANT_SHARD;
use shared::domain::time::Timestamp;

use crate::all_shards;

#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    #[error("the event is not a JSON object")]
    NotAnObject,
    #[error("`shards` is not a list of numbers from 0 to {VACANT_SHARD}")]
    Shards,
    #[error("`until` is not a number of seconds since 1970")]
    Until,
}

pub enum Event {
    Run(Run),
    Replay(Vec<Message>),
}

/// A sweep.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// Each shard once.
    pub shards: Vec<u8>,
    /// Set by a run that hands its shards on: the started run begins no refresh that could end later, and hands nothing
    /// on.
    pub until: Option<Timestamp>,
}

pub struct Message {
    pub id: String,
    pub escrowed: Result<Escrowed, InvalidEscrow>,
}

impl Event {
    pub fn parse(event: &Value) -> Result<Self, InvalidEvent> {
        let Some(records) = event.get("Records").and_then(Value::as_array) else {
            return Run::parse(event).map(Self::Run);
        };
        let text = |record: &Value, member: &str| record[member].as_str().unwrap_or_default().to_owned();
        let messages = records.iter().map(|record| Message {
            id: text(record, "messageId"),
            escrowed: Escrowed::from_json(&text(record, "body")),
        });
        Ok(Self::Replay(messages.collect()))
    }
}

impl Run {
    /// The run that the event describes: of all shards, if the event names none.
    pub fn parse(event: &Value) -> Result<Self, InvalidEvent> {
        let members = event.as_object().ok_or(InvalidEvent::NotAnObject)?;
        let until = match members.get("until") {
            None => None,
            Some(until) => Some(Timestamp::from_unix(until.as_i64().ok_or(InvalidEvent::Until)?)),
        };
        let Some(named) = members.get("shards") else { return Ok(Self { shards: all_shards(), until }) };
        let shard = |value: &Value| {
            value.as_u64().and_then(|shard| u8::try_from(shard).ok()).filter(|shard| *shard <= VACANT_SHARD)
        };
        let named = named.as_array().ok_or(InvalidEvent::Shards)?.iter().map(shard);
        let mut shards: Vec<u8> = named.collect::<Option<_>>().ok_or(InvalidEvent::Shards)?;
        shards.sort_unstable();
        shards.dedup();
        Ok(Self { shards, until })
    }

    /// A scheduled run.
    pub fn scheduled() -> Self {
        Self { shards: all_shards(), until: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_of_the_scheduler_means_all_shards() {
        assert_eq!(Run::parse(&json!({"source": "aws.scheduler", "detail": {}})).unwrap(), Run::scheduled());
        assert_eq!(Run::scheduled().shards.len(), 17, "with the shard of rows without a live pair");
    }

    #[test]
    fn named_shards_are_swept_once_each() {
        assert_eq!(Run::parse(&json!({"shards": [7, 16, 7]})).unwrap(), Run { shards: vec![7, 16], until: None });
        assert!(Run::parse(&json!({"shards": []})).unwrap().shards.is_empty());
    }

    #[test]
    fn a_run_that_another_has_started_ends_with_it() {
        let until = Some(Timestamp::from_unix(1_800_000_000));
        let event = json!({"shards": [3], "until": 1_800_000_000});
        assert_eq!(Run::parse(&event).unwrap(), Run { shards: vec![3], until });
    }

    #[test]
    fn a_wrong_shard_or_time_is_refused() {
        for bad in [
            json!([]),
            json!(null),
            json!({"shards": 3}),
            json!({"shards": [17]}),
            json!({"shards": [-1]}),
            json!({"shards": ["0"]}),
            json!({"until": "soon"}),
        ] {
            assert!(Run::parse(&bad).is_err(), "{bad}");
        }
    }
}
