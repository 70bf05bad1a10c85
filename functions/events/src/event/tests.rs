//! Each transition by the protocol's own writes.

use std::time::Duration;

use shared::domain::connection::disconnect::RevocationOutcome;
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::reap::{Reaping, reap};
use shared::domain::connection::refresh::{
    PutOffBy, RefreshReason, Settlement, acquire, commit, give_up, quarantine, settle,
};
use shared::domain::connection::revocation;
use shared::domain::connection::waiting::{Awaited, await_confirmation, confirm, expire};
use shared::domain::connection::{Row, SealedPair, attributes, disconnect};
use shared::domain::item::{Item, Value};
use shared::domain::order::Order;
use shared::domain::secret::Confirmation;
use shared::domain::token_pair::PairId;
use shared::domain::write::Write;

use super::*;

const REFRESH_EVERY: Duration = Duration::from_secs(300);

fn id() -> ConnectionId {
    ConnectionId::parse("tenant").unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
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

/// The row, and the events that the protocol's own writes cause.
#[derive(Default)]
struct Story {
    item: Option<Item>,
    events: Vec<Event>,
    pairs: u8,
}

impl Story {
    fn connected() -> Self {
        let mut story = Self::default();
        story.connect();
        assert_eq!(story.told(), [(Kind::Connected, 1, None)]);
        story
    }

    fn imported() -> Self {
        let mut story = Self::default();
        story.import();
        assert_eq!(story.told(), [], "it has no token yet");
        story
    }

    fn row(&self) -> Option<Row> {
        self.item.as_ref().map(|item| Row::parse("tenant", item))
    }

    fn becomes(&mut self, item: Option<Item>) {
        let old = Seen::of(self.row().as_ref());
        self.item = item;
        let new = Seen::of(self.row().as_ref());
        self.events.extend(Event::between(id(), &old, &new));
    }

    /// The condition is the engine's task.
    fn write(&mut self, write: &Write) {
        assert!(write.evaluate(self.item.as_ref()).is_empty(), "{:?}", write.evaluate(self.item.as_ref()));
        let mut item = write.apply(self.item.as_ref());
        item.0.insert(attributes::ID.into(), write.key.as_str().into());
        self.becomes(Some(item));
    }

    fn set(&mut self, attribute: &'static str, value: Value) {
        let mut item = self.item.clone().unwrap();
        item.0.insert(attribute.into(), value);
        self.becomes(Some(item));
    }

    fn grant(&mut self, is_not_refreshed: bool) -> NewGrant {
        self.pairs += 1;
        NewGrant {
            id: id(),
            client_id: "client".to_owned(),
            name: format!("grant {}", self.pairs),
            order: Order::from_number(i64::from(self.pairs)),
            session: None,
            awaited: None,
            is_throw_away: false,
            is_not_refreshed,
            new: pair(self.pairs),
        }
    }

    fn connect(&mut self) {
        let grant = self.grant(false);
        self.write(&connect(&grant, self.row().as_ref(), REFRESH_EVERY, now()).0);
    }

    /// For a row without a live pair: the pair is stored before it is refreshed.
    fn import(&mut self) {
        let grant = self.grant(true);
        self.write(&connect(&grant, self.row().as_ref(), REFRESH_EVERY, now()).0);
    }

    fn link(&mut self) {
        let (grant, awaited) = (self.grant(false), Awaited::new(&Confirmation::new("confirmation"), now()));
        self.write(&await_confirmation(&grant, &awaited, self.row().as_ref(), now()).0);
    }

    fn confirm(&mut self) {
        let seen = self.row().unwrap();
        self.write(&confirm(&seen, seen.waiting().unwrap(), REFRESH_EVERY, now()).0);
    }

    fn expire(&mut self) {
        let seen = self.row().unwrap();
        self.write(&expire(&seen, seen.waiting().unwrap(), now()).unwrap().0);
    }

    fn take_lease(&mut self) {
        let seen = self.live();
        self.write(&acquire(&id(), &RefreshReason::OnDemand { seen }, "me", now()));
    }

    fn live(&self) -> PairId {
        self.row().unwrap().connection().unwrap().unwrap().pair.id
    }

    fn fail(&mut self, times: usize, reason: FailureClass, needs_a_person: bool) {
        for _ in 0..times {
            self.take_lease();
            let settlement = Settlement {
                reason,
                needs_a_person,
                not_before: now(),
                is_answered: true,
                invalid_grant_at: Some(now()),
                refusal_window: None,
            };
            self.write(&settle(&id(), "me", &settlement));
        }
    }

    fn give_up(&mut self, why: FailureClass) {
        self.take_lease();
        self.write(&give_up(&id(), "me", why, now(), now()));
    }

    fn commit(&mut self) {
        self.pairs += 1;
        self.write(&commit(&id(), self.live(), 1, &pair(self.pairs), REFRESH_EVERY));
    }

    fn refresh(&mut self) {
        self.take_lease();
        self.commit();
    }

    fn disconnect(&mut self) {
        self.pairs += 1;
        let order = Order::from_number(i64::from(self.pairs));
        self.write(&disconnect::disconnect(&self.row().unwrap(), order, now()).unwrap().0);
    }

    /// Every grant of the list.
    fn revoke(&mut self, outcome: RevocationOutcome) {
        loop {
            let seen = self.row().unwrap();
            let Some(revocation) = seen.revocations().unwrap().iter().next() else { return };
            let (write, claimed) = revocation::claim(&seen, revocation, now()).unwrap();
            self.write(&write);
            let seen = self.row().unwrap();
            self.write(&revocation::remove(&seen, claimed.pair.id, outcome).unwrap());
        }
    }

    /// The events since the last call.
    fn told(&mut self) -> Vec<(Kind, i64, Option<FailureClass>)> {
        std::mem::take(&mut self.events).into_iter().map(|event| (event.kind, event.version, event.reason)).collect()
    }
}

#[test]
fn a_new_connection_is_connected_and_a_new_grant_over_it_reconnected_whichever_way_it_came() {
    let mut story = Story::connected();
    story.connect();
    assert_eq!(story.told(), [(Kind::Reconnected, 2, None)]);

    story.link();
    assert_eq!(story.told(), [], "the live pair has not changed");
    story.confirm();
    assert_eq!(story.told(), [(Kind::Reconnected, 3, None)]);

    // With `replace`: refreshed first, and stored when that has succeeded.
    let grant = story.grant(false);
    story.write(&connect(&grant, story.row().as_ref(), REFRESH_EVERY, now()).0);
    story.refresh();
    story.revoke(RevocationOutcome::Done);
    assert_eq!(story.told(), [(Kind::Reconnected, 4, None)], "once, and no `disconnected` of the replaced connection");
}

#[test]
fn a_customer_who_comes_back_is_reconnected_whichever_way_and_never_disconnected_first() {
    let ways: [fn(&mut Story); 3] = [
        Story::connect,
        |story| {
            story.link();
            story.confirm();
        },
        |story| {
            story.import();
            story.fail(4, FailureClass::Unreachable, false);
            assert_eq!(story.told(), [], "there is no event before there is a token");
            story.refresh();
        },
    ];
    for (number, come_back) in ways.into_iter().enumerate() {
        let mut story = Story::connected();
        story.give_up(FailureClass::InvalidGrant);
        assert_eq!(story.told(), [(Kind::ReauthRequired, 1, Some(FailureClass::InvalidGrant))]);
        come_back(&mut story);
        let told: Vec<Kind> = story.told().into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(told, [Kind::Reconnected], "way {number}");
    }
}

#[test]
fn a_refresh_is_no_event() {
    let mut story = Story::connected();
    story.refresh();
    story.fail(2, FailureClass::Unreachable, false);
    story.refresh();
    assert_eq!(story.told(), []);
}

#[test]
fn the_third_failure_degrades_once_and_a_new_pair_recovers() {
    let mut story = Story::connected();
    story.fail(7, FailureClass::Unreachable, false);
    assert_eq!(story.told(), [(Kind::Degraded, 1, Some(FailureClass::Unreachable))]);
    story.refresh();
    assert_eq!(story.told(), [(Kind::Recovered, 2, None)]);
    story.fail(3, FailureClass::Throttled, false);
    assert_eq!(story.told(), [(Kind::Degraded, 2, Some(FailureClass::Throttled))]);
}

#[test]
fn a_pair_that_does_not_open_degrades_at_once() {
    let mut story = Story::connected();
    story.fail(4, FailureClass::Unopenable, true);
    assert_eq!(story.told(), [(Kind::Degraded, 1, Some(FailureClass::Unopenable))]);
}

#[test]
fn a_row_that_can_no_longer_be_read_is_degraded_once_and_recovers_when_it_can() {
    let mut story = Story::connected();
    let was = story.item.clone();
    story.set(attributes::LIFETIME, Value::S("what".to_owned()));
    assert_eq!(story.told(), [(Kind::Degraded, 1, Some(FailureClass::InconsistentRow))]);
    let Some(Row::Unreadable(unreadable)) = story.row() else { panic!("it can be read") };
    story.write(&quarantine(&unreadable, PutOffBy::Caller, now() + Duration::from_secs(300), now()));
    story.set(attributes::LIFETIME, Value::Other);
    assert_eq!(story.told(), []);
    story.becomes(was);
    assert_eq!(story.told(), [(Kind::Recovered, 1, None)]);
}

#[test]
fn an_unreadable_row_has_no_event_about_what_is_not_known() {
    // No `connected` was published.
    let mut story = Story::default();
    story.link();
    story.set(attributes::FORMAT, 2.into());
    story.becomes(None);
    assert_eq!(story.told(), []);

    // It is degraded already.
    let mut story = Story::connected();
    story.fail(3, FailureClass::Throttled, false);
    story.told();
    story.set(attributes::FORMAT, 2.into());
    assert_eq!(story.told(), []);
    story.set(attributes::FORMAT, 1.into());
    assert_eq!(story.told(), []);
}

#[test]
fn a_connection_that_is_given_up_needs_its_customer_until_a_late_pair_comes() {
    let mut story = Story::connected();
    story.take_lease();
    let old = story.live();
    story.write(&give_up(&id(), "me", FailureClass::InvalidGrant, now(), now()));
    assert_eq!(story.told(), [(Kind::ReauthRequired, 1, Some(FailureClass::InvalidGrant))]);
    // From the queue.
    story.write(&commit(&id(), old, 2, &pair(20), REFRESH_EVERY));
    assert_eq!(story.told(), [(Kind::Recovered, 2, None)]);
}

#[test]
fn refusals_that_need_the_customer_are_one_event_and_end_with_a_refresh() {
    let mut story = Story::connected();
    for _ in 0..3 {
        story.give_up(FailureClass::Refused);
    }
    assert_eq!(story.told(), [(Kind::ReauthRequired, 1, Some(FailureClass::Refused))]);
    story.refresh();
    assert_eq!(story.told(), [(Kind::Recovered, 2, None)]);
}

#[test]
fn a_connection_that_is_taken_away_is_disconnected_at_once_and_its_revocations_tell_nothing_more() {
    let mut story = Story::connected();
    story.fail(3, FailureClass::Unreachable, false);
    story.told();
    story.disconnect();
    assert_eq!(story.told(), [(Kind::Disconnected, 1, None)]);
    story.revoke(RevocationOutcome::Done);
    assert_eq!(story.told(), []);
}

#[test]
fn a_later_connection_has_a_later_version() {
    let mut story = Story::connected();
    story.refresh();
    story.disconnect();
    story.connect();
    let expected = [(Kind::Disconnected, 2, None), (Kind::Connected, 3, None)];
    assert_eq!(story.told(), expected);
    story.disconnect();
    story.revoke(RevocationOutcome::Off);
    let Reaping::Delete(_) = reap(&story.row().unwrap(), now() + Duration::from_secs(1)) else { panic!("it stays") };
    story.becomes(None);
    assert_eq!(story.told(), [(Kind::Disconnected, 3, None)], "the end of its tombstone is no event");
}

#[test]
fn a_row_that_is_deleted_by_hand_is_disconnected() {
    let mut story = Story::connected();
    story.becomes(None);
    assert_eq!(story.told(), [(Kind::Disconnected, 1, None)]);
}

#[test]
fn a_link_that_is_not_confirmed_has_no_event_however_it_ends() {
    let ends: [fn(&mut Story); 4] = [
        |story| {
            story.expire();
            story.revoke(RevocationOutcome::Done);
            story.becomes(None);
        },
        |story| {
            story.disconnect();
            story.revoke(RevocationOutcome::Failed);
        },
        |story| story.becomes(None),
        // A second link, which replaces the first.
        Story::link,
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let mut story = Story::default();
        story.link();
        end(&mut story);
        assert_eq!(story.told(), [], "end {number}");
    }
    // Beside a live pair, too.
    let mut story = Story::connected();
    story.link();
    story.refresh();
    story.expire();
    assert_eq!(story.told(), []);
    story.disconnect();
    assert_eq!(story.told(), [(Kind::Disconnected, 2, None)]);
}

#[test]
fn a_link_that_is_confirmed_is_connected() {
    let mut story = Story::default();
    story.link();
    story.confirm();
    assert_eq!(story.told(), [(Kind::Connected, 1, None)]);
}

#[test]
fn an_import_is_connected_when_it_is_first_refreshed() {
    let mut story = Story::imported();
    story.fail(4, FailureClass::Unreachable, false);
    assert_eq!(story.told(), []);
    story.refresh();
    assert_eq!(story.told(), [(Kind::Connected, 2, None)]);
    story.disconnect();
    assert_eq!(story.told(), [(Kind::Disconnected, 2, None)]);
}

#[test]
fn an_import_that_never_had_a_token_may_need_its_customer_and_is_never_disconnected() {
    let mut story = Story::imported();
    story.give_up(FailureClass::InvalidGrant);
    assert_eq!(story.told(), [(Kind::ReauthRequired, 1, Some(FailureClass::InvalidGrant))]);
    story.disconnect();
    assert_eq!(story.told(), []);

    let mut story = Story::imported();
    story.give_up(FailureClass::InvalidGrant);
    story.told();
    story.connect();
    assert_eq!(story.told(), [(Kind::Connected, 2, None)], "it was not connected before");

    let mut story = Story::imported();
    story.disconnect();
    story.becomes(None);
    assert_eq!(story.told(), []);
}

#[test]
fn an_event_that_is_delivered_twice_has_one_id_and_no_other_event_has_it() {
    let mut story = Story::default();
    story.connect();
    story.fail(3, FailureClass::Unreachable, false);
    story.refresh();
    story.fail(3, FailureClass::Unreachable, false);
    story.give_up(FailureClass::InvalidGrant);
    story.link();
    story.confirm();
    story.disconnect();
    story.link();
    story.disconnect();
    story.connect();
    let ids: Vec<String> = story.events.iter().map(Event::id).collect();
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

#[test]
fn a_reconnect_whose_account_was_never_known_is_told_also_where_its_refreshes_fail_first() {
    let seen = |health, version| Seen::Present {
        health,
        version,
        grant: "second".to_owned(),
        reason: None,
        was_connected: true,
        account_changed_from: None,
    };
    let id = || ConnectionId::parse("tenant").unwrap();
    for health in [Health::Active, Health::Degraded] {
        let event = Event::between(id(), &seen(Health::NotIdentified, 2), &seen(health, 2)).unwrap();
        assert_eq!(event.kind, Kind::Reconnected, "{health:?}");
    }
}
