//! What a person has chosen to look at. The page's address holds it, so that a reload shows the same.

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use shared::http::query::Query;

use super::try_it::{self, Call, Language};

/// The characters that need no escape in a path segment or a query (RFC 3986), as far as a connection id may have them.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// A connection id as a path segment, or as a value of a query.
pub(super) fn in_a_url(id: &str) -> String {
    utf8_percent_encode(id, KEPT).to_string()
}

#[derive(Clone, Debug)]
pub(crate) struct View {
    connection: Option<String>,
    pub(crate) call: &'static Call,
    pub(crate) language: Language,
}

impl View {
    pub(crate) fn of(query: Option<&str>) -> Self {
        let query = Query::parse(query);
        let only = |name| query.only(name).ok().flatten();
        Self::chosen(only("connection"), only("call"), only("language"))
    }

    pub(crate) fn chosen(connection: Option<&str>, call: Option<&str>, language: Option<&str>) -> Self {
        Self {
            connection: connection.filter(|id| !id.is_empty()).map(str::to_owned),
            call: call.and_then(try_it::find).unwrap_or(try_it::FIRST),
            language: language.and_then(Language::parse).unwrap_or(Language::Curl),
        }
    }

    /// The chosen connection; the newest one if none is chosen.
    pub(crate) fn selected<'a>(&self, connections: &'a [Value]) -> Option<&'a Value> {
        match &self.connection {
            Some(chosen) => connections.iter().find(|shown| shown["id"] == chosen.as_str()),
            None => connections.iter().max_by_key(|shown| shown["created_at"].as_str()),
        }
    }

    pub(crate) fn chosen_id(&self) -> Option<&str> {
        self.connection.as_deref()
    }

    pub(crate) fn with_connection(&self, id: &str) -> Self {
        Self { connection: Some(id.to_owned()), ..self.clone() }
    }

    /// `?connection=acme`
    pub(crate) fn query(&self) -> String {
        let mut query = format!("?call={}&language={}", self.call.operation, self.language.name());
        if let Some(connection) = &self.connection {
            query.push_str(&format!("&connection={}", in_a_url(connection)));
        }
        query
    }

    /// Hidden fields of a form: the page that shows its answer has the same view.
    pub(crate) fn fields(&self) -> Markup {
        html! {
            input type="hidden" name="call" value=(self.call.operation);
            input type="hidden" name="language" value=(self.language.name());
            input type="hidden" name="viewed" value=(self.connection.as_deref().unwrap_or_default());
        }
    }
}
