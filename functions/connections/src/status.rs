//! The status of a connection as JSON, without secrets. Every route derives it from the row's state alone.

use serde_json::{Value, json};
use shared::domain::account::KnownAccount;
use shared::domain::connection::{Connection, Row, State};
use shared::failure::FailureClass;

/// `status`, as callers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    /// It was imported, and was not refreshed yet: there is no access token.
    Pending,
    /// Its first pair waits until the integrator's backend has confirmed it.
    Unconfirmed,
    ReauthRequired,
    Disconnecting,
    /// The row cannot be read.
    Unreadable,
}

impl Status {
    pub(crate) const FILTERS: [Self; 5] =
        [Self::Active, Self::Pending, Self::Unconfirmed, Self::ReauthRequired, Self::Disconnecting];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Unconfirmed => "unconfirmed",
            Self::ReauthRequired => "reauth_required",
            Self::Disconnecting => "disconnecting",
            Self::Unreadable => "unreadable",
        }
    }

    /// `None` if there is no connection.
    pub(crate) fn of(row: &Row) -> Option<Self> {
        Some(match row.state() {
            Ok(State::Active) => Self::Active,
            Ok(State::NotRefreshed) => Self::Pending,
            Ok(State::AwaitingConfirmation { .. }) => Self::Unconfirmed,
            Ok(State::NeedsCustomer { .. }) => Self::ReauthRequired,
            Ok(State::Disconnecting) => Self::Disconnecting,
            Ok(State::Tombstone) => return None,
            Err(_) => Self::Unreadable,
        })
    }
}

pub(crate) fn show(row: &Row) -> Value {
    let status = Status::of(row).map(Status::as_str);
    let mut shown = match row {
        Row::Connection(connection) => live(connection),
        Row::Tombstone(tombstone) => json!({ "version": tombstone.version }),
        Row::Unreadable(_) => json!({ "reason": FailureClass::InconsistentRow.as_str() }),
    };
    shown["id"] = row.id().into();
    shown["status"] = status.into();
    // A value that is not known is null, not absent.
    for member in [
        "reason",
        "version",
        "created_at",
        "expires_at",
        "refreshed_at",
        "next_refresh_at",
        "failures",
        "scope",
        "account",
        "account_changed_from",
    ] {
        if shown.get(member).is_none() {
            shown[member] = Value::Null;
        }
    }
    shown
}

fn live(connection: &Connection) -> Value {
    let is_refreshed = connection.has_been_refreshed;
    let reason = match connection.state {
        State::NeedsCustomer { why, .. } => Some(why.as_str()),
        State::NotRefreshed => Some(connection.journal.reason.map_or("not_refreshed", FailureClass::as_str)),
        _ => connection.journal.reason.map(FailureClass::as_str),
    };
    json!({
        "reason": reason,
        "version": connection.version,
        "created_at": connection.created_at.rfc3339(),
        "expires_at": is_refreshed.then(|| connection.expires_at.rfc3339()),
        "refreshed_at": is_refreshed.then(|| connection.refreshed_at.rfc3339()),
        "next_refresh_at": connection.state.is_in_use().then(|| connection.refresh_at.rfc3339()),
        "failures": connection.journal.failures,
        "scope": connection.scope,
        "account": connection.account.as_ref().map(account),
        "account_changed_from": connection.account_changed_from(),
    })
}

fn account(known: &KnownAccount) -> Value {
    json!({
        "id": known.account.id,
        "company": known.account.company,
        "email": known.account.email,
        "also_connected_as": known.also_connected_as,
    })
}
