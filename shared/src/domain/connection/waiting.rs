//! A pair that waits until the integrator's backend has confirmed it.
//!
//! The attack that this stops: an attacker makes a link for the attacker's own connection and passes it on; a customer
//! who follows it and approves would hand over their account. The backend confirms only a confirmation that its own
//! logged-in user has brought, so a stranger's approval never becomes live, and is revoked.
//!
//! ```text
//! await_confirmation ──┬──► confirm    the pair becomes the live one
//!                      └──► expire     too late: it is revoked, and the live pair is what it was
//! ```
//!
//! It may wait beside a live pair, which is handed out meanwhile.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{
    ACCOUNT_ALSO, CONFIRMED, FORMAT, FORMAT_VERSION, ID, OF_THE_ACCOUNT, OF_THE_WAITING, STATUS, VACANT, VACANT_SINCE,
    WAITING, WAITING_ACCOUNT, WAITING_HASH, WAITING_ID, WAITING_UNTIL,
};
use super::grant::{NewGrant, replace, version_of};
use super::revision::{NEXT_REVISION, first_or_next_revision, is_as_seen};
use super::revocation::{Added, Revocation};
use super::{Connection, Row, schedule};
use crate::domain::account::{Account, KnownAccount};
use crate::domain::digest;
use crate::domain::item::{BadAttribute, Item};
use crate::domain::secret::Confirmation;
use crate::domain::session::{SessionId, SessionMark};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::{Change, Write, WriteName};

/// Counted from the return of the customer's browser with the approval: the browser goes on to `return_to` at once.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(900);

/// What a waiting grant is confirmed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awaited {
    /// `base64url(sha256(confirmation))`.
    pub hash: String,
    /// When the wait ends; from then on the grant is revoked.
    pub until: Timestamp,
}

impl Awaited {
    /// For a grant whose customer has come back with an approval at `now`.
    pub fn new(confirmation: &Confirmation, now: Timestamp) -> Self {
        Self { hash: hash(confirmation), until: now + CONFIRM_WITHIN }
    }
}

/// What is stored of a confirmation, and compared: `base64url(sha256(confirmation))`.
pub fn hash(confirmation: &Confirmation) -> String {
    digest::sha256(confirmation.expose())
}

/// A grant in a row, before it is live.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The grant that becomes live, with its sealed pair.
    pub grant: NewGrant,
    /// The hash of the confirmation that it waits for, as in [`Awaited`].
    pub hash: String,
    /// When the wait ends.
    pub until: Timestamp,
    /// Whose account it is for; `None` where the provider has not said so.
    pub account: Option<Account>,
}

/// Which confirmation has made a pair live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The connect session whose journey has brought the pair.
    pub session: SessionId,
    /// The hash of the confirmation, as in [`Awaited`].
    pub hash: String,
}

impl Confirmed {
    pub(super) fn parse(item: &Item) -> Result<Option<Self>, BadAttribute> {
        let Some(text) = item.optional_string(CONFIRMED)? else { return Ok(None) };
        let parts = text.split_once('/').and_then(|(session, hash)| Some((SessionId::parse(session)?, hash)));
        let (session, hash) = parts.ok_or(BadAttribute(CONFIRMED))?;
        Ok(Some(Self { session, hash: hash.to_owned() }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: i64,
    grant: NewGrant,
}

impl Waiting {
    pub(super) fn parse(item: &Item) -> Result<Option<Self>, BadAttribute> {
        let Some(id) = item.optional_bytes(WAITING_ID)? else {
            return item.is_absent_without(WAITING_ID, &OF_THE_WAITING).map(|()| None);
        };
        let id = PairId::parse(id).ok_or(BadAttribute(WAITING_ID))?;
        let stored: Option<Stored> = serde_json::from_str(item.string(WAITING)?).ok();
        let grant = stored.filter(|stored| stored.format == FORMAT_VERSION).map(|stored| stored.grant);
        let row = item.string(ID)?;
        let is_of_this_row = |grant: &NewGrant| grant.new.pair.id == id && grant.id.as_str() == row;
        let grant = grant.filter(is_of_this_row).ok_or(BadAttribute(WAITING))?;
        let account = match item.optional_string(WAITING_ACCOUNT)? {
            None => None,
            Some(text) => Some(serde_json::from_str(text).map_err(|_| BadAttribute(WAITING_ACCOUNT))?),
        };
        let (hash, until) = (item.string(WAITING_HASH)?.to_owned(), item.time(WAITING_UNTIL)?);
        Ok(Some(Self { grant, hash, until, account }))
    }

    /// The id of the pair that waits.
    pub fn pair_id(&self) -> PairId {
        self.grant.new.pair.id
    }

    /// Whether this confirmation, of this session, makes the pair live now.
    pub fn is_confirmed_by(&self, session: &SessionMark, confirmation: &Confirmation, now: Timestamp) -> bool {
        self.hash == hash(confirmation) && self.until > now && self.is_of(&session.id)
    }

    /// Whether a journey of this session has brought it.
    pub fn is_of(&self, session: &SessionId) -> bool {
        self.grant.session.as_ref().is_some_and(|mark| mark.id == *session)
    }

    /// Whether it is for the account of the live connection. `None` where the account of the waiting pair is not known.
    /// Without a live connection whose account is known, every account is the same.
    pub fn is_of_the_same_account(&self, row: &Row) -> Option<bool> {
        let Some(live) = row.live().and_then(Connection::last_known_account) else { return Some(true) };
        self.account.as_ref().map(|account| account.id == live)
    }

    /// Whether a later grant is live in its row.
    pub fn is_superseded(&self, row: &Row) -> bool {
        row.live().is_some_and(|live| live.granted_by.order > self.grant.order)
    }

    pub(super) fn revocation(&self, now: Timestamp) -> Revocation {
        let account_id = self.account.as_ref().map(|account| account.id.clone());
        Revocation::new(self.grant.new.pair.clone(), self.grant.order, account_id, now)
    }
}

/// The grant as a row stores it.
pub(super) fn text(grant: &NewGrant) -> String {
    let stored = Stored { format: FORMAT_VERSION, grant: grant.clone() };
    serde_json::to_string(&stored).expect("texts and numbers are JSON")
}

/// Stores a grant that has to be confirmed; it replaces one that waits already. The live pair does not change.
pub fn await_confirmation(
    grant: &NewGrant,
    awaited: &Awaited,
    seen: Option<&Row>,
    now: Timestamp,
) -> (Write, Vec<PairId>) {
    let mut changes = vec![
        first_or_next_revision(seen, grant.order),
        Change::Set(WAITING_ID, grant.new.pair.id.as_bytes().to_vec().into()),
        Change::Set(WAITING, text(grant).into()),
        Change::Set(WAITING_HASH, awaited.hash.as_str().into()),
        Change::Set(WAITING_UNTIL, awaited.until.into()),
        Change::Remove(WAITING_ACCOUNT),
    ];
    changes.extend(grant.session.iter().flat_map(SessionMark::changes));
    let replaced = seen.and_then(Row::waiting);
    // A pair that it replaces is to be revoked at once.
    changes.extend(schedule::enter(seen, if replaced.is_some() { now } else { awaited.until }));
    if seen.and_then(Row::live).is_none() {
        changes.extend([
            Change::Set(FORMAT, FORMAT_VERSION.into()),
            Change::Set(STATUS, VACANT.into()),
            Change::SetIfAbsent(VACANT_SINCE, now.into()),
        ]);
    }
    let mut dropped = Vec::new();
    if let (Some(waiting), Some(revocations)) = (replaced, seen.and_then(Row::revocations)) {
        let added: Added = revocations.add([waiting.revocation(now)]);
        changes.extend(added.changes);
        dropped = added.dropped;
    }
    let (key, clauses) = (grant.id.as_str().to_owned(), vec![is_as_seen(seen)]);
    (Write { name: WriteName::AwaitConfirmation, key, clauses, changes }, dropped)
}

/// Makes the waiting pair live. The caller has checked on the row that it has read whether the confirmation is right
/// and in time ([`Waiting::is_confirmed_by`]). Session and hash stay, so that a caller that repeats its request after a
/// lost answer gets the success.
pub fn confirm(seen: &Row, waiting: &Waiting, refresh_every: Duration, now: Timestamp) -> (Write, Vec<PairId>) {
    let grant = &waiting.grant;
    let mut changes = grant.new.changes(&grant.id, version_of(seen) + 1, refresh_every);
    changes.extend(grant.changes(seen.live()));
    changes.extend(OF_THE_WAITING.map(Change::Remove));
    changes.push(NEXT_REVISION);
    changes.push(match &grant.session {
        Some(session) => Change::Set(CONFIRMED, format!("{}/{}", session.id.as_str(), waiting.hash).into()),
        None => Change::Remove(CONFIRMED),
    });
    match &waiting.account {
        None => changes.extend(OF_THE_ACCOUNT.map(Change::Remove)),
        Some(account) => {
            changes.push(Change::Remove(ACCOUNT_ALSO));
            changes.extend(KnownAccount { account: account.clone(), also_connected_as: None }.changes());
        }
    }
    let dropped = replace(Some(seen), now, &mut changes);
    let (key, clauses) = (grant.id.as_str().to_owned(), vec![is_as_seen(Some(seen))]);
    (Write { name: WriteName::Confirm, key, clauses, changes }, dropped)
}

/// Ends the wait of a pair that was not confirmed in time: it is to be revoked.
pub fn expire(seen: &Row, waiting: &Waiting, now: Timestamp) -> Option<(Write, Vec<PairId>)> {
    let Added { mut changes, dropped } = seen.revocations()?.add([waiting.revocation(now)]);
    changes.push(NEXT_REVISION);
    changes.extend(OF_THE_WAITING.map(Change::Remove));
    let (key, clauses) = (waiting.grant.id.as_str().to_owned(), vec![is_as_seen(Some(seen))]);
    Some((Write { name: WriteName::ExpireConfirmation, key, clauses, changes }, dropped))
}
