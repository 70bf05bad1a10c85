//! Each transition by the protocol's own writes.

use std::time::Duration;

use shared::domain::connection::connecting::{NewGrant, connect};
use shared::domain::connection::disconnecting::{acquire_revocation, bury, disconnect};
use shared::domain::connection::writes::{
    Need, NewPair, Settlement, acquire, commit, give_up, new_pair, quarantine, revive, settle,
};
use shared::domain::connection::{Connection, SealedPair};
use shared::domain::item::{Item, Value};
use shared::domain::token_pair::TokenSet;
use shared::domain::write::Write;

use super::*;

fn id() -> ConnectionId {
    ConnectionId::parse("tenant").unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
}

fn set(byte: u8) -> TokenSet {
    TokenSet::new([byte; 16])
}

fn pair(byte: u8) -> NewPair {
    let pair = SealedPair { token_set: set(byte), sealed: vec![byte], data_key: vec![byte] };
    let times = (now(), now() + Duration::from_secs(7200));
    new_pair(&id(), 1, pair, "Bearer".to_owned(), None, times, Duration::from_secs(300))
}

/// The row, and what is told while the protocol's own writes change it.
struct Row {
    item: Option<Item>,
    told: Vec<Event>,
}

impl Row {
    fn connected() -> Self {
        let mut row = Self { item: None, told: Vec::new() };
        row.connect(1, "first");
        row
    }

    fn becomes(&mut self, item: Option<Item>) {
        let [old, new] = [&self.item, &item].map(|image| State::of(image.as_ref()).unwrap());
        self.told.extend(Event::between(id(), &old, &new));
        self.item = item;
    }

    /// The condition is the engine's business.
    fn write(&mut self, write: &Write) {
        let mut item = write.apply(self.item.as_ref());
        item.0.insert("id".into(), write.key.as_str().into());
        self.becomes(Some(item));
    }

    fn set(&mut self, attribute: &'static str, value: Option<Value>) {
        let mut item = self.item.clone().unwrap();
        match value {
            Some(value) => item.0.insert(attribute.into(), value),
            None => item.0.remove(attribute),
        };
        self.becomes(Some(item));
    }

    fn connect(&mut self, byte: u8, grant: &str) {
        let new = NewGrant {
            id: id(),
            client_id: "client".to_owned(),
            grant: grant.to_owned(),
            begun_at: now(),
            session: None,
            awaited: None,
            superseded: None,
            new: pair(byte),
        };
        self.write(&connect(&new, None));
    }

    fn fail(&mut self, times: usize, reason: &'static str, needs_a_person: bool) {
        for _ in 0..times {
            self.write(&acquire(&id(), &Need::Scheduled, "me", now()));
            let settlement =
                Settlement { reason, needs_a_person, not_before: now(), known: true, refused_at: Some(now()) };
            self.write(&settle(&id(), "me", &settlement));
        }
    }

    fn refresh(&mut self, old: u8, new: u8) {
        self.write(&acquire(&id(), &Need::Scheduled, "me", now()));
        self.write(&commit(&id(), set(old), &pair(new)));
    }

    fn connection(&self) -> Connection {
        Connection::stored(self.item.as_ref().unwrap()).unwrap().unwrap()
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
fn a_new_connection_is_connected_and_a_new_grant_over_it_reconnected() {
    let mut row = Row::connected();
    assert_eq!(row.told(), [(Kind::Connected, 1, None)]);
    row.connect(2, "second");
    assert_eq!(row.told(), [(Kind::Reconnected, 2, None)]);
}

#[test]
fn a_refresh_is_nobodys_business() {
    let mut row = Row::connected();
    row.told();
    row.refresh(1, 2);
    row.fail(2, "unreachable", false);
    row.refresh(2, 3);
    assert_eq!(row.told(), []);
}

#[test]
fn the_third_failure_degrades_once_and_a_new_pair_recovers() {
    let mut row = Row::connected();
    row.fail(2, "unreachable", false);
    row.told();
    row.fail(5, "unreachable", false);
    assert_eq!(row.told(), [(Kind::Degraded, 1, Some("unreachable"))]);
    row.refresh(1, 2);
    assert_eq!(row.told(), [(Kind::Recovered, 2, None)]);
    row.fail(3, "throttled", false);
    assert_eq!(row.told(), [(Kind::Degraded, 2, Some("throttled"))]);
}

#[test]
fn a_row_that_does_not_open_or_makes_no_sense_is_degraded_at_once() {
    let mut row = Row::connected();
    row.told();
    row.fail(4, "unopenable", true);
    assert_eq!(row.told(), [(Kind::Degraded, 1, Some("unopenable"))]);

    let mut row = Row::connected();
    row.set("lifetime", Some(Value::S("what".to_owned())));
    row.told();
    for _ in 0..2 {
        row.write(&quarantine(&id(), "me", "inconsistent_row", now()));
    }
    assert_eq!(row.told(), [(Kind::Degraded, 1, Some("inconsistent_row"))]);
}

#[test]
fn a_connection_that_is_given_up_needs_its_customer_until_a_late_pair_or_a_new_grant_comes() {
    let mut row = Row::connected();
    row.fail(3, "invalid_grant", false);
    row.told();
    row.write(&give_up(&row.connection(), "me", "invalid_grant"));
    assert_eq!(row.told(), [(Kind::ReauthRequired, 1, Some("invalid_grant"))]);

    // The late pair is what revives it; the status follows, at once or with the next read.
    row.write(&commit(&id(), set(1), &pair(2)));
    assert_eq!(row.told(), [(Kind::Recovered, 2, None)]);
    row.write(&revive(&row.connection()));
    assert_eq!(row.told(), []);

    row.write(&give_up(&row.connection(), "me", "ambiguous_rotation"));
    assert_eq!(row.told(), [(Kind::ReauthRequired, 2, Some("ambiguous_rotation"))]);
    row.connect(3, "second");
    assert_eq!(row.told(), [(Kind::Reconnected, 3, None)]);
}

#[test]
fn the_end_is_the_tombstone_and_a_later_connection_has_a_later_version() {
    let mut row = Row::connected();
    row.fail(3, "unreachable", false);
    row.told();
    row.write(&disconnect(&id(), now()));
    row.write(&acquire_revocation(&id(), "me", now()));
    row.write(&commit(&id(), set(1), &pair(2)));
    row.fail(4, "unreachable", false);
    assert_eq!(row.told(), [], "a pair in flight arrives, and is revoked");
    row.write(&bury(&row.connection(), Revocation::Done, now()));
    assert_eq!(row.told[0].revocation, Some(Revocation::Done));
    assert_eq!(row.told(), [(Kind::Disconnected, 2, None)]);
    row.connect(3, "second");
    assert_eq!(row.told(), [(Kind::Connected, 3, None)]);
    row.becomes(None);
    assert_eq!(row.told(), [(Kind::Disconnected, 3, None)], "deleted by hand");
}

#[test]
fn a_connection_that_nobody_has_confirmed_is_not_there() {
    let mut row = Row::connected();
    let unconfirmed = Value::N(now().unix() + 600);
    let mut item = row.item.take().unwrap();
    item.0.insert("confirm_by".into(), unconfirmed.clone());
    row.told();
    row.becomes(Some(item));
    row.fail(3, "unreachable", false);
    row.refresh(1, 2);
    assert_eq!(row.told(), []);
    row.set("confirm_by", None);
    assert_eq!(row.told(), [(Kind::Connected, 2, None)]);

    let mut never = Row::connected();
    never.told();
    never.item.as_mut().unwrap().0.insert("confirm_by".into(), unconfirmed);
    never.write(&bury(&never.connection(), Revocation::Done, now()));
    never.becomes(None);
    assert_eq!(never.told(), [], "it was never there");
}

#[test]
fn what_is_told_twice_has_one_id_and_no_other_event_has_it() {
    let mut row = Row::connected();
    row.fail(3, "unreachable", false);
    row.refresh(1, 2);
    row.fail(3, "unreachable", false);
    row.write(&give_up(&row.connection(), "me", "invalid_grant"));
    row.connect(3, "second");
    row.write(&disconnect(&id(), now()));
    row.write(&bury(&row.connection(), Revocation::Off, now()));
    row.connect(4, "third");
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
