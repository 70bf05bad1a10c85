//! A row as the tables hold it, before it is parsed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::time::Timestamp;

/// The three DynamoDB types that the tables use.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    S(String),
    /// A number: an integer of 64 bits.
    N(i64),
    /// Binary: bytes.
    B(Vec<u8>),
    /// A type that is never written here, or a number that is not an integer. It makes its own row unreadable.
    Other,
}

/// Values may be secret (a code verifier, a ciphertext), so only their type is printed.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::S(_) => "S",
            Value::N(_) => "N",
            Value::B(_) => "B",
            Value::Other => "other",
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::S(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::S(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::N(number)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Value::N(time.unix())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::B(bytes)
    }
}

/// Keyed by attribute. The names that we write are constants, and a copy of a row does not copy them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item(pub BTreeMap<Cow<'static, str>, Value>);

/// Far above every count that occurs, and low enough that no sum or product of counts overflows.
const HIGHEST_COUNT: i64 = i64::MAX / 16;

/// The attribute that makes a row unreadable: it is missing, or of another type, or has a value that is never written.
/// With the row's key it becomes an [`Unreadable`].
#[derive(Clone, Copy, Debug)]
pub struct BadAttribute(pub &'static str);

/// A row that cannot be read. It is never repaired, overwritten or deleted; it is put off, and shown to a person.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the row `{key}` cannot be read: its attribute `{attribute}` is missing, or has a type or value that is never written"
)]
pub struct Unreadable {
    /// The row's key.
    pub key: String,
    /// The first attribute that was found to be bad.
    pub attribute: &'static str,
    /// The values of this attribute, and of others, when the row was read. A write to this row requires that they have
    /// not changed.
    pub found: Vec<(&'static str, Option<Value>)>,
}

impl Item {
    /// This row as [`Unreadable`], with what was found at the bad attribute.
    pub fn unreadable(&self, key: impl Into<String>, BadAttribute(attribute): BadAttribute) -> Unreadable {
        Unreadable { key: key.into(), attribute, found: vec![self.found(attribute)] }
    }

    /// The attribute with its value as it is stored; `None` where it is missing.
    pub fn found(&self, attribute: &'static str) -> (&'static str, Option<Value>) {
        (attribute, self.0.get(attribute).cloned())
    }

    /// `attribute` is missing, so the attributes that are stored together with it must be missing too.
    pub fn is_absent_without(&self, attribute: &'static str, others: &[&'static str]) -> Result<(), BadAttribute> {
        if others.iter().any(|other| self.0.contains_key(*other)) { Err(BadAttribute(attribute)) } else { Ok(()) }
    }

    /// `None` where the attribute is missing; an error where it is not a string.
    pub fn optional_string(&self, attribute: &'static str) -> Result<Option<&str>, BadAttribute> {
        match self.0.get(attribute) {
            None => Ok(None),
            Some(Value::S(text)) => Ok(Some(text)),
            Some(_) => Err(BadAttribute(attribute)),
        }
    }

    /// `None` where the attribute is missing; an error where it is not an integer.
    pub fn optional_number(&self, attribute: &'static str) -> Result<Option<i64>, BadAttribute> {
        match self.0.get(attribute) {
            None => Ok(None),
            Some(Value::N(number)) => Ok(Some(*number)),
            Some(_) => Err(BadAttribute(attribute)),
        }
    }

    /// `None` where the attribute is missing; an error where it is not binary.
    pub fn optional_bytes(&self, attribute: &'static str) -> Result<Option<&[u8]>, BadAttribute> {
        match self.0.get(attribute) {
            None => Ok(None),
            Some(Value::B(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(BadAttribute(attribute)),
        }
    }

    /// A time in seconds since 1970; `None` where the attribute is missing.
    pub fn optional_time(&self, attribute: &'static str) -> Result<Option<Timestamp>, BadAttribute> {
        Ok(self.optional_number(attribute)?.map(Timestamp::from_unix))
    }

    /// A string that must be there.
    pub fn string(&self, attribute: &'static str) -> Result<&str, BadAttribute> {
        self.optional_string(attribute)?.ok_or(BadAttribute(attribute))
    }

    /// An integer that must be there.
    pub fn number(&self, attribute: &'static str) -> Result<i64, BadAttribute> {
        self.optional_number(attribute)?.ok_or(BadAttribute(attribute))
    }

    /// A number that is counted up.
    pub fn count(&self, attribute: &'static str) -> Result<i64, BadAttribute> {
        self.optional_count(attribute)?.ok_or(BadAttribute(attribute))
    }

    /// As [`Item::count`]; `None` where the attribute is missing. A negative number, or a huge one, is an error.
    pub fn optional_count(&self, attribute: &'static str) -> Result<Option<i64>, BadAttribute> {
        let number = self.optional_number(attribute)?;
        if number.is_none_or(|number| (0..=HIGHEST_COUNT).contains(&number)) {
            Ok(number)
        } else {
            Err(BadAttribute(attribute))
        }
    }

    /// Bytes that must be there.
    pub fn bytes(&self, attribute: &'static str) -> Result<&[u8], BadAttribute> {
        self.optional_bytes(attribute)?.ok_or(BadAttribute(attribute))
    }

    /// A time in seconds since 1970 that must be there.
    pub fn time(&self, attribute: &'static str) -> Result<Timestamp, BadAttribute> {
        Ok(Timestamp::from_unix(self.number(attribute)?))
    }
}
