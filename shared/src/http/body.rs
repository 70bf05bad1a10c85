//! JSON bodies of the integrator's routes.

use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::Request;
use super::problem::{Code, Problem};

/// In bytes. No route needs a body that is nearly as large.
const LIMIT: usize = 16 * 1024;

/// The members of a JSON object, all of which are known.
#[derive(Debug)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Refuses another media type (415), a long body (413), and an unknown or repeated member (400).
    pub fn parse(request: &Request, known: &[&str]) -> Result<Self, Problem> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(Code::UnsupportedMediaType, "send Content-Type: application/json"));
        }
        if request.body().len() > LIMIT {
            return Err(Problem::new(Code::PayloadTooLarge, format!("the body may have at most {LIMIT} bytes")));
        }
        let Object { members, repeated } = serde_json::from_slice(request.body()).map_err(|error| {
            let detail = match error.classify() {
                // The error says what was expected, at which line and column, and repeats nothing of the body.
                Category::Syntax | Category::Eof => format!("the body is not JSON: {error}"),
                Category::Data | Category::Io => "the body is not a JSON object".to_owned(),
            };
            Problem::new(Code::InvalidRequest, detail)
        })?;
        if let Some(name) = repeated {
            return Err(Problem::field(name, "is there more than once"));
        }
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => {
                Err(Problem::field(unknown.clone(), format!("is unknown; known members are {}", known.join(", "))))
            }
            None => Ok(Self(members)),
        }
    }

    /// `None` where the member is absent or `null`; 400 where it is no string.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::field(name, "must be a string")),
        }
    }

    /// `None` where the member is absent or `null`; 400 where it is no integer.
    pub fn integer(&self, name: &'static str) -> Result<Option<i64>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let integer = value.as_i64().or_else(|| whole(value.as_f64()?));
                integer.map(Some).ok_or_else(|| Problem::field(name, "must be an integer"))
            }
        }
    }

    /// `None` where the member is absent or `null`; 400 where it is neither true nor false.
    pub fn boolean(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_bool().map(Some).ok_or_else(|| Problem::field(name, "must be true or false")),
        }
    }
}

/// An object's members, and one that is repeated: parsers differ in which of its values they take, so it is not known
/// which one was meant (RFC 8259 section 4).
struct Object {
    members: Map<String, Value>,
    repeated: Option<String>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
        let mut object = Object { members: Map::new(), repeated: None };
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if object.members.insert(name.clone(), value).is_some() {
                object.repeated.get_or_insert(name);
            }
        }
        Ok(object)
    }
}

/// JSON has one kind of number: `60.0` is an integer (JSON Schema validation, section 4.2.3), and some clients write it
/// so.
fn whole(number: f64) -> Option<i64> {
    /// Above this, neighbouring integers have the same value.
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    (number.fract() == 0.0 && number.abs() <= LARGEST).then_some(number as i64)
}
