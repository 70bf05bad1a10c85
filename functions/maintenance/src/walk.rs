//! How far a walk through the table has come: a run returns it as its cursor, and the next run begins there.
//!
//! A table is walked in segments, side by side. The cursor holds the number of segments, since a key is in another
//! segment if the number differs. A later version with another number continues with the cursor's number.

use serde::{Deserialize, Serialize};
use shared::ports::Segment;

/// Rows are spread evenly by the hash of their key, so all segments end at about the same time.
pub(crate) const SEGMENTS: u16 = 8;

/// The most that a cursor may ask for.
const SEGMENTS_MOST: u16 = 64;

/// DynamoDB's own limit for a key.
const KEY_LIMIT: usize = 2048;

/// Where each segment continues. A finished segment is left out.
///
/// In JSON it is an object, so that an earlier version, which knows only keys, refuses it. That version would read a
/// text as a key: its walk would continue at a wrong place, and miss rows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Answered")]
pub struct Walk {
    segments: u16,
    open: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub segment: u16,
    /// The key of the last finished row; null is the segment's beginning.
    pub after: Option<String>,
}

/// A cursor in the form of an answer.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`cursor` is not from an earlier answer")]
enum Answered {
    /// From a version that walked the table without segments.
    Key(String),
    Places(Places),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    segments: u16,
    open: Vec<Place>,
}

impl Walk {
    pub(crate) fn whole() -> Self {
        let open = (0..SEGMENTS).map(|segment| Place { segment, after: None }).collect();
        Self { segments: SEGMENTS, open }
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = (Segment, Option<String>)> + use<'_> {
        let segment = |number| Segment { number, of: self.segments };
        self.open.iter().map(move |place| (segment(place.segment), place.after.clone()))
    }

    /// The rest of the walk, after its segments have come to these places.
    pub(crate) fn at(&self, open: Vec<Place>) -> Option<Self> {
        (!open.is_empty()).then_some(Self { segments: self.segments, open })
    }
}

impl TryFrom<Answered> for Walk {
    type Error = &'static str;

    fn try_from(answered: Answered) -> Result<Self, Self::Error> {
        let (segments, open) = match answered {
            Answered::Key(key) => (1, vec![Place { segment: 0, after: Some(key) }]),
            Answered::Places(Places { segments, open }) => (segments, open),
        };
        let is_key = |key: &String| (1..=KEY_LIMIT).contains(&key.len());
        // Each segment appears once: a row that is visited twice would be counted twice.
        let is_in_order = open.is_sorted_by(|one, other| one.segment < other.segment);
        let is_ours = (1..=SEGMENTS_MOST).contains(&segments)
            && open.last().is_some_and(|last| last.segment < segments)
            && open.iter().all(|place| place.after.as_ref().is_none_or(is_key));
        (is_ours && is_in_order).then_some(Self { segments, open }).ok_or("`cursor` is not from an earlier answer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(cursor: &Value) -> Result<Walk, serde_json::Error> {
        Walk::deserialize(cursor)
    }

    #[test]
    fn a_cursor_is_read_as_it_was_answered_and_one_that_is_only_a_key_walks_the_table_in_one_segment() {
        let cursor =
            json!({ "segments": 8, "open": [{ "segment": 2, "after": "c_1" }, { "segment": 7, "after": null }] });
        assert_eq!(serde_json::to_value(read(&cursor).unwrap()).unwrap(), cursor);
        let segment = |number, of| Segment { number, of };
        let places = |cursor: &Value| read(cursor).unwrap().places().collect::<Vec<_>>();
        assert_eq!(places(&cursor), [(segment(2, 8), Some("c_1".to_owned())), (segment(7, 8), None)]);
        assert_eq!(places(&json!("c_1")), [(segment(0, 1), Some("c_1".to_owned()))]);
        assert_eq!(Walk::whole().places().count(), 8);
    }

    #[test]
    fn a_cursor_that_was_never_answered_is_refused() {
        let place = |segment: u16, after: Value| json!({ "segment": segment, "after": after });
        for cursor in [
            json!(""),
            json!(7),
            json!("k".repeat(2049)),
            json!({ "segments": 8, "open": [] }),
            json!({ "segments": 0, "open": [place(0, json!("k"))] }),
            json!({ "segments": 65, "open": [place(0, json!("k"))] }),
            json!({ "segments": 2, "open": [place(2, json!("k"))] }),
            json!({ "segments": 2, "open": [place(1, json!("k")), place(1, json!("k"))] }),
            json!({ "segments": 2, "open": [place(1, json!(""))] }),
            json!({ "segments": 2, "open": [place(1, json!("k"))], "more": 1 }),
        ] {
            let error = read(&cursor).unwrap_err().to_string();
            assert!(error.contains("`cursor` is not from an earlier answer"), "{cursor}: {error}");
        }
    }
}
