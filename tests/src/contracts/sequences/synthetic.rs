//! Writes that the protocol does not have: every kind of test and change, with every type of value.
//!
//! Some writes are left out, because no engine accepts them and none of ours contains them: two changes of one
//! attribute, a sum with a text, an empty list of tests, a change of a key attribute.

use shared::domain::item::Value;
use shared::domain::write::{Change, Clause, Test, Write, WriteName, clause};

use super::{NOW, Subject};
use crate::random::Random;

/// Attributes that the protocol, or an index, requires to be a number if present.
const NUMBERS: [&str; 6] = ["version", "leases", "answered", "failures", "refresh_at", "shard"];

/// Attributes that may hold any value: names that the protocol's writes compare and change too, and reserved words.
const ANYTHING: [&str; 16] = [
    "status",
    "pair_id",
    "lease_owner",
    "lease_until",
    "expires_at",
    "not_before",
    "invalid_grant_at",
    "refreshed_at",
    "session",
    "scope",
    "granted_by",
    "phase",
    "taken_by",
    "binding",
    "comment",
    "size",
];

pub(super) fn write(random: &mut Random, subject: &Subject) -> Write {
    let clauses: Vec<Clause> =
        (0..random.between(1, 3)).map(|_| clause("made up", test(random, subject.kind.key_name(), 2))).collect();
    let mut names: Vec<&'static str> = NUMBERS.into_iter().chain(ANYTHING).collect();
    let changes = (0..random.between(1, 6)).map(|_| {
        let name = names.swap_remove(random.below(names.len() as u64) as usize);
        change(random, name)
    });
    // It has no name of its own.
    let name = WriteName::Connect;
    Write { name, key: subject.key.clone(), changes: changes.collect(), clauses }
}

fn change(random: &mut Random, name: &'static str) -> Change {
    let is_number = NUMBERS.contains(&name);
    let value = if is_number { Value::N(random.below(30) as i64) } else { value(random) };
    match random.below(if is_number { 4 } else { 3 }) {
        0 => Change::Set(name, value),
        1 => Change::SetIfAbsent(name, value),
        2 => Change::Remove(name),
        _ => Change::Add(name, random.between(1, 9) as i64),
    }
}

fn test(random: &mut Random, key_name: &'static str, depth: u32) -> Test {
    let name = match random.below(10) {
        0 => key_name,
        1..4 => random.pick(&NUMBERS),
        _ => random.pick(&ANYTHING),
    };
    match random.below(if depth > 0 { 9 } else { 7 }) {
        0 => Test::Exists(name),
        1 => Test::Absent(name),
        2 => Test::Equals(name, value(random)),
        3 => Test::Differs(name, value(random)),
        4 => Test::Below(name, number(random)),
        5 => Test::AtMost(name, number(random)),
        6 => Test::Above(name, number(random)),
        7 => Test::Any(tests(random, key_name, depth)),
        _ => Test::All(tests(random, key_name, depth)),
    }
}

fn tests(random: &mut Random, key_name: &'static str, depth: u32) -> Vec<Test> {
    (0..random.between(1, 3)).map(|_| test(random, key_name, depth - 1)).collect()
}

/// Drawn from small sets, so that two values are often equal, or nearly.
fn value(random: &mut Random) -> Value {
    match random.below(3) {
        0 => Value::S(random.pick(&["", "active", "me", "reauth_required", "é\u{1F511}", "pending"]).to_owned()),
        1 => Value::N(number(random)),
        _ => Value::B(random.pick(&[&[][..], &[0], &[1; 16], b"me", &[255, 254]]).to_vec()),
    }
}

fn number(random: &mut Random) -> i64 {
    random.pick(&[0, -1, 1, 2, NOW, NOW - 1, NOW + 1, i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1])
}
