//! A row as the tables hold it, before it is parsed into what it means.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::time::Timestamp;

/// The three DynamoDB types that the tables use.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    S(String),
    N(i64),
    B(Vec<u8>),
}

/// Values may be secret (a code verifier, a ciphertext), so only their type is printed.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::S(_) => "S",
            Value::N(_) => "N",
            Value::B(_) => "B",
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

/// By attribute. The names that we write are constants, and a copy of a row does not copy them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item(pub BTreeMap<Cow<'static, str>, Value>);

/// A row that makes no sense. It is never repaired by guessing and never deleted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the stored row is inconsistent: attribute `{attribute}` is missing or of the wrong type or value")]
pub struct InconsistentItem {
    pub attribute: &'static str,
}

impl Item {
    pub fn optional_string(&self, attribute: &'static str) -> Result<Option<&str>, InconsistentItem> {
        match self.0.get(attribute) {
            None => Ok(None),
            Some(Value::S(text)) => Ok(Some(text)),
            Some(_) => Err(InconsistentItem { attribute }),
        }
    }

    pub fn optional_number(&self, attribute: &'static str) -> Result<Option<i64>, InconsistentItem> {
        match self.0.get(attribute) {
            None => Ok(None),
            Some(Value::N(number)) => Ok(Some(*number)),
            Some(_) => Err(InconsistentItem { attribute }),
        }
    }

    pub fn optional_bytes(&self, attribute: &'static str) -> Result<Option<&[u8]>, InconsistentItem> {
        match self.0.get(attribute) {
            None => Ok(None),
            Some(Value::B(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(InconsistentItem { attribute }),
        }
    }

    pub fn optional_time(&self, attribute: &'static str) -> Result<Option<Timestamp>, InconsistentItem> {
        Ok(self.optional_number(attribute)?.map(Timestamp::from_unix))
    }

    pub fn string(&self, attribute: &'static str) -> Result<&str, InconsistentItem> {
        self.optional_string(attribute)?.ok_or(InconsistentItem { attribute })
    }

    pub fn number(&self, attribute: &'static str) -> Result<i64, InconsistentItem> {
        self.optional_number(attribute)?.ok_or(InconsistentItem { attribute })
    }

    pub fn bytes(&self, attribute: &'static str) -> Result<&[u8], InconsistentItem> {
        self.optional_bytes(attribute)?.ok_or(InconsistentItem { attribute })
    }

    pub fn time(&self, attribute: &'static str) -> Result<Timestamp, InconsistentItem> {
        Ok(Timestamp::from_unix(self.number(attribute)?))
    }
}
