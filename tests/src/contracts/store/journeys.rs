//! Rows and writes of all that is not a connection: journeys and their sessions, counters, claims, the fleet's rows.

use shared::domain::account::{Account, claim};
use shared::domain::attempt::writes::{self as attempts, End};
use shared::domain::attempt::{Attempt, Cookie, CookieName, Destination, FailedJourney, JourneyFailure, StateHash};
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::fleet::{Tally, hand_on, note_success, pause};
use shared::domain::item::Item;
use shared::domain::language::Language;
use shared::domain::order::Order;
use shared::domain::pkce;
use shared::domain::rate::{self, Lowered};
use shared::domain::secret::{Confirmation, CookieValue, SessionToken, State};
use shared::domain::session::{Session, SessionId, SessionStatus, confirm_session, end_session};
use shared::domain::write::Write;

use super::connections::id;
use super::{Kind, at, with};

/// One row of each possible kind.
pub(super) fn rows(kind: Kind) -> Vec<Item> {
    let made = |write: &Write| kind.after(write, None);
    match kind {
        Kind::Connection => Vec::new(),
        Kind::Account => vec![
            made(&claim(&account(), &id(), None)),
            made(&claim(&account(), &another(), None)),
            with(Item::default(), &[("connection", 7.into())]),
        ],
        Kind::Fleet => {
            let tally = Tally { refused: 1, refreshed: 7 };
            let writes = [
                tally.begin(8),
                tally.begin(6),
                pause(at(60)),
                note_success(at(60)),
                rate::begin_second(at(60), 1),
                hand_on(at(0), at(60)),
            ];
            writes.iter().map(made).collect()
        }
        Kind::Attempt => {
            let begun = made(&attempts::begin(&attempt()));
            let taken = |by: &str| with(begun.clone(), &[("phase", "exchanging".into()), ("taken_by", by.into())]);
            vec![
                begun.clone(),
                with(begun.clone(), &[("expires_at", at(0).into())]),
                with(begun.clone(), &[("binding", "another".into())]),
                taken("me"),
                taken("rival"),
                with(taken("me"), &[("phase", "connected".into())]),
                with(
                    taken("me"),
                    &[("phase", "failed".into()), ("failure", "not_stored".into()), ("reference", "one".into())],
                ),
                with(begun, &[("phase", "asleep".into())]),
            ]
        }
        Kind::Session => {
            let begun = made(&session().begin());
            let ended = |status: &str| with(begun.clone(), &[("status", status.into())]);
            vec![begun.clone(), ended("completed"), ended("denied"), ended("failed")]
        }
        Kind::Order => vec![
            made(&Order::take_present(&id(), at(0))),
            made(&Order::take_present(&id(), at(-1))),
            made(&Order::take_present(&id(), at(1))),
            with(Item::default(), &[("last", "odd".into())]),
        ],
    }
}

pub(super) fn writes(kind: Kind) -> Vec<Write> {
    let (attempt, tally) = (attempt(), Tally { refused: 1, refreshed: 7 });
    let failed = |why| FailedJourney::new(why, "reference");
    match kind {
        Kind::Connection => Vec::new(),
        Kind::Account => vec![
            claim(&account(), &id(), None),
            claim(&account(), &another(), None),
            claim(&account(), &another(), Some(id().as_str())),
        ],
        Kind::Fleet => vec![
            tally.count(8),
            tally.begin(8),
            pause(at(30)),
            pause(at(90)),
            note_success(at(30)),
            note_success(at(90)),
            rate::begin_second(at(57), 1),
            rate::begin_second(at(90), 1),
            rate::take_slots(at(60), 1, 2),
            rate::take_slots(at(60), 2, 2),
            rate::lower(Lowered { to: 2, at: at(60) }, at(30)),
            hand_on(at(30), at(90)),
            hand_on(at(60), at(90)),
        ],
        Kind::Attempt => vec![
            attempts::begin(&attempt),
            attempts::note(&attempt.state_hash, &attempt.binding, &failed(JourneyFailure::Denied), at(0)),
            attempts::note(&attempt.state_hash, &attempt.binding, &failed(JourneyFailure::Expired), at(0)),
            attempts::take(&attempt.state_hash, &attempt.binding, at(0), "me"),
            attempts::give_back(&attempt.state_hash, "me", &failed(JourneyFailure::NotStored)),
            attempts::end(&attempt.state_hash, &End::Connected),
            attempts::end(&attempt.state_hash, &End::Failed(failed(JourneyFailure::Provider))),
        ],
        Kind::Session => {
            let end = |status| end_session(&session().id, &status);
            vec![
                session().begin(),
                confirm_session(&session().id),
                end(SessionStatus::Failed(failed(JourneyFailure::Denied))),
                end(SessionStatus::Completed),
                end(SessionStatus::Failed(failed(JourneyFailure::Disconnected))),
            ]
        }
        Kind::Order => vec![
            Order::take_present(&id(), at(0)),
            Order::take_after(&id(), Order::at(at(0)), at(0)),
            Order::take_after(&id(), Order::at(at(1)), at(0)),
        ],
    }
}

fn account() -> Account {
    Account { id: "1".to_owned(), company: Some("Company".to_owned()), email: None }
}

fn another() -> ConnectionId {
    ConnectionId::parse("u").unwrap()
}

pub(super) fn confirmation() -> Confirmation {
    Confirmation::new(digest::base64url([6; 32]))
}

pub(super) fn session() -> Session {
    Session {
        id: SessionId::of(&SessionToken::new(digest::base64url([3; 32]))).unwrap(),
        connection_id: id(),
        return_to: None,
        confirm_page: true,
        confirm: true,
        same_account: false,
        throw_away: true,
        ui_locale: Some(Language::German),
        status: SessionStatus::Pending,
        is_confirmed: false,
        order: Order::from_number(5),
        begun_at: at(-60),
        expires_at: at(600),
    }
}

pub(super) fn attempt() -> Attempt {
    let state_hash = StateHash::of(&State::new(digest::base64url([4; 32]))).unwrap();
    let cookie = Cookie { name: CookieName::new(&state_hash, true), value: CookieValue::new("cookie") };
    let destination = Destination {
        connection_id: id(),
        order: Order::from_number(6),
        redirect_uri: "https://connect.example.com/callback".to_owned(),
        return_to: None,
        session: Some(session().mark()),
        throw_away: true,
        confirmation: Some(confirmation()),
        same_account: true,
    };
    Attempt::new(
        state_hash,
        &cookie,
        destination,
        Some(pkce::code_verifier([5; 32])),
        Some(Language::Dutch),
        [at(0), at(600)],
    )
}
