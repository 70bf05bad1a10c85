//! A connect session: the integrator's backend names a connection, and gets a link for one journey of a browser.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempt::FailedJourney;
use super::connection::attributes;
use super::connection_id::ConnectionId;
use super::digest;
use super::item::{BadAttribute, Item, Unreadable, Value};
use super::language::Language;
use super::order::Order;
use super::return_to::ReturnTo;
use super::secret::SessionToken;
use super::time::Timestamp;
use super::write::{Change, Test, Write, WriteName, clause};

/// How long a session's row is kept after its link has expired, so that its status can still be read.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(24 * 3600);

/// `base64url(sha256(token))`: names a session without giving access to it, so it may be in a path or a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// `None` for a text that cannot be a session token of ours.
    pub fn of(token: &SessionToken) -> Option<Self> {
        digest::is_base64url_of_32_bytes(token.expose()).then(|| Self(digest::sha256(token.expose())))
    }

    /// From a path; `None` for a text that cannot be a session id.
    pub fn parse(text: &str) -> Option<Self> {
        digest::is_base64url_of_32_bytes(text).then(|| Self(text.to_owned()))
    }

    /// The id of a session that was stored before.
    pub fn named(id: String) -> Self {
        Self(id)
    }

    /// 43 characters of base64url: the id in paths, answers and logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the session's row in the attempts table: `session#` and the id.
    pub fn key(&self) -> String {
        format!("session#{}", self.0)
    }
}

/// A session as its attempts and its connection store it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionMark {
    /// Names the session without giving access to it.
    pub id: SessionId,
    /// The place of the session among the events of its connection id.
    pub order: Order,
}

impl SessionMark {
    /// Parses it from the row of an attempt or a connection; `None` where there is none.
    pub fn parse(item: &Item) -> Result<Option<Self>, BadAttribute> {
        match item.optional_string(attributes::SESSION)? {
            None => item.is_absent_without(attributes::SESSION, &[attributes::SESSION_ORDER]).map(|()| None),
            Some(id) => Ok(Some(Self {
                id: SessionId::named(id.to_owned()),
                order: Order::of(item, attributes::SESSION_ORDER)?,
            })),
        }
    }

    pub(super) fn changes(&self) -> [Change; 2] {
        [
            Change::Set(attributes::SESSION, self.id.0.as_str().into()),
            Change::Set(attributes::SESSION_ORDER, self.order.number().into()),
        ]
    }

    /// Whether the link of this session is used up, for a connection that stores `newest`: this session has stored a
    /// grant, or a later session has. A connection stores one session only. Without the second part, a stranger who
    /// still has an earlier link could use it again.
    pub fn is_used(&self, newest: Option<&SessionMark>) -> bool {
        newest.is_some_and(|newest| newest.order >= self.order)
    }
}

/// The outcome of a session's journeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// None of its journeys has ended.
    Pending,
    /// One of its journeys has connected, or the pair of one waits for its confirmation.
    Completed,
    /// Its last journey has made no connection. It may be tried again until its link expires.
    Failed(FailedJourney),
}

impl SessionStatus {
    /// The attribute `status` of the row: a failure is `denied`, `expired` or `failed`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed(failed) => failed.why.status(),
        }
    }

    fn parse(item: &Item) -> Result<Self, BadAttribute> {
        match item.string("status")? {
            "pending" => Ok(Self::Pending),
            "completed" => Ok(Self::Completed),
            status => {
                let failed = FailedJourney::parse(item)?.ok_or(BadAttribute("failure"))?;
                if failed.why.status() == status { Ok(Self::Failed(failed)) } else { Err(BadAttribute("status")) }
            }
        }
    }
}

/// A row of the attempts table, parsed: a link for one customer.
#[derive(Clone, Debug)]
pub struct Session {
    /// The hash of the link's token.
    pub id: SessionId,
    /// The connection that its journeys are for.
    pub connection_id: ConnectionId,
    /// Where the browser goes at the end; `None` for a page of ours.
    pub return_to: Option<ReturnTo>,
    /// Whether the browser is asked before it is sent to the provider.
    pub confirm_page: bool,
    /// Whether the integrator's backend confirms the connection that it makes.
    pub confirm: bool,
    /// Whether only the account that is connected already is accepted.
    pub same_account: bool,
    /// Whether the connection that it makes may be lost: the doctor may test on it how the provider rotates.
    pub throw_away: bool,
    /// The language of the pages of its journeys; `None` is the browser's.
    pub ui_locale: Option<Language>,
    /// The outcome of its journeys.
    pub status: SessionStatus,
    /// Whether the backend has confirmed it.
    pub is_confirmed: bool,
    /// Its place among the events of the connection id.
    pub order: Order,
    /// When the integrator's backend made it.
    pub begun_at: Timestamp,
    /// Until when its link begins a journey.
    pub expires_at: Timestamp,
}

impl Session {
    /// Parses a row; `key` names it in the error where it cannot be read.
    pub fn parse(key: &str, item: &Item) -> Result<Self, Unreadable> {
        Self::from_item(item).map_err(|bad| item.unreadable(key, bad))
    }

    fn from_item(item: &Item) -> Result<Self, BadAttribute> {
        let key = item.string("pk")?;
        let return_to = match item.optional_string("return_to")? {
            None => None,
            Some(text) => Some(ReturnTo::stored(text).ok_or(BadAttribute("return_to"))?),
        };
        let id = key.strip_prefix("session#").and_then(SessionId::parse).ok_or(BadAttribute("pk"))?;
        Ok(Self {
            id,
            connection_id: ConnectionId::parse(item.string("connection_id")?)
                .map_err(|_| BadAttribute("connection_id"))?,
            return_to,
            confirm_page: item.number("confirm_page")? != 0,
            confirm: item.number("confirm")? != 0,
            same_account: item.number("same_account")? != 0,
            throw_away: item.optional_number("throw_away")?.is_some(),
            ui_locale: Language::of(item)?,
            status: SessionStatus::parse(item)?,
            is_confirmed: item.optional_number("is_confirmed")?.is_some(),
            order: Order::of(item, "order")?,
            begun_at: item.time("begun_at")?,
            expires_at: item.time("expires_at")?,
        })
    }

    /// What an attempt and a connection store of it.
    pub fn mark(&self) -> SessionMark {
        SessionMark { id: self.id.clone(), order: self.order }
    }

    /// Stores a new session.
    pub fn begin(&self) -> Write {
        let mut changes = vec![
            Change::Set("connection_id", self.connection_id.as_str().into()),
            Change::Set("confirm_page", Value::N(self.confirm_page.into())),
            Change::Set("confirm", Value::N(self.confirm.into())),
            Change::Set("same_account", Value::N(self.same_account.into())),
            Change::Set("status", self.status.as_str().into()),
            Change::Set("order", self.order.number().into()),
            Change::Set("begun_at", self.begun_at.into()),
            Change::Set("expires_at", self.expires_at.into()),
            Change::Set("ttl", (self.expires_at + KEPT_AFTER_EXPIRY).into()),
        ];
        changes.extend(self.throw_away.then_some(Change::Set("throw_away", Value::N(1))));
        changes.extend(self.ui_locale.map(Language::change));
        if let Some(return_to) = &self.return_to {
            changes.push(Change::Set("return_to", return_to.as_str().into()));
        }
        Write {
            name: WriteName::BeginSession,
            key: self.id.key(),
            clauses: vec![clause("the session is new", Test::Absent("pk"))],
            changes,
        }
    }
}

/// Notes how a journey of the session ended. A completed session stays completed: a second journey that is denied or
/// fails does not change the connection that the first one made.
pub fn end_session(id: &SessionId, status: &SessionStatus) -> Write {
    let is = |status: &str| Test::Equals("status", status.into());
    let mut changes = vec![Change::Set("status", status.as_str().into())];
    changes.extend(match status {
        SessionStatus::Failed(failed) => failed.changes(),
        SessionStatus::Pending | SessionStatus::Completed => FailedJourney::none(),
    });
    Write {
        name: WriteName::EndSession,
        key: id.key(),
        clauses: vec![clause(
            "it is not completed",
            Test::Any(["pending", "denied", "expired", "failed"].map(is).into()),
        )],
        changes,
    }
}

/// Notes that the integrator's backend has confirmed what a journey of the session has brought.
pub fn confirm_session(id: &SessionId) -> Write {
    let mut changes = vec![
        Change::Set("is_confirmed", 1.into()),
        // The journey's process may have ended before it could store this.
        Change::Set("status", SessionStatus::Completed.as_str().into()),
    ];
    changes.extend(FailedJourney::none());
    Write {
        name: WriteName::ConfirmSession,
        key: id.key(),
        clauses: vec![clause("there is a session", Test::Exists("pk"))],
        changes,
    }
}
