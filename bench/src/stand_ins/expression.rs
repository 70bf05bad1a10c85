//! DynamoDB's update expressions, as far as the measured programs use them. Conditions are not evaluated: each program
//! runs alone, and then every condition of it holds.

use std::collections::BTreeMap;

use shared::domain::item::{Item, Value};

/// What `#name` and `:value` stand for.
pub(super) struct Placeholders {
    pub names: BTreeMap<String, String>,
    pub values: BTreeMap<String, Value>,
}

impl Placeholders {
    fn name(&self, word: &str) -> String {
        self.names.get(word).cloned().unwrap_or_else(|| word.to_owned())
    }
}

/// Applies an update to a row.
pub(super) fn apply(expression: &str, placeholders: &Placeholders, row: &mut Item) -> Result<(), String> {
    // Every value is from the row before the update.
    let before = row.clone();
    let words = words(expression);
    let mut reader = Reader { words: words.into_iter().peekable(), placeholders, before: &before };
    while let Some(verb) = reader.words.next() {
        loop {
            let name = reader.words.next().map(|word| placeholders.name(&word)).ok_or("a name is missing")?;
            match verb.as_str() {
                "SET" | "set" => {
                    reader.expect("=")?;
                    let value = reader.sum()?;
                    row.0.insert(name.into(), value);
                }
                "REMOVE" | "remove" => drop(row.0.remove(name.as_str())),
                _ => return Err(format!("{verb} is not known here")),
            }
            if reader.words.next_if(|word| word == ",").is_none() {
                break;
            }
        }
    }
    Ok(())
}

struct Reader<'a> {
    words: std::iter::Peekable<std::vec::IntoIter<String>>,
    placeholders: &'a Placeholders,
    before: &'a Item,
}

impl Reader<'_> {
    fn sum(&mut self) -> Result<Value, String> {
        let mut value = self.operand()?;
        while self.words.next_if(|word| word == "+").is_some() {
            value = match (value, self.operand()?) {
                (Value::N(one), Value::N(other)) => Value::N(one + other),
                _ => return Err("a sum needs numbers".to_owned()),
            };
        }
        Ok(value)
    }

    fn operand(&mut self) -> Result<Value, String> {
        let word = self.words.next().ok_or("a value is missing")?;
        if word == "if_not_exists" {
            self.expect("(")?;
            let name = self.words.next().map(|word| self.placeholders.name(&word)).ok_or("a name is missing")?;
            self.expect(",")?;
            let otherwise = self.sum()?;
            self.expect(")")?;
            return Ok(self.before.0.get(name.as_str()).cloned().unwrap_or(otherwise));
        }
        let stored = || self.before.0.get(self.placeholders.name(&word).as_str()).cloned();
        self.placeholders.values.get(&word).cloned().or_else(stored).ok_or(format!("{word} has no value"))
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        match self.words.next() {
            Some(word) if word == wanted => Ok(()),
            found => Err(format!("{found:?} instead of {wanted}")),
        }
    }
}

fn words(expression: &str) -> Vec<String> {
    let mut spaced = String::new();
    for character in expression.chars() {
        if "(),=+".contains(character) {
            spaced.extend([' ', character, ' ']);
        } else {
            spaced.push(character);
        }
    }
    spaced.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_sets_counts_keeps_and_removes() {
        let mut row = Item::default();
        row.0.extend([("kept".into(), Value::N(1)), ("count".into(), Value::N(4)), ("gone".into(), Value::N(9))]);
        let names = [("#count", "count"), ("#kept", "kept"), ("#new", "new"), ("#gone", "gone")];
        let values = [(":v0", Value::N(0)), (":v1", Value::N(2)), (":v2", Value::from("text"))];
        let placeholders = Placeholders {
            names: names.map(|(word, name)| (word.to_owned(), name.to_owned())).into(),
            values: values.map(|(word, value)| (word.to_owned(), value)).into(),
        };
        let expression = "SET #count = if_not_exists(#count, :v0) + :v1, #kept = if_not_exists(#kept, :v2), \
                          #new = :v2 REMOVE #gone ";
        apply(expression, &placeholders, &mut row).unwrap();
        let expected = [("count", Value::N(6)), ("kept", Value::N(1)), ("new", Value::from("text"))];
        assert_eq!(row, Item(expected.map(|(name, value)| (name.into(), value)).into()));
        assert!(apply("DELETE #kept", &placeholders, &mut row).is_err());
        assert!(apply("SET #new = :unknown", &placeholders, &mut row).is_err());
    }
}
