//! The two tables: maps of rows, with the domain's own conditions and changes. No condition is repeated here.

use std::collections::BTreeMap;

use shared::domain::item::{Item, Value};
use shared::domain::time::Timestamp;
use shared::domain::write::{Clause, Delete, Write, WriteName, Written, failing};
use shared::ports::{Due, DuePage, Segment};

use crate::call::{Rows, Table};
use crate::mutant::Mutant;

#[derive(Default)]
pub struct Store {
    pub connections: BTreeMap<String, Item>,
    pub attempts: BTreeMap<String, Item>,
}

impl Store {
    fn table(&mut self, table: Table) -> (&mut BTreeMap<String, Item>, &'static str) {
        match table {
            Table::Attempts => (&mut self.attempts, "pk"),
            Table::Connections => (&mut self.connections, "id"),
        }
    }

    pub fn read(&self, table: Table, key: &str) -> Option<&Item> {
        match table {
            Table::Attempts => self.attempts.get(key),
            Table::Connections => self.connections.get(key),
        }
    }

    /// Also returns the row that an applied write has replaced.
    pub fn write(&mut self, table: Table, write: &Write, mutant: Option<&Mutant>) -> (Written<Item>, Option<Item>) {
        let (rows, key) = self.table(table);
        let image = rows.get(&write.key);
        if !holds(write.name, &write.clauses, image, mutant) {
            return (Written::ConditionFailed(image.cloned()), None);
        }
        let mut item = write.apply(image);
        if image.is_none() {
            item.0.insert(key.into(), write.key.clone().into());
        }
        let old = rows.insert(write.key.clone(), item.clone());
        (Written::Applied(item), old)
    }

    pub fn would_apply(&self, table: Table, write: &Write, mutant: Option<&Mutant>) -> bool {
        holds(write.name, &write.clauses, self.read(table, &write.key), mutant)
    }

    /// The row that was deleted, if the condition held.
    pub fn delete(&mut self, delete: &Delete, mutant: Option<&Mutant>) -> Option<Item> {
        let is_met = holds(delete.name, &delete.clauses, self.connections.get(&delete.key), mutant);
        is_met.then(|| self.connections.remove(&delete.key)).flatten()
    }

    /// Two rows of a segment, in the order of their keys.
    pub fn page(&self, segment: Segment, after: Option<&str>) -> Rows {
        let is_in = |key: &str| key.bytes().map(u16::from).sum::<u16>() % segment.of == segment.number;
        let is_behind =
            |key: &String| !key.starts_with('#') && is_in(key) && after.is_none_or(|after| key.as_str() > after);
        let mut rows = self.connections.iter().filter(|(key, _)| is_behind(key));
        let page: Vec<_> = rows.by_ref().take(2).map(|(key, item)| (key.clone(), item.clone())).collect();
        let next = rows.next().and_then(|_| page.last()).map(|(key, _)| key.clone());
        Rows { rows: page, next }
    }

    /// The sparse index: rows that have a shard, the earliest due first.
    pub fn due(&self, shard: u8) -> DuePage {
        let in_shard = |item: &&Item| item.0.get("shard") == Some(&Value::N(shard.into()));
        let time = |item: &Item, name: &'static str| item.number(name).ok().map(Timestamp::from_unix);
        let mut rows: Vec<Due> = (self.connections.iter().filter(|(_, item)| in_shard(item)))
            .filter_map(|(id, item)| {
                let refresh_at = time(item, "refresh_at")?;
                // Counts only a connection with an access token whose end a caller would notice.
                let is_missed = !item.0.contains_key("needs_customer_since") && !item.0.contains_key("not_refreshed");
                let expires_at = time(item, "expires_at").filter(|_| is_missed);
                Some(Due { key: id.clone(), refresh_at, expires_at })
            })
            .collect();
        rows.sort_by_key(|due| due.refresh_at);
        DuePage { rows, next: None }
    }
}

fn holds(name: WriteName, clauses: &[Clause], image: Option<&Item>, mutant: Option<&Mutant>) -> bool {
    match mutant.and_then(|mutant| mutant.weaken(name, clauses)) {
        Some(weakened) => failing(&weakened, image).is_empty(),
        None => failing(clauses, image).is_empty(),
    }
}
