//! A conditional write in DynamoDB's expression language.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item;
use crate::domain::item::Value;
use crate::domain::write::{Change, Clause, Test, Write};

#[derive(Default)]
pub(super) struct Expression {
    pub condition: String,
    pub update: String,
    pub names: HashMap<String, String>,
    pub values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn render(write: &Write) -> Self {
        let mut expression = Self::condition(&write.clauses);

        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for change in &write.changes {
            match change {
                Change::Set(name, value) => {
                    set.push(format!("{} = {}", expression.name(name), expression.value(value)));
                }
                Change::SetIfAbsent(name, value) => {
                    let (name, value) = (expression.name(name), expression.value(value));
                    set.push(format!("{name} = if_not_exists({name}, {value})"));
                }
                Change::Add(name, number) => {
                    let name = expression.name(name);
                    let (zero, number) = (expression.value(&Value::N(0)), expression.value(&Value::N(*number)));
                    set.push(format!("{name} = if_not_exists({name}, {zero}) + {number}"));
                }
                Change::Remove(name) => remove.push(expression.name(name)),
            }
        }
        for (verb, parts) in [("SET", set), ("REMOVE", remove)] {
            if !parts.is_empty() {
                expression.update += &format!("{verb} {} ", parts.join(", "));
            }
        }
        expression
    }

    pub(super) fn condition(clauses: &[Clause]) -> Self {
        let mut expression = Self::default();
        let clauses: Vec<String> = clauses.iter().map(|clause| expression.test(&clause.test)).collect();
        expression.condition = clauses.join(" AND ");
        expression
    }

    fn test(&mut self, test: &Test) -> String {
        match test {
            Test::Exists(name) => format!("attribute_exists({})", self.name(name)),
            Test::Absent(name) => format!("attribute_not_exists({})", self.name(name)),
            Test::Equals(name, value) => format!("{} = {}", self.name(name), self.value(value)),
            Test::Differs(name, value) => {
                let (name, value) = (self.name(name), self.value(value));
                format!("(attribute_not_exists({name}) OR {name} <> {value})")
            }
            Test::Below(name, limit) => format!("{} < {}", self.name(name), self.value(&Value::N(*limit))),
            Test::AtMost(name, limit) => format!("{} <= {}", self.name(name), self.value(&Value::N(*limit))),
            Test::Above(name, limit) => format!("{} > {}", self.name(name), self.value(&Value::N(*limit))),
            Test::Any(tests) => self.joined(tests, " OR "),
            Test::All(tests) => self.joined(tests, " AND "),
        }
    }

    fn joined(&mut self, tests: &[Test], by: &str) -> String {
        let mut tests: Vec<String> = tests.iter().map(|test| self.test(test)).collect();
        match tests.len() {
            // DynamoDB refuses an expression with redundant parentheses.
            1 => tests.remove(0),
            _ => format!("({})", tests.join(by)),
        }
    }

    /// Every name is replaced by a placeholder: `status` and `session` are reserved words of DynamoDB.
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: &Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), item::render(value));
        placeholder
    }
}
