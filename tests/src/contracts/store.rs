//! What the product needs from DynamoDB, through its own adapters: on the embedded engine and on AWS's own.
//!
//! Every conditional write of the protocol is tried on every kind of row. The result must be that of
//! [`Write::evaluate`] and [`Write::apply`]. So the model agrees with the shipped conditions.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use local::tables;
use shared::aws::dynamodb::ConnectionsTable;
use shared::domain::attempt::writes::{self as attempts, End};
use shared::domain::connection::attributes::{EXPIRES_AT, ID, REFRESH_AT, SHARD};
use shared::domain::connection::refresh::{RefreshReason, acquire};
use shared::domain::item::{Item, Value};
use shared::domain::session::{SessionStatus, end_session};
use shared::domain::time::Timestamp;
use shared::domain::write::{Change, Test, Write, WriteName, clause};
use shared::ports::ListDue;

use super::engine::{Answer, Engine, Kind};

mod connections;
mod journeys;

use connections::{connection, id, pair};
use journeys::{attempt, session};

const NOW: i64 = 1_800_000_000;

pub async fn holds(client: &Client) {
    tables::create(client).await.unwrap();
    tables::create(client).await.unwrap();
    let engine = Engine::new(client);
    let mut tried = BTreeMap::new();
    every_write_on_every_row(&engine, Kind::Connection, &connections::writes(), &connections::rows(), &mut tried).await;
    for kind in [Kind::Account, Kind::Fleet, Kind::Attempt, Kind::Session, Kind::Order] {
        let writes = journeys::writes(kind);
        let rows: Vec<Option<Item>> = std::iter::once(None).chain(journeys::rows(kind).into_iter().map(Some)).collect();
        every_write_on_every_row(&engine, kind, &writes, &rows, &mut tried).await;
    }
    every_delete_on_every_row(&engine, &mut tried).await;
    for name in WriteName::ALL {
        let (applied, refused) = tried.get(name).copied().unwrap_or_default();
        assert!(
            applied > 0 && refused > 0,
            "{name}: {applied} applied, {refused} refused: the rows do not differ enough"
        );
    }
    two_writes_are_both_done_or_neither(&engine).await;
    a_list_of_one_test_is_accepted_and_so_is_a_transaction_without_values(&engine).await;
    of_many_rivals_one_gets_the_lease(&engine).await;
    the_due_index_is_in_order_paged_and_sparse(&engine).await;
}

type Tried = BTreeMap<WriteName, (usize, usize)>;

fn count(tried: &mut Tried, name: WriteName, is_applied: bool) {
    let (applied, refused) = tried.entry(name).or_default();
    *(if is_applied { applied } else { refused }) += 1;
}

async fn every_write_on_every_row(
    engine: &Engine,
    kind: Kind,
    writes: &[Write],
    rows: &[Option<Item>],
    tried: &mut Tried,
) {
    for image in rows {
        for write in writes {
            let mut image = image.clone();
            // Rows of other keys: the fleet's, an attempt and its session.
            if let Some(item) = &mut image {
                item.0.insert(kind.key_name().into(), write.key.as_str().into());
            }
            let image = image.as_ref();
            engine.place(kind, &write.key, image).await;
            let is_applied = write.evaluate(image).is_empty();
            let answered = engine.write(kind, write).await;
            assert_eq!(answered, Ok(kind.expected(write, image)), "{write:?} on {image:?}");
            let expected = if is_applied { Some(kind.after(write, image)) } else { image.cloned() };
            let stored = engine.read(kind, &write.key).await;
            assert!(stored == expected, "{}: {stored:?} is not {expected:?}", write.name);
            count(tried, write.name, is_applied);
        }
    }
    for write in writes {
        engine.remove(kind, &write.key).await;
    }
}

async fn every_delete_on_every_row(engine: &Engine, tried: &mut Tried) {
    for image in connections::rows() {
        for delete in connections::deletes() {
            engine.place(Kind::Connection, &delete.key, image.as_ref()).await;
            let is_deleted = delete.evaluate(image.as_ref()).is_empty();
            assert_eq!(engine.delete(&delete).await, Ok(is_deleted), "{delete:?} on {image:?}");
            let stored = engine.read(Kind::Connection, &delete.key).await;
            assert!(stored == image.clone().filter(|_| !is_deleted), "{}: {stored:?}", delete.name);
            count(tried, delete.name, is_deleted);
            engine.remove(Kind::Connection, &delete.key).await;
        }
    }
}

async fn two_writes_are_both_done_or_neither(engine: &Engine) {
    let (session, attempt) = (session(), attempt());
    for (kind, write) in [(Kind::Session, session.begin()), (Kind::Attempt, attempts::begin(&attempt))] {
        engine.remove(kind, &write.key).await;
        engine.write(kind, &write).await.unwrap();
    }
    let end = attempts::end(&attempt.state_hash, &End::Connected);
    let completed = end_session(&session.id, &SessionStatus::Completed);
    assert_eq!(engine.both(&end, &completed).await, Ok(false), "the attempt is not taken");
    let take = attempts::take(&attempt.state_hash, &attempt.binding, at(0), "me");
    assert!(matches!(engine.write(Kind::Attempt, &take).await, Ok(Answer::Applied(_))));
    assert_eq!(engine.both(&end, &completed).await, Ok(true));
    assert_eq!(engine.both(&end, &completed).await, Ok(false), "the session is completed");
}

/// Found by the random sequences: `((a))` is a redundant pair of parentheses, which DynamoDB refuses, and so is an
/// empty map of values.
async fn a_list_of_one_test_is_accepted_and_so_is_a_transaction_without_values(engine: &Engine) {
    let write = |name, key: &str| Write {
        name,
        key: key.to_owned(),
        clauses: vec![clause("made up", Test::Any(vec![Test::All(vec![Test::Absent("phase")])]))],
        changes: vec![Change::Remove("reference")],
    };
    let (first, second) = (write(WriteName::EndAttempt, "state#one"), write(WriteName::EndSession, "session#two"));
    assert_eq!(engine.write(Kind::Session, &second).await, Ok(Answer::Applied(None)));
    assert_eq!(engine.both(&first, &second).await, Ok(true));
    engine.remove(Kind::Attempt, &first.key).await;
    engine.remove(Kind::Session, &second.key).await;
}

async fn of_many_rivals_one_gets_the_lease(engine: &Engine) {
    for round in 0..20 {
        engine.put(Kind::Connection, &connection()).await;
        let rivals: Vec<_> = (0..32)
            .map(|rival| {
                let (engine, owner) = (engine.clone(), format!("{round}-{rival}"));
                tokio::spawn(async move {
                    let write = acquire(&id(), &RefreshReason::Rejected { seen: pair(1) }, &owner, at(0));
                    matches!(engine.write(Kind::Connection, &write).await, Ok(Answer::Applied(_)))
                })
            })
            .collect();
        let mut winners = 0;
        for rival in rivals {
            winners += usize::from(rival.await.unwrap());
        }
        assert_eq!(winners, 1);
    }
    engine.remove(Kind::Connection, id().as_str()).await;
}

async fn the_due_index_is_in_order_paged_and_sparse(engine: &Engine) {
    let table = ConnectionsTable::new(engine.client.clone(), tables::CONNECTIONS.to_owned());
    for number in 0..250 {
        let mut row = connection();
        row.0.insert(ID.into(), format!("row-{number}").into());
        row.0.insert(SHARD.into(), Value::N(5));
        row.0.insert(REFRESH_AT.into(), Value::N(NOW + (number * 7919) % 100));
        if number % 10 == 0 {
            row.0.remove(SHARD);
        }
        if number % 10 == 1 {
            row.0.remove(EXPIRES_AT);
        }
        engine.put(Kind::Connection, &row).await;
    }
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = table.list(5, cursor).await.unwrap();
        pages += 1;
        seen.extend(page.rows);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 225);
    assert!(pages >= 3);
    assert!(seen.windows(2).all(|pair| pair[0].refresh_at <= pair[1].refresh_at));
    let mut keys: Vec<_> = seen.iter().map(|row| row.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 225);
    for row in &seen {
        let expected = (!row.key.ends_with('1')).then_some(at(3600));
        assert_eq!(row.expires_at, expected, "the index carries the expiry of {}", row.key);
    }
    assert!(table.list(6, None).await.unwrap().rows.is_empty());
    for number in 0..250 {
        engine.remove(Kind::Connection, &format!("row-{number}")).await;
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

fn with(mut item: Item, changes: &[(&'static str, Value)]) -> Item {
    for (name, value) in changes {
        item.0.insert((*name).into(), value.clone());
    }
    item
}
