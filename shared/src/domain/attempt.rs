//! One browser's journey from `/authorize` to `/callback`: who started it, where its grant goes, and how it ended.

use super::digest;
use super::item::{BadAttribute, Item, Unreadable};
use super::language::Language;
use super::secret::{CodeVerifier, State};
use super::time::Timestamp;

mod binding;
mod destination;
mod failure;
pub mod writes;

pub use binding::{Binding, Cookie, CookieName, Unproven};
pub use destination::Destination;
pub use failure::{FailedJourney, JourneyFailure};

/// The name of an attempt: `base64url(sha256(state))`. The state itself is never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHash(String);

impl StateHash {
    /// `None` for a text that cannot be a state of ours.
    pub fn of(state: &State) -> Option<Self> {
        digest::is_base64url_of_32_bytes(state.expose()).then(|| Self(digest::sha256(state.expose())))
    }

    /// From the name of a grant; `None` where the grant was not made by an attempt.
    pub fn parse(name: &str) -> Option<Self> {
        digest::is_base64url_of_32_bytes(name).then(|| Self(name.to_owned()))
    }

    /// 43 characters of base64url: the hash, without the prefix of the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Eight characters that name the attempt in the log and in its cookie. They give no access.
    pub fn fingerprint(&self) -> &str {
        &self.0[..8]
    }

    /// The key of the attempt's row in the attempts table: `state#` and the hash.
    pub fn key(&self) -> String {
        format!("state#{}", self.0)
    }
}

/// How far an attempt has come. It decides whether a code may still be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No code was sent. The provider may have answered without one, and the customer may still approve.
    Pending,
    /// The code is on its way to the provider, or was when the process ended. It is never sent a second time.
    Exchanging,
    /// The grant is stored: it is live, or waits for its confirmation. This phase is final.
    Connected,
    /// No connection was made, and the code is not sent any more; [`Attempt::failure`] says why.
    Failed,
}

impl Phase {
    /// The attribute `phase` of the row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Exchanging => "exchanging",
            Self::Connected => "connected",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Exchanging, Self::Connected, Self::Failed]
            .into_iter()
            .find(|phase| phase.as_str() == text)
    }
}

/// A row of the attempts table, parsed: one browser's journey.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Names the attempt; the row's key is made from it.
    pub state_hash: StateHash,
    /// The stored form of the cookie of the browser that started it.
    pub binding: Binding,
    /// Where the grant goes. A MAC under the cookie's value protects it.
    pub destination: Destination,
    /// This MAC.
    destination_mac: String,
    /// Absent where PKCE is off.
    pub code_verifier: Option<CodeVerifier>,
    /// The language of its pages, from its session.
    pub ui_locale: Option<Language>,
    /// When the browser started it.
    pub created_at: Timestamp,
    /// Until when a code is accepted. The row is kept for [`writes::KEPT_AFTER_EXPIRY`] longer.
    pub expires_at: Timestamp,
    /// How far it has come, when the row was read.
    pub phase: Phase,
    /// How it has failed so far. A reload of the page shows it again.
    pub failure: Option<FailedJourney>,
    /// When an invocation took it.
    pub taken_at: Option<Timestamp>,
}

impl Attempt {
    /// An attempt of the browser that gets this cookie.
    pub fn new(
        state_hash: StateHash,
        cookie: &Cookie,
        destination: Destination,
        code_verifier: Option<CodeVerifier>,
        ui_locale: Option<Language>,
        [created_at, expires_at]: [Timestamp; 2],
    ) -> Self {
        Self {
            binding: cookie.binding(),
            destination_mac: cookie.mac(&state_hash, &destination),
            state_hash,
            destination,
            code_verifier,
            ui_locale,
            created_at,
            expires_at,
            phase: Phase::Pending,
            failure: None,
            taken_at: None,
        }
    }

    /// Checks that this browser has started it, and that its destination has not changed since.
    pub fn is_proven_by(&self, cookie: &Cookie) -> Result<(), Unproven> {
        if cookie.binding() != self.binding {
            return Err(Unproven::ForeignBrowser);
        }
        if !digest::is_equal(&cookie.mac(&self.state_hash, &self.destination), &self.destination_mac) {
            return Err(Unproven::Changed);
        }
        Ok(())
    }

    /// Parses a row; `key` names it in the error where it cannot be read.
    pub fn parse(key: &str, item: &Item) -> Result<Self, Unreadable> {
        Self::from_item(item).map_err(|bad| item.unreadable(key, bad))
    }

    fn from_item(item: &Item) -> Result<Self, BadAttribute> {
        let bad = BadAttribute;
        let key = item.string("pk")?;
        Ok(Self {
            state_hash: StateHash(key.strip_prefix("state#").ok_or(bad("pk"))?.to_owned()),
            binding: Binding::stored(item.string("binding")?),
            destination: Destination::parse(item)?,
            destination_mac: item.string("destination_mac")?.to_owned(),
            code_verifier: item.optional_string("code_verifier")?.map(CodeVerifier::new),
            ui_locale: Language::of(item)?,
            created_at: item.time("created_at")?,
            expires_at: item.time("expires_at")?,
            phase: Phase::parse(item.string("phase")?).ok_or(bad("phase"))?,
            failure: FailedJourney::parse(item)?,
            taken_at: item.optional_time("taken_at")?,
        })
    }
}
