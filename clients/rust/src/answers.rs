//! What the calls take and answer. A member that is not known is `None`.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;
use zeroize::Zeroizing;

/// A text that is not printed, and is wiped when it is dropped.
///
/// ```
/// use webinargeek_connect_client::Secret;
///
/// let refresh_token = Secret::new("8xLOxBtZp8");
/// assert_eq!(format!("{refresh_token:?}"), "Secret(redacted)");
/// assert_eq!(refresh_token.expose(), "8xLOxBtZp8");
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, to be sent and never to be logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// A live access token.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Token {
    /// For the header `Authorization: Bearer …`.
    pub access_token: Secret,
    /// `Bearer`.
    pub token_type: String,
    /// When it ends at the latest.
    #[serde(with = "rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Grows with each new token of the connection.
    pub version: u64,
    /// Do not use it after this time: a refresh may end it.
    #[serde(with = "rfc3339")]
    pub cache_until: OffsetDateTime,
}

/// A connect session to be made. A member that is `None` has the API's default.
///
/// ```
/// use webinargeek_connect_client::NewSession;
///
/// let session = NewSession {
///     connection_id: Some("acme".to_owned()),
///     return_to: Some("https://app.example.com/settings".to_owned()),
///     ..NewSession::default()
/// };
/// # assert_eq!(session.expires_in, None);
/// ```
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewSession {
    /// Your own name for the customer; without it an id is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    /// Where the browser goes when the journey has ended; its origin is on the deployment's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
    /// Seconds until the link expires: 60 to 86,400, 3,600 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u32>,
    /// Whether the customer is asked on a page first; true by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_page: Option<bool>,
    /// Whether the new grant waits for the confirm call; by default if there is a `return_to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm: Option<bool>,
    /// Whether another account than the connection's is refused; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_account: Option<bool>,
    /// The language of its pages: `en`, `nl` or `de`; by default the one that the browser asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui_locale: Option<String>,
    /// Whether the connection may be lost, for the doctor's try of the rotation; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throw_away: Option<bool>,
}

/// A connect session that was made.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// Names the session; no secret.
    pub session_id: String,
    /// The connection that the customer's approval will be for.
    pub connection_id: String,
    /// For this customer's browser only: the first person who approves through it decides which account it is.
    pub url: Secret,
    /// When the link expires.
    #[serde(with = "rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// How a journey went.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Session {
    /// Names the session.
    pub session_id: String,
    /// The connection that it is for.
    pub connection_id: String,
    /// `pending`, `awaiting_confirmation`, `completed`, `denied`, `failed` or `expired`.
    pub status: String,
    /// Why it has not completed so far.
    pub reason: Option<String>,
    /// The `request_id` under which the deployment's log tells of the failure.
    pub reference: Option<String>,
    /// When its link expires.
    #[serde(with = "rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// The status of a connection, never a secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Connection {
    /// Your own name for the customer, or a generated one.
    pub id: String,
    /// `active`, `pending`, `unconfirmed`, `reauth_required`, `disconnecting` or `unreadable`.
    pub status: String,
    /// What failed last, if something has failed since the last refresh.
    pub reason: Option<String>,
    /// Grows with each new token.
    pub version: Option<u64>,
    /// When the connection began.
    #[serde(with = "rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When the access token expires.
    #[serde(with = "rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When the stored tokens were granted.
    #[serde(with = "rfc3339::option")]
    pub refreshed_at: Option<OffsetDateTime>,
    /// When the schedule refreshes it next.
    #[serde(with = "rfc3339::option")]
    pub next_refresh_at: Option<OffsetDateTime>,
    /// Failed refreshes since the last that succeeded.
    pub failures: Option<u64>,
    /// As WebinarGeek granted it.
    pub scope: Option<String>,
    /// Whose WebinarGeek account it is, if the deployment asks for that.
    pub account: Option<Account>,
    /// The id of the account that it was for before.
    pub account_changed_from: Option<String>,
}

/// A customer's account at WebinarGeek. Its texts are the customer's.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Account {
    /// WebinarGeek's id.
    pub id: Option<String>,
    /// The company's name.
    pub company: Option<String>,
    /// The address of the person.
    pub email: Option<String>,
    /// Another connection of the same account: what the customer does to one of them may end the other.
    pub also_connected_as: Option<String>,
}

/// What is left of a connection that was taken away.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Disconnected {
    /// Whether its grants are revoked: `done`, `off` (the deployment does not revoke), `failed`, or `pending`: a second
    /// call answers the outcome.
    pub revocation: String,
}

/// What the doctor found.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Examination {
    /// Whether nothing has failed.
    pub healthy: bool,
    /// Always in the same order.
    pub findings: Vec<Finding>,
}

/// One check of the doctor.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was checked.
    pub check: String,
    /// `ok`, `warning`, `failed` or `skipped`.
    pub status: String,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// One page of the list.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) connections: Vec<Connection>,
    pub(crate) next_cursor: Option<String>,
}
