//! Every write of a connection, with random owners, token sets, versions and times.

use std::time::Duration;

use shared::domain::account::{Account, KnownAccount, identify};
use shared::domain::connection::confirming::{Awaited, confirm, expire};
use shared::domain::connection::connecting::{NewGrant, connect};
use shared::domain::connection::disconnecting::{Revocation, acquire_revocation, bury, disconnect};
use shared::domain::connection::resealing::{Held, reseal};
use shared::domain::connection::superseded::{Superseded, forget};
use shared::domain::connection::writes::{self, Need, NewPair, Settlement};
use shared::domain::connection::{Connection, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::item::{Item, Value};
use shared::domain::secret::{Confirmation, SessionToken};
use shared::domain::session::{SessionId, SessionMark};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::TokenSet;
use shared::domain::write::{Change, Test, Write, clause};

use super::NOW;
use crate::random::Random;

/// Clauses compare with differences of 35, 60, 120 and 360 seconds: at, before and behind each of them.
const SECONDS: [i64; 17] = [0, -1, 1, -34, -35, -36, 36, -59, -60, -61, 61, -119, -120, -121, -155, -360, -361];

pub(super) fn write(random: &mut Random, id: &ConnectionId) -> Write {
    let (owner, now) = (owner(random), time(random));
    match random.below(18) {
        0 => writes::acquire(id, &Need::Scheduled, owner, now),
        1 => writes::acquire(id, &Need::OnDemand { seen: set(random) }, owner, now),
        2 => writes::acquire(id, &Need::Rejected { seen: set(random) }, owner, now),
        3 => writes::commit(id, set(random), &new(random, id)),
        4 => writes::revive(&connection(random, id)),
        5 => writes::settle(id, owner, &settlement(random)),
        6 => writes::give_up(&connection(random, id), owner, "invalid_grant"),
        7 => connect(&grant(random, id), None),
        8 => disconnect(id, now),
        9 => acquire_revocation(id, owner, now),
        10 => bury(&connection(random, id), Revocation::Done, now),
        16 => reseal(id, random.pick(&[Held::Newest, Held::Superseded]), &sealed(random), &sealed(random)),
        11 => writes::quarantine(id, owner, "inconsistent_row", now),
        12 => {
            let session = session(random).id;
            confirm(&connection(random, id), &session, &confirmation(random), now, Duration::from_secs(300))
        }
        13 => expire(id, now),
        14 => identify(id, set(random), &account(random)),
        15 => forget(id, &superseded(random)),
        _ => connect(&grant(random, id), Some(set(random))),
    }
}

/// A row as it may stand at any moment of a connection's life, so that a sequence need not live through all of it.
pub(super) fn standing(random: &mut Random, id: &ConnectionId) -> Write {
    let status = random.pick(&["active", "active", "reauth_required", "reauth_required", "disconnecting"]);
    let mark = session(random);
    let mut changes = vec![
        Change::Set("status", status.into()),
        Change::Set("session", mark.id.as_str().into()),
        Change::Set("session_order", mark.order.into()),
    ];
    changes.push(Change::Set("token_set", set(random).as_bytes().to_vec().into()));
    changes.push(Change::Set("sealed", sealed(random).sealed.into()));
    let optional = |random: &mut Random, change| random.percent(75).then_some(change);
    // Long enough ago to be believed, whatever else is known.
    changes.extend(optional(random, Change::Set("refused_at", (NOW - 1000).into())));
    for name in ["lease_until", "not_before", "refreshed_at", "expires_at", "refresh_at", "disconnected_at"] {
        let at = time(random);
        changes.extend(optional(random, Change::Set(name, at.into())));
    }
    for name in ["version", "attempts", "answered", "failures"] {
        let count = random.between(1, 4) as i64;
        changes.extend(optional(random, Change::Set(name, count.into())));
    }
    let owner = owner(random);
    changes.extend(optional(random, Change::Set("lease_owner", owner.into())));
    Write {
        name: "a row that stands",
        key: id.as_str().to_owned(),
        clauses: vec![clause("there is none yet", Test::Absent("id"))],
        changes,
    }
}

fn owner(random: &mut Random) -> &'static str {
    random.pick(&["me", "rival", "third"])
}

fn time(random: &mut Random) -> Timestamp {
    Timestamp::from_unix(NOW + random.pick(&SECONDS))
}

fn set(random: &mut Random) -> TokenSet {
    TokenSet::new([random.between(1, 2) as u8; 16])
}

fn bytes(random: &mut Random) -> Vec<u8> {
    vec![random.below(256) as u8; random.between(1, 3) as usize]
}

/// One of few, so that it is often the one that stands.
fn sealed(random: &mut Random) -> SealedPair {
    let byte = vec![random.between(1, 2) as u8];
    SealedPair { token_set: set(random), sealed: byte.clone(), data_key: byte }
}

fn new(random: &mut Random, id: &ConnectionId) -> NewPair {
    let scope = random.percent(50).then(|| "read".to_owned());
    let pair = SealedPair { token_set: set(random), sealed: bytes(random), data_key: bytes(random) };
    let granted_at = time(random);
    let expires_at = granted_at + Duration::from_secs(random.pick(&[0, 1, 100, 7200]));
    let version = random.between(1, 4) as i64;
    let times = (granted_at, expires_at);
    writes::new_pair(id, version, pair, "Bearer".to_owned(), scope, times, Duration::from_secs(300))
}

fn grant(random: &mut Random, id: &ConnectionId) -> NewGrant {
    NewGrant {
        id: id.clone(),
        client_id: "client-one".to_owned(),
        grant: random.pick(&["earlier", "later"]).to_owned(),
        begun_at: time(random),
        session: random.percent(50).then(|| session(random)),
        awaited: random.percent(30).then(|| Awaited::new(&confirmation(random), time(random))),
        superseded: random.percent(30).then(|| superseded(random)),
        new: new(random, id),
    }
}

fn settlement(random: &mut Random) -> Settlement {
    Settlement {
        reason: random.pick(&["throttled", "invalid_grant"]),
        needs_a_person: random.percent(20),
        not_before: time(random),
        known: random.percent(50),
        refused_at: random.percent(50).then(|| time(random)),
    }
}

/// As a caller has read it, perhaps long ago.
fn connection(random: &mut Random, id: &ConnectionId) -> Connection {
    let read: [(&str, Value); 16] = [
        ("id", id.as_str().into()),
        ("status", "active".into()),
        ("version", Value::N(1)),
        ("token_set", set(random).as_bytes().to_vec().into()),
        ("sealed", bytes(random).into()),
        ("data_key", bytes(random).into()),
        ("token_type", "Bearer".into()),
        ("scope", "read".into()),
        ("client_id", "client-one".into()),
        ("created_at", time(random).into()),
        ("refreshed_at", time(random).into()),
        ("granted_at", time(random).into()),
        ("expires_at", time(random).into()),
        ("lifetime", Value::N(7200)),
        ("refresh_at", time(random).into()),
        ("grant", "earlier".into()),
    ];
    let item = Item(read.into_iter().map(|(name, value)| (name.into(), value)).collect());
    Connection::stored(&item).unwrap().unwrap()
}

fn superseded(random: &mut Random) -> Superseded {
    let pair = SealedPair { token_set: set(random), sealed: bytes(random), data_key: bytes(random) };
    Superseded { pair, account_id: random.pick(&["1", "2"]).to_owned() }
}

fn account(random: &mut Random) -> KnownAccount {
    let text = |random: &mut Random| random.percent(50).then(|| random.pick(&["one", "another"]).to_owned());
    let account = Account { id: random.pick(&["1", "2"]).to_owned(), company: text(random), email: text(random) };
    KnownAccount { account, also_connected_as: text(random) }
}

fn confirmation(random: &mut Random) -> Confirmation {
    Confirmation::new(random.pick(&["one", "another"]))
}

fn session(random: &mut Random) -> SessionMark {
    let token = SessionToken::new(digest::base64url([random.between(1, 2) as u8; 32]));
    SessionMark { id: SessionId::of(&token).unwrap(), order: time(random).unix() }
}
