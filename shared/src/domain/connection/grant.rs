//! A customer's new grant, and the one write that makes it live.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{
    ACCOUNT_BEFORE, BEGINS, CLIENT_ID, CONFIRMED, CONNECTED, CREATED_AT, DATA_KEY, EXPIRES_AT, FORMAT, FORMAT_VERSION,
    GRANT_ORDER, GRANTED_BY, LIFETIME, NOT_IDENTIFIED, NOT_REFRESHED, OF_THE_ACCOUNT, OF_THE_PAIR, PAIR_ID, REFRESH_AT,
    REFRESHABLE, REFRESHED_AT, REPLACES, REVOCATION, SCOPE, SEALED, SHARD, STATUS, THROW_AWAY, TOKEN_TYPE,
    VACANT_SINCE, VERSION,
};
use super::revision::{first_or_next_revision, is_as_seen};
use super::revocation::{Added, Revocation};
use super::waiting::Awaited;
use super::{Connection, Row, SealedPair, State};
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::Unreadable;
use crate::domain::order::Order;
use crate::domain::schedule::{self, shard};
use crate::domain::session::SessionMark;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::{Change, Test, Write, WriteName};

/// A pair about to be stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPair {
    /// Sealed for its row, under the id that names it.
    pub pair: SealedPair,
    /// Whether the sealed pair has a refresh token.
    pub has_refresh_token: bool,
    /// As the token endpoint has named it (RFC 6749 section 7.1).
    pub token_type: String,
    /// The scope of the pair; `None` where the provider has not named it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub scope: Option<String>,
    /// When the request for it was sent. Its lifetime is counted from then, so it is never too long.
    pub granted_at: Timestamp,
    /// When its access token ends.
    pub expires_at: Timestamp,
}

/// A grant about to be stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// The connection that it is a grant for.
    pub id: ConnectionId,
    /// The OAuth client that the provider has granted it to.
    pub client_id: String,
    /// The attempt or the import that made it, and its place in the order of the id's events.
    pub name: String,
    /// The last event of the connection id when its journey began, or the import's own number.
    pub order: Order,
    /// The connect session that its journey belongs to; `None` for an install link or an import.
    #[serde(deserialize_with = "Option::deserialize")]
    pub session: Option<SessionMark>,
    /// Set where it must be confirmed before it becomes live.
    #[serde(deserialize_with = "Option::deserialize")]
    pub awaited: Option<Awaited>,
    /// See [`Connection::is_throw_away`].
    pub is_throw_away: bool,
    /// Whether the pair was imported, and has no access token yet.
    pub is_not_refreshed: bool,
    /// The first pair of the grant.
    pub new: NewPair,
}

/// Why a grant is not stored over what the row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its session, or a later one, has stored a grant already.
    SessionUsed,
    /// The connection was taken away after the grant's journey began.
    Disconnected,
    /// A newer grant is stored; or, for an import that was not refreshed yet, the connection is active.
    Superseded,
}

/// What is done with a grant, given its row.
#[derive(Debug)]
pub enum Decision {
    /// It may be stored over the row.
    Store,
    /// It is stored already: our own write was repeated, or it was taken from the queue before.
    AlreadyStored,
    /// It is not stored, for this reason; it is to be revoked.
    Refuse(Refusal),
}

impl NewPair {
    /// `version` is the version of this pair once it is stored.
    pub(super) fn changes(&self, id: &ConnectionId, version: i64, refresh_every: Duration) -> Vec<Change> {
        let lifetime = self.granted_at.seconds_until(self.expires_at).max(0);
        let refresh_at = if self.has_refresh_token {
            schedule::refresh_at(id, version, self.granted_at, self.expires_at, refresh_every)
        } else {
            // It cannot be refreshed: the row is due when the token ends, and then its customer is needed.
            self.expires_at
        };
        let mut changes = vec![
            Change::Set(PAIR_ID, self.pair.id.as_bytes().to_vec().into()),
            Change::Set(SEALED, self.pair.sealed.clone().into()),
            Change::Set(DATA_KEY, self.pair.data_key.clone().into()),
            Change::Set(REFRESHABLE, i64::from(self.has_refresh_token).into()),
            Change::Set(TOKEN_TYPE, self.token_type.as_str().into()),
            Change::Set(EXPIRES_AT, self.expires_at.into()),
            Change::Set(LIFETIME, lifetime.into()),
            Change::Set(REFRESHED_AT, self.granted_at.into()),
            Change::Set(REFRESH_AT, refresh_at.into()),
            Change::Add(VERSION, 1),
        ];
        if let Some(scope) = &self.scope {
            changes.push(Change::Set(SCOPE, scope.as_str().into()));
        }
        changes
    }
}

/// Decides about a grant of this name, order and session, for the row as it was seen; `None` is no row.
pub fn decide(
    name: &str,
    order: Order,
    session: Option<&SessionMark>,
    seen: Option<&Row>,
) -> Result<Decision, Unreadable> {
    let Some(row) = seen else { return Ok(Decision::Store) };
    if let Row::Unreadable(unreadable) = row {
        return Err(unreadable.clone());
    }
    let live = seen.and_then(Row::live);
    let is_ours = |stored: &str| stored == name;
    if live.is_some_and(|live| is_ours(&live.granted_by.name))
        || row.waiting().is_some_and(|waiting| is_ours(&waiting.grant.name))
    {
        return Ok(Decision::AlreadyStored);
    }
    if session.is_some_and(|session| session.is_used(row.session())) {
        return Ok(Decision::Refuse(Refusal::SessionUsed));
    }
    if let Row::Tombstone(tombstone) = row
        && tombstone.disconnected.is_some_and(|disconnected| disconnected > order)
    {
        return Ok(Decision::Refuse(Refusal::Disconnected));
    }
    if live.is_some_and(|live| live.granted_by.order > order) {
        return Ok(Decision::Refuse(Refusal::Superseded));
    }
    Ok(Decision::Store)
}

impl NewGrant {
    /// What is done with the grant over the row as it was seen; `None` is no row. The error is an unreadable row.
    pub fn decide(&self, seen: Option<&Row>) -> Result<Decision, Unreadable> {
        let decision = decide(&self.name, self.order, self.session.as_ref(), seen)?;
        // A token that was not refreshed yet does not replace an active connection: the customer may have connected
        // since the import read the row.
        let is_active = seen.and_then(Row::live).is_some_and(|live| live.state == State::Active);
        Ok(match decision {
            Decision::Store if self.is_not_refreshed && is_active => Decision::Refuse(Refusal::Superseded),
            decision => decision,
        })
    }

    /// The attributes of a grant that becomes live, beside its pair. `live` is the connection that it replaces.
    pub(super) fn changes(&self, live: Option<&Connection>) -> Vec<Change> {
        let mut changes = vec![
            Change::Set(FORMAT, FORMAT_VERSION.into()),
            Change::Set(STATUS, CONNECTED.into()),
            Change::Set(CLIENT_ID, self.client_id.as_str().into()),
            Change::Set(GRANTED_BY, self.name.as_str().into()),
            Change::Set(GRANT_ORDER, self.order.number().into()),
            Change::SetIfAbsent(CREATED_AT, self.new.granted_at.into()),
            Change::Set(SHARD, i64::from(shard(&self.id)).into()),
            // Attributes of a tombstone. `disconnect_order` stays: a journey that began before it is refused.
            Change::Remove(VACANT_SINCE),
            Change::Remove(REVOCATION),
        ];
        changes.extend(
            live.and_then(Connection::last_known_account).map(|before| Change::Set(ACCOUNT_BEFORE, before.into())),
        );
        changes.push(if self.is_throw_away { Change::Set(THROW_AWAY, 1.into()) } else { Change::Remove(THROW_AWAY) });
        if self.new.scope.is_none() {
            // The scope of the replaced grant would be wrong.
            changes.push(Change::Remove(SCOPE));
        }
        let of_the_pair = OF_THE_PAIR.into_iter().filter(|name| !(self.is_not_refreshed && *name == NOT_REFRESHED));
        changes.extend(of_the_pair.map(Change::Remove));
        if self.is_not_refreshed {
            let was_connected = live.is_some_and(|live| live.was_connected);
            changes.push(Change::Set(NOT_REFRESHED, if was_connected { REPLACES } else { BEGINS }.into()));
        }
        changes
    }
}

/// Makes a new grant live, over the row that was read before its code was sent: no row, a tombstone, or a connection.
///
/// The grant that it replaces is added to the list of grants to revoke.
pub fn connect(grant: &NewGrant, seen: Option<&Row>, refresh_every: Duration, now: Timestamp) -> (Write, Vec<PairId>) {
    let version = seen.map_or(0, version_of) + 1;
    let mut changes = grant.new.changes(&grant.id, version, refresh_every);
    changes.extend(grant.changes(seen.and_then(Row::live)));
    // The account of the replaced grant. The account of the new grant is asked for.
    changes.extend(OF_THE_ACCOUNT.map(Change::Remove));
    changes.push(Change::Remove(CONFIRMED));
    changes.extend(grant.session.iter().flat_map(SessionMark::changes));
    changes.push(first_or_next_revision(seen, grant.order));
    let dropped = replace(seen, now, &mut changes);
    // This also checks that the live pair has not changed: otherwise a write that the SDK repeats after a lost
    // acknowledgement would put a used pair over its successor.
    let (key, clauses) = (grant.id.as_str().to_owned(), vec![is_as_seen(seen)]);
    (Write { name: WriteName::Connect, key, clauses, changes }, dropped)
}

/// For a grant whose account is asked for as soon as it is stored. If the account of the replaced grant is known, the
/// event `reconnected` is published with the answer, or with the next refresh. So it says whether the account is
/// another one.
pub fn to_be_identified(mut write: Write, seen: Option<&Row>) -> Write {
    if seen.and_then(Row::live).is_some_and(|live| live.was_connected && live.last_known_account().is_some()) {
        write.changes.retain(|change| change.attribute() != NOT_IDENTIFIED);
        write.changes.push(Change::Set(NOT_IDENTIFIED, 1.into()));
    }
    write
}

/// Adds the live pair that a grant replaces to the list of grants to revoke.
pub(super) fn replace(seen: Option<&Row>, now: Timestamp, changes: &mut Vec<Change>) -> Vec<PairId> {
    let (Some(live), Some(revocations)) = (seen.and_then(Row::live), seen.and_then(Row::revocations)) else {
        return Vec::new();
    };
    let added: Added = revocations.add([Revocation::of(live, now)]);
    changes.extend(added.changes);
    added.dropped
}

pub(super) fn version_of(row: &Row) -> i64 {
    match row {
        Row::Connection(connection) => connection.version,
        Row::Tombstone(tombstone) => tombstone.version,
        Row::Unreadable(_) => 0,
    }
}

pub(super) fn pair_is(id: PairId) -> Test {
    Test::Equals(PAIR_ID, id.as_bytes().to_vec().into())
}
