//! Every write of a connection, with random owners, pairs, versions and times.

use std::time::Duration;

use shared::domain::account::{Account, KnownAccount, identify, identify_waiting};
use shared::domain::connection::attributes::{EXPIRES_AT, FORMAT, REVISION, STATUS, WAITING};
use shared::domain::connection::disconnect::{RevocationOutcome, disconnect};
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::reap::{Reaping, reap};
use shared::domain::connection::refresh::{
    PutOffBy, RefreshReason, Settlement, acquire, commit, give_up, quarantine, settle,
};
use shared::domain::connection::reseal::{held, reseal};
use shared::domain::connection::revocation::{self, Revocation};
use shared::domain::connection::schedule;
use shared::domain::connection::waiting::{Awaited, await_confirmation, confirm, expire};
use shared::domain::connection::{Row, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::failure_class::FailureClass;
use shared::domain::fleet;
use shared::domain::item::{Item, Unreadable, Value};
use shared::domain::order::Order;
use shared::domain::secret::{Confirmation, SessionToken};
use shared::domain::session::{SessionId, SessionMark};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::PairId;
use shared::domain::write::{Write, WriteName};

use super::{Kind, NOW, Step};
use crate::random::Random;

/// Clauses compare with differences of 35, 60 and 120 seconds. The times are before, at and after each of them.
const SECONDS: [i64; 17] = [0, -1, 1, -34, -35, -36, 36, -59, -60, -61, 61, -119, -120, -121, -155, -156, -361];

const REFRESH_EVERY: Duration = Duration::from_secs(300);

/// `None` if a caller that has read this row would not make such a write.
pub(super) fn make(name: WriteName, random: &mut Random, id: &ConnectionId, image: Option<&Item>) -> Option<Step> {
    let seen = seen(random, id, image);
    let seen = seen.as_ref();
    let (owner, now, pair) = (owner(random), time(random), pair_id(random));
    let write = match name {
        WriteName::Connect => connect(&grant(random, id), seen, REFRESH_EVERY, now).0,
        WriteName::AwaitConfirmation => await_confirmation(&grant(random, id), &awaited(random), seen, now).0,
        WriteName::Confirm => confirm(seen?, seen?.waiting()?, REFRESH_EVERY, now).0,
        WriteName::ExpireConfirmation => expire(seen?, seen?.waiting()?, now)?.0,
        WriteName::Acquire => acquire(id, &reason(random), owner, now),
        WriteName::Commit => commit(id, pair, random.between(1, 4) as i64, &new(random), REFRESH_EVERY),
        WriteName::Settle => settle(id, owner, &settlement(random)),
        WriteName::GiveUp => give_up(id, owner, random.pick(&WHY), now, time(random)),
        WriteName::Quarantine => quarantine(
            &unreadable(random, id, seen),
            random.pick(&[PutOffBy::Lease(owner), PutOffBy::Schedule, PutOffBy::Caller]),
            time(random),
            now,
        ),
        WriteName::Disconnect => disconnect(seen?, order(random), now)?.0,
        WriteName::AddRevocation => revocation::add(seen?, to_revoke(random), now)?.0,
        WriteName::ClaimRevocation => revocation::claim(seen?, &listed(random, seen?)?, now)?.0,
        WriteName::RemoveRevocation => {
            let outcomes = [RevocationOutcome::Done, RevocationOutcome::Off, RevocationOutcome::Failed];
            revocation::remove(seen?, listed(random, seen?)?.pair.id, random.pick(&outcomes))?
        }
        WriteName::LeaveSchedule => schedule::leave(seen?)?,
        WriteName::Identify => identify(id, pair, &known(random)),
        WriteName::IdentifyWaiting => identify_waiting(id, pair, &account(random)),
        WriteName::Reseal => {
            let held = held(seen?);
            let id = if held.is_empty() { pair } else { random.pick(&held).id };
            reseal(seen?, &SealedPair { id, ..sealed(random) })?
        }
        WriteName::ReapTombstone | WriteName::ReapConnection => {
            return match reap(seen?, Timestamp::from_unix(NOW + 10_000)) {
                Reaping::Delete(delete) if delete.name == name => Some(Step::Delete(delete)),
                Reaping::Delete(_) | Reaping::Leave | Reaping::Disconnect => None,
            };
        }
        WriteName::BeginAttempt
        | WriteName::NoteFailure
        | WriteName::TakeAttempt
        | WriteName::GiveAttemptBack
        | WriteName::EndAttempt
        | WriteName::BeginSession
        | WriteName::EndSession
        | WriteName::ConfirmSession
        | WriteName::TakePresentOrder
        | WriteName::TakeNextOrder
        | WriteName::ClaimAccount
        | WriteName::Pause
        | WriteName::CountRefusals
        | WriteName::BeginWindow
        | WriteName::NoteSuccess
        | WriteName::TakeSlots
        | WriteName::BeginSecond
        | WriteName::LowerRate
        | WriteName::HandOn => return None,
    };
    Some(Step::Write(write))
}

/// A first row, and the writes that are tried on it. Some states last only a short time, so more sequences begin with
/// them, and only with writes that belong to them.
pub(super) fn first_row(random: &mut Random, id: &ConnectionId) -> (Item, Vec<WriteName>) {
    use WriteName as W;
    match random.below(10) {
        0..3 => {
            (reapable(random, id), vec![W::ReapTombstone, W::ReapConnection, W::Connect, W::Commit, W::AddRevocation])
        }
        3..6 => (leased(random, id), vec![W::Acquire, W::Settle, W::GiveUp, W::Commit, W::Disconnect]),
        _ => (any_row(random, id), Kind::Connection.names()),
    }
}

/// A row in any state of a connection, so that a sequence need not contain all states. The protocol's own writes make
/// it, without a check of their conditions.
fn any_row(random: &mut Random, id: &ConnectionId) -> Item {
    let mut image = None;
    let becomes =
        |image: &mut Option<Item>, write: Write| *image = Some(Kind::Connection.after(&write, image.as_ref()));
    let row = |image: &Option<Item>| image.as_ref().map(|item| Row::parse(id.as_str(), item));
    for _ in 0..random.below(3) {
        let write = connect(&grant(random, id), row(&image).as_ref(), REFRESH_EVERY, time(random)).0;
        becomes(&mut image, write);
    }
    if image.is_none() || random.percent(35) {
        let write = await_confirmation(&grant(random, id), &awaited(random), row(&image).as_ref(), time(random)).0;
        becomes(&mut image, write);
    }
    if random.percent(30)
        && let Some((write, _)) = row(&image).and_then(|row| disconnect(&row, order(random), time(random)))
    {
        becomes(&mut image, write);
        // Some of its grants have been revoked.
        while random.percent(80)
            && let Some(seen) = row(&image)
            && let Some(revocation) = listed(random, &seen)
            && let Some(write) = revocation::remove(&seen, revocation.pair.id, RevocationOutcome::Done)
        {
            becomes(&mut image, write);
        }
    }
    if let Some(Row::Connection(_)) = row(&image) {
        for _ in 0..random.below(3) {
            let (owner, now) = (owner(random), time(random));
            let write = match random.below(4) {
                0 => give_up(id, owner, random.pick(&WHY), now, time(random)),
                _ => settle(id, owner, &settlement(random)),
            };
            becomes(&mut image, write);
        }
        if random.percent(60) {
            becomes(&mut image, acquire(id, &RefreshReason::Scheduled, owner(random), time(random)));
        }
    }
    let mut item = image.unwrap_or_default();
    if random.percent(10) {
        let odd = random.pick(&[Value::Other, Value::S("odd".to_owned()), Value::B(vec![7])]);
        item.0.insert(random.pick(&[FORMAT, STATUS, EXPIRES_AT, WAITING]).into(), odd);
    }
    item
}

fn leased(random: &mut Random, id: &ConnectionId) -> Item {
    let item = Kind::Connection.after(&connect(&grant(random, id), None, REFRESH_EVERY, time(random)).0, None);
    let acquire = acquire(id, &RefreshReason::Scheduled, owner(random), time(random));
    Kind::Connection.after(&acquire, Some(&item))
}

/// A row that maintenance looks for.
fn reapable(random: &mut Random, id: &ConnectionId) -> Item {
    let item = Kind::Connection.after(&connect(&grant(random, id), None, REFRESH_EVERY, time(random)).0, None);
    let after = |write: &Write, item: &Item| Kind::Connection.after(write, Some(item));
    if random.percent(60) {
        return after(&give_up(id, owner(random), FailureClass::InvalidGrant, time(random), time(random)), &item);
    }
    let row = |item: &Item| Row::parse(id.as_str(), item);
    let (write, _) = disconnect(&row(&item), order(random), time(random)).unwrap();
    let item = after(&write, &item);
    let seen = row(&item);
    let listed = listed(random, &seen).unwrap();
    after(&revocation::remove(&seen, listed.pair.id, RevocationOutcome::Done).unwrap(), &item)
}

/// The row as a caller has read it: the present one, or an earlier one.
fn seen(random: &mut Random, id: &ConnectionId, image: Option<&Item>) -> Option<Row> {
    match random.below(10) {
        0..6 => image.map(|item| Row::parse(id.as_str(), item)),
        6..9 => Some(Row::parse(id.as_str(), &any_row(random, id))),
        _ => None,
    }
}

fn unreadable(random: &mut Random, id: &ConnectionId, seen: Option<&Row>) -> Unreadable {
    match seen {
        Some(Row::Unreadable(unreadable)) => unreadable.clone(),
        Some(Row::Connection(_) | Row::Tombstone(_)) | None => {
            let attribute = random.pick(&[FORMAT, STATUS, EXPIRES_AT, WAITING, REVISION]);
            let value = random.pick(&[None, Some(Value::Other), Some(Value::S("odd".to_owned())), Some(Value::N(1))]);
            Unreadable { key: id.as_str().to_owned(), attribute, found: vec![(attribute, value)] }
        }
    }
}

const WHY: [FailureClass; 3] = [FailureClass::InvalidGrant, FailureClass::NoRefreshToken, FailureClass::Refused];

fn reason(random: &mut Random) -> RefreshReason {
    match random.below(3) {
        0 => RefreshReason::Scheduled,
        1 => RefreshReason::OnDemand { seen: pair_id(random) },
        _ => RefreshReason::Rejected { seen: pair_id(random) },
    }
}

fn owner(random: &mut Random) -> &'static str {
    random.pick(&["me", "rival", "third"])
}

fn time(random: &mut Random) -> Timestamp {
    Timestamp::from_unix(NOW + random.pick(&SECONDS))
}

fn order(random: &mut Random) -> Order {
    Order::from_number(random.between(1, 4) as i64)
}

fn pair_id(random: &mut Random) -> PairId {
    PairId::new([random.between(1, 3) as u8; 16])
}

/// One of a few, so that it is often the stored one.
fn sealed(random: &mut Random) -> SealedPair {
    let byte = vec![random.between(1, 3) as u8];
    SealedPair { id: pair_id(random), sealed: byte.clone(), data_key: byte }
}

fn new(random: &mut Random) -> NewPair {
    let granted_at = time(random);
    NewPair {
        pair: sealed(random),
        has_refresh_token: random.percent(80),
        token_type: "Bearer".to_owned(),
        scope: random.percent(50).then(|| "read".to_owned()),
        granted_at,
        expires_at: granted_at + Duration::from_secs(random.pick(&[0, 1, 100, 7200])),
    }
}

fn grant(random: &mut Random, id: &ConnectionId) -> NewGrant {
    NewGrant {
        id: id.clone(),
        client_id: "client-one".to_owned(),
        name: random.pick(&["earlier", "later"]).to_owned(),
        order: order(random),
        session: random.percent(50).then(|| session(random)),
        awaited: random.percent(30).then(|| awaited(random)),
        is_throw_away: random.percent(20),
        is_not_refreshed: random.percent(20),
        new: new(random),
    }
}

fn awaited(random: &mut Random) -> Awaited {
    Awaited::new(&Confirmation::new(random.pick(&["one", "another"])), time(random))
}

fn settlement(random: &mut Random) -> Settlement {
    Settlement {
        reason: random.pick(&[FailureClass::Throttled, FailureClass::InvalidGrant]),
        needs_a_person: random.percent(20),
        not_before: time(random),
        is_answered: random.percent(50),
        invalid_grant_at: random.percent(50).then(|| time(random)),
        refusal_window: random.percent(50).then(|| fleet::window(time(random))),
    }
}

fn to_revoke(random: &mut Random) -> Revocation {
    let account_id = random.percent(50).then(|| random.pick(&["1", "2"]).to_owned());
    Revocation::new(sealed(random), order(random), account_id, time(random))
}

/// One of the row's list.
fn listed(random: &mut Random, row: &Row) -> Option<Revocation> {
    let list: Vec<&Revocation> = row.revocations()?.iter().collect();
    if list.is_empty() { None } else { Some(random.pick(&list).clone()) }
}

fn account(random: &mut Random) -> Account {
    let text = |random: &mut Random| random.percent(50).then(|| random.pick(&["one", "another"]).to_owned());
    Account { id: random.pick(&["1", "2"]).to_owned(), company: text(random), email: text(random) }
}

fn known(random: &mut Random) -> KnownAccount {
    let also_connected_as = random.percent(50).then(|| random.pick(&["one", "another"]).to_owned());
    KnownAccount { account: account(random), also_connected_as }
}

fn session(random: &mut Random) -> SessionMark {
    let token = SessionToken::new(digest::base64url([random.between(1, 2) as u8; 32]));
    SessionMark { id: SessionId::of(&token).unwrap(), order: order(random) }
}
