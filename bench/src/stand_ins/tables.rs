//! Rows in memory, and the index of what is due.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shared::domain::item::{Item, Value};

/// A table, and the attribute that is its key.
const KEYS: [(&str, &str); 4] = [("attempts", "pk"), ("connections", "id"), ("states", "state"), ("tokens", "id")];

#[derive(Default)]
pub(crate) struct Table {
    pub rows: BTreeMap<String, Item>,
    /// `(shard, refresh_at, key)`.
    pub due: BTreeSet<(i64, i64, String)>,
}

#[derive(Default)]
pub(crate) struct Tables(HashMap<String, Table>);

impl Tables {
    pub(crate) fn table(&mut self, name: &str) -> &mut Table {
        self.0.entry(name.to_owned()).or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The attribute that is a table's key.
pub(crate) fn key_of(table: &str) -> Result<&'static str, String> {
    let known = KEYS.iter().find(|(name, _)| *name == table);
    known.map(|(_, key)| *key).ok_or(format!("there is no table {table}"))
}

impl Table {
    pub(crate) fn put(&mut self, key: String, row: Item) {
        self.remove(&key);
        if let Some((shard, refresh_at)) = place(&row) {
            self.due.insert((shard, refresh_at, key.clone()));
        }
        self.rows.insert(key, row);
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some((shard, refresh_at)) = self.rows.remove(key).as_ref().and_then(place) {
            self.due.remove(&(shard, refresh_at, key.to_owned()));
        }
    }
}

/// Where a row is in the index, if it is there.
fn place(row: &Item) -> Option<(i64, i64)> {
    let number = |name: &str| match row.0.get(name) {
        Some(Value::N(number)) => Some(*number),
        _ => None,
    };
    Some((number("shard")?, number("refresh_at")?))
}
