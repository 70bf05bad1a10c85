//! Rows and writes with their values, which are not secret here.

use shared::domain::item::{Item, Value};
use shared::domain::write::{Change, Clause, Delete, Test, Write};

pub(super) fn row(item: Option<&Item>) -> String {
    let Some(item) = item else { return "none".to_owned() };
    let attributes = item.0.iter().map(|(name, stored)| format!("{name}: {}", value(stored)));
    format!("{{{}}}", attributes.collect::<Vec<_>>().join(", "))
}

pub(super) fn write(write: &Write) -> String {
    let changes: String = write.changes.iter().map(|one| format!("\n  {}", change(one))).collect();
    format!("{} {}{}{changes}", write.name, write.key, clauses(&write.clauses))
}

pub(super) fn delete(delete: &Delete) -> String {
    format!("{} {}{}", delete.name, delete.key, clauses(&delete.clauses))
}

fn clauses(all: &[Clause]) -> String {
    all.iter().map(|clause| format!("\n  if {} ({})", test(&clause.test), clause.name)).collect()
}

fn test(one: &Test) -> String {
    let joined = |tests: &[Test], by| format!("({})", tests.iter().map(test).collect::<Vec<_>>().join(by));
    match one {
        Test::Exists(name) => format!("{name} exists"),
        Test::Absent(name) => format!("{name} is absent"),
        Test::Equals(name, expected) => format!("{name} = {}", value(expected)),
        Test::Differs(name, other) => format!("{name} differs from {}", value(other)),
        Test::Below(name, limit) => format!("{name} < {limit}"),
        Test::AtMost(name, limit) => format!("{name} <= {limit}"),
        Test::Above(name, limit) => format!("{name} > {limit}"),
        Test::Any(tests) => joined(tests, " or "),
        Test::All(tests) => joined(tests, " and "),
    }
}

fn change(one: &Change) -> String {
    match one {
        Change::Set(name, to) => format!("set {name} = {}", value(to)),
        Change::SetIfAbsent(name, to) => format!("set {name} = {} if absent", value(to)),
        Change::Add(name, number) => format!("add {number} to {name}"),
        Change::Remove(name) => format!("remove {name}"),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::S(text) => format!("S {text:?}"),
        Value::N(number) => format!("N {number}"),
        Value::B(bytes) => format!("B {}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Value::Other => "of another type".to_owned(),
    }
}
