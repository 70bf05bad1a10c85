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

    /// From the name of a grant; `None` where no attempt has made it.
    pub fn parse(name: &str) -> Option<Self> {
        digest::is_base64url_of_32_bytes(name).then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Eight characters: names the attempt in a log and in its cookie, and gives no access.
    pub fn fingerprint(&self) -> &str {
        &self.0[..8]
    }

    pub fn key(&self) -> String {
        format!("state#{}", self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No code was sent. The provider may have answered without one, and the customer may still approve.
    Pending,
    /// The code is on its way to the provider, or was when the process ended. It is never sent a second time.
    Exchanging,
    Connected,
    Failed,
}

impl Phase {
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

#[derive(Clone, Debug)]
pub struct Attempt {
    pub state_hash: StateHash,
    /// To the browser that started it.
    pub binding: Binding,
    pub destination: Destination,
    /// What that browser's cookie says of the destination.
    destination_mac: String,
    /// Absent where PKCE is off.
    pub code_verifier: Option<CodeVerifier>,
    /// Of its session: which language its pages have.
    pub ui_locale: Option<Language>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub phase: Phase,
    /// How it failed, so far: shown again when the page is reloaded.
    pub failure: Option<FailedJourney>,
    /// When an invocation took it.
    pub taken_at: Option<Timestamp>,
}

impl Attempt {
    /// For the browser that gets this cookie.
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

    /// Whether this browser has started it, and its grant still goes where it was to go then.
    pub fn is_proven_by(&self, cookie: &Cookie) -> Result<(), Unproven> {
        if cookie.binding() != self.binding {
            return Err(Unproven::ForeignBrowser);
        }
        if !digest::is_equal(&cookie.mac(&self.state_hash, &self.destination), &self.destination_mac) {
            return Err(Unproven::Changed);
        }
        Ok(())
    }

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
