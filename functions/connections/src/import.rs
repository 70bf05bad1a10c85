//! `PUT /v1/connections/{id}`: a connection from another system. [`shared::protocol::import`] stores it.
//!
//! The answer is 201 or 200 if it was refreshed, and 202 if it was stored and not refreshed yet: then `reason` says
//! why.

use http::StatusCode;
use shared::domain::connection::Row;
use shared::domain::connection_id::ConnectionId;
use shared::domain::secret::RefreshToken;
use shared::failure::FailureClass;
use shared::http::body::Members;
use shared::http::problem::{Code, Problem};
use shared::http::{Invocation, Request, Response, reply};
use shared::ports::ProviderError;
use shared::protocol::import::{ImportError, Imported};
use shared::protocol::refresh::Outcome;

use crate::{Connections, ConnectionsError, status, store_problem};

/// The characters of a refresh token (RFC 6749 appendix A.17).
const VSCHAR: std::ops::RangeInclusive<u8> = b' '..=b'~';

/// Longer than any refresh token.
const LONGEST_TOKEN: usize = 8192;

impl Connections {
    pub(crate) async fn import(
        &self,
        id: ConnectionId,
        request: &Request,
        invocation: &Invocation,
    ) -> Result<Response, ConnectionsError> {
        let members = Members::parse(request, &["refresh_token", "replace"])?;
        let refresh_token = members
            .text("refresh_token")?
            .filter(|text| (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(|byte| VSCHAR.contains(&byte)))
            .map(RefreshToken::new)
            .ok_or_else(|| {
                Problem::field("refresh_token", "is required: a refresh token of at most 8192 characters of ASCII")
            })?;
        let replace = members.boolean("replace")?.unwrap_or(false);
        let deadline = invocation.deadline;
        let imported = self.importing.import(&id, refresh_token, replace, deadline).await;
        let code = match imported.map_err(ConnectionsError::Import)? {
            Imported::Replaced { pair_id, access_token } => {
                self.accounts.identify(&id, pair_id, &access_token, deadline).await;
                StatusCode::OK
            }
            Imported::Stored { is_new, refresh } => {
                let refreshed = if is_new { StatusCode::CREATED } else { StatusCode::OK };
                match refresh {
                    Outcome::Refreshed(connection, pair) => {
                        self.accounts.identify(&id, connection.pair.id, &pair.access_token, deadline).await;
                        refreshed
                    }
                    Outcome::Adopted(_) => refreshed,
                    _ => StatusCode::ACCEPTED,
                }
            }
        };
        tracing::info!(status = code.as_u16(), "a connection was imported");
        let row: Row = self.row(&id).await?;
        Ok(reply::json(code, &status::show(&row)))
    }
}

pub(crate) fn log(error: &ImportError) {
    match error {
        ImportError::Provider(cause) => FailureClass::from(cause).log(error),
        ImportError::Store(cause) => FailureClass::from(cause).log(error),
        ImportError::Key(cause) => FailureClass::from(cause).log(error),
        ImportError::Secret(cause) => FailureClass::from(cause).log(error),
        ImportError::Exists
        | ImportError::Superseded
        | ImportError::Disconnected
        | ImportError::NoTime
        | ImportError::Paused { .. } => tracing::info!(reason = %error, "a connection was not imported"),
    }
}

pub(crate) fn problem(error: &ImportError) -> Problem {
    match error {
        ImportError::Exists => Problem::new(
            Code::ConnectionExists,
            "the connection is live: send replace: true to put another refresh token in its place",
        ),
        ImportError::Superseded => {
            Problem::new(Code::ConnectionExists, "the connection was connected or imported in the meantime")
        }
        ImportError::Disconnected => {
            Problem::new(Code::Unavailable, "the connection was taken away in the meantime: import it again")
                .retry_after(1)
        }
        ImportError::NoTime => Problem::new(Code::Unavailable, "there was not enough time left").retry_after(1),
        ImportError::Paused { .. } => {
            Problem::new(Code::ProviderUnavailable, "WebinarGeek has asked to wait; the live connection is as it was")
                .retry_after(60)
        }
        ImportError::Provider(ProviderError::InvalidGrant) => Problem::field(
            "refresh_token",
            "is refused by WebinarGeek (invalid_grant); the live connection is as it was",
        ),
        ImportError::Provider(ProviderError::InvalidClient) | ImportError::Secret(_) => {
            Problem::new(Code::Misconfigured, "WebinarGeek does not accept the client id and secret").retry_after(60)
        }
        ImportError::Provider(_) => {
            let detail = "WebinarGeek has given no new token yet; the live connection is as it was";
            Problem::new(Code::ProviderUnavailable, detail).retry_after(30)
        }
        ImportError::Store(error) => store_problem(error),
        ImportError::Key(_) => Problem::new(Code::Unavailable, "the key could not be used").retry_after(5),
    }
}
