//! A row on which tests make the protocol's own writes, and the events of their changes.

use std::time::Duration;

use shared::domain::connection::disconnect::{RevocationOutcome, disconnect};
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::refresh::{RefreshReason, Settlement, acquire, commit, give_up, settle};
use shared::domain::connection::revocation;
use shared::domain::connection::waiting::{Awaited, await_confirmation, confirm, expire};
use shared::domain::connection::{Row, SealedPair, attributes};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::{Item, Value};
use shared::domain::order::Order;
use shared::domain::secret::Confirmation;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::PairId;
use shared::domain::write::Write;
use shared::failure::FailureClass;

use crate::event::{Event, Kind};
use crate::state::Seen;

pub(super) const REFRESH_EVERY: Duration = Duration::from_secs(300);

pub(super) fn id() -> ConnectionId {
    ConnectionId::parse("tenant").unwrap()
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
}

pub(super) fn pair(byte: u8) -> NewPair {
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
pub(super) struct Story {
    pub(super) item: Option<Item>,
    pub(super) events: Vec<Event>,
    pairs: u8,
}

impl Story {
    pub(super) fn connected() -> Self {
        let mut story = Self::default();
        story.connect();
        assert_eq!(story.published(), [(Kind::Connected, 1, None)]);
        story
    }

    pub(super) fn imported() -> Self {
        let mut story = Self::default();
        story.import();
        assert_eq!(story.published(), [], "it has no token yet");
        story
    }

    pub(super) fn row(&self) -> Option<Row> {
        self.item.as_ref().map(|item| Row::parse("tenant", item))
    }

    pub(super) fn becomes(&mut self, item: Option<Item>) {
        let old = Seen::of(self.row().as_ref());
        self.item = item;
        let new = Seen::of(self.row().as_ref());
        self.events.extend(Event::between(id(), &old, &new));
    }

    /// Makes a write whose condition holds.
    pub(super) fn write(&mut self, write: &Write) {
        assert!(write.evaluate(self.item.as_ref()).is_empty(), "{:?}", write.evaluate(self.item.as_ref()));
        let mut item = write.apply(self.item.as_ref());
        item.0.insert(attributes::ID.into(), write.key.as_str().into());
        self.becomes(Some(item));
    }

    pub(super) fn set(&mut self, attribute: &'static str, value: Value) {
        let mut item = self.item.clone().unwrap();
        item.0.insert(attribute.into(), value);
        self.becomes(Some(item));
    }

    pub(super) fn grant(&mut self, is_not_refreshed: bool) -> NewGrant {
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

    pub(super) fn connect(&mut self) {
        let grant = self.grant(false);
        self.write(&connect(&grant, self.row().as_ref(), REFRESH_EVERY, now()).0);
    }

    /// For a row without a live pair: the pair is stored before it is refreshed.
    pub(super) fn import(&mut self) {
        let grant = self.grant(true);
        self.write(&connect(&grant, self.row().as_ref(), REFRESH_EVERY, now()).0);
    }

    /// A grant that waits for its confirmation.
    pub(super) fn link(&mut self) {
        let (grant, awaited) = (self.grant(false), Awaited::new(&Confirmation::new("confirmation"), now()));
        self.write(&await_confirmation(&grant, &awaited, self.row().as_ref(), now()).0);
    }

    pub(super) fn confirm(&mut self) {
        let seen = self.row().unwrap();
        self.write(&confirm(&seen, seen.waiting().unwrap(), REFRESH_EVERY, now()).0);
    }

    pub(super) fn expire(&mut self) {
        let seen = self.row().unwrap();
        self.write(&expire(&seen, seen.waiting().unwrap(), now()).unwrap().0);
    }

    pub(super) fn take_lease(&mut self) {
        let seen = self.live();
        self.write(&acquire(&id(), &RefreshReason::OnDemand { seen }, "me", now()));
    }

    pub(super) fn live(&self) -> PairId {
        self.row().unwrap().connection().unwrap().unwrap().pair.id
    }

    pub(super) fn fail(&mut self, times: usize, reason: FailureClass, needs_a_person: bool) {
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

    pub(super) fn give_up(&mut self, why: FailureClass) {
        self.take_lease();
        self.write(&give_up(&id(), "me", why, now(), now()));
    }

    pub(super) fn commit(&mut self) {
        self.pairs += 1;
        self.write(&commit(&id(), self.live(), 1, &pair(self.pairs), REFRESH_EVERY));
    }

    pub(super) fn refresh(&mut self) {
        self.take_lease();
        self.commit();
    }

    pub(super) fn disconnect(&mut self) {
        self.pairs += 1;
        let order = Order::from_number(i64::from(self.pairs));
        self.write(&disconnect(&self.row().unwrap(), order, now()).unwrap().0);
    }

    /// Revokes every grant of the list.
    pub(super) fn revoke(&mut self, outcome: RevocationOutcome) {
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
    pub(super) fn published(&mut self) -> Vec<(Kind, i64, Option<FailureClass>)> {
        std::mem::take(&mut self.events).into_iter().map(|event| (event.kind, event.version, event.reason)).collect()
    }
}
