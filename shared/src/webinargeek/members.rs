//! The members of a JSON object that the provider has answered.
//!
//! Each member is read when it is needed, so that a defect in one member hides no other: a byte that is not UTF-8 in a
//! description, half a surrogate pair, a number beyond all limits. An object that is cut off has no members.
//!
//! The end of a grant is read only from an answer that is one object: [`Members::read`]. Tokens may have other text
//! around their object, such as a warning of PHP or a comment of a cache: [`Members::find`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use url::form_urlencoded;

pub(super) struct Members(BTreeMap<Name, Box<RawValue>>);

impl Members {
    /// `None` unless the answer is one complete object.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        Self::parse(&text(octets))
    }

    /// The first object in which `wanted` finds something; other text may be before and after it. An object inside
    /// another object or a list is not used: its meaning depends on the outer one.
    pub(super) fn find<T>(octets: &[u8], wanted: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let text = text(octets);
        let mut rest = text.as_ref();
        while let Some(start) = rest.find('{') {
            let (before, candidate) = rest.split_at(start);
            rest = &candidate[1..];
            if !rest.trim_start().starts_with('"') {
                continue;
            }
            if before.trim_end().ends_with('[') {
                return None;
            }
            let mut objects = serde_json::Deserializer::from_str(candidate).into_iter::<BTreeMap<_, _>>();
            // Everything after the opening brace of a broken object is inside it.
            let members = Self(objects.next()?.ok()?);
            if let Some(found) = wanted(&members) {
                return Some(found);
            }
            rest = &candidate[objects.byte_offset()..];
        }
        None
    }

    /// The pairs of a form (`application/x-www-form-urlencoded`), which some providers answer. `None` if it holds a
    /// character that a form always encodes: then it is not a form.
    pub(super) fn read_form(octets: &[u8]) -> Option<Self> {
        let text = text(octets);
        let is_of_a_form = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte);
        let form = Some(text.trim()).filter(|text| text.bytes().all(is_of_a_form))?;
        let pairs = form_urlencoded::parse(form.as_bytes()).map(|(name, value)| {
            let value = serde_json::value::to_raw_value(&value).expect("a text is JSON");
            (Name(name.into_owned().into_bytes()), value)
        });
        Some(Self(pairs.collect()))
    }

    /// A member that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        Self::parse(self.raw(name)?)
    }

    /// A member that is a text and not empty. A text with U+FFFD differs from what the provider has sent, and is not
    /// used.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value::<String>(name).filter(|text| !text.is_empty() && !text.contains(char::REPLACEMENT_CHARACTER))
    }

    /// A member that is a number, as it was written: a JSON number may have more digits than any type can hold.
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

    /// Whether a member is written as a text, even if the text cannot be read.
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

/// A byte that is not UTF-8 becomes U+FFFD. That is no character of JSON's grammar, so it cannot complete a broken
/// object. A byte order mark is ignored (RFC 8259 section 8.1).
fn text(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets))
}

/// A name as bytes, since it too may hold half a surrogate pair.
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
