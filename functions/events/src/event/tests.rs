//! Sequences of the protocol's own writes, and what is told of them. Each single transition: `tests/suite/states.rs`.

use std::time::Duration;

use shared::domain::connection::disconnect::disconnect;
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::refresh::{RefreshReason, Settlement, acquire, commit, give_up, settle};
use shared::domain::connection::revocation::remove;
use shared::domain::connection::waiting::{Awaited, await_confirmation, confirm, expire};
use shared::domain::connection::{Row as Parsed, SealedPair};
use shared::domain::item::{Item, Value};
use shared::domain::order::Order;
use shared::domain::secret::Confirmation;
use shared::domain::token_pair::PairId;
use shared::domain::write::Write;

use super::*;

const EVERY: Duration = Duration::from_secs(300);

fn id() -> ConnectionId {
    ConnectionId::parse("tenant").unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
}

/// Later than every lease and backoff.
fn later() -> Timestamp {
    now() + Duration::from_secs(7 * 86_400)
}

fn pair(byte: u8) -> NewPair {
    NewPair {
        pair: SealedPair { id: PairId::new([byte; 16]), sealed: vec![byte], data_key: vec![byte] },
        has_refresh_token: true,
        token_type: "Bearer".to_owned(),
        scope: None,
        granted_at: now(),
        expires_at: now() + Duration::from_secs(7200),
    }
}

fn grant(byte: u8) -> NewGrant {
    NewGrant {
        id: id(),
        client_id: "client".to_owned(),
        name: format!("grant {byte}"),
        order: Order::from_number(byte.into()),
        session: None,
        awaited: None,
        is_not_refreshed: false,
        new: pair(byte),
    }
}

/// The row, and what is told while the protocol's own writes change it.
#[derive(Default)]
struct Row {
    item: Option<Item>,
    told: Vec<Event>,
}

impl Row {
    fn connected() -> Self {
        let mut row = Self::default();
        row.connect(1);
        row
    }

    fn parsed(&self) -> Option<Parsed> {
        self.item.as_ref().map(|item| Parsed::parse("tenant", item))
    }

    fn becomes(&mut self, item: Option<Item>) {
        let old = Seen::of(self.parsed().as_ref());
        self.item = item;
        self.told.extend(Event::between(id(), &old, &Seen::of(self.parsed().as_ref())));
    }

    fn write(&mut self, write: &Write) {
        let refused = write.evaluate(self.item.as_ref());
        assert!(refused.is_empty(), "{}: {refused:?}", write.name);
        let mut item = write.apply(self.item.as_ref());
        item.0.insert("id".into(), write.key.as_str().into());
        self.becomes(Some(item));
    }

    fn set(&mut self, attribute: &'static str, value: Value) {
        let mut item = self.item.clone().unwrap();
        item.0.insert(attribute.into(), value);
        self.becomes(Some(item));
    }

    fn connect(&mut self, byte: u8) {
        self.write(&connect(&grant(byte), self.parsed().as_ref(), EVERY, now()).0);
    }

    fn import(&mut self, byte: u8) {
        let grant = NewGrant { is_not_refreshed: true, ..grant(byte) };
        self.write(&connect(&grant, self.parsed().as_ref(), EVERY, now()).0);
    }

    fn acquire(&mut self) {
        self.write(&acquire(&id(), &RefreshReason::Scheduled, "me", later()));
    }

    fn fail(&mut self, times: usize, reason: FailureClass) {
        for _ in 0..times {
            self.acquire();
            let needs_a_person = reason == FailureClass::Unopenable;
            let settlement =
                Settlement { reason, needs_a_person, not_before: now(), is_answered: true, refused_at: Some(now()) };
            self.write(&settle(&id(), "me", &settlement));
        }
    }

    fn give_up(&mut self, why: FailureClass) {
        self.acquire();
        self.write(&give_up(&id(), "me", why, now(), now()));
    }

    fn refresh(&mut self, old: u8, new: u8) {
        let version = i64::from(new);
        self.write(&commit(&id(), PairId::new([old; 16]), version, &pair(new), EVERY));
    }

    fn disconnect(&mut self) {
        self.write(&disconnect(&self.parsed().unwrap(), Order::from_number(9), now()).unwrap().0);
    }

    fn await_confirmation(&mut self, byte: u8) {
        let awaited = Awaited::new(&Confirmation::new("confirmation"), now());
        self.write(&await_confirmation(&grant(byte), &awaited, self.parsed().as_ref(), now()).0);
    }

    fn confirm(&mut self) {
        let row = self.parsed().unwrap();
        self.write(&confirm(&row, row.waiting().unwrap(), EVERY, now()).0);
    }

    fn work_off(&mut self) {
        while let Some(first) = self.parsed().unwrap().revocations().unwrap().iter().next().cloned() {
            self.write(&remove(&self.parsed().unwrap(), &first, Outcome::Done).unwrap());
        }
    }

    /// What has been told since the last time.
    fn told(&mut self) -> Vec<(Kind, i64, Option<&'static str>)> {
        std::mem::take(&mut self.told)
            .into_iter()
            .map(|event| (event.kind, event.version, event.reason.map(FailureClass::as_str)))
            .collect()
    }
}

#[test]
fn a_refresh_and_a_failure_or_two_are_not_told() {
    let mut row = Row::connected();
    row.told();
    row.refresh(1, 2);
    row.fail(2, FailureClass::Unreachable);
    row.refresh(2, 3);
    assert_eq!(row.told(), []);
}

#[test]
fn the_third_failure_degrades_once_and_a_new_pair_recovers() {
    let mut row = Row::connected();
    row.fail(2, FailureClass::Unreachable);
    row.told();
    row.fail(5, FailureClass::Unreachable);
    assert_eq!(row.told(), [(Kind::Degraded, 1, Some("unreachable"))]);
    row.refresh(1, 2);
    assert_eq!(row.told(), [(Kind::Recovered, 2, None)]);
    row.fail(3, FailureClass::Throttled);
    assert_eq!(row.told(), [(Kind::Degraded, 2, Some("throttled"))]);
}

#[test]
fn a_row_that_does_not_open_or_cannot_be_read_is_degraded_at_once_and_once() {
    let mut row = Row::connected();
    row.told();
    row.fail(4, FailureClass::Unopenable);
    assert_eq!(row.told(), [(Kind::Degraded, 1, Some("unopenable"))]);
    row.set("lifetime", "what".into());
    assert_eq!(row.told(), [], "it was degraded before");

    let mut row = Row::connected();
    row.told();
    row.set("lifetime", "what".into());
    row.set("reason", 5.into());
    assert_eq!(row.told(), [(Kind::Degraded, 1, Some("inconsistent_row"))]);
    row.set("lifetime", 7200.into());
    row.set("reason", "unreachable".into());
    assert_eq!(row.told(), [(Kind::Recovered, 1, None)]);
}

#[test]
fn a_connection_that_is_given_up_needs_its_customer_until_a_late_pair_or_a_new_grant_comes() {
    let mut row = Row::connected();
    row.told();
    row.give_up(FailureClass::InvalidGrant);
    assert_eq!(row.told(), [(Kind::ReauthRequired, 1, Some("invalid_grant"))]);
    row.refresh(1, 2);
    assert_eq!(row.told(), [(Kind::Recovered, 2, None)]);
    row.give_up(FailureClass::AmbiguousRotation);
    assert_eq!(row.told(), [(Kind::ReauthRequired, 2, Some("ambiguous_rotation"))]);
    row.connect(3);
    assert_eq!(row.told(), [(Kind::Reconnected, 3, None)]);
}

#[test]
fn the_end_is_told_when_it_is_taken_away_and_a_later_connection_has_a_later_version() {
    let mut row = Row::connected();
    row.told();
    row.disconnect();
    assert_eq!(row.told(), [(Kind::Disconnected, 1, None)]);
    row.work_off();
    assert_eq!(row.told(), [], "the provider's answers to its revocations come later");
    row.connect(10);
    assert_eq!(row.told(), [(Kind::Connected, 2, None)]);
    row.becomes(None);
    assert_eq!(row.told(), [(Kind::Disconnected, 2, None)], "deleted by hand");
}

#[test]
fn a_link_that_was_not_confirmed_tells_nothing_and_a_confirmed_reconnect_is_no_disconnect() {
    let mut row = Row::default();
    row.await_confirmation(1);
    let parsed = row.parsed().unwrap();
    row.write(&expire(&parsed, parsed.waiting().unwrap(), now()).unwrap().0);
    row.work_off();
    row.becomes(None);
    assert_eq!(row.told(), []);

    row.await_confirmation(1);
    row.confirm();
    assert_eq!(row.told(), [(Kind::Connected, 1, None)]);
    row.give_up(FailureClass::InvalidGrant);
    row.told();
    row.await_confirmation(2);
    assert_eq!(row.told(), []);
    row.confirm();
    assert_eq!(row.told(), [(Kind::Reconnected, 2, None)]);
}

#[test]
fn an_import_is_told_when_it_is_refreshed_and_in_the_place_of_a_connection_is_no_disconnect() {
    let mut row = Row::default();
    row.import(1);
    row.fail(4, FailureClass::Unreachable);
    assert_eq!(row.told(), []);
    row.refresh(1, 2);
    assert_eq!(row.told(), [(Kind::Connected, 2, None)]);

    row.give_up(FailureClass::InvalidGrant);
    row.told();
    row.import(3);
    row.import(4);
    assert_eq!(row.told(), []);
    row.refresh(4, 5);
    assert_eq!(row.told(), [(Kind::Reconnected, 5, None)]);

    row.give_up(FailureClass::InvalidGrant);
    row.import(6);
    row.told();
    row.disconnect();
    assert_eq!(row.told(), [(Kind::Disconnected, 6, None)], "it was told as connected before");

    let mut never = Row::default();
    never.import(1);
    never.disconnect();
    assert_eq!(never.told(), []);
}

#[test]
fn what_is_told_twice_has_one_id_and_no_other_event_has_it() {
    let mut row = Row::connected();
    row.fail(3, FailureClass::Unreachable);
    row.refresh(1, 2);
    row.fail(3, FailureClass::Unreachable);
    row.give_up(FailureClass::InvalidGrant);
    row.connect(3);
    row.disconnect();
    row.connect(10);
    let ids: Vec<String> = row.told.iter().map(Event::id).collect();
    let expected = [
        "tenant/1/connection.connected",
        "tenant/1/connection.degraded",
        "tenant/2/connection.recovered",
        "tenant/2/connection.degraded",
        "tenant/2/connection.reauth_required",
        "tenant/3/connection.reconnected",
        "tenant/3/connection.disconnected",
        "tenant/4/connection.connected",
    ];
    assert_eq!(ids, expected);
}
