//! A record of the table's stream, in Lambda's form: the item before and after one write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use shared::domain::connection::Row;
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::{Item, Value};
use shared::domain::time::Timestamp;
use shared::ports::StoreError;

use crate::event::Event;
use crate::state::Seen;

/// An event to put on the bus.
pub struct Occurred {
    /// Names the record: if the bus does not accept the event, the stream is delivered again from there.
    pub sequence_number: String,
    pub at: Timestamp,
    pub event: Event,
}

/// The meaning of a record.
pub struct Read {
    /// `None` if the change is no event.
    pub occurred: Option<Occurred>,
    /// Set if this change has made the row unreadable. It is counted once here, and by the schedule as long as the row
    /// is unreadable.
    pub unreadable: Option<StoreError>,
}

/// A record that does not come from the connections table.
#[derive(Debug, thiserror::Error)]
#[error("the record of the stream has no readable `{0}`")]
pub struct NoRecord(&'static str);

/// The row before and after the write of a record; `None` if the record is not about a connection.
pub fn images(record: &Json) -> Option<[Option<Row>; 2]> {
    let change = &record["dynamodb"];
    let key = change["Keys"]["id"]["S"].as_str().filter(|key| !key.starts_with('#'))?;
    Some(["OldImage", "NewImage"].map(|image| change.get(image).map(|image| row(key, image))))
}

impl Read {
    pub fn of(record: &Json) -> Result<Self, NoRecord> {
        let change = &record["dynamodb"];
        let key = change["Keys"]["id"]["S"].as_str().ok_or(NoRecord("id"))?;
        // A row of the fleet.
        if key.starts_with('#') {
            return Ok(Self { occurred: None, unreadable: None });
        }
        let id = ConnectionId::parse(key).map_err(|_| NoRecord("id"))?;
        let [old, new] = images(record).ok_or(NoRecord("id"))?;
        let event = Event::between(id, &Seen::of(old.as_ref()), &Seen::of(new.as_ref()));
        let occurred = match event {
            None => None,
            Some(event) => {
                let sequence_number = change["SequenceNumber"].as_str().ok_or(NoRecord("SequenceNumber"))?.to_owned();
                let at = change["ApproximateCreationDateTime"].as_f64();
                let at = at.ok_or(NoRecord("ApproximateCreationDateTime"))?;
                Some(Occurred { sequence_number, at: Timestamp::from_unix(at as i64), event })
            }
        };
        let unreadable = match (old, new) {
            (Some(Row::Unreadable(_)), Some(Row::Unreadable(_))) => None,
            (_, Some(Row::Unreadable(unreadable))) => Some(unreadable.into()),
            (_, Some(Row::Connection(_) | Row::Tombstone(_)) | None) => None,
        };
        Ok(Self { occurred, unreadable })
    }
}

/// The row is parsed by the codec that parses every row. Its pairs are sealed, and this function has no key.
fn row(key: &str, image: &Json) -> Row {
    let attributes = image.as_object().into_iter().flatten();
    let item = Item(attributes.map(|(name, typed)| (name.clone().into(), value(typed))).collect());
    Row::parse(key, &item)
}

/// `{"N": "3"}`
fn value(typed: &Json) -> Value {
    let Some((of_type, value)) = typed.as_object().and_then(|typed| typed.iter().next()) else { return Value::Other };
    match (of_type.as_str(), value.as_str()) {
        ("S", Some(text)) => Value::S(text.to_owned()),
        ("N", Some(text)) => text.parse().map_or(Value::Other, Value::N),
        ("B", Some(text)) => STANDARD.decode(text).map_or(Value::Other, Value::B),
        _ => Value::Other,
    }
}
