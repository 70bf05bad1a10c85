//! Unreadable rows, read through the shipped adapters. Each names its wrong attribute, and none makes a process crash.
//! No page, list or index leaves out another row because of it.
//!
//! Each row is a complete one with one change: an attribute is missing, has another type, is a number but no integer,
//! or is a text that is never written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use local::tables;
use shared::aws::dynamodb::{ConnectionsTable, Listing};
use shared::domain::connection::refresh::{PutOffBy, quarantine};
use shared::domain::connection::{Row, attributes as a};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Unreadable;
use shared::domain::time::Timestamp;
use shared::domain::write::Written;
use shared::ports::{ListDue, ReadConnections, Segment, WalkConnections, WriteConnections};

use super::engine::{Attributes, Engine, Kind, item, rendered};

mod complete;
mod odd;

use odd::{Expected, Odd};

const SHARD: u8 = 7;
const ANOTHER_SHARD: u8 = 8;

pub async fn holds(client: &Client) {
    tables::create(client).await.unwrap();
    let engine = Engine::new(client);
    let table = ConnectionsTable::new(client.clone(), tables::CONNECTIONS.to_owned());
    let rows = put_all(&engine).await;
    each_names_what_is_wrong_with_it(&table, &rows).await;
    every_list_has_every_row(&table, &rows).await;
    each_is_put_off_and_stays_as_it_is(&engine, &table, &rows).await;
    a_page_of_the_due_index_may_end_on_any_number(&engine, &table).await;
}

/// Stores the odd rows, and complete ones beside them. Returns those that the engine accepts, by key.
async fn put_all(engine: &Engine) -> BTreeMap<String, Odd> {
    let mut rows = BTreeMap::new();
    for (number, odd) in odd::rows().into_iter().enumerate() {
        let key = odd.key.clone().unwrap_or_else(|| format!("u{number:04}"));
        let mut attributes = odd.attributes.clone();
        becomes_a_row_of(&key, &mut attributes);
        // No engine accepts an attribute whose type differs from that of its index.
        if engine.put_raw(Kind::Connection, attributes).await {
            rows.insert(key, odd);
        } else {
            let is_of_an_index = [a::SHARD, a::REFRESH_AT, a::ATTENTION].contains(&odd.attribute);
            assert!(is_of_an_index, "{} is refused, {}", odd.attribute, odd.what);
        }
    }
    assert!(rows.values().filter(|odd| odd.expected == Expected::Unreadable).count() > 300);
    rows
}

/// The waiting pair of a row names the id of the row, too.
fn becomes_a_row_of(key: &str, attributes: &mut Attributes) {
    attributes.insert(a::ID.to_owned(), AttributeValue::S(key.to_owned()));
    if let Some(AttributeValue::S(waiting)) = attributes.get_mut(a::WAITING) {
        *waiting = waiting.replacen("\"id\":\"t\"", &format!("\"id\":{}", serde_json::Value::from(key)), 1);
    }
}

async fn each_names_what_is_wrong_with_it(table: &ConnectionsTable, rows: &BTreeMap<String, Odd>) {
    let found = walk(table).await;
    for (key, odd) in rows {
        let row = match ConnectionId::parse(key) {
            Ok(id) => table.row(&id).await.unwrap().unwrap(),
            Err(_) => found[key].clone(),
        };
        is_as_expected(key, odd, &row);
        is_as_expected(key, odd, &found[key]);
        assert_eq!(row.id(), key);
    }
}

fn is_as_expected(key: &str, odd: &Odd, row: &Row) {
    let Odd { attribute, what, expected, .. } = odd;
    match (expected, row) {
        (Expected::Unreadable, Row::Unreadable(unreadable)) => {
            assert_eq!(unreadable.attribute, *attribute, "{key}: {attribute} {what}");
            assert_eq!(unreadable.key, key);
        }
        (Expected::Readable, Row::Connection(_) | Row::Tombstone(_)) => {}
        (expected, row) => panic!("{key}: {attribute} {what} should be {expected:?}: {row:?}"),
    }
}

async fn every_list_has_every_row(table: &ConnectionsTable, rows: &BTreeMap<String, Odd>) {
    let all: BTreeSet<&str> = rows.keys().map(String::as_str).collect();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = table.list_connections(Listing::Everything, 100, after).await.unwrap();
        listed.extend(page.rows.iter().map(|row| row.id().to_owned()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed.len(), all.len(), "a row is listed twice, or not at all");
    assert_eq!(listed.iter().map(String::as_str).collect::<BTreeSet<_>>(), all);

    let has = |odd: &Odd, name: &str, value: &AttributeValue| odd.attributes.get(name) == Some(value);
    let of_the_index = |name: &'static str, value: AttributeValue| {
        let there = move |(_, odd): &(&String, &Odd)| has(odd, name, &value);
        rows.iter().filter(there).map(|(key, _)| key.as_str()).collect::<BTreeSet<_>>()
    };
    let attention = attention(table, a::NEEDS_CUSTOMER).await;
    let expected = of_the_index(a::ATTENTION, AttributeValue::S(a::NEEDS_CUSTOMER.to_owned()));
    assert_eq!(attention.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);

    let due = due(table, SHARD).await;
    let mut expected = of_the_index(a::SHARD, AttributeValue::N(SHARD.to_string()));
    expected.retain(|key| rows[*key].attributes.contains_key(a::REFRESH_AT));
    assert_eq!(due.len(), expected.len(), "a row is due twice, or not at all");
    assert_eq!(due.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
}

/// Its other attributes do not change, and it is listed for a person.
async fn each_is_put_off_and_stays_as_it_is(engine: &Engine, table: &ConnectionsTable, rows: &BTreeMap<String, Odd>) {
    let touched = [a::ATTENTION, a::REASON, a::NOT_BEFORE, a::REFRESH_AT, a::LEASE_OWNER, a::LEASE_UNTIL];
    let mut put_off = BTreeSet::new();
    for (key, row) in walk(table).await {
        let Row::Unreadable(unreadable) = row else { continue };
        let odd = &rows[&key];
        let mut before = odd.attributes.clone();
        becomes_a_row_of(&key, &mut before);
        let mut before = item(before);
        let now = Timestamp::from_unix(complete::NOW + 10_000);
        put_off_by_the_schedule(table, &unreadable, now, odd).await;
        let mut after = engine.read(Kind::Connection, &key).await.unwrap();
        for item in [&mut before, &mut after] {
            item.0.retain(|name, _| !touched.contains(&&**name));
        }
        assert!(before == after, "{key}: {before:?} has become {after:?}");
        put_off.insert(key);
    }
    assert_eq!(attention(table, a::QUARANTINED).await.into_iter().collect::<BTreeSet<_>>(), put_off);
}

async fn put_off_by_the_schedule(table: &ConnectionsTable, unreadable: &Unreadable, now: Timestamp, odd: &Odd) {
    let write = quarantine(unreadable, PutOffBy::Schedule, now + Duration::from_secs(300), now);
    let written = table.write(&write).await.unwrap();
    assert!(matches!(written, Written::Applied(_)), "it is not put off: {} {}", odd.attribute, odd.what);
}

async fn a_page_of_the_due_index_may_end_on_any_number(engine: &Engine, table: &ConnectionsTable) {
    let keys: BTreeSet<String> = (0..250).map(|number| format!("p{number:03}")).collect();
    for key in &keys {
        let mut row = rendered(&complete::connection());
        becomes_a_row_of(key, &mut row);
        row.insert(a::SHARD.to_owned(), AttributeValue::N(ANOTHER_SHARD.to_string()));
        row.insert(a::REFRESH_AT.to_owned(), AttributeValue::N(format!("{}.5", complete::NOW)));
        assert!(engine.put_raw(Kind::Connection, row).await);
    }
    let due = due(table, ANOTHER_SHARD).await;
    assert_eq!(due.len(), keys.len());
    assert_eq!(due.into_iter().collect::<BTreeSet<_>>(), keys);
}

/// The table as one segment.
const WHOLE: Segment = Segment { number: 0, of: 1 };

async fn walk(table: &ConnectionsTable) -> BTreeMap<String, Row> {
    let (mut found, mut after) = (BTreeMap::new(), None::<String>);
    loop {
        let page = table.page(WHOLE, after.as_deref()).await.unwrap();
        found.extend(page.rows.into_iter().map(|row| (row.id().to_owned(), row)));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

async fn attention(table: &ConnectionsTable, word: &'static str) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = table.list_connections(Listing::Attention(word), 50, after).await.unwrap();
        found.extend(page.rows.iter().map(|row| row.id().to_owned()));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

async fn due(table: &ConnectionsTable, shard: u8) -> Vec<String> {
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = ListDue::list(table, shard, after).await.unwrap();
        pages += 1;
        assert!(pages < 50, "the same page comes again and again");
        found.extend(page.rows.into_iter().map(|row| row.key));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}
