//! A connect session: the integrator's backend names a connection, and gets a link for one browser journey.

use super::connection_id::ConnectionId;
use super::digest;
use super::item::{InconsistentItem, Item, Value};
use super::return_to::ReturnTo;
use super::secret::SessionToken;
use super::time::Timestamp;
use super::write::{Change, Test, Write, clause};
use std::time::Duration;

/// How long a session's row outlives its link, so that its status can still be asked for.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(24 * 3600);

/// `base64url(sha256(token))`: names a session without opening it, so it may stand in a path or a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// `None` for a text that no session of ours ever had.
    pub fn of(token: &SessionToken) -> Option<Self> {
        digest::is_base64url_of_32_bytes(token.expose()).then(|| Self(digest::sha256(token.expose())))
    }

    /// From a path; `None` for a text that no session's id ever was.
    pub fn parse(text: &str) -> Option<Self> {
        digest::is_base64url_of_32_bytes(text).then(|| Self(text.to_owned()))
    }

    /// Of a session that was made before.
    pub(super) fn named(id: String) -> Self {
        Self(id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn key(&self) -> String {
        format!("session#{}", self.0)
    }
}

/// A session as its attempts and its connection remember it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMark {
    pub id: SessionId,
    /// Later sessions have higher ones: the second in which it was made, and after it, so that no two are alike, six
    /// digits of the id.
    pub order: i64,
}

impl SessionMark {
    /// In a row of another kind, a tombstone too; `None` where it has none.
    pub fn from_item(item: &Item) -> Result<Option<Self>, InconsistentItem> {
        match item.optional_string("session")? {
            None => Ok(None),
            Some(id) => Ok(Some(Self { id: SessionId::named(id.to_owned()), order: item.number("session_order")? })),
        }
    }

    pub(super) fn changes(&self) -> [Change; 2] {
        [Change::Set("session", self.id.0.as_str().into()), Change::Set("session_order", self.order.into())]
    }

    /// Whether a connection that remembers `newest` leaves nothing for this session to do: it has made the connection, or a
    /// later one has. A connection remembers one session only; without the second half, whoever still holds an earlier link
    /// could take it over.
    pub fn is_used(&self, newest: Option<&SessionMark>) -> bool {
        newest.is_some_and(|newest| newest.order >= self.order)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    Pending,
    Completed,
    Denied,
    Failed,
}

impl SessionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Completed, Self::Denied, Self::Failed].into_iter().find(|status| status.as_str() == text)
    }
}

#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub connection_id: ConnectionId,
    pub return_to: Option<ReturnTo>,
    /// Whether the browser is asked before it is sent to the provider.
    pub confirm_page: bool,
    /// Whether the integrator's backend confirms the connection that it makes.
    pub confirm: bool,
    pub status: SessionStatus,
    pub begun_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Session {
    pub fn from_item(item: &Item) -> Result<Self, InconsistentItem> {
        let key = item.string("pk")?;
        let return_to = match item.optional_string("return_to")? {
            None => None,
            Some(text) => Some(ReturnTo::stored(text).ok_or(InconsistentItem { attribute: "return_to" })?),
        };
        Ok(Self {
            id: SessionId(key.strip_prefix("session#").ok_or(InconsistentItem { attribute: "pk" })?.to_owned()),
            connection_id: ConnectionId::parse(item.string("connection_id")?)
                .map_err(|_| InconsistentItem { attribute: "connection_id" })?,
            return_to,
            confirm_page: item.number("confirm_page")? != 0,
            confirm: item.optional_number("confirm")?.is_some_and(|flag| flag != 0),
            status: SessionStatus::parse(item.string("status")?).ok_or(InconsistentItem { attribute: "status" })?,
            begun_at: item.time("begun_at")?,
            expires_at: item.time("expires_at")?,
        })
    }

    pub fn mark(&self) -> SessionMark {
        let bytes = self.id.0.bytes().take(8);
        let digits = bytes.fold(0, |digits: i64, byte| (digits * 31 + i64::from(byte)) % 1_000_000);
        SessionMark { id: self.id.clone(), order: self.begun_at.unix() * 1_000_000 + digits }
    }

    /// Stores a new session.
    pub fn begin(&self) -> Write {
        let mut changes = vec![
            Change::Set("connection_id", self.connection_id.as_str().into()),
            Change::Set("confirm_page", Value::N(self.confirm_page.into())),
            Change::Set("confirm", Value::N(self.confirm.into())),
            Change::Set("status", self.status.as_str().into()),
            Change::Set("begun_at", self.begun_at.into()),
            Change::Set("expires_at", self.expires_at.into()),
            Change::Set("ttl", (self.expires_at + KEPT_AFTER_EXPIRY).into()),
        ];
        if let Some(return_to) = &self.return_to {
            changes.push(Change::Set("return_to", return_to.as_str().into()));
        }
        Write {
            name: "begin session",
            key: self.id.key(),
            clauses: vec![clause("the session is new", Test::Absent("pk"))],
            changes,
        }
    }
}

/// Notes how a journey of the session ended. A completed session stays completed: a second journey that was denied, or
/// that failed, takes nothing from the connection that the first one made.
pub fn end_session(id: &SessionId, status: SessionStatus) -> Write {
    Write {
        name: "end session",
        key: id.key(),
        clauses: vec![
            clause("the session exists", Test::Exists("pk")),
            clause("the session is not completed", Test::Differs("status", SessionStatus::Completed.as_str().into())),
        ],
        changes: vec![Change::Set("status", status.as_str().into())],
    }
}
