//! Rows that have every possible attribute.

use std::time::Duration;

use shared::domain::account::{Account, KnownAccount, identify, identify_waiting};
use shared::domain::connection::attributes as a;
use shared::domain::connection::disconnect::disconnect;
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::refresh::{RefreshReason, Settlement, acquire, give_up, settle};
use shared::domain::connection::revocation::{self, Revocation};
use shared::domain::connection::waiting::{Awaited, await_confirmation};
use shared::domain::connection::{Row, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::failure_class::FailureClass;
use shared::domain::fleet;
use shared::domain::item::{Item, Value};
use shared::domain::order::Order;
use shared::domain::secret::{Confirmation, SessionToken};
use shared::domain::session::{SessionId, SessionMark};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::PairId;
use shared::domain::write::Write;

use super::{Kind, SHARD};

pub(super) const NOW: i64 = 1_800_000_000;

/// A row that needs its customer and was leased once more. A pair waits beside the live one, and all slots for grants
/// to revoke are used.
pub(super) fn connection() -> Item {
    let mut item = Item::default();
    let mut becomes = |make: &dyn Fn(Option<&Row>) -> Write| {
        let seen = (!item.0.is_empty()).then(|| parsed(&item));
        item = Kind::Connection.after(&make(seen.as_ref()), Some(&item));
    };
    becomes(&|_| connect(&grant(1), None, EVERY, now()).0);
    for byte in 10..18 {
        becomes(&|seen| {
            revocation::add(seen.unwrap(), Revocation::new(pair(byte), Order::from_number(1), None, now()), now())
                .unwrap()
                .0
        });
    }
    becomes(&|seen| await_confirmation(&grant(2), &awaited(), seen, now()).0);
    becomes(&|_| identify_waiting(&id(), pair(2).id, &account()));
    let known = KnownAccount { account: account(), also_connected_as: Some("another".to_owned()) };
    becomes(&|_| identify(&id(), pair(1).id, &known));
    let settlement = Settlement {
        reason: FailureClass::InvalidGrant,
        needs_a_person: false,
        not_before: now(),
        is_answered: true,
        invalid_grant_at: Some(now()),
        refusal_window: Some(fleet::window(now())),
    };
    becomes(&|_| settle(&id(), "me", &settlement));
    becomes(&|_| give_up(&id(), "me", FailureClass::Refused, now(), now()));
    becomes(&|_| acquire(&id(), &RefreshReason::Scheduled, "me", now()));
    let others = [
        (a::SHARD, i64::from(SHARD).into()),
        (a::NOT_REFRESHED, Value::N(1)),
        (a::CONFIRMED, format!("{}/hash", grant(1).session.unwrap().id.as_str()).into()),
        (a::ACCOUNT_BEFORE, "0".into()),
        (a::NOT_IDENTIFIED, Value::N(1)),
        (a::DISCONNECT_ORDER, Value::N(1)),
    ];
    item.0.extend(others.map(|(name, value)| (name.into(), value)));
    item
}

pub(super) fn tombstone() -> Item {
    let live = connection();
    let (write, _) = disconnect(&parsed(&live), Order::from_number(9), now()).unwrap();
    let item = Kind::Connection.after(&write, Some(&live));
    let waiting = NewGrant { order: Order::from_number(10), ..grant(3) };
    let (write, _) = await_confirmation(&waiting, &awaited(), Some(&parsed(&item)), now());
    let mut item = Kind::Connection.after(&write, Some(&item));
    let identified = identify_waiting(&id(), pair(3).id, &account());
    item = Kind::Connection.after(&identified, Some(&item));
    item.0.insert(a::SHARD.into(), i64::from(SHARD).into());
    item.0.insert(a::REVOCATION.into(), "failed".into());
    item
}

const EVERY: Duration = Duration::from_secs(300);

fn id() -> ConnectionId {
    ConnectionId::parse("t").unwrap()
}

fn parsed(item: &Item) -> Row {
    Row::parse(id().as_str(), item)
}

fn now() -> Timestamp {
    Timestamp::from_unix(NOW)
}

fn pair(byte: u8) -> SealedPair {
    SealedPair { id: PairId::new([byte; 16]), sealed: vec![byte; 3], data_key: vec![byte; 4] }
}

fn grant(byte: u8) -> NewGrant {
    let id_of_session = SessionId::of(&SessionToken::new(digest::base64url([byte; 32]))).unwrap();
    NewGrant {
        id: id(),
        client_id: "client-one".to_owned(),
        name: format!("grant {byte}"),
        order: Order::from_number(i64::from(byte)),
        session: Some(SessionMark { id: id_of_session, order: Order::from_number(i64::from(byte)) }),
        awaited: None,
        is_throw_away: true,
        is_not_refreshed: false,
        new: NewPair {
            pair: pair(byte),
            has_refresh_token: true,
            token_type: "Bearer".to_owned(),
            scope: Some("read".to_owned()),
            granted_at: now(),
            expires_at: now() + Duration::from_secs(7200),
        },
    }
}

fn awaited() -> Awaited {
    Awaited::new(&Confirmation::new("confirmation"), now())
}

fn account() -> Account {
    Account { id: "1".to_owned(), company: Some("Company".to_owned()), email: Some("one@example.com".to_owned()) }
}
