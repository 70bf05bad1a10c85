//! What the product relies on in DynamoDB, through its own adapters: on the embedded engine and on AWS's own.
//!
//! Every conditional write of the protocol is tried on every kind of row, and must do what [`Write::evaluate`] and
//! [`Write::apply`] say. So the conditions that ship and the ones that are reasoned about are the same.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use local::tables;
use shared::aws::dynamodb::{AttemptsTable, ConnectionsTable};
use shared::domain::account::{Account, KnownAccount, identify};
use shared::domain::attempt::writes::{self as attempts, End};
use shared::domain::attempt::{Attempt, Binding, CookieName, Failure, Phase, StateHash};
use shared::domain::connection::confirming::{Awaited, confirm, expire};
use shared::domain::connection::connecting::{NewGrant, connect};
use shared::domain::connection::disconnecting::{Revocation, acquire_revocation, bury, disconnect};
use shared::domain::connection::superseded::{Superseded, forget};
use shared::domain::connection::writes::{self, Need, Settlement};
use shared::domain::connection::{Connection, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::fleet::{self, Tally};
use shared::domain::item::{Item, Value};
use shared::domain::pkce;
use shared::domain::schedule;
use shared::domain::secret::{Confirmation, CookieValue, SessionToken, State};
use shared::domain::session::{Session, SessionId, SessionMark, SessionStatus, end_session};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::TokenSet;
use shared::domain::write::{Change, Test, Write, Written, clause};
use shared::ports::{ListDue, ReadConnections, WriteAttempts, WriteConnections};

const NOW: i64 = 1_800_000_000;

pub async fn holds(client: &Client) {
    tables::create(client).await.unwrap();
    tables::create(client).await.unwrap();
    every_write_on_every_kind_of_connection(client).await;
    every_write_on_every_kind_of_fleet_row(client).await;
    every_write_on_every_kind_of_attempt(client).await;
    two_writes_are_both_done_or_neither(client).await;
    a_list_of_one_test_is_accepted_and_so_is_a_transaction_without_values(client).await;
    of_many_that_want_the_lease_one_gets_it(client).await;
    the_due_index_is_in_order_paged_and_sparse(client).await;
}

async fn every_write_on_every_kind_of_connection(client: &Client) {
    let table = ConnectionsTable::new(client.clone(), tables::CONNECTIONS.to_owned());
    let (mut applied, mut refused) = (0, 0);
    for image in connections() {
        for write in connection_writes() {
            clear(client, tables::CONNECTIONS, "id", "t").await;
            if let Some(image) = &image {
                put(client, tables::CONNECTIONS, image).await;
            }
            match check(&write, image.as_ref(), table.write(&write).await.unwrap()) {
                true => applied += 1,
                false => refused += 1,
            }
        }
    }
    clear(client, tables::CONNECTIONS, "id", "t").await;
    assert!(applied > 50 && refused > 50, "{applied} applied, {refused} refused: the rows are too much alike");
}

async fn every_write_on_every_kind_of_fleet_row(client: &Client) {
    let table = ConnectionsTable::new(client.clone(), tables::CONNECTIONS.to_owned());
    let tally = Tally { refused: 1, refreshed: 7 };
    let rows = [None, Some(tally.begin(8)), Some(tally.begin(6)), Some(fleet::pause(at(60)))];
    for row in rows {
        for write in [tally.count(8), tally.begin(8), fleet::pause(at(30)), fleet::pause(at(90))] {
            clear(client, tables::CONNECTIONS, "id", &write.key).await;
            let image = row.as_ref().filter(|row| row.key == write.key).map(|row| row.apply(None));
            let image = image.map(|image| with(image, &[("id", write.key.as_str().into())]));
            if let Some(image) = &image {
                put(client, tables::CONNECTIONS, image).await;
            }
            check(&write, image.as_ref(), table.write(&write).await.unwrap());
            clear(client, tables::CONNECTIONS, "id", &write.key).await;
        }
    }
}

async fn every_write_on_every_kind_of_attempt(client: &Client) {
    let table = AttemptsTable::new(client.clone(), tables::ATTEMPTS.to_owned());
    let (mut applied, mut refused) = (0, 0);
    for image in attempt_rows() {
        for write in attempt_writes() {
            clear(client, tables::ATTEMPTS, "pk", &write.key).await;
            if let Some(image) = &image {
                let mut image = image.clone();
                image.0.insert("pk".into(), write.key.clone().into());
                put(client, tables::ATTEMPTS, &image).await;
            }
            let image = image.clone().map(|mut image| {
                image.0.insert("pk".into(), write.key.clone().into());
                image
            });
            match check(&write, image.as_ref(), table.write(&write).await.unwrap()) {
                true => applied += 1,
                false => refused += 1,
            }
        }
    }
    assert!(applied > 10 && refused > 20, "{applied} applied, {refused} refused: the rows are too much alike");
}

/// Whether it was applied, as it should have been or not.
fn check(write: &Write, image: Option<&Item>, written: Written) -> bool {
    let failing = write.evaluate(image);
    match written {
        Written::Applied(item) => {
            assert!(failing.is_empty(), "{} was applied although {failing:?}; {image:?}", write.name);
            let mut expected = write.apply(image);
            // The fleet's rows begin with it; an attempt's kind ends with it.
            let key = if write.key.find('#').unwrap_or(0) > 0 { "pk" } else { "id" };
            expected.0.insert(key.into(), write.key.clone().into());
            assert!(item == expected, "{}: {item:?} is not {expected:?}", write.name);
            true
        }
        Written::Refused(stored) => {
            assert!(!failing.is_empty(), "{} was refused; {image:?}", write.name);
            assert!(stored.as_ref() == image, "{}: the stored row comes back", write.name);
            false
        }
    }
}

async fn two_writes_are_both_done_or_neither(client: &Client) {
    let table = AttemptsTable::new(client.clone(), tables::ATTEMPTS.to_owned());
    let session = session();
    let attempt = attempt();
    clear(client, tables::ATTEMPTS, "pk", &session.id.key()).await;
    table.write(&session.begin()).await.unwrap();
    clear(client, tables::ATTEMPTS, "pk", &attempt.state_hash.key()).await;
    table.write(&attempts::begin(&attempt)).await.unwrap();
    let end = attempts::end(&attempt.state_hash, "me", &End::Connected);
    let completed = end_session(&session.id, SessionStatus::Completed);
    assert!(!table.write_both(&end, &completed).await.unwrap(), "nobody has taken the attempt");
    table.write(&attempts::take(&attempt.state_hash, &attempt.binding, at(0), "me")).await.unwrap();
    assert!(table.write_both(&end, &completed).await.unwrap());
    assert!(!table.write_both(&end, &completed).await.unwrap(), "the session is completed");
}

/// Found by the random sequences: `((a))` is a redundant pair of parentheses, which DynamoDB refuses, and so is an empty map
/// of values.
async fn a_list_of_one_test_is_accepted_and_so_is_a_transaction_without_values(client: &Client) {
    let table = AttemptsTable::new(client.clone(), tables::ATTEMPTS.to_owned());
    let write = |key: &str| Write {
        name: "made up",
        key: key.to_owned(),
        clauses: vec![clause("made up", Test::Any(vec![Test::All(vec![Test::Absent("phase")])]))],
        changes: vec![Change::Remove("reference")],
    };
    let (first, second) = (write("state#one"), write("session#two"));
    assert!(matches!(table.write(&first).await.unwrap(), Written::Applied(_)));
    assert!(table.write_both(&first, &second).await.unwrap());
    for key in ["state#one", "session#two"] {
        clear(client, tables::ATTEMPTS, "pk", key).await;
    }
}

async fn of_many_that_want_the_lease_one_gets_it(client: &Client) {
    for round in 0..20 {
        clear(client, tables::CONNECTIONS, "id", "t").await;
        put(client, tables::CONNECTIONS, &connection()).await;
        let rivals: Vec<_> = (0..32)
            .map(|rival| {
                let table = ConnectionsTable::new(client.clone(), tables::CONNECTIONS.to_owned());
                let owner = format!("{round}-{rival}");
                tokio::spawn(async move {
                    let write = writes::acquire(&id(), &Need::Rejected { seen: set(1) }, &owner, at(0));
                    matches!(table.write(&write).await.unwrap(), Written::Applied(_))
                })
            })
            .collect();
        let mut winners = 0;
        for rival in rivals {
            winners += usize::from(rival.await.unwrap());
        }
        assert_eq!(winners, 1);
    }
    clear(client, tables::CONNECTIONS, "id", "t").await;
}

async fn the_due_index_is_in_order_paged_and_sparse(client: &Client) {
    let table = ConnectionsTable::new(client.clone(), tables::CONNECTIONS.to_owned());
    for number in 0..250 {
        let mut row = connection();
        row.0.insert("id".into(), format!("row-{number}").into());
        row.0.insert("shard".into(), Value::N(5));
        row.0.insert("refresh_at".into(), Value::N(NOW + (number * 7919) % 100));
        if number % 10 == 0 {
            row.0.remove("shard");
        }
        put(client, tables::CONNECTIONS, &row).await;
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
    let mut ids: Vec<_> = seen.iter().map(|row| row.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 225);
    assert!(seen.iter().all(|row| row.expires_at == at(3600)), "the index carries the expiry");
    assert!(table.list(6, None).await.unwrap().rows.is_empty());
    let stored = table.read(&ConnectionId::parse("row-0").unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.version, 3);
    for number in 0..250 {
        clear(client, tables::CONNECTIONS, "id", &format!("row-{number}")).await;
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

fn id() -> ConnectionId {
    ConnectionId::parse("t").unwrap()
}

fn set(byte: u8) -> TokenSet {
    TokenSet::new([byte; 16])
}

fn bytes(set: TokenSet) -> Value {
    Value::B(set.as_bytes().to_vec())
}

/// An active connection, version 3, granted an hour ago.
fn connection() -> Item {
    let pairs: [(&str, Value); 17] = [
        ("id", "t".into()),
        ("status", "active".into()),
        ("shard", Value::N(schedule::shard(&id()).into())),
        ("version", Value::N(3)),
        ("token_set", bytes(set(1))),
        ("sealed", vec![1, 2, 3].into()),
        ("data_key", vec![4, 5, 6].into()),
        ("token_type", "Bearer".into()),
        ("scope", "read".into()),
        ("client_id", "client-one".into()),
        ("created_at", at(-7200).into()),
        ("refreshed_at", at(-3600).into()),
        ("granted_at", at(-7200).into()),
        ("expires_at", at(3600).into()),
        ("lifetime", Value::N(7200)),
        ("refresh_at", at(0).into()),
        ("grant", "earlier".into()),
    ];
    Item(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn with(mut item: Item, changes: &[(&'static str, Value)]) -> Item {
    for (name, value) in changes {
        item.0.insert((*name).into(), value.clone());
    }
    item
}

fn connections() -> Vec<Option<Item>> {
    let leased = |until: i64| {
        with(
            connection(),
            &[("lease_owner", "rival".into()), ("lease_until", at(until).into()), ("attempts", Value::N(1))],
        )
    };
    let given_up = with(
        connection(),
        &[
            ("status", "reauth_required".into()),
            ("attention", "reauth_required".into()),
            ("refused_set", bytes(set(1))),
        ],
    );
    vec![
        None,
        Some(connection()),
        Some(with(connection(), &[("token_set", bytes(set(9))), ("version", Value::N(4))])),
        Some(leased(20)),
        Some(leased(-20)),
        Some(leased(-200)),
        Some(with(leased(-20), &[("expires_at", at(-1).into())])),
        Some(with(leased(20), &[("lease_owner", "me".into()), ("refused_at", at(-100).into())])),
        Some(with(leased(20), &[("lease_owner", "me".into()), ("refused_at", at(-10).into())])),
        Some(with(
            connection(),
            &[("not_before", at(30).into()), ("refresh_at", at(30).into()), ("failures", Value::N(2))],
        )),
        Some(with(connection(), &[("not_before", at(0).into()), ("reason", "throttled".into())])),
        Some(with(connection(), &[("refreshed_at", at(-10).into()), ("refresh_at", at(5000).into())])),
        Some(with(
            connection(),
            &[("session", session().id.as_str().into()), ("session_order", session().mark().order.into())],
        )),
        Some(with(
            connection(),
            &[("session", "later".into()), ("session_order", Value::N(session().mark().order + 1))],
        )),
        Some(with(
            connection(),
            &[
                ("session", session().id.as_str().into()),
                ("session_order", session().mark().order.into()),
                ("confirmation", Awaited::new(&confirmation(), at(0)).hash.into()),
                ("confirm_by", at(9).into()),
            ],
        )),
        Some(with(connection(), &[("confirmation", "another".into()), ("confirm_by", at(0).into())])),
        Some(with(connection(), &[("status", "disconnecting".into())])),
        Some(with(connection(), &[("status", "disconnecting".into()), ("token_set", bytes(set(2)))])),
        Some(with(leased(-20), &[("status", "disconnecting".into()), ("not_before", at(9).into())])),
        Some(
            bury(&Connection::stored(&connection()).unwrap().unwrap(), Revocation::Off, at(-100))
                .apply(Some(&connection())),
        ),
        Some(
            bury(&Connection::stored(&connection()).unwrap().unwrap(), Revocation::Off, at(-10))
                .apply(Some(&connection())),
        ),
        Some(given_up.clone()),
        Some(with(given_up, &[("token_set", bytes(set(2)))])),
    ]
}

fn connection_writes() -> Vec<Write> {
    let image = Connection::stored(&connection()).unwrap().unwrap();
    let new = |scope: Option<&str>| {
        let pair = SealedPair { token_set: set(2), sealed: vec![7], data_key: vec![8] };
        let times = (at(0), at(7200));
        writes::new_pair(&id(), 4, pair, "Bearer".to_owned(), scope.map(str::to_owned), times, Duration::from_secs(300))
    };
    let grant = |scope: Option<&str>, session: Option<SessionMark>| NewGrant {
        id: id(),
        client_id: "client-one".to_owned(),
        grant: "new".to_owned(),
        begun_at: at(-60),
        session,
        awaited: None,
        superseded: None,
        new: new(scope),
    };
    let awaited =
        NewGrant { awaited: Some(Awaited::new(&confirmation(), at(0))), ..grant(Some("read"), Some(session().mark())) };
    let settlement = |known: bool, refused_at| Settlement {
        reason: "throttled",
        needs_a_person: !known,
        not_before: at(60),
        known,
        refused_at,
    };
    let session_id = session().id;
    let superseded = Superseded { pair: image.pair.clone(), account_id: "1".to_owned() };
    let account = Account { id: "1".to_owned(), company: Some("Company".to_owned()), email: None };
    let session = Some(session().mark());
    let mut revived = image.clone();
    revived.pair.token_set = set(2);
    vec![
        writes::acquire(&id(), &Need::Scheduled, "me", at(0)),
        writes::acquire(&id(), &Need::OnDemand { seen: set(1) }, "me", at(0)),
        writes::acquire(&id(), &Need::Rejected { seen: set(1) }, "me", at(0)),
        writes::commit(&id(), set(1), &new(Some("read"))),
        writes::commit(&id(), set(1), &new(None)),
        writes::revive(&image),
        writes::revive(&revived),
        writes::settle(&id(), "me", &settlement(true, None)),
        writes::settle(&id(), "me", &settlement(false, Some(at(0)))),
        writes::give_up(&image, "me", "invalid_grant"),
        writes::quarantine(&id(), "me", "inconsistent_row", at(300)),
        connect(&grant(Some("read"), None), None),
        connect(&grant(None, session.clone()), None),
        connect(&grant(Some("read"), None), Some(set(1))),
        connect(&grant(None, session), Some(set(1))),
        connect(&awaited, None),
        connect(&awaited, Some(set(1))),
        confirm(&image, &session_id, &confirmation(), at(0), Duration::from_secs(300)),
        expire(&id(), at(0)),
        connect(&NewGrant { superseded: Some(superseded.clone()), ..grant(None, None) }, Some(set(1))),
        forget(&id(), &superseded),
        identify(&id(), set(1), &KnownAccount { account: account.clone(), also_connected_as: None }),
        identify(&id(), set(1), &KnownAccount { account, also_connected_as: Some("u".to_owned()) }),
        disconnect(&id(), at(0)),
        acquire_revocation(&id(), "me", at(0)),
        bury(&image, Revocation::Done, at(0)),
    ]
}

fn confirmation() -> Confirmation {
    Confirmation::new(digest::base64url([6; 32]))
}

fn session() -> Session {
    Session {
        id: SessionId::of(&SessionToken::new(digest::base64url([3; 32]))).unwrap(),
        connection_id: id(),
        return_to: None,
        confirm_page: true,
        confirm: true,
        status: SessionStatus::Pending,
        begun_at: at(-60),
        expires_at: at(600),
    }
}

fn attempt() -> Attempt {
    let state_hash = StateHash::of(&State::new(digest::base64url([4; 32]))).unwrap();
    let name = CookieName::new(&state_hash, true);
    Attempt {
        binding: Binding::new(&name, &CookieValue::new("cookie")),
        code_verifier: Some(pkce::code_verifier([5; 32])),
        connection_id: id(),
        redirect_uri: "https://connect.example.com/callback".to_owned(),
        return_to: None,
        session: Some(session().mark()),
        confirmation: Some(confirmation()),
        created_at: at(0),
        expires_at: at(600),
        phase: Phase::Pending,
        failure: None,
        taken_at: None,
        state_hash,
    }
}

fn attempt_rows() -> Vec<Option<Item>> {
    let stored = attempts::begin(&attempt()).apply(None);
    let taken = |by: &str| with(stored.clone(), &[("phase", "exchanging".into()), ("taken_by", by.into())]);
    vec![
        None,
        Some(stored.clone()),
        Some(with(stored.clone(), &[("expires_at", at(0).into())])),
        Some(with(stored.clone(), &[("binding", "another".into())])),
        Some(taken("me")),
        Some(taken("rival")),
        Some(with(taken("me"), &[("phase", "connected".into())])),
        Some(session().begin().apply(None)),
        Some(with(session().begin().apply(None), &[("status", "completed".into())])),
    ]
}

fn attempt_writes() -> Vec<Write> {
    let attempt = attempt();
    let failed = End::Failed { failure: Failure::Provider, reference: "reference".to_owned() };
    vec![
        attempts::begin(&attempt),
        attempts::take(&attempt.state_hash, &attempt.binding, at(0), "me"),
        attempts::give_back(&attempt.state_hash, "me"),
        attempts::end(&attempt.state_hash, "me", &End::Connected),
        attempts::end(&attempt.state_hash, "me", &failed),
        session().begin(),
        end_session(&session().id, SessionStatus::Denied),
        end_session(&session().id, SessionStatus::Completed),
    ]
}

async fn put(client: &Client, table: &str, item: &Item) {
    let attributes: HashMap<String, AttributeValue> =
        item.0.iter().map(|(name, value)| (name.to_string(), render(value))).collect();
    client.put_item().table_name(table).set_item(Some(attributes)).send().await.unwrap();
}

async fn clear(client: &Client, table: &str, key: &str, value: &str) {
    let key_value = AttributeValue::S(value.to_owned());
    client.delete_item().table_name(table).key(key, key_value).send().await.unwrap();
}

fn render(value: &Value) -> AttributeValue {
    match value {
        Value::S(text) => AttributeValue::S(text.clone()),
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::B(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
    }
}
