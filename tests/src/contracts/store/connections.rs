//! Rows and writes of a connection.

use std::time::Duration;

use shared::domain::account::{Account, KnownAccount, identify, identify_waiting};
use shared::domain::connection::attributes as a;
use shared::domain::connection::disconnect::{RevocationOutcome, disconnect};
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::reap::{Reaping, reap};
use shared::domain::connection::refresh::{
    PutOffBy, RefreshReason, Settlement, acquire, commit, give_up, quarantine, settle,
};
use shared::domain::connection::reseal::{held, reseal};
use shared::domain::connection::revocation::{self, Revocation};
use shared::domain::connection::schedule;
use shared::domain::connection::waiting::{Awaited, await_confirmation, confirm, expire};
use shared::domain::connection::{Row, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::failure_class::FailureClass;
use shared::domain::fleet;
use shared::domain::item::{Item, Value};
use shared::domain::order::Order;
use shared::domain::session::SessionMark;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::PairId;
use shared::domain::write::{Delete, Write};

use super::journeys::{confirmation, session};
use super::{Kind, at, with};

const REFRESH_EVERY: Duration = Duration::from_secs(300);

pub(super) fn id() -> ConnectionId {
    ConnectionId::parse("t").unwrap()
}

pub(super) fn pair(byte: u8) -> PairId {
    PairId::new([byte; 16])
}

fn bytes(byte: u8) -> Value {
    Value::B(vec![byte; 16])
}

fn parsed(item: &Item) -> Row {
    Row::parse(id().as_str(), item)
}

fn after(write: &Write, image: &Item) -> Item {
    Kind::Connection.after(write, Some(image))
}

fn new(byte: u8, scope: Option<&str>) -> NewPair {
    NewPair {
        pair: SealedPair { id: pair(byte), sealed: vec![byte; 3], data_key: vec![byte; 4] },
        has_refresh_token: true,
        token_type: "Bearer".to_owned(),
        scope: scope.map(str::to_owned),
        granted_at: at(0),
        expires_at: at(7200),
    }
}

fn grant(byte: u8, session: Option<SessionMark>) -> NewGrant {
    NewGrant {
        id: id(),
        client_id: "client-one".to_owned(),
        name: format!("grant {byte}"),
        order: Order::from_number(6),
        session,
        awaited: None,
        is_throw_away: byte % 2 == 1,
        is_not_refreshed: false,
        new: new(byte, Some("read")),
    }
}

fn awaited() -> Awaited {
    Awaited::new(&confirmation(), at(0))
}

/// An active connection, version 3, granted an hour ago.
pub(super) fn connection() -> Item {
    let made = Kind::Connection.after(&connect(&grant(1, None), None, REFRESH_EVERY, at(-3600)).0, None);
    let changes = [
        (a::VERSION, Value::N(3)),
        (a::REFRESHED_AT, at(-3600).into()),
        (a::EXPIRES_AT, at(3600).into()),
        (a::REFRESH_AT, at(0).into()),
        (a::GRANT_ORDER, Value::N(2)),
    ];
    with(made, &changes)
}

fn given_up(why: FailureClass) -> Item {
    after(&give_up(&id(), "rival", why, at(-10), at(60)), &leased("rival", 20))
}

fn leased(by: &str, until: i64) -> Item {
    with(connection(), &[(a::LEASE_OWNER, by.into()), (a::LEASE_UNTIL, at(until).into()), (a::LEASES, Value::N(1))])
}

/// A pair waits beside the live one.
fn waiting() -> Item {
    let item = connection();
    after(&await_confirmation(&grant(4, Some(session().mark())), &awaited(), Some(&parsed(&item)), at(0)).0, &item)
}

/// A pair waits, and there is no live one.
fn unconfirmed() -> Item {
    Kind::Connection.after(&await_confirmation(&grant(4, None), &awaited(), None, at(0)).0, None)
}

fn disconnected(item: &Item) -> Item {
    after(&disconnect(&parsed(item), Order::from_number(7), at(-100)).unwrap().0, item)
}

fn revoked(item: &Item) -> Item {
    let row = parsed(item);
    let first = row.revocations().unwrap().iter().next().unwrap();
    after(&revocation::remove(&row, first.pair.id, RevocationOutcome::Done).unwrap(), item)
}

/// A list that is full.
fn full() -> Item {
    let mut item = connection();
    for byte in 10..18 {
        let (write, _) = revocation::add(&parsed(&item), to_revoke(byte), at(0)).unwrap();
        item = after(&write, &item);
    }
    item
}

fn to_revoke(byte: u8) -> Revocation {
    Revocation::new(new(byte, None).pair, Order::from_number(1), Some("1".to_owned()), at(i64::from(byte)))
}

/// One row of each possible kind.
pub(super) fn rows() -> Vec<Option<Item>> {
    let session_order = |number: i64| {
        let mark = [(a::SESSION, session().id.as_str().into()), (a::SESSION_ORDER, Value::N(number))];
        with(connection(), &mark)
    };
    let rows = [
        connection(),
        with(connection(), &[(a::PAIR_ID, bytes(9)), (a::VERSION, Value::N(4))]),
        leased("rival", 20),
        leased("rival", -20),
        leased("rival", -200),
        leased("me", 20),
        with(leased("me", 20), &[(a::INVALID_GRANT_AT, at(-100).into()), (a::FAILURES, Value::N(2))]),
        with(connection(), &[(a::NOT_BEFORE, at(30).into()), (a::REFRESH_AT, at(30).into())]),
        with(connection(), &[(a::NOT_BEFORE, at(0).into()), (a::REASON, "throttled".into())]),
        with(connection(), &[(a::REFRESHED_AT, at(-10).into()), (a::REFRESH_AT, at(5000).into())]),
        session_order(4),
        session_order(5),
        session_order(6),
        given_up(FailureClass::InvalidGrant),
        given_up(FailureClass::Refused),
        waiting(),
        full(),
        unconfirmed(),
        disconnected(&connection()),
        disconnected(&waiting()),
        revoked(&disconnected(&connection())),
        with(connection(), &[(a::FORMAT, Value::N(2))]),
        with(connection(), &[(a::EXPIRES_AT, Value::Other)]),
    ];
    std::iter::once(None).chain(rows.map(Some)).collect()
}

/// Each write, made from some of the rows.
pub(super) fn writes() -> Vec<Write> {
    let settlement = |is_answered: bool, invalid_grant_at: Option<Timestamp>| Settlement {
        reason: FailureClass::Throttled,
        needs_a_person: !is_answered,
        not_before: at(60),
        is_answered,
        invalid_grant_at,
        refusal_window: invalid_grant_at.map(fleet::window),
    };
    let account = Account { id: "1".to_owned(), company: Some("Company".to_owned()), email: None };
    let known =
        |also: Option<&str>| KnownAccount { account: account.clone(), also_connected_as: also.map(str::to_owned) };
    let mut writes = vec![
        acquire(&id(), &RefreshReason::Scheduled, "me", at(0)),
        acquire(&id(), &RefreshReason::OnDemand { seen: pair(1) }, "me", at(0)),
        acquire(&id(), &RefreshReason::Rejected { seen: pair(1) }, "me", at(0)),
        commit(&id(), pair(1), 4, &new(2, Some("read")), REFRESH_EVERY),
        commit(&id(), pair(1), 4, &new(2, None), REFRESH_EVERY),
        settle(&id(), "me", &settlement(true, None)),
        settle(&id(), "me", &settlement(false, Some(at(0)))),
        give_up(&id(), "me", FailureClass::InvalidGrant, at(0), at(60)),
        give_up(&id(), "me", FailureClass::Refused, at(0), at(60)),
        connect(&grant(2, None), None, REFRESH_EVERY, at(0)).0,
        connect(&grant(2, Some(session().mark())), None, REFRESH_EVERY, at(0)).0,
        connect(&NewGrant { is_not_refreshed: true, ..grant(2, None) }, None, REFRESH_EVERY, at(0)).0,
        await_confirmation(&grant(2, Some(session().mark())), &awaited(), None, at(0)).0,
        identify(&id(), pair(1), &known(None)),
        identify(&id(), pair(1), &known(Some("u"))),
        identify_waiting(&id(), pair(4), &account),
    ];
    for item in rows().into_iter().flatten() {
        let seen = parsed(&item);
        if let Row::Unreadable(unreadable) = &seen {
            writes.push(quarantine(unreadable, PutOffBy::Schedule, at(60), at(0)));
            writes.push(quarantine(unreadable, PutOffBy::Lease("me"), at(60), at(0)));
        }
    }
    let seen = [
        connection(),
        waiting(),
        full(),
        unconfirmed(),
        given_up(FailureClass::InvalidGrant),
        disconnected(&waiting()),
        revoked(&disconnected(&connection())),
    ];
    for item in seen {
        let seen = parsed(&item);
        writes.push(connect(&grant(2, Some(session().mark())), Some(&seen), REFRESH_EVERY, at(0)).0);
        writes.push(await_confirmation(&grant(2, None), &awaited(), Some(&seen), at(0)).0);
        writes.extend(disconnect(&seen, Order::from_number(8), at(0)).map(|(write, _)| write));
        writes.extend(revocation::add(&seen, to_revoke(2), at(0)).map(|(write, _)| write));
        writes.extend(schedule::leave(&seen));
        for pair in held(&seen) {
            writes.extend(reseal(&seen, &SealedPair { sealed: vec![0; 5], ..pair }));
        }
        if let Some(waiting) = seen.waiting() {
            writes.push(confirm(&seen, waiting, REFRESH_EVERY, at(0)).0);
            writes.extend(expire(&seen, waiting, at(0)).map(|(write, _)| write));
        }
        for listed in seen.revocations().unwrap().iter().take(2) {
            writes.extend(revocation::claim(&seen, listed, at(0)).map(|(write, _)| write));
            writes.extend(revocation::remove(&seen, listed.pair.id, RevocationOutcome::Done));
        }
    }
    writes
}

/// Deletes of rows that have been dead for long.
pub(super) fn deletes() -> Vec<Delete> {
    let dead = [given_up(FailureClass::InvalidGrant), revoked(&disconnected(&connection()))];
    let deletes = dead.map(|item| match reap(&parsed(&item), at(100_000)) {
        Reaping::Delete(delete) => delete,
        other => panic!("{other:?}"),
    });
    deletes.into()
}
