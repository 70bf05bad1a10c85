//! Complete rows, each with one wrong attribute.

use std::collections::BTreeSet;
use std::mem::discriminant;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::connection::attributes as a;
use shared::domain::item::Item;

use super::{Attributes, complete, rendered};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// For this attribute.
    Unreadable,
    Readable,
}

pub(super) struct Odd {
    /// The key, if it matters.
    pub key: Option<String>,
    pub attributes: Attributes,
    pub attribute: &'static str,
    pub what: String,
    pub expected: Expected,
}

/// Attributes that may be missing from a live row that has all others.
const MAY_BE_MISSING: [&str; 22] = [
    a::SHARD,
    a::ATTENTION,
    a::SCOPE,
    a::NOT_REFRESHED,
    a::CONFIRMED,
    a::THROW_AWAY,
    a::ACCOUNT_COMPANY,
    a::ACCOUNT_EMAIL,
    a::ACCOUNT_ALSO,
    a::ACCOUNT_BEFORE,
    a::NOT_IDENTIFIED,
    a::LEASES,
    a::ANSWERED,
    a::FAILURES,
    a::NOT_BEFORE,
    a::REASON,
    a::INVALID_GRANT_AT,
    a::REFUSAL_WINDOW,
    a::WAITING_ACCOUNT,
    a::DISCONNECT_ORDER,
    a::REVOKE[0],
    a::REVOKE[7],
];

/// Attributes that are counters, or are compared like counters. A value below zero is never written, and the largest
/// integer could not be counted up.
const COUNTED: [&str; 9] = [
    a::VERSION,
    a::REVISION,
    a::GRANT_ORDER,
    a::SESSION_ORDER,
    a::DISCONNECT_ORDER,
    a::LIFETIME,
    a::LEASES,
    a::ANSWERED,
    a::FAILURES,
];

pub(super) fn rows() -> Vec<Odd> {
    let (live, gone) = (complete::connection(), complete::tombstone());
    let names: BTreeSet<&str> = [&live, &gone].into_iter().flat_map(|item| item.0.keys().map(|name| &**name)).collect();
    assert_eq!(names, a::names().collect(), "an attribute is in neither row, or is not in the list of attributes");
    // All slots are read in the same way, so two of them are enough.
    let is_alike = |name: &str| a::REVOKE[1..7].contains(&name);
    let of_live: Vec<_> = a::names().filter(|name| live.0.contains_key(*name) && !is_alike(name)).collect();
    let mut rows = of_one(&live, &of_live, &MAY_BE_MISSING);
    // Attributes that only a tombstone has, and attributes that it reads in another way.
    let of_gone = [a::FORMAT, a::STATUS, a::VERSION, a::REFRESH_AT, a::VACANT_SINCE, a::REVOCATION, a::WAITING_UNTIL];
    rows.extend(of_one(&gone, &of_gone, &[a::VERSION, a::REFRESH_AT, a::REVOCATION]));
    rows
}

fn of_one(item: &Item, names: &[&'static str], may_be_missing: &[&str]) -> Vec<Odd> {
    let complete = rendered(item);
    let odd = |key: Option<String>, attribute: &'static str, what: String, value: Option<AttributeValue>, expected| {
        let mut attributes = complete.clone();
        match value {
            Some(value) => attributes.insert(attribute.to_owned(), value),
            None => attributes.remove(attribute),
        };
        Odd { key, attributes, attribute, what, expected }
    };
    let mut rows =
        vec![odd(None, a::SCOPE, "as it was".to_owned(), complete.get(a::SCOPE).cloned(), Expected::Readable)];
    for &attribute in names.iter().filter(|name| **name != a::ID) {
        let is_missing = if may_be_missing.contains(&attribute) { Expected::Readable } else { Expected::Unreadable };
        rows.push(odd(None, attribute, "is missing".to_owned(), None, is_missing));
        let stored = &complete[attribute];
        for value in of_another_type(stored).into_iter().chain(of_another_value(attribute, stored)) {
            let what = format!("is {value:?}");
            rows.push(odd(None, attribute, what, Some(value), Expected::Unreadable));
        }
    }
    let name = if item.0.contains_key(a::PAIR_ID) { "live" } else { "gone" };
    for end in [" b", "/b", "\u{e9}", "%2f", &"x".repeat(129)] {
        rows.push(odd(
            Some(format!("{name}{end}")),
            a::ID,
            "is outside the grammar".to_owned(),
            None,
            Expected::Unreadable,
        ));
    }
    rows
}

fn of_another_type(stored: &AttributeValue) -> Vec<AttributeValue> {
    let number = |text: &str| AttributeValue::N(text.to_owned());
    let mut odd = vec![
        AttributeValue::S("odd".to_owned()),
        number("7"),
        AttributeValue::B(Blob::new([7; 16])),
        AttributeValue::Bool(true),
        AttributeValue::Null(true),
        AttributeValue::L(vec![number("7")]),
        AttributeValue::M([("member".to_owned(), number("7"))].into()),
        AttributeValue::Ss(vec!["odd".to_owned()]),
        AttributeValue::Ns(vec!["7".to_owned()]),
        AttributeValue::Bs(vec![Blob::new([7; 16])]),
    ];
    odd.retain(|value| discriminant(value) != discriminant(stored));
    // Numbers that do not fit into our integers.
    odd.extend([number("1.5"), number("9223372036854775808")]);
    odd
}

/// A value of the right type that is never written.
fn of_another_value(attribute: &str, stored: &AttributeValue) -> Vec<AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    match (attribute, stored) {
        (a::FORMAT, _) => ["0", "2", "-1"].map(|number| AttributeValue::N(number.to_owned())).to_vec(),
        (counted, _) if COUNTED.contains(&counted) => {
            [-1, i64::MIN, i64::MAX].map(|number| AttributeValue::N(number.to_string())).to_vec()
        }
        (a::PAIR_ID | a::WAITING_ID, _) => {
            [vec![], vec![7; 15], vec![7; 17]].map(|id| AttributeValue::B(Blob::new(id))).to_vec()
        }
        (a::STATUS | a::REASON | a::NEEDS_CUSTOMER_WHY | a::REVOCATION, _) => {
            vec![text(""), text("odd"), text("Connected")]
        }
        (a::CONFIRMED, _) => ["", "hash", "session/hash"].map(text).to_vec(),
        (a::WAITING, AttributeValue::S(json)) => {
            let of_another_row = json.replacen("\"id\":\"t\"", "\"id\":\"another\"", 1);
            of_another_text(json).into_iter().chain([text(&of_another_row)]).collect()
        }
        (_, AttributeValue::S(json)) if json.starts_with('{') => of_another_text(json),
        _ => Vec::new(),
    }
}

/// For an object that is stored as JSON.
fn of_another_text(json: &str) -> Vec<AttributeValue> {
    let odd = [
        "",
        "odd",
        "{}",
        "[]",
        &json.replacen("\"format\":1", "\"format\":2", 1),
        &json.replacen('{', "{\"more\":1,", 1),
        &json[..json.len() - 1],
    ];
    odd.into_iter().filter(|odd| *odd != json).map(|odd| AttributeValue::S(odd.to_owned())).collect()
}
