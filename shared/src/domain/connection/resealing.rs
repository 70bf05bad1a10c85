//! The conditional write that puts a pair under another data key.

use super::{Connection, SealedPair};
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{Item, Value};
use crate::domain::write::{Change, Test, Write, clause};

/// A pair that a row holds.
#[derive(Clone, Copy, Debug)]
pub enum Held {
    Newest,
    /// Replaced by a later grant, and to be revoked by the next refresh.
    Superseded,
}

impl Held {
    pub fn of(self, connection: &Connection) -> Option<&SealedPair> {
        match self {
            Self::Newest => Some(&connection.pair),
            Self::Superseded => connection.superseded.as_ref().map(|superseded| &superseded.pair),
        }
    }
}

/// The pair under another data key. It stays the same pair: its `token_set` does not change, so that a refresh in flight still
/// finds its predecessor.
///
/// That refresh holds the data key that it has read, and its [`super::writes::commit`] stores `sealed` and `data_key`
/// together: whichever of the two writes comes last, the row opens. Where the commit comes last, the row is under the
/// earlier key again, and another run seals it anew. So it does with a pair that a callback had read before, and stores as the
/// one that it has replaced.
pub fn reseal(id: &ConnectionId, held: Held, seen: &SealedPair, pair: &SealedPair) -> Write {
    let (sealed, data_key) = match held {
        Held::Newest => ("sealed", "data_key"),
        Held::Superseded => ("superseded_sealed", "superseded_key"),
    };
    Write {
        name: "reseal",
        key: id.as_str().to_owned(),
        // No two seals are alike: it is not written over a newer pair, nor over one that another run has sealed meanwhile,
        // perhaps under a key that is newer than ours.
        clauses: vec![clause(
            "the stored seal is the one that was opened",
            Test::Equals(sealed, Value::B(seen.sealed.clone())),
        )],
        changes: vec![
            Change::Set(sealed, pair.sealed.clone().into()),
            Change::Set(data_key, pair.data_key.clone().into()),
        ],
    }
}

/// Whether a row that refused [`reseal`] holds what it would have written: our own write, repeated after its
/// acknowledgement was lost.
pub fn is_ours(image: &Item, reseal: &Write) -> bool {
    reseal.apply(Some(image)) == *image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token_pair::TokenSet;

    fn row(token_set: u8, sealed: u8) -> Item {
        let texts = ["id", "status", "token_type", "client_id", "grant"].map(|name| (name, Value::from("active")));
        let numbers = ["version", "created_at", "refreshed_at", "granted_at", "expires_at", "lifetime", "refresh_at"];
        let bytes = [("token_set", vec![token_set; 16]), ("sealed", vec![sealed]), ("data_key", vec![sealed])];
        let all = texts.into_iter().chain(numbers.map(|name| (name, Value::N(1))));
        let all = all.chain(bytes.map(|(name, bytes)| (name, Value::B(bytes))));
        Item(all.map(|(name, value)| (name.into(), value)).collect())
    }

    fn write() -> Write {
        let seen = Connection::stored(&row(1, 1)).unwrap().unwrap();
        let pair = SealedPair { token_set: TokenSet::new([1; 16]), sealed: vec![9], data_key: vec![9] };
        reseal(&seen.id, Held::Newest, &seen.pair, &pair)
    }

    #[test]
    fn it_is_written_over_what_was_read_and_over_nothing_else() {
        let failing = |image: Option<&Item>| write().evaluate(image).len();
        assert_eq!(failing(Some(&row(1, 1))), 0);
        assert_eq!(failing(Some(&row(2, 2))), 1, "a refresh has come in between");
        assert_eq!(failing(Some(&row(1, 2))), 1, "another run has");
        assert_eq!(failing(None), 1, "it would make a row of two attributes");
    }

    #[test]
    fn our_own_write_whose_acknowledgement_was_lost_is_known_again() {
        let after = write().apply(Some(&row(1, 1)));
        assert!(!write().evaluate(Some(&after)).is_empty() && is_ours(&after, &write()));
        assert!(!is_ours(&row(2, 2), &write()));
    }

    #[test]
    fn it_changes_the_seal_and_nothing_else() {
        let (before, after) = (row(1, 1), write().apply(Some(&row(1, 1))));
        let changed: Vec<&str> =
            after.0.iter().filter(|(name, value)| before.0[*name] != **value).map(|(name, _)| &**name).collect();
        assert_eq!(changed, ["data_key", "sealed"]);
    }
}
