//! The id of a connection: the integrator's own name for a customer, or one that we generate.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 1–128 characters of `A–Z a–z 0–9 _ - . :`, and neither `.` nor `..`, which URL parsers collapse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionId(String);

/// The text is outside the grammar of connection ids; the message says the grammar.
#[derive(Debug, thiserror::Error)]
#[error("a connection id has 1 to 128 characters of A-Z a-z 0-9 _ - . : and is neither \".\" nor \"..\"")]
pub struct InvalidConnectionId;

impl ConnectionId {
    /// Accepts a text of this grammar as it is: nothing is trimmed or decoded.
    pub fn parse(text: &str) -> Result<Self, InvalidConnectionId> {
        let in_grammar = |c: u8| c.is_ascii_alphanumeric() || b"_-.:".contains(&c);
        if text.is_empty() || text.len() > 128 || text == "." || text == ".." || !text.bytes().all(in_grammar) {
            return Err(InvalidConnectionId);
        }
        Ok(Self(text.to_owned()))
    }

    /// An id for a customer whom the integrator has not named.
    pub fn generated(random: [u8; 16]) -> Self {
        Self(format!("c_{}", super::digest::base64url(random)))
    }

    /// The id as it stands in paths, events and keys.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ConnectionId> for String {
    fn from(id: ConnectionId) -> Self {
        id.0
    }
}

impl TryFrom<String> for ConnectionId {
    type Error = InvalidConnectionId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_and_longest_ids_and_every_allowed_character_are_accepted_and_others_are_not() {
        for good in ["a", "...", "a.b", "tenant:42_x-Y", &"x".repeat(128)] {
            assert!(ConnectionId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "é", "#breaker", "a%2Fb", &"x".repeat(129)] {
            assert!(ConnectionId::parse(bad).is_err(), "{bad}");
        }
    }
}
