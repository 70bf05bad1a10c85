//! A connection as its integrator sees it, in one image of its row.

use shared::domain::connection::disconnecting::Revocation;
use shared::domain::connection::writes::QUARANTINED;
use shared::domain::connection::{Status, disconnected_at};
use shared::domain::item::{InconsistentItem, Item};
use shared::failure::FailureClass;

/// The third failure in a row degrades a connection. Its schedule leaves room for four runs before the access token ends:
/// one failure is a blip that the next run mends, a second may be the refusal that is asked for again, and with the third
/// most of that room is used up.
pub const DEGRADED_AFTER: i64 = 3;

/// The attributes that are looked at. No other is read from an image: it holds a sealed pair.
pub const READ: [&str; 11] = [
    "status",
    "version",
    "token_set",
    "grant",
    "failures",
    "reason",
    "attention",
    "refused_set",
    "disconnected_at",
    "revocation",
    "confirm_by",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Active,
    /// Its refreshes fail, and a token may soon be missing.
    Degraded,
    ReauthRequired,
    Disconnecting,
}

#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// No row, a tombstone, or a connection that nobody has confirmed yet.
    Absent {
        /// Of a tombstone.
        revocation: Option<Revocation>,
    },
    Present {
        standing: Standing,
        version: i64,
        /// Which attempt of a customer's has made the grant.
        grant: Option<String>,
        reason: Option<FailureClass>,
    },
}

impl State {
    pub fn of(image: Option<&Item>) -> Result<Self, InconsistentItem> {
        let Some(item) = image else { return Ok(Self::Absent { revocation: None }) };
        if disconnected_at(item)?.is_some() {
            return Ok(Self::Absent { revocation: Revocation::stored(item)? });
        }
        if item.optional_number("confirm_by")?.is_some() {
            return Ok(Self::Absent { revocation: None });
        }
        Ok(Self::Present {
            standing: standing(item)?,
            version: item.number("version")?,
            grant: item.optional_string("grant")?.map(str::to_owned),
            // A name of ours, or nothing: no other text of a row leaves the account.
            reason: item.optional_string("reason")?.and_then(FailureClass::parse),
        })
    }
}

fn standing(item: &Item) -> Result<Standing, InconsistentItem> {
    let status = item.string("status")?;
    if status == Status::Disconnecting.as_str() {
        return Ok(Standing::Disconnecting);
    }
    if status == Status::ReauthRequired.as_str() {
        // A pair that arrived after the connection had been given up has revived it: `Connection::was_revived`.
        let is_refused = item.optional_bytes("refused_set")? == Some(item.bytes("token_set")?);
        return Ok(if is_refused { Standing::ReauthRequired } else { Standing::Active });
    }
    if status != Status::Active.as_str() {
        return Err(InconsistentItem { attribute: "status" });
    }
    let needs_a_person = item.optional_string("attention")? == Some(QUARANTINED);
    let fails = item.optional_number("failures")?.unwrap_or(0) >= DEGRADED_AFTER;
    Ok(if needs_a_person || fails { Standing::Degraded } else { Standing::Active })
}
