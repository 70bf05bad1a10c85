//! The rows that are stored before a measurement, as each program writes them.

use std::time::Duration;

use shared::domain::connection::SealedPair;
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::{Item, Value};
use shared::domain::order::Order;
use shared::domain::secret::{AccessToken, DataKey, RefreshToken};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{PairId, TokenPair};
use shared::sealing::{SealingContext, seal};

use crate::stand_ins::keys::{self, Context};
use crate::stand_ins::{CLIENT_ID, access_token, refresh_token};

pub(crate) const STACK: &str = "bench";
const LIFETIME: Duration = Duration::from_secs(7200);
/// After this time every pair is due.
const DUE_AFTER: Duration = Duration::from_secs(6300);

/// The access token of the rows that [`connection`] and [`in_rust_default`] make.
pub(crate) fn first_access_token() -> String {
    access_token(0)
}

pub(crate) fn id(number: usize) -> String {
    format!("tenant-{number:06}")
}

/// When the pairs of a sweep were granted.
pub(crate) fn long_ago(now: Timestamp) -> Timestamp {
    now - DUE_AFTER
}

/// A connection of ours, by the write that stores one.
pub(crate) fn connection(number: usize, granted_at: Timestamp) -> (String, Item) {
    let name = id(number);
    let connection = ConnectionId::parse(&name).expect("the ids here are in the grammar");
    let (key, pair_id) = ([9; 32], PairId::new([1; 16]));
    let pair = TokenPair {
        access_token: AccessToken::new(first_access_token()),
        refresh_token: Some(RefreshToken::new(refresh_token(0))),
    };
    let place = SealingContext { stack: STACK, connection: &connection, pair_id };
    let context: Context = [("service", "webinargeek-connect"), ("stack", STACK), ("connection", name.as_str())]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let pair = SealedPair {
        id: pair_id,
        sealed: seal(&pair, &DataKey::new(key), place, [0; 12]),
        data_key: keys::wrap(&context, &key),
    };
    let new = NewPair {
        pair,
        has_refresh_token: true,
        token_type: "Bearer".to_owned(),
        scope: Some("public".to_owned()),
        granted_at,
        expires_at: granted_at + LIFETIME,
    };
    let grant = NewGrant {
        id: connection,
        client_id: CLIENT_ID.to_owned(),
        name: "bench".to_owned(),
        order: Order::at(granted_at),
        session: None,
        awaited: None,
        is_throw_away: false,
        is_not_refreshed: false,
        new,
    };
    let (write, _) = connect(&grant, None, Duration::from_secs(300), granted_at);
    let mut row = write.apply(None);
    row.0.insert("id".into(), name.as_str().into());
    (name, row)
}

/// Encrypted by KMS itself, as `rust-default` stores a pair.
pub(crate) fn in_rust_default(number: usize) -> (String, Item) {
    let pair = format!(r#"{{"access_token":"{}","refresh_token":"{}"}}"#, first_access_token(), refresh_token(0));
    let sealed = keys::wrap(&Context::new(), pair.as_bytes());
    row(number, [("sealed", Value::B(sealed))])
}

/// In plain text, as the guide's functions and the Python refresher store a pair.
pub(crate) fn in_plain_text(number: usize, granted_at: Timestamp) -> (String, Item) {
    let members = [
        ("access_token", access_token(0).into()),
        ("refresh_token", refresh_token(0).into()),
        ("expires_at", (granted_at + LIFETIME).into()),
    ];
    row(number, members)
}

fn row<const N: usize>(number: usize, members: [(&'static str, Value); N]) -> (String, Item) {
    let name = id(number);
    let mut row = Item(members.map(|(name, value)| (name.into(), value)).into());
    row.0.insert("id".into(), name.as_str().into());
    (name, row)
}
