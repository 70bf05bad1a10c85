//! One browser's journey from `/authorize` to `/callback`: who started it, what it is for, and how it ended.

use super::connection_id::ConnectionId;
use super::digest;
use super::item::{BadAttribute, Item, Unreadable};
use super::order::Order;
use super::return_to::ReturnTo;
use super::secret::{CodeVerifier, Confirmation, CookieValue, State};
use super::session::SessionMark;
use super::time::Timestamp;

pub mod writes;

/// The name of an attempt: `base64url(sha256(state))`. The state itself is never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHash(String);

impl StateHash {
    /// `None` for a text that cannot be a state of ours.
    pub fn of(state: &State) -> Option<Self> {
        digest::is_base64url_of_32_bytes(state.expose()).then(|| Self(digest::sha256(state.expose())))
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

/// The name of the cookie that binds an attempt to its browser. One cookie per attempt, so that two tabs do not break
/// each other.
///
/// Only https may set a name with the `__Host-` prefix (RFC 6265bis section 4.1.3.2), and no other host of the domain
/// can plant it. Plain http on loopback cannot have it and takes the bare name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(String);

const SECURE_PREFIX: &str = "__Host-";

impl CookieName {
    pub fn new(state_hash: &StateHash, https: bool) -> Self {
        let prefix = if https { SECURE_PREFIX } else { "" };
        Self(format!("{prefix}wg_{}", state_hash.fingerprint()))
    }

    /// `None` for a name that we have never set.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let bare = name.strip_prefix(SECURE_PREFIX.as_bytes()).unwrap_or(name);
        let fingerprint = bare.strip_prefix(b"wg_")?;
        let is_ours = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        (fingerprint.len() == 8 && fingerprint.iter().all(is_ours)).then(|| Self(name.escape_ascii().to_string()))
    }

    /// Whether only https may set it.
    pub fn is_secure(&self) -> bool {
        self.0.starts_with(SECURE_PREFIX)
    }

    /// Of the attempt's state.
    pub fn fingerprint(&self) -> &str {
        &self.0[self.0.len() - 8..]
    }

    /// The name under which a browser keeps the value of the last attempt that has ended.
    pub fn of_the_last_ended(&self) -> &'static str {
        if self.is_secure() { "__Host-wg_ended" } else { "wg_ended" }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The stored form of the cookie. The name is hashed with the value: a neighbouring host that plants `wg_…` in place of
/// `__Host-wg_…` fails the check, even if it knows the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding(String);

impl Binding {
    pub fn new(name: &CookieName, value: &CookieValue) -> Self {
        Self(digest::sha256(format!("{}={}", name.as_str(), value.expose())))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Pending,
    /// The code is on its way to the provider, or was when the process ended. It is never sent a second time.
    Exchanging,
    Connected,
    Denied,
    Failed,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Exchanging => "exchanging",
            Self::Connected => "connected",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Exchanging, Self::Connected, Self::Denied, Self::Failed]
            .into_iter()
            .find(|phase| phase.as_str() == text)
    }
}

/// Why an attempt that was sent has made no connection. `reason` of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JourneyFailure {
    /// WebinarGeek did not answer the way the protocol says.
    Provider,
    /// Another journey of the same session, or of a later one, has made the connection.
    SessionUsed,
    /// A newer grant was stored meanwhile.
    Superseded,
    /// The connection was taken away during the journey.
    Disconnected,
    /// The grant could not be stored yet. It may come out of the queue later: the connection then says so.
    NotStored,
}

impl JourneyFailure {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::SessionUsed => "session_used",
            Self::Superseded => "superseded",
            Self::Disconnected => "disconnected",
            Self::NotStored => "not_stored",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Provider, Self::SessionUsed, Self::Superseded, Self::Disconnected, Self::NotStored]
            .into_iter()
            .find(|failure| failure.as_str() == text)
    }
}

#[derive(Clone, Debug)]
pub struct Attempt {
    pub state_hash: StateHash,
    pub binding: Binding,
    /// Absent where PKCE is off.
    pub code_verifier: Option<CodeVerifier>,
    pub connection_id: ConnectionId,
    pub redirect_uri: String,
    pub return_to: Option<ReturnTo>,
    pub session: Option<SessionMark>,
    /// The last event of the connection id before the journey began: all later ones came after it.
    pub order: Order,
    /// The browser carries it to the integrator's product, whose backend confirms connections.
    pub confirmation: Option<Confirmation>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub phase: Phase,
    /// Why it failed, and the reference number: shown again when the page is reloaded.
    pub failure: Option<(JourneyFailure, String)>,
    /// When an invocation took it.
    pub taken_at: Option<Timestamp>,
}

impl Attempt {
    pub fn parse(key: &str, item: &Item) -> Result<Self, Unreadable> {
        Self::from_item(item).map_err(|bad| item.unreadable(key, bad))
    }

    fn from_item(item: &Item) -> Result<Self, BadAttribute> {
        let bad = BadAttribute;
        let key = item.string("pk")?;
        let return_to = match item.optional_string("return_to")? {
            None => None,
            Some(text) => Some(ReturnTo::stored(text).ok_or(bad("return_to"))?),
        };
        let failure = match item.optional_string("failure")? {
            None => None,
            Some(text) => {
                Some((JourneyFailure::parse(text).ok_or(bad("failure"))?, item.string("reference")?.to_owned()))
            }
        };
        Ok(Self {
            state_hash: StateHash(key.strip_prefix("state#").ok_or(bad("pk"))?.to_owned()),
            binding: Binding(item.string("binding")?.to_owned()),
            code_verifier: item.optional_string("code_verifier")?.map(CodeVerifier::new),
            connection_id: ConnectionId::parse(item.string("connection_id")?).map_err(|_| bad("connection_id"))?,
            redirect_uri: item.string("redirect_uri")?.to_owned(),
            return_to,
            session: SessionMark::parse(item)?,
            order: Order::from_number(item.number("order")?),
            confirmation: item.optional_string("confirmation")?.map(Confirmation::new),
            created_at: item.time("created_at")?,
            expires_at: item.time("expires_at")?,
            phase: Phase::parse(item.string("phase")?).ok_or(bad("phase"))?,
            failure,
            taken_at: item.optional_time("taken_at")?,
        })
    }
}
