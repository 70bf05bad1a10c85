//! A row of the connections table, and what it means.
//!
//! ```text
//!               connect                    disconnect                    all grants are revoked
//!   (no row) ──────────────► a live pair ─────────────► Disconnecting ─────────────────────────► Tombstone
//!       │                      ▲     ▲                    ▲      │                                  │
//!       │ await                │     └────────────────────┼──────┴─────────── connect ──────────────┘
//!       │ confirmation         │ confirm                  │ expire, disconnect
//!       └──────────► AwaitingConfirmation ────────────────┘
//! ```
//!
//! With a live pair a row is Active, NotRefreshed or NeedsCustomer. `docs/ARCHITECTURE.md` has the table of all
//! transitions, which `tests/suite/states.rs` checks.
//!
//! One row has room for a live pair, for a pair that waits for its confirmation, and for the grants that are still to
//! be revoked. [`attributes`] lists what is stored, `codec.rs` parses it; the conditional writes are in the file of
//! their noun: [`refresh`], [`grant`], [`waiting`], [`disconnect`], [`revocation`], [`reseal`], [`reap`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::account::KnownAccount;
use super::base64_bytes;
use super::connection_id::ConnectionId;
use super::failure_class::FailureClass;
use super::order::Order;
use super::session::SessionMark;
use super::time::Timestamp;
use super::token_pair::PairId;
use revocation::Revocations;
use waiting::{Confirmed, Waiting};

pub mod attributes;
mod codec;
pub mod disconnect;
pub mod grant;
pub mod reap;
pub mod refresh;
pub mod reseal;
mod revision;
pub mod revocation;
mod row;
pub mod schedule;
pub mod waiting;

pub use row::Row;

/// The third failure in a row degrades a connection. Its schedule leaves room for four runs before the access token
/// ends. One failure may be over at the next run, and the second may only confirm the first. With the third, most of
/// that room is used up.
const DEGRADED_AFTER: i64 = 3;

/// The state of a connection id: events, status, list, token route and metrics are derived from this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its access token is kept fresh and handed out.
    Active,
    /// Imported: the refresh token is stored, and has not been used here yet. There is no access token.
    NotRefreshed,
    /// Only its customer can make it work again.
    NeedsCustomer {
        /// The class of the failure that gave it up. After [`FailureClass::Refused`], refreshes are still tried.
        why: FailureClass,
        /// When it was given up.
        since: Timestamp,
    },
    /// There is no live pair; one waits for the integrator's backend to confirm it.
    AwaitingConfirmation {
        /// When the wait ends; from then on the pair is revoked.
        until: Timestamp,
    },
    /// Taken away; some of its grants are still to be revoked.
    Disconnecting,
    /// Taken away, and nothing is left to do.
    Tombstone,
}

/// A pair as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedPair {
    /// The identity of the pair. It does not change when the pair is sealed again.
    pub id: PairId,
    /// See [`crate::sealing`].
    #[serde(with = "base64_bytes")]
    pub sealed: Vec<u8>,
    /// The data key that sealed it, wrapped by KMS.
    #[serde(with = "base64_bytes")]
    pub data_key: Vec<u8>,
}

/// A row with a live pair.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The row's key.
    pub id: ConnectionId,
    /// [`State::Active`], [`State::NotRefreshed`] or [`State::NeedsCustomer`].
    pub state: State,
    /// Starts at 1 and grows with each stored pair.
    pub version: i64,
    /// See [`revision`].
    pub revision: i64,
    /// The live pair, sealed.
    pub pair: SealedPair,
    /// Whether the pair has a refresh token. Without one the connection ends with its access token.
    pub has_refresh_token: bool,
    /// Whether its grant has ever had an access token: false only after an import.
    pub has_been_refreshed: bool,
    /// Whether this grant, or one that it has replaced, has had an access token: the integrator has received
    /// `connected`.
    pub was_connected: bool,
    /// How the access token is used (RFC 6749 section 7.1), as the provider has named it: normally `Bearer`.
    pub token_type: String,
    /// Separated by spaces (RFC 6749 section 3.3); `None` where the provider has never named it.
    pub scope: Option<String>,
    /// The OAuth client that the grant belongs to. Its refresh token is never sent with another client id.
    pub client_id: String,
    /// When the first grant since the last disconnect was given.
    pub created_at: Timestamp,
    /// When the request that brought the live pair was sent.
    pub refreshed_at: Timestamp,
    /// When the access token ends; by the deployment's default lifetime where the provider has named none.
    pub expires_at: Timestamp,
    /// The lifetime that the provider last granted.
    pub lifetime: Duration,
    /// When the schedule refreshes the pair, or looks at the row again.
    pub refresh_at: Timestamp,
    /// `None` where no refresh is under way, and none has ended without releasing it.
    pub lease: Option<Lease>,
    /// The results of requests with the live pair. Each pair begins with an empty one.
    pub journal: Journal,
    /// Whether it is put off until a person has looked at it: its pair does not open.
    pub is_quarantined: bool,
    /// The attempt or the import whose grant is live.
    pub granted_by: GrantMark,
    /// The last time that the row was disconnected, before this grant.
    pub disconnected: Option<Order>,
    /// The newest connect session that has stored a grant in this row.
    pub session: Option<SessionMark>,
    /// The confirmation that has made the pair live; `None` where it did not wait for one.
    pub confirmed: Option<Confirmed>,
    /// Whether its session was made for a connection that may be lost. The doctor ends no other grant.
    pub is_throw_away: bool,
    /// The account of the live grant; `None` where it is not known.
    pub account: Option<KnownAccount>,
    /// The id of the last account that is known of the grants before this one.
    pub account_before: Option<String>,
    /// Whether its account is being asked for. Until the answer, or its failure, no event of a reconnect is published.
    pub is_being_identified: bool,
    /// A newer grant that waits for its confirmation, beside the live pair.
    pub waiting: Option<Waiting>,
    /// Earlier grants of this id that are still to be revoked.
    pub revocations: Revocations,
}

/// The right of one worker to refresh the pair.
#[derive(Clone, Debug)]
pub struct Lease {
    /// A name that one refresh has chosen. No two leases have the same one.
    pub owner: String,
    /// When the lease ends; another worker waits some time longer ([`refresh::UNSETTLED_GRACE`]).
    pub until: Timestamp,
}

/// The results of the requests that were made with the stored pair.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Leases taken on this pair.
    pub leases: i64,
    /// Those of them that are known not to have rotated the pair. If there are more leases than answers, a rotation may
    /// have been lost.
    pub answered: i64,
    /// Failures in a row.
    pub failures: i64,
    /// Until when no refresh is tried, after a failure.
    pub not_before: Option<Timestamp>,
    /// The last failure.
    pub reason: Option<FailureClass>,
    /// When the provider first answered `invalid_grant` to this pair.
    pub invalid_grant_at: Option<Timestamp>,
    /// The window of the fleet's count in which this connection was last counted as refused.
    pub refusal_window: Option<i64>,
}

/// The grant that a pair was refreshed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantMark {
    /// The name of the attempt or of the import.
    pub name: String,
    /// The place of the grant among the events of its connection id.
    pub order: Order,
}

/// A row without a live pair: the rest of a connection that was taken away, or the row in which a first pair waits for
/// its confirmation. A journey that began before the disconnect, or through a used link, does not replace it.
#[derive(Clone, Debug)]
pub struct Tombstone {
    /// The row's key.
    pub id: ConnectionId,
    /// The version of the last live pair; 0 if there was none. It goes on growing if the customer comes back.
    pub version: i64,
    /// See [`revision`].
    pub revision: i64,
    /// When the last live pair ended.
    pub since: Timestamp,
    /// When the schedule looks at the row; `None` where nothing is left to do.
    pub refresh_at: Option<Timestamp>,
    /// The disconnect; `None` where nothing was ever connected.
    pub disconnected: Option<Order>,
    /// Whether all grants were revoked, as far as is known.
    pub revocation: Option<disconnect::RevocationOutcome>,
    /// The newest connect session that has stored a grant in this row.
    pub session: Option<SessionMark>,
    /// The first pair of the connection, which becomes live when it is confirmed.
    pub waiting: Option<Waiting>,
    /// The grants that are still to be revoked.
    pub revocations: Revocations,
}

impl Tombstone {
    /// [`State::AwaitingConfirmation`], [`State::Disconnecting`] or [`State::Tombstone`].
    pub fn state(&self) -> State {
        match &self.waiting {
            Some(waiting) => State::AwaitingConfirmation { until: waiting.until },
            None if self.revocations.is_empty() => State::Tombstone,
            None => State::Disconnecting,
        }
    }
}

impl State {
    /// Since when only its customer can help, and no refresh is tried any more. After refusals that say nothing about
    /// the grant, refreshes are still tried: `None`.
    pub fn given_up_since(self) -> Option<Timestamp> {
        match self {
            Self::NeedsCustomer { why, since } if why != FailureClass::Refused => Some(since),
            _ => None,
        }
    }

    /// Whether the schedule keeps its token fresh, or is about to.
    pub fn is_in_use(self) -> bool {
        matches!(self, Self::Active | Self::NotRefreshed)
    }
}

impl Connection {
    /// Whether the access token is valid for at least `min_ttl`, or for half of the lifetime that the provider grants
    /// if that is less. Without this limit, a `min_ttl` that no token can meet would cause a refresh at every request.
    pub fn is_fresh_for(&self, min_ttl: Duration, now: Timestamp) -> bool {
        self.expires_at > now + min_ttl.min(self.lifetime / 2)
    }

    /// The account that its customer was last known to have, by id.
    pub fn last_known_account(&self) -> Option<&str> {
        let known = self.account.as_ref().map(|known| known.account.id.as_str());
        known.or(self.account_before.as_deref())
    }

    /// The id of the account that it was for before, where its customer has connected again with another account.
    pub fn account_changed_from(&self) -> Option<&str> {
        let (known, before) = (self.account.as_ref()?, self.account_before.as_deref()?);
        (known.account.id != before).then_some(before)
    }

    /// Whether its refreshes fail, and a token may soon be missing.
    pub fn is_degraded(&self) -> bool {
        self.state == State::Active && (self.is_quarantined || self.journal.failures >= DEGRADED_AFTER)
    }

    /// Whether there is an access token, and it has not expired.
    pub fn access_token_lives(&self, now: Timestamp) -> bool {
        self.has_been_refreshed && self.expires_at > now
    }

    /// Until when a caller may keep the access token. At `refresh_at` the schedule refreshes, and a provider may end
    /// the old access token with the refresh. Before the end of the token, 30 seconds are left for a refresh and a use;
    /// for a short-lived token, a quarter of its lifetime.
    pub fn cache_until(&self) -> Timestamp {
        self.refresh_at.min(self.expires_at - (self.lifetime / 4).min(Duration::from_secs(30)))
    }

    /// Whether an earlier lease on this pair ended without a known outcome: the provider may have rotated the pair, and
    /// its answer may be lost. The caller's own lease does not count.
    pub fn has_unknown_outcome(&self) -> bool {
        self.journal.leases > self.journal.answered + 1
    }

    /// Whether this owner has taken the lease, and it was not released or replaced. It may have run out.
    pub fn is_leased_to(&self, owner: &str) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.owner == owner)
    }
}
