//! Which rows are dead for long, and the conditional deletes that remove them. Why, and after how long:
//! `docs/decisions/0010-the-dead-are-reaped-by-hand.md`.

use super::writes::{status_is, token_set_is};
use super::{Connection, Status, disconnected_at};
use crate::domain::item::{InconsistentItem, Item};
use crate::domain::time::Timestamp;
use crate::domain::write::{Delete, Test, clause};

/// The delete of a row that is dead since before `limit`; `None` where it lives, or has died later.
pub fn reap(item: &Item, limit: Timestamp) -> Result<Option<Delete>, InconsistentItem> {
    if let Some(died_at) = disconnected_at(item)? {
        return Ok((died_at < limit).then_some(tombstone(item.string("id")?, died_at)));
    }
    let Some(connection) = Connection::stored(item)? else { return Ok(None) };
    let is_dead = connection.status == Status::ReauthRequired && needed_since(&connection) < limit;
    Ok(is_dead.then(|| given_up(&connection)))
}

/// Since when a connection that was given up is of no use: the provider had refused its refresh token, and its access
/// token, which is handed out until then, has expired.
fn needed_since(connection: &Connection) -> Timestamp {
    connection.refused_at.unwrap_or(connection.refreshed_at).max(connection.expires_at)
}

fn tombstone(id: &str, died_at: Timestamp) -> Delete {
    Delete {
        name: "reap a tombstone",
        key: id.to_owned(),
        // Its customer may have come back, and may have been taken away once more.
        clauses: vec![clause(
            "it was taken away when we have seen it",
            Test::Equals("disconnected_at", died_at.into()),
        )],
    }
}

fn given_up(connection: &Connection) -> Delete {
    Delete {
        name: "reap a connection that was given up",
        key: connection.id.as_str().to_owned(),
        clauses: vec![
            clause("it needs its customer", status_is(Status::ReauthRequired)),
            // Its customer may have connected again, or a pair may have come out of escrow.
            clause("the stored pair is the one that was refused", token_set_is(connection.pair.token_set)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::item::Value;

    fn tombstone_of(second: i64) -> Item {
        let members = [("id", Value::from("t")), ("status", "disconnected".into()), ("version", Value::N(3))];
        let all = members.into_iter().chain([("disconnected_at", Value::N(second))]);
        Item(all.map(|(name, value)| (name.into(), value)).collect())
    }

    fn connection(status: &str, refused_at: Option<i64>, expires_at: i64) -> Item {
        let texts = ["id", "token_type", "client_id", "grant"].map(|name| (name, Value::from("t")));
        let numbers = ["version", "created_at", "refreshed_at", "granted_at", "lifetime", "refresh_at"];
        let bytes = [("token_set", vec![1; 16]), ("sealed", vec![1]), ("data_key", vec![1])];
        let mut all: Vec<(&str, Value)> = texts.into_iter().chain(numbers.map(|name| (name, Value::N(1)))).collect();
        all.extend(bytes.map(|(name, bytes)| (name, Value::B(bytes))));
        all.extend([("status", status.into()), ("expires_at", Value::N(expires_at))]);
        all.extend(refused_at.map(|second| ("refused_at", Value::N(second))));
        Item(all.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    fn is_reaped(item: &Item) -> bool {
        let delete = reap(item, Timestamp::from_unix(1000)).unwrap();
        if let Some(delete) = &delete {
            assert!(
                delete.evaluate(Some(item)).is_empty(),
                "{}: its clauses hold for the row it is made of",
                delete.name
            );
        }
        delete.is_some()
    }

    #[test]
    fn a_row_is_reaped_that_is_dead_for_long_enough_and_no_other() {
        assert!(is_reaped(&tombstone_of(999)));
        assert!(!is_reaped(&tombstone_of(1000)));
        assert!(is_reaped(&connection("reauth_required", Some(999), 999)));
        assert!(is_reaped(&connection("reauth_required", None, 999)));
        assert!(!is_reaped(&connection("reauth_required", Some(1000), 1)));
        assert!(!is_reaped(&connection("reauth_required", Some(1), 1000)), "its access token lived");
        assert!(!is_reaped(&connection("active", Some(1), 1)));
        assert!(!is_reaped(&connection("disconnecting", Some(1), 1)));
    }

    #[test]
    fn a_customer_who_comes_back_meanwhile_is_not_deleted() {
        let limit = Timestamp::from_unix(1000);
        let back = connection("active", None, 5000);
        for dead in [tombstone_of(1), connection("reauth_required", Some(1), 1)] {
            let delete = reap(&dead, limit).unwrap().unwrap();
            assert!(!delete.evaluate(Some(&back)).is_empty(), "{}", delete.name);
            assert!(!delete.evaluate(Some(&tombstone_of(2))).is_empty(), "{}", delete.name);
            assert!(!delete.evaluate(None).is_empty(), "{}", delete.name);
        }
    }
}
