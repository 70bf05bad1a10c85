//! Query strings, parsed from the raw text: in API Gateway's parsed form, the values of a repeated key are joined.

use url::form_urlencoded;

/// Decoded names and values, in their order and with all repetitions.
#[derive(Clone, Debug)]
pub struct Query(Vec<(String, String)>);

/// RFC 6749 section 3.1: parameters must not be included more than once. The error does not name the parameter: its
/// name may be any text of the caller, and errors are logged.
#[derive(Debug, thiserror::Error)]
#[error("a parameter is included more than once")]
pub struct Repeated;

impl Query {
    /// `raw` is the text after the question mark, still encoded; `None` is no query.
    pub fn parse(raw: Option<&str>) -> Self {
        Self(form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The value of a parameter that may be included once. An empty value counts as absent (RFC 6749 section 3.1).
    pub fn once(&self, name: &str) -> Result<Option<&str>, Repeated> {
        Ok(self.only(name)?.filter(|value| !value.is_empty()))
    }

    /// The same, but an empty value is a value.
    pub fn only(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Repeated),
            (value, None) => Ok(value),
        }
    }

    /// All names in their order; a repeated name comes more than once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }
}
