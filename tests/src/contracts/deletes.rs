//! Conditional deletes and the walk through a table, through the shipped adapter: what maintenance relies on.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use local::tables;
use shared::aws::dynamodb::ConnectionsTable;
use shared::domain::item::{Item, Value};
use shared::domain::write::{Change, Delete, Test, Write, clause};
use shared::ports::{DeleteConnections, WalkConnections, WriteConnections};

pub async fn hold(client: &Client) {
    tables::create(client).await.unwrap();
    let table = ConnectionsTable::new(client.clone(), tables::CONNECTIONS.to_owned());
    a_delete_does_what_its_clauses_say(&table).await;
    a_walk_meets_every_row_once_though_rows_go_on_the_way(client, &table).await;
}

async fn put(table: &ConnectionsTable, key: &str, members: &[(&'static str, Value)]) -> Item {
    let changes = members.iter().map(|(name, value)| Change::Set(name, value.clone())).collect();
    let clauses = vec![clause("there is none", Test::Absent("id"))];
    let write = Write { name: "put", key: key.to_owned(), clauses, changes };
    table.write(&write).await.unwrap();
    let mut item = write.apply(None);
    item.0.insert("id".into(), key.into());
    item
}

async fn a_delete_does_what_its_clauses_say(table: &ConnectionsTable) {
    let rows: [&[(&'static str, Value)]; 4] = [
        &[("disconnected_at", Value::N(7))],
        &[("disconnected_at", Value::N(8))],
        &[("status", Value::S("reauth_required".to_owned())), ("token_set", Value::B(vec![1; 16]))],
        &[("status", Value::S("active".to_owned())), ("token_set", Value::B(vec![1; 16]))],
    ];
    let tests = [
        vec![Test::Equals("disconnected_at", Value::N(7))],
        vec![Test::Equals("status", "reauth_required".into()), Test::Equals("token_set", Value::B(vec![1; 16]))],
        vec![Test::Exists("id")],
    ];
    let (mut deleted, mut refused) = (0, 0);
    for (number, members) in rows.into_iter().enumerate() {
        for (other, tests) in tests.iter().enumerate() {
            let key = format!("d{number}{other}");
            let item = put(table, &key, members).await;
            let clauses = tests.iter().map(|test| clause("made up", test.clone())).collect();
            let delete = Delete { name: "made up", key, clauses };
            let holds = delete.evaluate(Some(&item)).is_empty();
            assert_eq!(table.delete(&delete).await.unwrap(), holds, "{delete:?} on {item:?}");
            // Once more: the model says what becomes of the row, too.
            let left = (!holds).then_some(&item);
            assert!(!table.delete(&delete).await.unwrap() && !delete.evaluate(left).is_empty(), "{delete:?}");
            *(if holds { &mut deleted } else { &mut refused }) += 1;
        }
    }
    assert!(deleted > 0 && refused > 0);
}

async fn a_walk_meets_every_row_once_though_rows_go_on_the_way(client: &Client, table: &ConnectionsTable) {
    for number in 0..250 {
        put(table, &format!("w{number}"), &[("version", Value::N(1))]).await;
    }
    // Of a type that we never write: it is met, and hides nobody.
    let set = AttributeValue::Ss(vec!["a".to_owned()]);
    let strange = client.put_item().table_name(tables::CONNECTIONS).item("id", AttributeValue::S("wx".to_owned()));
    strange.item("strange", set).send().await.unwrap();
    let (mut met, mut strange, mut after, mut pages) = (BTreeSet::new(), 0, None::<String>, 0);
    loop {
        let page = table.page(after.as_deref()).await.unwrap();
        pages += 1;
        for row in &page.rows {
            assert!(met.insert(row.key.clone()), "{} is met twice", row.key);
            strange += usize::from(row.item.is_err());
        }
        after = page.rows.last().map(|row| row.key.clone());
        if !page.more {
            break;
        }
        // The row that the next page begins behind goes.
        let delete = Delete {
            name: "made up",
            key: after.clone().unwrap(),
            clauses: vec![clause("it is there", Test::Exists("id"))],
        };
        assert!(table.delete(&delete).await.unwrap());
    }
    assert_eq!((met.iter().filter(|key| key.starts_with('w')).count(), strange), (251, 1));
    assert!(pages > 2, "{pages}");
}
