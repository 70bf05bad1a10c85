//! Every write of an attempt and of its session, with random owners, bindings and times.

use std::time::Duration;

use shared::domain::attempt::writes::{self, End};
use shared::domain::attempt::{Attempt, Cookie, CookieName, Destination, FailedJourney, JourneyFailure, StateHash};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Item;
use shared::domain::language::Language;
use shared::domain::order::Order;
use shared::domain::secret::{Confirmation, CookieValue, SessionToken, State};
use shared::domain::session::{Session, SessionId, SessionStatus, confirm_session, end_session};
use shared::domain::time::Timestamp;
use shared::domain::write::{Write, WriteName};
use shared::domain::{digest, pkce};

use super::{Kind, NOW};
use crate::random::Random;

/// One attempt and one session, whose writes a sequence mixes.
pub(super) struct Journey {
    state_hash: StateHash,
    session_id: SessionId,
}

impl Journey {
    pub(super) fn new(seed: u64) -> Self {
        let named = |kind: u8| {
            let mut bytes = [kind; 32];
            bytes[..8].copy_from_slice(&seed.to_be_bytes());
            digest::base64url(bytes)
        };
        Self {
            state_hash: StateHash::of(&State::new(named(1))).unwrap(),
            session_id: SessionId::of(&SessionToken::new(named(2))).unwrap(),
        }
    }

    pub(super) fn state_key(&self) -> String {
        self.state_hash.key()
    }

    pub(super) fn session_key(&self) -> String {
        self.session_id.key()
    }

    /// A row in any phase of an attempt, so that a sequence need not contain all phases.
    pub(super) fn any_attempt(&self, random: &mut Random) -> Item {
        let mut item = Kind::Attempt.after(&writes::begin(&self.attempt(random)), None);
        for write in [
            writes::note(&self.state_hash, &self.cookie(random).binding(), &failed(random), time(random)),
            writes::take(&self.state_hash, &self.cookie(random).binding(), time(random), random.pick(&["me", "rival"])),
            writes::end(&self.state_hash, &end(random)),
        ] {
            if random.percent(50) {
                item = Kind::Attempt.after(&write, Some(&item));
            }
        }
        item
    }

    pub(super) fn any_session(&self, random: &mut Random) -> Item {
        let item = Kind::Session.after(&self.session(random).begin(), None);
        Kind::Session.after(&end_session(&self.session_id, &status(random)), Some(&item))
    }

    pub(super) fn make(&self, name: WriteName, random: &mut Random) -> Option<Write> {
        let me = random.pick(&["me", "rival"]);
        Some(match name {
            WriteName::BeginAttempt => writes::begin(&self.attempt(random)),
            WriteName::NoteFailure => {
                writes::note(&self.state_hash, &self.cookie(random).binding(), &failed(random), time(random))
            }
            WriteName::TakeAttempt => writes::take(&self.state_hash, &self.cookie(random).binding(), time(random), me),
            WriteName::GiveAttemptBack => writes::give_back(&self.state_hash, me, &failed(random)),
            WriteName::EndAttempt => writes::end(&self.state_hash, &end(random)),
            WriteName::BeginSession => self.session(random).begin(),
            WriteName::EndSession => end_session(&self.session_id, &status(random)),
            WriteName::ConfirmSession => confirm_session(&self.session_id),
            _ => return None,
        })
    }

    fn cookie(&self, random: &mut Random) -> Cookie {
        let name = CookieName::new(&self.state_hash, true);
        Cookie { name, value: CookieValue::new(random.pick(&["cookie", "another"])) }
    }

    fn attempt(&self, random: &mut Random) -> Attempt {
        let created_at = time(random);
        let destination = Destination {
            connection_id: ConnectionId::parse("t").unwrap(),
            order: order(random),
            redirect_uri: "https://connect.example.com/callback".to_owned(),
            return_to: None,
            session: random.percent(50).then(|| self.session(random).mark()),
            throw_away: random.percent(30),
            confirmation: random.percent(30).then(|| Confirmation::new("confirmation")),
            same_account: random.percent(30),
        };
        let verifier = random.percent(50).then(|| pkce::code_verifier([random.below(256) as u8; 32]));
        let ui_locale = random.percent(30).then_some(Language::German);
        let times = [created_at, created_at + Duration::from_secs(600)];
        Attempt::new(self.state_hash.clone(), &self.cookie(random), destination, verifier, ui_locale, times)
    }

    fn session(&self, random: &mut Random) -> Session {
        Session {
            id: self.session_id.clone(),
            connection_id: ConnectionId::parse("t").unwrap(),
            return_to: None,
            confirm_page: random.percent(50),
            confirm: random.percent(30),
            same_account: false,
            throw_away: random.percent(30),
            ui_locale: random.percent(30).then_some(Language::Dutch),
            status: SessionStatus::Pending,
            is_confirmed: false,
            order: order(random),
            begun_at: time(random),
            expires_at: time(random) + Duration::from_secs(600),
        }
    }
}

/// An attempt is valid for ten minutes: before, at and after its end.
fn time(random: &mut Random) -> Timestamp {
    Timestamp::from_unix(NOW + random.pick(&[0, -1, 1, 599, 600, 601, 1200]))
}

fn order(random: &mut Random) -> Order {
    Order::from_number(random.between(1, 4) as i64)
}

fn end(random: &mut Random) -> End {
    if random.percent(50) { End::Connected } else { End::Failed(failed(random)) }
}

fn status(random: &mut Random) -> SessionStatus {
    match random.below(4) {
        0 => SessionStatus::Pending,
        1 => SessionStatus::Completed,
        _ => SessionStatus::Failed(failed(random)),
    }
}

fn failed(random: &mut Random) -> FailedJourney {
    FailedJourney::new(random.pick(&JourneyFailure::ALL), "reference")
}
