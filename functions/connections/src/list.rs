//! `GET /v1/connections?status=&limit=&cursor=`.
//!
//! A page is as many rows as were looked at, less those that do not match: it may be empty and still have a cursor. Those
//! that need their customer stand in an index of their own and are found at once, however large the fleet is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::json;
use shared::domain::connection::{Connection, Status};
use shared::domain::digest;
use shared::failure::FailureClass;
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::{Request, Response, reply};
use shared::ports::{Listing, StoreError};

use crate::{Connections, ConnectionsError, status};

const LIMIT_DEFAULT: u8 = 50;
const LIMIT_LARGEST: u8 = 100;

struct Wanted {
    status: Option<Status>,
    limit: u8,
    after: Option<String>,
}

impl Connections {
    pub(crate) async fn list(&self, request: &Request) -> Result<Response, ConnectionsError> {
        let Wanted { status, limit, after } = wanted(request)?;
        let listing = match status {
            Some(Status::ReauthRequired) => Listing::Attention(Status::ReauthRequired.as_str()),
            Some(Status::Active | Status::Disconnecting) | None => Listing::Everything,
        };
        let page = self.listing.list(listing, limit, after).await?;
        let mut shown = Vec::new();
        // Rows of the fleet have ids that no connection has.
        for row in page.rows.iter().filter(|row| row.string("id").is_ok_and(|id| !id.starts_with('#'))) {
            match Connection::stored(row) {
                Ok(Some(connection)) if status.is_none_or(|wanted| wanted == status::status(&connection)) => {
                    shown.push(status::show(&connection));
                }
                Ok(_) => {}
                // One row that makes no sense must not hide the others. The schedule reports it at each run.
                Err(error) => FailureClass::InconsistentRow.log(&StoreError::from(error)),
            }
        }
        let next_cursor = page.next.map(|last| cursor(status, &last));
        Ok(reply::json(StatusCode::OK, &json!({ "connections": shown, "next_cursor": next_cursor })))
    }
}

fn wanted(request: &Request) -> Result<Wanted, Problem> {
    let query = Query::parse(request.uri().query());
    if let Some(unknown) = query.names().find(|name| !["status", "limit", "cursor"].contains(name)) {
        return Err(Problem::field(unknown.to_owned(), "is unknown; the parameters are status, limit and cursor"));
    }
    let once = |name: &'static str| query.only(name).map_err(|_| Problem::field(name, "is there more than once"));
    let status = match once("status")? {
        None => None,
        Some(text) => Some(
            Status::parse(text)
                .ok_or_else(|| Problem::field("status", "must be active, reauth_required or disconnecting"))?,
        ),
    };
    let limit = match once("limit")? {
        None => LIMIT_DEFAULT,
        Some(text) => (text.parse().ok())
            .filter(|limit| (1..=LIMIT_LARGEST).contains(limit) && !text.starts_with('+'))
            .ok_or_else(|| Problem::field("limit", format!("must be a number between 1 and {LIMIT_LARGEST}")))?,
    };
    let after = match once("cursor")? {
        None => None,
        Some(text) => Some(
            read_cursor(status, text)
                .ok_or_else(|| Problem::field("cursor", "is not the next_cursor of a list with this status"))?,
        ),
    };
    Ok(Wanted { status, limit, after })
}

/// The list that it belongs to, and the last id that was looked at. It grants nothing, so it is not signed.
fn cursor(status: Option<Status>, last: &str) -> String {
    digest::base64url(format!("{}/{last}", status.map_or("", Status::as_str)))
}

fn read_cursor(status: Option<Status>, text: &str) -> Option<String> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (of, last) = decoded.split_once('/')?;
    (of == status.map_or("", Status::as_str) && (1..=200).contains(&last.len())).then(|| last.to_owned())
}
