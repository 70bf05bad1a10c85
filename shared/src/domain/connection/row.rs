//! A row of the connections table, parsed, and what all kinds of rows have in common.

use super::revocation::Revocations;
use super::waiting::Waiting;
use super::{Connection, State, Tombstone, attributes, codec};
use crate::domain::item::{Item, Unreadable};
use crate::domain::order::Order;
use crate::domain::session::{SessionId, SessionMark};

/// A row, as every read, page, index and written image returns it.
#[derive(Clone, Debug)]
pub enum Row {
    /// It has a live pair.
    Connection(Box<Connection>),
    /// It has no live pair.
    Tombstone(Box<Tombstone>),
    /// It has an attribute that cannot be read; nothing else in it is used.
    Unreadable(Unreadable),
}

impl Row {
    /// `key` is the row's key: an unreadable row is named by it.
    pub fn parse(key: &str, item: &Item) -> Self {
        codec::parse(item).unwrap_or_else(|bad| {
            let mut unreadable = item.unreadable(key, bad);
            unreadable.found.push(item.found(attributes::REVISION));
            Self::Unreadable(unreadable)
        })
    }

    /// The state of the row; the error is of a row that cannot be read.
    pub fn state(&self) -> Result<State, Unreadable> {
        match self {
            Self::Connection(connection) => Ok(connection.state),
            Self::Tombstone(tombstone) => Ok(tombstone.state()),
            Self::Unreadable(unreadable) => Err(unreadable.clone()),
        }
    }

    /// The row's key. The key of an unreadable row may be outside the grammar of connection ids.
    pub fn id(&self) -> &str {
        match self {
            Self::Connection(connection) => connection.id.as_str(),
            Self::Tombstone(tombstone) => tombstone.id.as_str(),
            Self::Unreadable(unreadable) => &unreadable.key,
        }
    }

    /// `None` where the row has no live pair, or cannot be read.
    pub fn live(&self) -> Option<&Connection> {
        match self {
            Self::Connection(connection) => Some(connection),
            Self::Tombstone(_) | Self::Unreadable(_) => None,
        }
    }

    /// The live connection; `None` where the row has none.
    pub fn connection(self) -> Result<Option<Connection>, Unreadable> {
        match self {
            Self::Connection(connection) => Ok(Some(*connection)),
            Self::Tombstone(_) => Ok(None),
            Self::Unreadable(unreadable) => Err(unreadable),
        }
    }

    /// `None` where it cannot be read.
    pub(super) fn revision(&self) -> Option<i64> {
        match self {
            Self::Connection(connection) => Some(connection.revision),
            Self::Tombstone(tombstone) => Some(tombstone.revision),
            Self::Unreadable(_) => None,
        }
    }

    /// `None` where no pair waits, or the row cannot be read.
    pub fn waiting(&self) -> Option<&Waiting> {
        match self {
            Self::Connection(connection) => connection.waiting.as_ref(),
            Self::Tombstone(tombstone) => tombstone.waiting.as_ref(),
            Self::Unreadable(_) => None,
        }
    }

    /// Whether the live pair was confirmed for this session; with a hash, also by the confirmation of that hash.
    pub fn is_confirmed(&self, session: &SessionId, hash: Option<&str>) -> bool {
        let confirmed = self.live().and_then(|live| live.confirmed.as_ref());
        confirmed.is_some_and(|by| by.session == *session && hash.is_none_or(|hash| by.hash == hash))
    }

    /// The newest connect session that has stored a grant; `None` where there is none, or the row cannot be read.
    pub fn session(&self) -> Option<&SessionMark> {
        match self {
            Self::Connection(connection) => connection.session.as_ref(),
            Self::Tombstone(tombstone) => tombstone.session.as_ref(),
            Self::Unreadable(_) => None,
        }
    }

    /// The last disconnect.
    pub fn disconnected(&self) -> Option<Order> {
        match self {
            Self::Connection(connection) => connection.disconnected,
            Self::Tombstone(tombstone) => tombstone.disconnected,
            Self::Unreadable(_) => None,
        }
    }

    /// `None` where the row cannot be read; the list may be empty.
    pub fn revocations(&self) -> Option<&Revocations> {
        match self {
            Self::Connection(connection) => Some(&connection.revocations),
            Self::Tombstone(tombstone) => Some(&tombstone.revocations),
            Self::Unreadable(_) => None,
        }
    }
}
