//! Checks of what events, the list and the token route report about each state of a row.

use events::event::{Event, Kind};
use events::state::{Health, Seen};
use shared::domain::connection::attributes::{NEEDS_CUSTOMER, QUARANTINED};
use shared::domain::connection::{Row, State};
use shared::domain::connection_id::ConnectionId;
use shared::domain::failure_class::FailureClass;
use shared::domain::item::Value;
use shared::domain::schedule::{VACANT_SHARD, shard};

use super::revoking::has_work;
use super::storing::Facts;
use super::{Invariant, Ledger};

/// The answers that the token route may give for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    /// 404
    NotFound,
    /// 200, or 503 with the reason.
    Live,
    /// 409 `reauth_required`
    NeedsCustomer,
    /// 409 `unconfirmed`
    Unconfirmed,
    /// 503
    Unreadable,
}

impl TokenAnswer {
    fn of(row: &Row) -> Self {
        match row.state() {
            Ok(State::Active | State::NotRefreshed) => Self::Live,
            Ok(State::NeedsCustomer { .. }) => Self::NeedsCustomer,
            Ok(State::AwaitingConfirmation { .. }) => Self::Unconfirmed,
            Ok(State::Disconnecting | State::Tombstone) => Self::NotFound,
            Err(_) => Self::Unreadable,
        }
    }
}

impl Ledger {
    /// The stream may deliver a change several times. A consumer recognizes a repeated change by its id.
    pub(super) fn check_events(&mut self, facts: &Facts<'_>) {
        let (old, new) = (Seen::of(facts.old), Seen::of(Some(facts.new)));
        if old == new {
            return;
        }
        // An unreadable row does not say whether there was a `connected`. So there is no `disconnected` for it.
        if let (Seen::Unreadable, Seen::Absent) = (&old, &new) {
            self.connected.remove(&facts.write.key);
            return;
        }
        let Ok(id) = ConnectionId::parse(&facts.write.key) else { return };
        if let Some(event) = Event::between(id, &old, &new) {
            self.event(facts.times.now, &event);
        }
    }

    pub(super) fn event(&mut self, now: u64, event: &Event) {
        let (id, of) = (event.id(), event.connection.as_str().to_owned());
        let is_connected = self.connected.contains(&of);
        let wrong = match event.kind {
            Kind::Connected if is_connected => "is `connected` a second time",
            Kind::Reconnected | Kind::Disconnected | Kind::Recovered | Kind::Degraded if !is_connected => {
                "comes without a `connected`"
            }
            _ if !self.event_ids.insert(id.clone()) => "is the id of two events",
            _ => "",
        };
        match event.kind {
            Kind::Connected => drop(self.connected.insert(of)),
            Kind::Disconnected => drop(self.connected.remove(&of)),
            Kind::Reconnected | Kind::Degraded | Kind::ReauthRequired | Kind::Recovered => {}
        }
        if !wrong.is_empty() {
            self.violate(now, Invariant::EventsAreTrue, || format!("{id} {wrong}"));
        }
    }

    /// The state of a row decides in which indexes it is, what the token route answers, and which events there were.
    pub(super) fn routes_agree(&mut self, facts: &Facts<'_>) {
        let id = &facts.write.key;
        let Ok(state) = facts.new.state() else { return };
        let number = |name: &str| match facts.item.0.get(name) {
            Some(Value::N(number)) => Some(*number),
            _ => None,
        };
        let of_the_connection = ConnectionId::parse(id).map(|id| i64::from(shard(&id))).ok();
        let expected_shard = match state {
            State::Active | State::NotRefreshed | State::NeedsCustomer { why: FailureClass::Refused, .. } => {
                of_the_connection
            }
            State::AwaitingConfirmation { .. } | State::Disconnecting => Some(i64::from(VACANT_SHARD)),
            // It may stay in the vacant shard until a run has found that no work is left.
            State::NeedsCustomer { .. } | State::Tombstone => number("shard").and(Some(i64::from(VACANT_SHARD))),
        };
        let attention = match facts.item.0.get("attention") {
            Some(Value::S(text)) => Some(text.as_str()),
            _ => None,
        };
        let is_in_the_list = match state {
            State::NeedsCustomer { .. } => attention == Some(NEEDS_CUSTOMER),
            State::Active | State::NotRefreshed => attention.is_none() || attention == Some(QUARANTINED),
            State::AwaitingConfirmation { .. } | State::Disconnecting | State::Tombstone => attention.is_none(),
        };
        let of_the_live = ["pair_id", "sealed", "data_key", "lease_owner", "account_id", "granted_by"];
        let is_vacant = !matches!(facts.new, Row::Connection(_));
        let is_clean = !is_vacant || of_the_live.into_iter().all(|name| !facts.item.0.contains_key(name));
        let seen = Seen::of(Some(facts.new));
        let events_agree = match (state, &seen) {
            (State::NeedsCustomer { .. }, Seen::Present { health, .. }) => *health == Health::ReauthRequired,
            (State::Active, Seen::Present { health, .. }) => *health != Health::ReauthRequired,
            // It replaces a connection that had a `connected`.
            (State::NotRefreshed, Seen::Present { health, .. }) => *health == Health::NotRefreshed,
            (State::Active | State::NeedsCustomer { .. }, _) => false,
            (_, seen) => matches!(seen, Seen::Absent),
        };
        let is_scheduled = number("shard").is_none() || number("refresh_at").is_some();
        let is_missed = number("shard").is_none() && has_work(facts.new);
        let wrong = if number("shard") != expected_shard || !is_scheduled || is_missed {
            "not in the shard that the schedule reads for it"
        } else if !is_in_the_list {
            "not in the index that the list reads for it"
        } else if !is_clean {
            "with attributes of a live pair"
        } else if !events_agree || (state == State::Active && !self.connected.contains(id)) {
            "and its events say otherwise"
        } else {
            ""
        };
        if !wrong.is_empty() {
            let write = facts.write.name;
            self.violate(facts.times.now, Invariant::RoutesAgree, || {
                format!("after \"{write}\" {id} is {state:?}, {wrong}")
            });
        }
        self.note_token_answer(facts.times.at, id, facts.new);
    }

    pub(super) fn note_token_answer(&mut self, at: u64, id: &str, row: &Row) {
        let now = TokenAnswer::of(row);
        let token_answers = self.token_answers.entry(id.to_owned()).or_default();
        if token_answers.last().is_none_or(|(_, last)| *last != now) {
            token_answers.push((at, now));
        }
    }

    /// The connection died long before the run, and events have already said so.
    pub fn begins_dead(&mut self, id: &str, row: Option<&Row>) {
        if !matches!(row, Some(Row::Connection(_))) {
            self.connected.remove(id);
        }
    }

    /// The token route has answered: checks that the row was in that state at some moment since the request.
    pub fn answered(&mut self, now: u64, asked_at: u64, id: &str, answer: TokenAnswer) {
        let token_answers = self.token_answers.get(id).map(Vec::as_slice).unwrap_or_default();
        let before =
            token_answers.iter().rev().find(|(at, _)| *at <= asked_at).map_or(TokenAnswer::NotFound, |(_, was)| *was);
        let since = token_answers.iter().filter(|(at, _)| *at > asked_at).map(|(_, was)| *was);
        if before != answer && !since.into_iter().any(|was| was == answer) {
            self.violate(now, Invariant::RoutesAgree, || {
                format!("the token route answers {answer:?} for {id}, which was {before:?} all the time")
            });
        }
    }
}
