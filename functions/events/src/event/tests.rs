//! Each transition by the protocol's own writes.

use std::time::Duration;

use shared::domain::connection::disconnect::RevocationOutcome;
use shared::domain::connection::grant::connect;
use shared::domain::connection::reap::{Reaping, reap};
use shared::domain::connection::refresh::{PutOffBy, commit, give_up, quarantine};
use shared::domain::connection::{Row, attributes};
use shared::domain::item::Value;

use super::*;
use story::{REFRESH_EVERY, Story, id, now, pair};

mod story;

#[test]
fn a_first_grant_connects_and_every_later_grant_reconnects() {
    let mut story = Story::connected();
    story.connect();
    assert_eq!(story.published(), [(Kind::Reconnected, 2, None)]);

    story.link();
    assert_eq!(story.published(), [], "the live pair has not changed");
    story.confirm();
    assert_eq!(story.published(), [(Kind::Reconnected, 3, None)]);

    // With `replace`: refreshed first, and stored when that has succeeded.
    let grant = story.grant(false);
    story.write(&connect(&grant, story.row().as_ref(), REFRESH_EVERY, now()).0);
    story.refresh();
    story.revoke(RevocationOutcome::Done);
    assert_eq!(
        story.published(),
        [(Kind::Reconnected, 4, None)],
        "once, and no `disconnected` of the replaced connection"
    );
}

#[test]
fn a_customer_who_comes_back_in_any_way_is_reconnected_and_not_disconnected_before() {
    let ways: [fn(&mut Story); 3] = [
        Story::connect,
        |story| {
            story.link();
            story.confirm();
        },
        |story| {
            story.import();
            story.fail(4, FailureClass::Unreachable, false);
            assert_eq!(story.published(), [], "there is no event before there is a token");
            story.refresh();
        },
    ];
    for (number, come_back) in ways.into_iter().enumerate() {
        let mut story = Story::connected();
        story.give_up(FailureClass::InvalidGrant);
        assert_eq!(story.published(), [(Kind::ReauthRequired, 1, Some(FailureClass::InvalidGrant))]);
        come_back(&mut story);
        let published: Vec<Kind> = story.published().into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(published, [Kind::Reconnected], "way {number}");
    }
}

#[test]
fn a_refresh_is_no_event() {
    let mut story = Story::connected();
    story.refresh();
    story.fail(2, FailureClass::Unreachable, false);
    story.refresh();
    assert_eq!(story.published(), []);
}

#[test]
fn the_third_failure_degrades_once_and_a_new_pair_recovers() {
    let mut story = Story::connected();
    story.fail(7, FailureClass::Unreachable, false);
    assert_eq!(story.published(), [(Kind::Degraded, 1, Some(FailureClass::Unreachable))]);
    story.refresh();
    assert_eq!(story.published(), [(Kind::Recovered, 2, None)]);
    story.fail(3, FailureClass::Throttled, false);
    assert_eq!(story.published(), [(Kind::Degraded, 2, Some(FailureClass::Throttled))]);
}

#[test]
fn a_pair_that_does_not_open_degrades_at_once() {
    let mut story = Story::connected();
    story.fail(4, FailureClass::Unopenable, true);
    assert_eq!(story.published(), [(Kind::Degraded, 1, Some(FailureClass::Unopenable))]);
}

#[test]
fn a_row_that_can_no_longer_be_read_is_degraded_once_and_recovers_when_it_can_be_read_again() {
    let mut story = Story::connected();
    let was = story.item.clone();
    story.set(attributes::LIFETIME, Value::S("what".to_owned()));
    assert_eq!(story.published(), [(Kind::Degraded, 1, Some(FailureClass::InconsistentRow))]);
    let Some(Row::Unreadable(unreadable)) = story.row() else { panic!("it can be read") };
    story.write(&quarantine(&unreadable, PutOffBy::Caller, now() + Duration::from_secs(300), now()));
    story.set(attributes::LIFETIME, Value::Other);
    assert_eq!(story.published(), []);
    story.becomes(was);
    assert_eq!(story.published(), [(Kind::Recovered, 1, None)]);
}

#[test]
fn an_unreadable_row_has_no_event_if_it_was_not_connected_or_is_degraded_already() {
    // No `connected` was published.
    let mut story = Story::default();
    story.link();
    story.set(attributes::FORMAT, 2.into());
    story.becomes(None);
    assert_eq!(story.published(), []);

    // It is degraded already.
    let mut story = Story::connected();
    story.fail(3, FailureClass::Throttled, false);
    story.published();
    story.set(attributes::FORMAT, 2.into());
    assert_eq!(story.published(), []);
    story.set(attributes::FORMAT, 1.into());
    assert_eq!(story.published(), []);
}

#[test]
fn a_connection_that_is_given_up_needs_its_customer_until_a_late_pair_comes() {
    let mut story = Story::connected();
    story.take_lease();
    let old = story.live();
    story.write(&give_up(&id(), "me", FailureClass::InvalidGrant, now(), now()));
    assert_eq!(story.published(), [(Kind::ReauthRequired, 1, Some(FailureClass::InvalidGrant))]);
    // From the queue.
    story.write(&commit(&id(), old, 2, &pair(20), REFRESH_EVERY));
    assert_eq!(story.published(), [(Kind::Recovered, 2, None)]);
}

#[test]
fn refusals_that_need_the_customer_are_one_event_and_end_with_a_refresh() {
    let mut story = Story::connected();
    for _ in 0..3 {
        story.give_up(FailureClass::Refused);
    }
    assert_eq!(story.published(), [(Kind::ReauthRequired, 1, Some(FailureClass::Refused))]);
    story.refresh();
    assert_eq!(story.published(), [(Kind::Recovered, 2, None)]);
}

#[test]
fn a_connection_that_is_taken_away_is_disconnected_at_once_and_its_revocations_have_no_event() {
    let mut story = Story::connected();
    story.fail(3, FailureClass::Unreachable, false);
    story.published();
    story.disconnect();
    assert_eq!(story.published(), [(Kind::Disconnected, 1, None)]);
    story.revoke(RevocationOutcome::Done);
    assert_eq!(story.published(), []);
}

#[test]
fn a_later_connection_has_a_later_version() {
    let mut story = Story::connected();
    story.refresh();
    story.disconnect();
    story.connect();
    let expected = [(Kind::Disconnected, 2, None), (Kind::Connected, 3, None)];
    assert_eq!(story.published(), expected);
    story.disconnect();
    story.revoke(RevocationOutcome::Off);
    let Reaping::Delete(_) = reap(&story.row().unwrap(), now() + Duration::from_secs(1)) else { panic!("it stays") };
    story.becomes(None);
    assert_eq!(story.published(), [(Kind::Disconnected, 3, None)], "the end of its tombstone is no event");
}

#[test]
fn a_row_that_is_deleted_by_hand_is_disconnected() {
    let mut story = Story::connected();
    story.becomes(None);
    assert_eq!(story.published(), [(Kind::Disconnected, 1, None)]);
}

#[test]
fn a_link_that_is_not_confirmed_has_no_event_in_any_of_its_ends() {
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
        assert_eq!(story.published(), [], "end {number}");
    }
    // Beside a live pair, too.
    let mut story = Story::connected();
    story.link();
    story.refresh();
    story.expire();
    assert_eq!(story.published(), []);
    story.disconnect();
    assert_eq!(story.published(), [(Kind::Disconnected, 2, None)]);
}

#[test]
fn a_link_that_is_confirmed_is_connected() {
    let mut story = Story::default();
    story.link();
    story.confirm();
    assert_eq!(story.published(), [(Kind::Connected, 1, None)]);
}

#[test]
fn an_import_is_connected_when_it_is_first_refreshed() {
    let mut story = Story::imported();
    story.fail(4, FailureClass::Unreachable, false);
    assert_eq!(story.published(), []);
    story.refresh();
    assert_eq!(story.published(), [(Kind::Connected, 2, None)]);
    story.disconnect();
    assert_eq!(story.published(), [(Kind::Disconnected, 2, None)]);
}

#[test]
fn an_import_that_never_had_a_token_may_need_its_customer_and_is_never_disconnected() {
    let mut story = Story::imported();
    story.give_up(FailureClass::InvalidGrant);
    assert_eq!(story.published(), [(Kind::ReauthRequired, 1, Some(FailureClass::InvalidGrant))]);
    story.disconnect();
    assert_eq!(story.published(), []);

    let mut story = Story::imported();
    story.give_up(FailureClass::InvalidGrant);
    story.published();
    story.connect();
    assert_eq!(story.published(), [(Kind::Connected, 2, None)], "it was not connected before");

    let mut story = Story::imported();
    story.disconnect();
    story.becomes(None);
    assert_eq!(story.published(), []);
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
fn a_reconnect_whose_account_was_never_known_has_an_event_even_if_its_refreshes_fail_first() {
    let seen = |health, version| Seen::Present {
        health,
        version,
        grant: "second".to_owned(),
        reason: None,
        was_connected: true,
        account_changed_from: None,
    };
    for health in [Health::Active, Health::Degraded] {
        let event = Event::between(id(), &seen(Health::NotIdentified, 2), &seen(health, 2)).unwrap();
        assert_eq!(event.kind, Kind::Reconnected, "{health:?}");
    }
}
