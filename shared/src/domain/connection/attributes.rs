//! Every attribute of a row, and which of them a tombstone keeps. No other attribute of a row has a meaning.

use crate::domain::write::Change;

/// Version of the stored form. A row of another version is unreadable: nothing in it is guessed.
pub const FORMAT_VERSION: i64 = 1;

/// Slots for grants that are still to be revoked: more than a customer makes while one revocation endpoint is down.
pub const REVOKE: [&str; 8] =
    ["revoke_0", "revoke_1", "revoke_2", "revoke_3", "revoke_4", "revoke_5", "revoke_6", "revoke_7"];

/// Whether a tombstone keeps an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tombstone {
    Keeps,
    Removes,
}
use Tombstone::{Keeps, Removes};

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kept:expr;)+) => {
        $($(#[$doc])* pub const $name: &str = $text;)+
        const ALL: &[(&str, Tombstone)] = &[$(($name, $kept)),+];
    };
}

attributes! {
    /// The key.
    ID = "id", Keeps;
    FORMAT = "format", Keeps;
    /// [`CONNECTED`] or [`VACANT`]: whether the row has a live pair.
    STATUS = "status", Keeps;
    VERSION = "version", Keeps;
    /// See [`super::revision`].
    REVISION = "revision", Keeps;
    /// Index `due`: the partition. Absent where the schedule has nothing to do.
    SHARD = "shard", Removes;
    /// Index `due`: the sort key.
    REFRESH_AT = "refresh_at", Removes;
    /// Index `attention`: [`NEEDS_CUSTOMER`] or [`QUARANTINED`].
    ATTENTION = "attention", Removes;

    // The live pair.
    PAIR_ID = "pair_id", Removes;
    SEALED = "sealed", Removes;
    DATA_KEY = "data_key", Removes;
    /// 0 where the provider has granted no refresh token.
    REFRESHABLE = "refreshable", Removes;
    TOKEN_TYPE = "token_type", Removes;
    SCOPE = "scope", Removes;
    REFRESHED_AT = "refreshed_at", Removes;
    EXPIRES_AT = "expires_at", Removes;
    LIFETIME = "lifetime", Removes;
    /// [`BEGINS`] or [`REPLACES`] where the pair was imported and not refreshed yet.
    NOT_REFRESHED = "not_refreshed", Removes;

    // Its grant.
    CLIENT_ID = "client_id", Removes;
    CREATED_AT = "created_at", Removes;
    GRANTED_BY = "granted_by", Removes;
    GRANT_ORDER = "grant_order", Removes;
    CONFIRMED = "confirmed", Removes;
    /// Present where the grant may be lost: see [`super::Connection::is_throw_away`].
    THROW_AWAY = "throw_away", Removes;
    ACCOUNT_ID = "account_id", Removes;
    ACCOUNT_COMPANY = "account_company", Removes;
    ACCOUNT_EMAIL = "account_email", Removes;
    /// Another connection of the same account.
    ACCOUNT_ALSO = "account_also", Removes;

    // Lease and journal of the live pair.
    LEASE_OWNER = "lease_owner", Removes;
    LEASE_UNTIL = "lease_until", Removes;
    LEASES = "leases", Removes;
    ANSWERED = "answered", Removes;
    FAILURES = "failures", Removes;
    NOT_BEFORE = "not_before", Removes;
    REASON = "reason", Removes;
    INVALID_GRANT_AT = "invalid_grant_at", Removes;
    REFUSAL_WINDOW = "refusal_window", Removes;
    /// Since when only the customer can help, and why. Storing a pair removes both.
    NEEDS_CUSTOMER_SINCE = "needs_customer_since", Removes;
    NEEDS_CUSTOMER_WHY = "needs_customer_why", Removes;

    // The newest connect session that has stored a grant. It stays: its link can never be used again.
    SESSION = "session", Keeps;
    SESSION_ORDER = "session_order", Keeps;

    // A pair that waits for its confirmation.
    WAITING_ID = "waiting_id", Removes;
    /// The grant, as JSON, its pair sealed.
    WAITING = "waiting", Removes;
    WAITING_HASH = "waiting_hash", Removes;
    WAITING_UNTIL = "waiting_until", Removes;
    /// Whose account it is for, as JSON.
    WAITING_ACCOUNT = "waiting_account", Removes;

    // Only in a tombstone.
    VACANT_SINCE = "vacant_since", Keeps;
    DISCONNECT_ORDER = "disconnect_order", Keeps;
    REVOCATION = "revocation", Keeps;
}

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name).chain(REVOKE)
}

/// Values of [`STATUS`].
pub const CONNECTED: &str = "connected";
pub const VACANT: &str = "vacant";

/// Values of [`NOT_REFRESHED`]: nothing was connected before the import, or the import replaced a connection that had
/// an access token.
pub const BEGINS: i64 = 1;
pub const REPLACES: i64 = 2;

/// Values of [`ATTENTION`].
pub const NEEDS_CUSTOMER: &str = "reauth_required";
pub const QUARANTINED: &str = "quarantined";

/// What belongs to the account.
pub const OF_THE_ACCOUNT: [&str; 4] = [ACCOUNT_ID, ACCOUNT_COMPANY, ACCOUNT_EMAIL, ACCOUNT_ALSO];

/// What belongs to a stored pair and ends with it: its lease, journal and failures.
pub const OF_THE_PAIR: [&str; 13] = [
    LEASE_OWNER,
    LEASE_UNTIL,
    LEASES,
    ANSWERED,
    FAILURES,
    NOT_BEFORE,
    REASON,
    INVALID_GRANT_AT,
    REFUSAL_WINDOW,
    NEEDS_CUSTOMER_SINCE,
    NEEDS_CUSTOMER_WHY,
    NOT_REFRESHED,
    ATTENTION,
];

pub const OF_THE_WAITING: [&str; 5] = [WAITING_ID, WAITING, WAITING_HASH, WAITING_UNTIL, WAITING_ACCOUNT];

/// The changes that make a row a tombstone: every attribute that it does not keep is removed. Grants to revoke stay.
pub(super) fn removed_by_a_tombstone() -> impl Iterator<Item = Change> {
    ALL.iter().filter(|(_, kept)| *kept == Removes).map(|(name, _)| Change::Remove(name))
}
