//! Rows in every state, made by the writes of the domain.

use std::time::Duration;

use shared::domain::connection::disconnect::{RevocationOutcome, disconnect};
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::refresh::{RefreshReason, Settlement, acquire, give_up, settle};
use shared::domain::connection::revocation::remove;
use shared::domain::connection::waiting::{Awaited, await_confirmation, expire};
use shared::domain::connection::{Connection, Row, SealedPair, State};
use shared::domain::connection_id::ConnectionId;
use shared::domain::failure_class::FailureClass;
use shared::domain::item::{Item, Value};
use shared::domain::order::Order;
use shared::domain::secret::Confirmation;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::PairId;
use shared::domain::write::Write;

pub(crate) const EVERY: Duration = Duration::from_secs(300);

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_800_000_000) + Duration::from_secs(seconds)
}

/// A time after every lease, backoff and wait of the rows.
pub(crate) fn later() -> Timestamp {
    at(7 * 86_400)
}

pub(crate) fn id() -> ConnectionId {
    ConnectionId::parse("tenant").unwrap()
}

pub(crate) fn pair(byte: u8) -> SealedPair {
    SealedPair { id: PairId::new([byte; 16]), sealed: vec![byte], data_key: vec![byte] }
}

pub(crate) fn new_pair(byte: u8) -> NewPair {
    NewPair {
        pair: pair(byte),
        has_refresh_token: true,
        token_type: "Bearer".to_owned(),
        scope: None,
        granted_at: at(0),
        expires_at: at(7200),
    }
}

/// A grant. The later one has the higher byte.
pub(crate) fn grant(byte: u8, is_not_refreshed: bool) -> NewGrant {
    NewGrant {
        id: id(),
        client_id: "client".to_owned(),
        name: format!("grant {byte}"),
        order: Order::from_number(byte.into()),
        session: None,
        awaited: None,
        is_throw_away: false,
        is_not_refreshed,
        new: new_pair(byte),
    }
}

/// A row as it is stored, and as it is read.
#[derive(Clone, Default)]
pub(crate) struct Stored(pub(crate) Option<Item>);

impl Stored {
    pub(crate) fn row(&self) -> Option<Row> {
        self.0.as_ref().map(|item| Row::parse("tenant", item))
    }

    pub(crate) fn state(&self) -> &'static str {
        let Some(row) = self.row() else { return "no row" };
        match row.state() {
            Ok(State::Active) => "active",
            Ok(State::NotRefreshed) => "not refreshed",
            Ok(State::NeedsCustomer { .. }) => "needs customer",
            Ok(State::AwaitingConfirmation { .. }) => "awaiting confirmation",
            Ok(State::Disconnecting) => "disconnecting",
            Ok(State::Tombstone) => "tombstone",
            Err(_) => "unreadable",
        }
    }

    fn live(&self) -> Connection {
        self.row().unwrap().connection().unwrap().expect("the row has a live pair")
    }

    /// `None` where the condition fails.
    pub(crate) fn after(&self, write: &Write) -> Option<Self> {
        if !write.evaluate(self.0.as_ref()).is_empty() {
            return None;
        }
        let mut item = write.apply(self.0.as_ref());
        item.0.insert("id".into(), write.key.as_str().into());
        Some(Self(Some(item)))
    }

    /// Applies a write whose condition must hold.
    fn with(&self, write: &Write) -> Self {
        self.after(write).unwrap_or_else(|| panic!("{}: {:?}", write.name, write.evaluate(self.0.as_ref())))
    }

    fn connected(&self, byte: u8) -> Self {
        self.with(&connect(&grant(byte, false), self.row().as_ref(), EVERY, at(0)).0)
    }

    fn imported(&self, byte: u8) -> Self {
        self.with(&connect(&grant(byte, true), self.row().as_ref(), EVERY, at(0)).0)
    }

    fn awaiting(&self, byte: u8) -> Self {
        self.with(&await_confirmation(&grant(byte, false), &awaited(), self.row().as_ref(), at(0)).0)
    }

    fn leased(&self) -> Self {
        self.with(&acquire(&id(), &RefreshReason::OnDemand { seen: self.live().pair.id }, "me", at(3600)))
    }

    /// The row after this many failures, with a new lease.
    fn failed(&self, times: usize) -> Self {
        let mut row = self.clone();
        for _ in 0..times {
            row = row.leased().with(&settle(&id(), "me", &settlement(FailureClass::Unreachable, at(0))));
        }
        row.leased()
    }

    fn given_up(&self, why: FailureClass) -> Self {
        self.leased().with(&give_up(&id(), "me", why, at(0), at(0)))
    }

    fn expired(&self) -> Self {
        let row = self.row().unwrap();
        self.with(&expire(&row, row.waiting().unwrap(), at(900)).unwrap().0)
    }

    fn disconnected(&self) -> Self {
        self.with(&disconnect(&self.row().unwrap(), Order::from_number(9), at(0)).unwrap().0)
    }

    /// The row without grants to revoke.
    fn worked_off(&self) -> Self {
        let mut row = self.clone();
        while let Some(first) = row.row().unwrap().revocations().unwrap().iter().next().cloned() {
            row = row.with(&remove(&row.row().unwrap(), first.pair.id, RevocationOutcome::Done).unwrap());
        }
        row
    }

    fn spoiled(&self, attribute: &'static str, value: Value) -> Self {
        let mut item = self.0.clone().unwrap();
        item.0.insert(attribute.into(), value);
        Self(Some(item))
    }
}

pub(crate) fn awaited() -> Awaited {
    Awaited::new(&Confirmation::new("confirmation"), at(0))
}

pub(crate) fn settlement(reason: FailureClass, not_before: Timestamp) -> Settlement {
    let needs_a_person = reason == FailureClass::Unopenable;
    let invalid_grant_at = (reason == FailureClass::InvalidGrant).then_some(not_before);
    Settlement { reason, needs_a_person, not_before, is_answered: true, invalid_grant_at, refusal_window: None }
}

/// Rows in every state, in the ways that they can come about.
pub(crate) fn samples() -> Vec<Stored> {
    let none = Stored::default();
    let active = none.connected(1);
    let imported = none.imported(1);
    let refused = FailureClass::InvalidGrant;
    let unopenable = active.leased().with(&settle(&id(), "me", &settlement(FailureClass::Unopenable, at(0))));
    vec![
        none.clone(),
        active.clone(),
        active.failed(0),
        active.failed(2),
        active.failed(3),
        unopenable.leased(),
        active.awaiting(2),
        active.awaiting(2).failed(2),
        active.connected(2),
        active.connected(2).leased(),
        imported.clone(),
        imported.failed(2),
        imported.failed(3),
        imported.awaiting(2),
        imported.imported(2),
        active.given_up(refused).imported(3),
        active.given_up(refused).imported(3).leased(),
        active.given_up(refused).imported(3).awaiting(4),
        active.given_up(refused),
        active.given_up(FailureClass::NoRefreshToken).awaiting(2),
        active.given_up(FailureClass::Refused),
        active.given_up(FailureClass::Refused).leased(),
        active.connected(2).given_up(refused),
        imported.given_up(refused),
        imported.given_up(FailureClass::Refused).leased(),
        imported.given_up(refused).awaiting(2),
        none.awaiting(1),
        none.awaiting(1).awaiting(2),
        active.disconnected().awaiting(10),
        active.disconnected().worked_off().awaiting(10),
        active.disconnected(),
        active.awaiting(2).disconnected(),
        imported.disconnected(),
        none.awaiting(1).disconnected(),
        none.awaiting(1).expired(),
        active.disconnected().worked_off(),
        none.awaiting(1).disconnected().worked_off(),
        active.spoiled("format", 2.into()),
        active.failed(1).spoiled("failures", "many".into()),
        active.failed(3).spoiled("failures", "many".into()),
    ]
}
