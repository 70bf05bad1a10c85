//! A customer's new grant, and the one write that stores it.

use super::confirming::Awaited;
use super::superseded::Superseded;
use super::writes::{NewPair, status_is, token_set_is};
use super::{Connection, Status, disconnected_at};
use crate::domain::account;
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{InconsistentItem, Item};
use crate::domain::schedule::{TAKEN_AWAY, shard};
use crate::domain::session::SessionMark;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenSet;
use crate::domain::write::{Change, Test, Write, clause};

/// How often a connection may have changed under a grant that is about to be stored.
pub const CONNECT_TRIES: u32 = 10;

/// A grant that a customer has just given.
#[derive(Clone)]
pub struct NewGrant {
    pub id: ConnectionId,
    pub client_id: String,
    /// The attempt that made it.
    pub grant: String,
    /// When that attempt began.
    pub begun_at: Timestamp,
    pub session: Option<SessionMark>,
    /// Where the integrator's backend has to confirm the connection. It is due then, for its end.
    pub awaited: Option<Awaited>,
    /// What it replaces, where a refresh has to decide about that.
    pub superseded: Option<Superseded>,
    pub new: NewPair,
}

/// What a refused [`connect`] says.
pub enum Refused {
    /// Our own write, repeated after its acknowledgement was lost.
    Ours,
    SessionUsed,
    /// The connection is being taken away, or was since the attempt began.
    Disconnected,
    /// The grant would have to be confirmed, and there is a live connection that needs no confirmation.
    Exists,
    /// The customer has connected once more since.
    Newer,
    /// A refresh has stored another pair, or there is no connection any more: try on what is there now.
    Again(Option<Box<Connection>>),
}

impl NewGrant {
    pub fn refused(&self, image: Option<&Item>) -> Result<Refused, InconsistentItem> {
        let Some(item) = image else { return Ok(Refused::Again(None)) };
        let Some(stored) = Connection::stored(item)? else {
            let is_later = disconnected_at(item)?.is_some_and(|at| at >= self.begun_at);
            return Ok(if is_later { Refused::Disconnected } else { Refused::Again(None) });
        };
        Ok(if stored.grant == self.grant {
            Refused::Ours
        } else if self.session.as_ref().is_some_and(|session| session.is_used(stored.session.as_ref())) {
            Refused::SessionUsed
        } else if stored.status == Status::Disconnecting {
            Refused::Disconnected
        } else if self.awaited.is_some() && stored.is_in_use() {
            Refused::Exists
        } else if (stored.granted_at, &stored.grant) > (self.new.granted_at, &self.grant) {
            // Of two grants of one second the names decide, for both alike: otherwise each would store its pair over the
            // other's, again and again (found by the simulator).
            Refused::Newer
        } else {
            Refused::Again(Some(Box::new(stored)))
        })
    }
}

/// Stores a customer's new grant over what the callback saw before it sent the code: nothing, or a pair.
///
/// On the predecessor, like every other commit: without that, a write repeated by the SDK after a lost acknowledgement
/// would put a spent pair over its successor.
pub fn connect(grant: &NewGrant, seen: Option<TokenSet>) -> Write {
    let clauses = match seen {
        None => vec![clause(
            "there is no connection, or it was taken away before this journey began",
            Test::Any(vec![Test::Absent("id"), Test::Below("disconnected_at", grant.begun_at.unix())]),
        )],
        Some(seen) => vec![
            clause("the stored pair is the predecessor", token_set_is(seen)),
            clause(
                "the connection is not being disconnected",
                Test::Any(vec![status_is(Status::Active), status_is(Status::ReauthRequired)]),
            ),
        ],
    };
    let mut changes = grant.new.changes();
    changes.extend([
        Change::Set("status", Status::Active.as_str().into()),
        Change::Set("client_id", grant.client_id.as_str().into()),
        Change::Set("grant", grant.grant.as_str().into()),
        Change::Set("granted_at", grant.new.granted_at.into()),
        Change::SetIfAbsent("created_at", grant.new.granted_at.into()),
        Change::Remove("refused_set"),
        // Of a tombstone.
        Change::Remove("disconnected_at"),
        Change::Remove("revocation"),
    ]);
    changes.extend(Superseded::changes(grant.superseded.as_ref()));
    // Of the grant that went; whoever connects asks anew.
    changes.extend(account::ATTRIBUTES.map(Change::Remove));
    match &grant.awaited {
        // Where all rows are due: nobody refreshes it, and if nobody confirms it, it is taken away.
        Some(awaited) => {
            changes.extend(awaited.changes());
            changes.push(Change::Set("shard", i64::from(TAKEN_AWAY).into()));
        }
        None => changes.extend([
            Change::Remove("confirmation"),
            Change::Remove("confirm_by"),
            Change::Set("shard", i64::from(shard(&grant.id)).into()),
        ]),
    }
    // Whether the session has made a connection was asked of the row that was seen, a tombstone too. Any that came since has
    // changed the pair, or was taken away after this journey began: the clauses above say it all.
    // An import leaves the mark of the newest session alone: without it, whoever still holds that session's link could take the
    // connection over (found by the simulator).
    if let Some(session) = &grant.session {
        changes.extend(session.changes());
    }
    if grant.new.scope.is_none() {
        // The scope of the grant that went would be a false one.
        changes.push(Change::Remove("scope"));
    }
    Write { name: "connect", key: grant.id.as_str().to_owned(), clauses, changes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::connection::SealedPair;

    fn grant(name: &str, token_set: u8) -> NewGrant {
        let at = Timestamp::from_unix(1000);
        let pair = SealedPair { token_set: TokenSet::new([token_set; 16]), sealed: vec![1], data_key: vec![1] };
        NewGrant {
            id: ConnectionId::parse("t").unwrap(),
            client_id: "client".to_owned(),
            grant: name.to_owned(),
            begun_at: at,
            session: None,
            awaited: None,
            superseded: None,
            new: NewPair {
                pair,
                token_type: "Bearer".to_owned(),
                scope: None,
                granted_at: at,
                expires_at: at,
                refresh_at: at,
            },
        }
    }

    /// Each found the other's no newer than its own, and stored its pair over it, again and again.
    #[test]
    fn of_two_grants_of_one_second_the_same_one_is_the_newer_for_both() {
        let (a, b) = (grant("a", 1), grant("b", 2));
        let gives_way = |this: &NewGrant, stored: &NewGrant| {
            let mut image = connect(stored, None).apply(None);
            image.0.insert("id".into(), "t".into());
            matches!(this.refused(Some(&image)).unwrap(), Refused::Newer)
        };
        assert!(gives_way(&a, &b) && !gives_way(&b, &a));
    }
}
