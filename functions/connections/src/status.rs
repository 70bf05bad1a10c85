//! How a connection is, in JSON: never a secret.

use serde_json::{Value, json};
use shared::domain::account::KnownAccount;
use shared::domain::connection::{Connection, Status};

/// A pair that arrived after the connection had been given up has revived it; the next read of its token writes that down.
pub(crate) fn status(connection: &Connection) -> Status {
    if connection.was_revived() { Status::Active } else { connection.status }
}

pub(crate) fn show(connection: &Connection) -> Value {
    let status = status(connection);
    let is_unconfirmed = status == Status::Active && !connection.is_confirmed();
    let reason = if is_unconfirmed { Some("unconfirmed") } else { connection.reason.as_deref() };
    let next_refresh_at = (status == Status::Active && !is_unconfirmed).then(|| connection.refresh_at.rfc3339());
    json!({
        "id": connection.id.as_str(),
        "status": status.as_str(),
        "reason": reason,
        "version": connection.version,
        "expires_at": connection.expires_at.rfc3339(),
        "refreshed_at": connection.refreshed_at.rfc3339(),
        "next_refresh_at": next_refresh_at,
        "failures": connection.failures,
        "scope": connection.scope,
        "account": connection.account.as_ref().map(account),
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
