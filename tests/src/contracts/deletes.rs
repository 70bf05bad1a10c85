//! Conditional deletes and the walk through a table, through the shipped adapter: maintenance depends on them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use local::tables;
use shared::aws::dynamodb::ConnectionsTable;
use shared::domain::connection::attributes::{ID, NEEDS_CUSTOMER_SINCE, STATUS, VACANT_SINCE};
use shared::domain::item::{Item, Value};
use shared::domain::write::{Delete, Test, WriteName, clause};
use shared::ports::{Segment, WalkConnections};

use super::engine::{Engine, Kind};

pub async fn hold(client: &Client) {
    tables::create(client).await.unwrap();
    let engine = Engine::new(client);
    a_delete_does_what_its_clauses_say(&engine).await;
    for segments in [1, 2] {
        a_walk_lists_every_row_once_though_rows_are_deleted_meanwhile(&engine, segments).await;
    }
}

async fn put(engine: &Engine, key: &str, members: &[(&'static str, Value)]) -> Item {
    let mut item: Item = Item(members.iter().map(|(name, value)| ((*name).into(), value.clone())).collect());
    item.0.insert(ID.into(), key.into());
    engine.put(Kind::Connection, &item).await;
    item
}

async fn a_delete_does_what_its_clauses_say(engine: &Engine) {
    let rows: [&[(&'static str, Value)]; 4] = [
        &[(VACANT_SINCE, Value::N(7))],
        &[(VACANT_SINCE, Value::N(8))],
        &[(STATUS, Value::S("connected".to_owned())), (NEEDS_CUSTOMER_SINCE, Value::N(7))],
        &[(STATUS, Value::S("connected".to_owned()))],
    ];
    let tests = [
        vec![Test::Equals(VACANT_SINCE, Value::N(7))],
        vec![Test::Equals(STATUS, "connected".into()), Test::Equals(NEEDS_CUSTOMER_SINCE, Value::N(7))],
        vec![Test::Exists(ID)],
    ];
    let (mut deleted, mut refused) = (0, 0);
    for (number, members) in rows.into_iter().enumerate() {
        for (other, tests) in tests.iter().enumerate() {
            let key = format!("d{number}{other}");
            let item = put(engine, &key, members).await;
            let clauses = tests.iter().map(|test| clause("made up", test.clone())).collect();
            let delete = Delete { name: WriteName::ReapConnection, key, clauses };
            let holds = delete.evaluate(Some(&item)).is_empty();
            assert_eq!(engine.delete(&delete).await, Ok(holds), "{delete:?} on {item:?}");
            // The same delete again: the model also says whether the row still exists.
            let left = (!holds).then_some(&item);
            assert_eq!(engine.delete(&delete).await, Ok(false), "{delete:?}");
            assert!(!delete.evaluate(left).is_empty(), "{delete:?}");
            *(if holds { &mut deleted } else { &mut refused }) += 1;
        }
    }
    assert!(deleted > 0 && refused > 0);
}

async fn a_walk_lists_every_row_once_though_rows_are_deleted_meanwhile(engine: &Engine, segments: u16) {
    let table = ConnectionsTable::new(engine.client.clone(), tables::CONNECTIONS.to_owned());
    let rows = 130 * usize::from(segments);
    for number in 0..rows {
        put(engine, &format!("w{number}"), &[(STATUS, "vacant".into())]).await;
    }
    let mut listed = BTreeSet::new();
    for number in 0..segments {
        let before = listed.len();
        walk_a_segment(engine, &table, Segment { number, of: segments }, &mut listed).await;
        assert!(listed.len() > before, "segment {number} of {segments} is empty");
    }
    assert_eq!(listed.iter().filter(|key| key.starts_with('w')).count(), rows);
    for number in 0..rows {
        engine.remove(Kind::Connection, &format!("w{number}")).await;
    }
}

async fn walk_a_segment(engine: &Engine, table: &ConnectionsTable, segment: Segment, listed: &mut BTreeSet<String>) {
    let (mut after, mut pages) = (None::<String>, 0);
    loop {
        let page = table.page(segment, after.as_deref()).await.unwrap();
        pages += 1;
        for row in &page.rows {
            assert!(listed.insert(row.id().to_owned()), "{} is listed twice", row.id());
        }
        after = page.next;
        let Some(next) = &after else { break };
        // The next page begins after a row that has been deleted.
        let clauses = vec![clause("it is there", Test::Exists(ID))];
        let delete = Delete { name: WriteName::ReapConnection, key: next.clone(), clauses };
        assert_eq!(engine.delete(&delete).await, Ok(true));
    }
    assert!(pages > 1, "{pages}");
}
