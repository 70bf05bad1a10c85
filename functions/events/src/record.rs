//! A record of the table's stream, as Lambda hands it over: the item before and after one write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::{InconsistentItem, Item, Value};
use shared::domain::time::Timestamp;

use crate::event::Event;
use crate::state::{READ, State};

/// An event that waits to be put on the bus.
pub struct Occurred {
    /// Where the stream goes on if it cannot be put there.
    pub sequence_number: String,
    pub at: Timestamp,
    pub event: Event,
}

impl Occurred {
    /// `None` where the change means nothing to anybody outside.
    pub fn read(record: &Json) -> Result<Option<Self>, InconsistentItem> {
        let change = &record["dynamodb"];
        let missing = |attribute| InconsistentItem { attribute };
        let id = change["Keys"]["id"]["S"].as_str().ok_or(missing("id"))?;
        // A row of the fleet.
        if id.starts_with('#') {
            return Ok(None);
        }
        let id = ConnectionId::parse(id).map_err(|_| missing("id"))?;
        let [old, new] = ["OldImage", "NewImage"].map(|image| change.get(image).map(read_image).transpose());
        let Some(event) = Event::between(id, &State::of(old?.as_ref())?, &State::of(new?.as_ref())?) else {
            return Ok(None);
        };
        let sequence_number = change["SequenceNumber"].as_str().ok_or(missing("SequenceNumber"))?.to_owned();
        let at = change["ApproximateCreationDateTime"].as_f64().ok_or(missing("ApproximateCreationDateTime"))?;
        Ok(Some(Self { sequence_number, at: Timestamp::from_unix(at as i64), event }))
    }
}

/// What is looked at, and nothing of the sealed pair. A text that cannot be read is named, and not quoted.
fn read_image(image: &Json) -> Result<Item, InconsistentItem> {
    let mut item = Item::default();
    for attribute in READ {
        if let Some(typed) = image.get(attribute) {
            let value = read_value(typed).ok_or(InconsistentItem { attribute })?;
            item.0.insert(attribute.into(), value);
        }
    }
    Ok(item)
}

/// `{"N": "3"}`
fn read_value(typed: &Json) -> Option<Value> {
    let (of_type, value) = typed.as_object()?.iter().next()?;
    let text = value.as_str()?;
    match of_type.as_str() {
        "S" => Some(Value::S(text.to_owned())),
        "N" => text.parse().ok().map(Value::N),
        "B" => STANDARD.decode(text).ok().map(Value::B),
        _ => None,
    }
}
