//! The members of a JSON object that the provider has answered.
//!
//! Each member is read when it is needed, so that a defect in another one does no harm: a byte that is not UTF-8 in a
//! description, half a surrogate pair, a number beyond all limits. The structure is read strictly: an object that is
//! cut off, or is followed by other text, has no members.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

pub(super) struct Members(BTreeMap<Name, Box<RawValue>>);

impl Members {
    /// `None` for everything but one complete object.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        // A byte that is not UTF-8 becomes U+FFFD: that is no character of JSON's grammar, so it repairs no structure.
        let text = String::from_utf8_lossy(body);
        // RFC 8259 section 8.1 lets a reader ignore a byte order mark.
        Self::parse(text.strip_prefix('\u{feff}').unwrap_or(&text))
    }

    /// A member that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        Self::parse(self.raw(name)?)
    }

    /// A member that is a text and not empty. With U+FFFD it is not the text that the provider has sent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value::<String>(name).filter(|text| !text.is_empty() && !text.contains(char::REPLACEMENT_CHARACTER))
    }

    /// A member that is a number, as it was written: a number of JSON may have more digits than any type holds.
    pub(super) fn number(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|raw| raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()))
    }

    pub(super) fn value<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// Whether a member is absent, null or an empty text.
    pub(super) fn is_empty(&self, name: &str) -> bool {
        self.raw(name).is_none_or(|raw| matches!(raw, "null" | "\"\""))
    }

    /// Whether a member is written as a text, which may be unreadable.
    pub(super) fn is_written_as_text(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw.starts_with('"'))
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name.as_bytes()).map(|raw| raw.get())
    }
}

/// Bytes, since a name may hold half a surrogate pair too.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name(Vec<u8>);

impl std::borrow::Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member")
            }

            fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Name, E> {
                Ok(Name(name.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
