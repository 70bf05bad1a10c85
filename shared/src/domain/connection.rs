//! A customer's connection: the sealed pair, and everything that decides who may replace it.

use std::time::Duration;

use self::superseded::Superseded;
use super::account::KnownAccount;
use super::connection_id::ConnectionId;
use super::item::{InconsistentItem, Item};
use super::session::SessionMark;
use super::time::Timestamp;
use super::token_pair::TokenSet;

pub mod confirming;
pub mod connecting;
pub mod disconnecting;
pub mod reaping;
pub mod resealing;
pub mod superseded;
pub mod writes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its tokens are kept fresh.
    Active,
    /// The provider has refused the refresh token, and said so twice: the customer must connect again.
    ReauthRequired,
    /// The integrator has taken it away; the newest pair is being revoked.
    Disconnecting,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::ReauthRequired => "reauth_required",
            Self::Disconnecting => "disconnecting",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::ReauthRequired, Self::Disconnecting].into_iter().find(|status| status.as_str() == text)
    }
}

/// A pair as it is stored.
#[derive(Clone, Debug)]
pub struct SealedPair {
    pub token_set: TokenSet,
    /// See [`crate::sealing`].
    pub sealed: Vec<u8>,
    /// The data key that sealed it, wrapped by KMS.
    pub data_key: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Connection {
    pub id: ConnectionId,
    pub status: Status,
    /// Starts at 1 and grows with each stored pair.
    pub version: i64,
    pub pair: SealedPair,
    pub token_type: String,
    pub scope: Option<String>,
    /// The OAuth client that the grant belongs to. No other client is ever shown its refresh token.
    pub client_id: String,
    pub created_at: Timestamp,
    pub refreshed_at: Timestamp,
    pub expires_at: Timestamp,
    /// What the provider last granted, in seconds.
    pub lifetime: Duration,
    pub refresh_at: Timestamp,

    pub lease_owner: Option<String>,
    pub lease_until: Option<Timestamp>,
    /// Leases taken on this token set.
    pub attempts: i64,
    /// Those of them that are known not to have rotated the pair. More leases than answers: a rotation may have been lost.
    pub answered: i64,
    /// Failures in a row.
    pub failures: i64,
    pub not_before: Option<Timestamp>,
    pub reason: Option<String>,
    /// When the provider first answered `invalid_grant` to this token set.
    pub refused_at: Option<Timestamp>,
    /// The window in which it was last counted as refused.
    pub refused_window: Option<i64>,
    /// The token set that was given up.
    pub refused_set: Option<TokenSet>,
    /// The attempt that made the newest grant.
    pub grant: String,
    pub granted_at: Timestamp,
    /// The connect session that the newest grant completed.
    pub session: Option<SessionMark>,
    pub account: Option<KnownAccount>,
    /// The pair that the newest grant has replaced, until a refresh has dealt with it.
    pub superseded: Option<Superseded>,
    /// The hash of the confirmation that it waits for, or has had.
    pub confirmation: Option<String>,
    /// Until when it waits; it hands out nothing before.
    pub confirm_by: Option<Timestamp>,
    /// Since when it is being taken away.
    pub disconnecting_at: Option<Timestamp>,
}

/// When a connection was taken away whose row is only a tombstone: no pair, no secret, and a version that goes on growing
/// if its customer comes back.
pub fn disconnected_at(item: &Item) -> Result<Option<Timestamp>, InconsistentItem> {
    item.optional_time("disconnected_at")
}

impl Connection {
    /// The connection of a row; `None` where the row is a tombstone.
    pub fn stored(item: &Item) -> Result<Option<Self>, InconsistentItem> {
        if disconnected_at(item)?.is_some() { Ok(None) } else { Self::from_item(item).map(Some) }
    }

    fn from_item(item: &Item) -> Result<Self, InconsistentItem> {
        let bad = |attribute| InconsistentItem { attribute };
        let token_set = |attribute| -> Result<Option<TokenSet>, InconsistentItem> {
            item.optional_bytes(attribute)?.map(|bytes| TokenSet::parse(bytes).ok_or(bad(attribute))).transpose()
        };
        Ok(Self {
            id: ConnectionId::parse(item.string("id")?).map_err(|_| bad("id"))?,
            status: Status::parse(item.string("status")?).ok_or(bad("status"))?,
            version: item.number("version")?,
            pair: SealedPair {
                token_set: token_set("token_set")?.ok_or(bad("token_set"))?,
                sealed: item.bytes("sealed")?.to_vec(),
                data_key: item.bytes("data_key")?.to_vec(),
            },
            token_type: item.string("token_type")?.to_owned(),
            scope: item.optional_string("scope")?.map(str::to_owned),
            client_id: item.string("client_id")?.to_owned(),
            created_at: item.time("created_at")?,
            refreshed_at: item.time("refreshed_at")?,
            expires_at: item.time("expires_at")?,
            lifetime: Duration::from_secs(u64::try_from(item.number("lifetime")?).map_err(|_| bad("lifetime"))?),
            refresh_at: item.time("refresh_at")?,
            lease_owner: item.optional_string("lease_owner")?.map(str::to_owned),
            lease_until: item.optional_time("lease_until")?,
            attempts: item.optional_number("attempts")?.unwrap_or(0),
            answered: item.optional_number("answered")?.unwrap_or(0),
            failures: item.optional_number("failures")?.unwrap_or(0),
            not_before: item.optional_time("not_before")?,
            reason: item.optional_string("reason")?.map(str::to_owned),
            refused_at: item.optional_time("refused_at")?,
            refused_window: item.optional_number("refused_window")?,
            refused_set: token_set("refused_set")?,
            grant: item.string("grant")?.to_owned(),
            granted_at: item.time("granted_at")?,
            session: SessionMark::from_item(item)?,
            account: KnownAccount::from_item(item)?,
            superseded: Superseded::from_item(item)?,
            confirmation: item.optional_string("confirmation")?.map(str::to_owned),
            confirm_by: item.optional_time("confirm_by")?,
            disconnecting_at: item.optional_time("disconnecting_at")?,
        })
    }

    /// Whether the access token lives at least `min_ttl` longer, or half of the lifetime that the provider grants where
    /// that is less: a `min_ttl` that no token can meet must not refresh again and again.
    pub fn is_fresh_for(&self, min_ttl: Duration, now: Timestamp) -> bool {
        self.expires_at > now + min_ttl.min(self.lifetime / 2)
    }

    pub fn access_token_lives(&self, now: Timestamp) -> bool {
        self.expires_at > now
    }

    /// Until when a caller may keep the access token: the schedule must not kill one that is still cached (a provider
    /// may end the old access token with the refresh).
    pub fn cache_until(&self) -> Timestamp {
        self.refresh_at.min(self.expires_at - Duration::from_secs(30))
    }

    /// Whether a pair arrived after the connection had been given up: a late commit that could not yet say so.
    pub fn was_revived(&self) -> bool {
        self.status == Status::ReauthRequired && self.refused_set != Some(self.pair.token_set)
    }

    /// Whether it works: active, or revived by a pair that came late, and confirmed where it has to be. Nothing that nobody may
    /// ever confirm takes its place.
    pub fn is_in_use(&self) -> bool {
        (self.status == Status::Active || self.was_revived()) && self.is_confirmed()
    }

    /// Whether its tokens may be used: it need not be confirmed, or has been.
    pub fn is_confirmed(&self) -> bool {
        self.confirm_by.is_none()
    }

    /// Whether an earlier lease on this token set ended without a known outcome: the provider may have rotated the pair
    /// and its answer may be lost. The lease of the caller itself is not counted.
    pub fn has_unknown_outcome(&self) -> bool {
        self.attempts > self.answered + 1
    }
}
