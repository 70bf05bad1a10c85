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
    /// [`FORMAT_VERSION`].
    FORMAT = "format", Keeps;
    /// [`CONNECTED`] or [`VACANT`]: whether the row has a live pair.
    STATUS = "status", Keeps;
    /// Grows by one with each pair that becomes live; a tombstone keeps it.
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
    /// The id of the live pair: 16 bytes.
    PAIR_ID = "pair_id", Removes;
    /// The live pair, sealed: see [`crate::sealing`].
    SEALED = "sealed", Removes;
    /// The data key that sealed it, wrapped by KMS.
    DATA_KEY = "data_key", Removes;
    /// 0 where the provider has granted no refresh token.
    REFRESHABLE = "refreshable", Removes;
    /// As the token endpoint has named it (RFC 6749 section 7.1).
    TOKEN_TYPE = "token_type", Removes;
    /// Separated by spaces. Absent where the provider has not named it.
    SCOPE = "scope", Removes;
    /// When the request that brought the live pair was sent, in seconds since 1970.
    REFRESHED_AT = "refreshed_at", Removes;
    /// When the access token ends, in seconds since 1970.
    EXPIRES_AT = "expires_at", Removes;
    /// The lifetime of the access token when it was granted, in seconds.
    LIFETIME = "lifetime", Removes;
    /// [`BEGINS`] or [`REPLACES`] where the pair was imported and not refreshed yet.
    NOT_REFRESHED = "not_refreshed", Removes;

    // Its grant.
    /// The OAuth client that the grant belongs to.
    CLIENT_ID = "client_id", Removes;
    /// When the first grant since the last disconnect was given, in seconds since 1970.
    CREATED_AT = "created_at", Removes;
    /// The name of the attempt or of the import.
    GRANTED_BY = "granted_by", Removes;
    /// The place of the grant among the events of the id.
    GRANT_ORDER = "grant_order", Removes;
    /// Session id and hash of the confirmation that has made the pair live, with `/` between them.
    CONFIRMED = "confirmed", Removes;
    /// Present where the grant may be lost: see [`super::Connection::is_throw_away`].
    THROW_AWAY = "throw_away", Removes;
    /// The provider's own id of the account. Absent where the account is not known.
    ACCOUNT_ID = "account_id", Removes;
    /// The name of its company, if the provider has said it.
    ACCOUNT_COMPANY = "account_company", Removes;
    /// Its mail address, if the provider has said it.
    ACCOUNT_EMAIL = "account_email", Removes;
    /// Another connection of the same account.
    ACCOUNT_ALSO = "account_also", Removes;
    /// The account of the grant before.
    ACCOUNT_BEFORE = "account_before", Removes;
    /// 1 while the account of a grant that has replaced another is being asked for.
    NOT_IDENTIFIED = "not_identified", Removes;

    // Lease and journal of the live pair.
    /// A name that one refresh has chosen. Absent where no lease was taken, or it was released.
    LEASE_OWNER = "lease_owner", Removes;
    /// When the lease ends, in seconds since 1970.
    LEASE_UNTIL = "lease_until", Removes;
    /// How many leases were taken on this pair.
    LEASES = "leases", Removes;
    /// How many of them are known not to have rotated it.
    ANSWERED = "answered", Removes;
    /// Failures in a row.
    FAILURES = "failures", Removes;
    /// Until when no refresh is tried after a failure, in seconds since 1970.
    NOT_BEFORE = "not_before", Removes;
    /// The class of the last failure.
    REASON = "reason", Removes;
    /// When the provider first answered `invalid_grant` to this pair, in seconds since 1970.
    INVALID_GRANT_AT = "invalid_grant_at", Removes;
    /// The number of the fleet's window in which it was last counted as refused.
    REFUSAL_WINDOW = "refusal_window", Removes;
    /// Since when only the customer can help, in seconds since 1970. A new pair removes it and its reason.
    NEEDS_CUSTOMER_SINCE = "needs_customer_since", Removes;
    /// The class of the failure that gave it up.
    NEEDS_CUSTOMER_WHY = "needs_customer_why", Removes;

    // The newest connect session that has stored a grant. A tombstone keeps it: its link can never be used again.
    /// The session's id.
    SESSION = "session", Keeps;
    /// Its place among the events of the connection id.
    SESSION_ORDER = "session_order", Keeps;

    // A pair that waits for its confirmation.
    /// The id of the pair: 16 bytes. Absent where none waits.
    WAITING_ID = "waiting_id", Removes;
    /// The grant, as JSON, its pair sealed.
    WAITING = "waiting", Removes;
    /// `base64url(sha256(confirmation))`.
    WAITING_HASH = "waiting_hash", Removes;
    /// When the wait ends, in seconds since 1970.
    WAITING_UNTIL = "waiting_until", Removes;
    /// Whose account it is for, as JSON.
    WAITING_ACCOUNT = "waiting_account", Removes;

    // Only in a tombstone.
    /// When the last live pair ended, in seconds since 1970; without one, when the first pair began to wait.
    VACANT_SINCE = "vacant_since", Keeps;
    /// The last disconnect. It stays when the customer connects again.
    DISCONNECT_ORDER = "disconnect_order", Keeps;
    /// What became of the grants: `done`, `off` or `failed`.
    REVOCATION = "revocation", Keeps;
}

/// The names of all attributes.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name).chain(REVOKE)
}

/// Values of [`STATUS`].
pub const CONNECTED: &str = "connected";
/// See [`CONNECTED`]: the row has no live pair.
pub const VACANT: &str = "vacant";

/// Values of [`NOT_REFRESHED`]: nothing was connected before the import, or the import replaced a connection that had
/// an access token.
pub const BEGINS: i64 = 1;
/// See [`BEGINS`]: the import replaced a connection that had an access token.
pub const REPLACES: i64 = 2;

/// Values of [`ATTENTION`].
pub const NEEDS_CUSTOMER: &str = "reauth_required";
/// See [`NEEDS_CUSTOMER`]: a person has to look at the row.
pub const QUARANTINED: &str = "quarantined";

/// The attributes of the account.
pub const OF_THE_ACCOUNT: [&str; 4] = [ACCOUNT_ID, ACCOUNT_COMPANY, ACCOUNT_EMAIL, ACCOUNT_ALSO];

/// The attributes that end with a stored pair: its lease, its journal, and why its customer is needed.
pub const OF_THE_PAIR: [&str; 14] = [
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
    NOT_IDENTIFIED,
    ATTENTION,
];

/// The attributes of the waiting pair. They are stored together, except [`WAITING_ACCOUNT`].
pub const OF_THE_WAITING: [&str; 5] = [WAITING_ID, WAITING, WAITING_HASH, WAITING_UNTIL, WAITING_ACCOUNT];

/// Removes every attribute that a tombstone does not keep. The list of grants to revoke stays.
pub(super) fn removed_by_a_tombstone() -> impl Iterator<Item = Change> {
    ALL.iter().filter(|(_, kept)| *kept == Removes).map(|(name, _)| Change::Remove(name))
}
