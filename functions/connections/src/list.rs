//! `GET /v1/connections?status=&limit=&cursor=`.
//!
//! A page is full, unless the list ends or the search takes too long. After a search that takes too long, a page has a
//! cursor even if it is not full. Connections that need their customer have their own index: they are found at once in
//! a fleet of any size.
//!
//! The table is read in one walk, not in parallel segments: docs/decisions/0023 says why.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::json;
use shared::aws::dynamodb::Listing;
use shared::domain::connection::Row;
use shared::domain::connection::attributes::{NEEDS_CUSTOMER, QUARANTINED};
use shared::domain::connection::refresh::PutOffBy;
use shared::domain::digest;
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::{Request, Response, reply};
use shared::ports::Page;

use crate::status::{self, Status};
use crate::{Connections, ConnectionsError};

const LIMIT_DEFAULT: u8 = 50;
const LIMIT_LARGEST: u8 = 100;

/// How long a request looks for rows that match. In a large fleet with few such rows, a page may be empty.
const LOOKS_FOR: Duration = Duration::from_secs(2);

struct Wanted {
    filter: Filter,
    limit: u8,
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    None,
    Status(Status),
    /// Connections that still work, but whose refreshes fail: an event has reported them as degraded.
    Degraded,
    /// Rows that were put off until a person has looked at them.
    Quarantined,
}

impl Filter {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Status(status) => status.as_str(),
            Self::Degraded => "degraded",
            Self::Quarantined => QUARANTINED,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let statuses = Status::FILTERS.into_iter().map(Self::Status);
        statuses.chain([Self::Degraded, Self::Quarantined]).find(|filter| filter.as_str() == text)
    }

    fn listing(self) -> Listing {
        match self {
            Self::Status(Status::ReauthRequired) => Listing::Attention(NEEDS_CUSTOMER),
            Self::Quarantined => Listing::Attention(QUARANTINED),
            Self::None | Self::Status(_) | Self::Degraded => Listing::Everything,
        }
    }

    fn matches(self, row: &Row) -> bool {
        match self {
            Self::None => Status::of(row).is_some(),
            Self::Status(wanted) => Status::of(row) == Some(wanted),
            Self::Degraded => match row {
                Row::Connection(connection) => connection.is_degraded(),
                Row::Unreadable(_) => true,
                Row::Tombstone(_) => false,
            },
            Self::Quarantined => match row {
                Row::Connection(connection) => connection.is_quarantined,
                Row::Unreadable(_) => true,
                Row::Tombstone(_) => false,
            },
        }
    }
}

impl Connections {
    pub(crate) async fn list(&self, request: &Request) -> Result<Response, ConnectionsError> {
        let wanted = wanted(request)?;
        let Page { rows, next } = self.page(&wanted).await?;
        let shown: Vec<_> = rows.iter().map(status::show).collect();
        let next_cursor = next.map(|last| cursor(wanted.filter, &last));
        Ok(reply::json(StatusCode::OK, &json!({ "connections": shown, "next_cursor": next_cursor })))
    }

    async fn page(&self, Wanted { filter, limit, after }: &Wanted) -> Result<Page, ConnectionsError> {
        let (limit, until) = (usize::from(*limit), self.clock.now() + LOOKS_FOR);
        let (mut found, mut next, mut looks_at) = (Vec::new(), after.clone(), 0);
        // One row more than the page holds: it shows whether this page is the last one.
        while found.len() <= limit {
            // If few rows match, each step reads more rows than the one before.
            looks_at = (limit + 1 - found.len()).max(looks_at * 2).min(usize::from(LIMIT_LARGEST));
            let page = self.listing.list_connections(filter.listing(), looks_at as u8, next).await?;
            for row in &page.rows {
                if let Row::Unreadable(unreadable) = row {
                    self.quarantine.put_off(unreadable, PutOffBy::Caller).await;
                }
            }
            found.extend(page.rows.into_iter().filter(|row| filter.matches(row)));
            next = page.next;
            if next.is_none() || self.clock.now() >= until {
                break;
            }
        }
        if found.len() > limit {
            found.truncate(limit);
            next = found.last().map(|last| last.id().to_owned());
        }
        Ok(Page { rows: found, next })
    }
}

fn wanted(request: &Request) -> Result<Wanted, Problem> {
    let query = Query::parse(request.uri().query());
    if let Some(unknown) = query.names().find(|name| !["status", "limit", "cursor"].contains(name)) {
        return Err(Problem::field(unknown.to_owned(), "is unknown; the parameters are status, limit and cursor"));
    }
    let once = |name: &'static str| query.only(name).map_err(|_| Problem::field(name, "is included more than once"));
    let filter = match once("status")? {
        None => Filter::None,
        Some(text) => Filter::parse(text).ok_or_else(|| {
            Problem::field(
                "status",
                "must be active, degraded, pending, unconfirmed, reauth_required, disconnecting or quarantined",
            )
        })?,
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
            read_cursor(filter, text)
                .ok_or_else(|| Problem::field("cursor", "is not the next_cursor of a list with this status"))?,
        ),
    };
    Ok(Wanted { filter, limit, after })
}

/// The list that the cursor belongs to, and the last id that was read. The cursor gives no access, so it is not signed.
fn cursor(filter: Filter, last: &str) -> String {
    digest::base64url(format!("{}/{last}", filter.as_str()))
}

fn read_cursor(filter: Filter, text: &str) -> Option<String> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (of, last) = decoded.split_once('/')?;
    (of == filter.as_str() && (1..=200).contains(&last.len())).then(|| last.to_owned())
}
