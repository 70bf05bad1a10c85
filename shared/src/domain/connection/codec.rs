//! Parses a row from its attributes. If one is missing, of another type, or has a value that is never written, the
//! whole row is unreadable: nothing in it is guessed.

use std::time::Duration;

use super::attributes as a;
use super::disconnect::RevocationOutcome;
use super::revocation::Revocations;
use super::waiting::{Confirmed, Waiting};
use super::{Connection, GrantMark, Journal, Lease, Row, SealedPair, State, Tombstone};
use crate::domain::account::KnownAccount;
use crate::domain::connection_id::ConnectionId;
use crate::domain::failure_class::FailureClass;
use crate::domain::item::{BadAttribute, Item};
use crate::domain::order::Order;
use crate::domain::session::SessionMark;
use crate::domain::token_pair::PairId;

pub(super) fn parse(item: &Item) -> Result<Row, BadAttribute> {
    if item.number(a::FORMAT)? != a::FORMAT_VERSION {
        return Err(BadAttribute(a::FORMAT));
    }
    // Not used here, but the index `due` needs it: DynamoDB does not put a value of another type into the index.
    item.optional_number(a::SHARD)?;
    match item.string(a::STATUS)? {
        a::CONNECTED => connection(item).map(|connection| Row::Connection(Box::new(connection))),
        a::VACANT => tombstone(item).map(|tombstone| Row::Tombstone(Box::new(tombstone))),
        _ => Err(BadAttribute(a::STATUS)),
    }
}

fn connection(item: &Item) -> Result<Connection, BadAttribute> {
    let pair_id = PairId::parse(item.bytes(a::PAIR_ID)?).ok_or(BadAttribute(a::PAIR_ID))?;
    let not_refreshed = item.optional_number(a::NOT_REFRESHED)?;
    if not_refreshed.is_some_and(|value| ![a::BEGINS, a::REPLACES].contains(&value)) {
        return Err(BadAttribute(a::NOT_REFRESHED));
    }
    Ok(Connection {
        id: id(item)?,
        state: state(item)?,
        version: item.count(a::VERSION)?,
        revision: item.count(a::REVISION)?,
        pair: SealedPair {
            id: pair_id,
            sealed: item.bytes(a::SEALED)?.to_vec(),
            data_key: item.bytes(a::DATA_KEY)?.to_vec(),
        },
        has_refresh_token: item.number(a::REFRESHABLE)? != 0,
        has_been_refreshed: not_refreshed.is_none(),
        was_connected: not_refreshed != Some(a::BEGINS),
        token_type: item.string(a::TOKEN_TYPE)?.to_owned(),
        scope: item.optional_string(a::SCOPE)?.map(str::to_owned),
        client_id: item.string(a::CLIENT_ID)?.to_owned(),
        created_at: item.time(a::CREATED_AT)?,
        refreshed_at: item.time(a::REFRESHED_AT)?,
        expires_at: item.time(a::EXPIRES_AT)?,
        lifetime: Duration::from_secs(item.count(a::LIFETIME)?.unsigned_abs()),
        refresh_at: item.time(a::REFRESH_AT)?,
        lease: lease(item)?,
        journal: journal(item)?,
        is_quarantined: item.optional_string(a::ATTENTION)? == Some(a::QUARANTINED),
        granted_by: GrantMark { name: item.string(a::GRANTED_BY)?.to_owned(), order: Order::of(item, a::GRANT_ORDER)? },
        disconnected: item.optional_count(a::DISCONNECT_ORDER)?.map(Order::from_number),
        session: SessionMark::parse(item)?,
        confirmed: Confirmed::parse(item)?,
        is_throw_away: item.optional_number(a::THROW_AWAY)?.is_some(),
        account: KnownAccount::parse(item)?,
        is_being_identified: item.optional_number(a::NOT_IDENTIFIED)?.is_some(),
        account_before: item.optional_string(a::ACCOUNT_BEFORE)?.map(str::to_owned),
        waiting: Waiting::parse(item)?,
        revocations: Revocations::parse(item)?,
    })
}

fn tombstone(item: &Item) -> Result<Tombstone, BadAttribute> {
    let revocation = match item.optional_string(a::REVOCATION)? {
        None => None,
        Some(text) => Some(RevocationOutcome::parse(text).ok_or(BadAttribute(a::REVOCATION))?),
    };
    Ok(Tombstone {
        id: id(item)?,
        version: item.optional_count(a::VERSION)?.unwrap_or(0),
        revision: item.count(a::REVISION)?,
        since: item.time(a::VACANT_SINCE)?,
        refresh_at: item.optional_time(a::REFRESH_AT)?,
        disconnected: item.optional_count(a::DISCONNECT_ORDER)?.map(Order::from_number),
        revocation,
        session: SessionMark::parse(item)?,
        waiting: Waiting::parse(item)?,
        revocations: Revocations::parse(item)?,
    })
}

fn id(item: &Item) -> Result<ConnectionId, BadAttribute> {
    ConnectionId::parse(item.string(a::ID)?).map_err(|_| BadAttribute(a::ID))
}

fn state(item: &Item) -> Result<State, BadAttribute> {
    if let Some(since) = item.optional_time(a::NEEDS_CUSTOMER_SINCE)? {
        let why = FailureClass::parse(item.string(a::NEEDS_CUSTOMER_WHY)?);
        return Ok(State::NeedsCustomer { why: why.ok_or(BadAttribute(a::NEEDS_CUSTOMER_WHY))?, since });
    }
    item.is_absent_without(a::NEEDS_CUSTOMER_SINCE, &[a::NEEDS_CUSTOMER_WHY])?;
    let is_not_refreshed = item.optional_number(a::NOT_REFRESHED)?.is_some();
    Ok(if is_not_refreshed { State::NotRefreshed } else { State::Active })
}

fn lease(item: &Item) -> Result<Option<Lease>, BadAttribute> {
    let Some(until) = item.optional_time(a::LEASE_UNTIL)? else {
        return item.is_absent_without(a::LEASE_UNTIL, &[a::LEASE_OWNER]).map(|()| None);
    };
    Ok(Some(Lease { owner: item.string(a::LEASE_OWNER)?.to_owned(), until }))
}

fn journal(item: &Item) -> Result<Journal, BadAttribute> {
    let count = |name| item.optional_count(name).map(|number| number.unwrap_or(0));
    let reason = match item.optional_string(a::REASON)? {
        None => None,
        Some(text) => Some(FailureClass::parse(text).ok_or(BadAttribute(a::REASON))?),
    };
    Ok(Journal {
        leases: count(a::LEASES)?,
        answered: count(a::ANSWERED)?,
        failures: count(a::FAILURES)?,
        not_before: item.optional_time(a::NOT_BEFORE)?,
        reason,
        invalid_grant_at: item.optional_time(a::INVALID_GRANT_AT)?,
        refusal_window: item.optional_number(a::REFUSAL_WINDOW)?,
    })
}
