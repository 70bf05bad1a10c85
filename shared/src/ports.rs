//! What a function may do to the outside world: one trait per capability.
//!
//! An endpoint's struct names the ports it holds, and its IAM statement allows just those: if `authorize` cannot name
//! a connection store, it cannot touch a token.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::account::Account;
use crate::domain::connection::Connection;
use crate::domain::connection_id::ConnectionId;
use crate::domain::escrowed::Escrowed;
use crate::domain::item::{InconsistentItem, Item};
use crate::domain::secret::{AccessToken, AuthorizationCode, ClientSecret, CodeVerifier, DataKey, RefreshToken};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::{Grant, TokenPair};
use crate::domain::write::{Delete, Write, Written};

/// A call to a table failed, and nobody knows whether it took effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the table could not be used: {0}")]
    Unavailable(String),
    #[error(transparent)]
    Inconsistent(#[from] InconsistentItem),
}

impl StoreError {
    /// A write that is tried on what it finds has found something else each time.
    pub fn changed_at_every_try() -> Self {
        Self::Unavailable("the connection changed at every try".to_owned())
    }
}

/// Reads rows of the attempts table, strongly consistent (`dynamodb:GetItem`).
#[async_trait]
pub trait ReadAttempts: Send + Sync {
    async fn read(&self, key: &str) -> Result<Option<Item>, StoreError>;
}

/// Writes rows of the attempts table (`dynamodb:UpdateItem`).
#[async_trait]
pub trait WriteAttempts: Send + Sync {
    async fn write(&self, write: &Write) -> Result<Written, StoreError>;
    /// Both or neither (`TransactWriteItems`, which needs the same permission): false when a condition refused.
    async fn write_both(&self, first: &Write, second: &Write) -> Result<bool, StoreError>;
}

/// Reads connections, strongly consistent (`dynamodb:GetItem`).
#[async_trait]
pub trait ReadConnections: Send + Sync {
    /// The row of a connection, or the tombstone that it has left.
    async fn row(&self, id: &ConnectionId) -> Result<Option<Item>, StoreError>;

    async fn read(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        Ok(self.row(id).await?.map(|row| Connection::stored(&row)).transpose()?.flatten())
    }
}

/// Writes connections (`dynamodb:UpdateItem`).
#[async_trait]
pub trait WriteConnections: Send + Sync {
    async fn write(&self, write: &Write) -> Result<Written, StoreError>;
}

/// A row as it stands, whatever it holds: one that makes no sense is met too, and hides no other.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub item: Result<Item, InconsistentItem>,
}

#[derive(Clone, Debug)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Whether there are rows behind the last one.
    pub more: bool,
}

/// Walks through all rows of the connections table, in no order (`dynamodb:Scan`). Maintenance only: every other function
/// knows whom it looks for.
#[async_trait]
pub trait WalkConnections: Send + Sync {
    /// The page behind the row of this key, which need not exist any more; the first one without a key.
    async fn page(&self, after: Option<&str>) -> Result<Page, StoreError>;
}

/// Deletes rows of the connections table (`dynamodb:DeleteItem`). Maintenance only.
#[async_trait]
pub trait DeleteConnections: Send + Sync {
    /// False when a condition refused.
    async fn delete(&self, delete: &Delete) -> Result<bool, StoreError>;
}

/// Reads rows of the fleet, strongly consistent (`dynamodb:GetItem`): see [`crate::domain::fleet`].
#[async_trait]
pub trait ReadFleet: Send + Sync {
    async fn read(&self, key: &'static str) -> Result<Option<Item>, StoreError>;
}

#[derive(Debug, thiserror::Error)]
#[error("the queue could not be used: {0}")]
pub struct EscrowError(pub String);

/// Keeps what the table could not take until it can (`sqs:SendMessage`).
#[async_trait]
pub trait Escrow: Send + Sync {
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError>;
    /// Whether nothing waits in it, about (`sqs:GetQueueAttributes`).
    async fn is_empty(&self) -> Result<bool, EscrowError>;
}

/// An event as a bus takes it.
#[derive(Clone, Debug)]
pub struct BusEntry {
    pub detail_type: &'static str,
    /// A JSON object.
    pub detail: String,
    pub at: Timestamp,
}

/// Of the entries in their order, only the first `taken` are certainly on the bus.
#[derive(Debug, thiserror::Error)]
#[error("the event bus could not be used: {why}")]
pub struct BusError {
    pub taken: usize,
    pub why: String,
}

/// Puts events on a bus (`events:PutEvents`).
#[async_trait]
pub trait PutEvents: Send + Sync {
    async fn put(&self, entries: &[BusEntry]) -> Result<(), BusError>;
}

/// A row of the `due` index.
#[derive(Clone, Debug)]
pub struct Due {
    pub id: ConnectionId,
    pub refresh_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Where a page of the `due` index ended.
#[derive(Clone, Debug)]
pub struct DueCursor(pub Due);

#[derive(Clone, Debug)]
pub struct DuePage {
    /// In the order of `refresh_at`.
    pub rows: Vec<Due>,
    pub next: Option<DueCursor>,
}

/// Lists a shard of the `due` index from its earliest row on, eventually consistent (`dynamodb:Query` on the index).
#[async_trait]
pub trait ListDue: Send + Sync {
    async fn list(&self, shard: u8, after: Option<DueCursor>) -> Result<DuePage, StoreError>;
}

/// Which rows a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Rows of every kind, in no order.
    Everything,
    /// Those in the sparse `attention` index under this word.
    Attention(&'static str),
}

#[derive(Clone, Debug)]
pub struct ListPage {
    pub rows: Vec<Item>,
    /// Where it ended, if there may be more: the key of the last row that was looked at.
    pub next: Option<String>,
}

/// Lists connections, at most `limit` rows a call, however many there are (`dynamodb:Scan`; `dynamodb:Query` on the index and
/// `dynamodb:BatchGetItem`).
#[async_trait]
pub trait ListConnections: Send + Sync {
    async fn list(&self, listing: Listing, limit: u8, after: Option<String>) -> Result<ListPage, StoreError>;
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key service could not be used: {0}")]
    Unavailable(String),
    /// The wrapped key is not of this stack and connection, or was changed.
    #[error("the key service does not accept this wrapped key: {0}")]
    Refused(String),
}

/// A data key, in plain text and wrapped.
pub struct WrappedDataKey {
    pub plain: DataKey,
    pub wrapped: Vec<u8>,
}

/// Makes data keys (`kms:GenerateDataKey`).
#[async_trait]
pub trait MakeDataKeys: Send + Sync {
    async fn make(&self, connection: &ConnectionId) -> Result<WrappedDataKey, KeyError>;
}

/// Unwraps data keys (`kms:Decrypt`).
#[async_trait]
pub trait OpenDataKeys: Send + Sync {
    async fn open(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<DataKey, KeyError>;
}

/// A data key, and the key that had wrapped it.
pub struct OpenedDataKey {
    pub plain: DataKey,
    /// An ARN.
    pub wrapped_by: String,
}

/// Unwraps data keys and says what had wrapped them (`kms:Decrypt`). Maintenance only: no refresh depends on the answer.
#[async_trait]
pub trait TraceDataKeys: Send + Sync {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError>;
}

#[derive(Debug, thiserror::Error)]
#[error("the client secret could not be read: {0}")]
pub struct SecretError(pub String);

/// Reads the client secrets, in order of preference (`secretsmanager:GetSecretValue`).
#[async_trait]
pub trait ReadClientSecret: Send + Sync {
    /// Read once and kept.
    async fn current(&self) -> Result<Vec<ClientSecret>, SecretError>;
    /// Read anew: the provider did not accept what was kept.
    async fn reread(&self) -> Result<Vec<ClientSecret>, SecretError>;
    /// The provider has accepted this one, and not the one before it: from now on it comes first.
    async fn prefer(&self, secret: &ClientSecret);
}

/// How a request to the token endpoint failed, by what it says about the grant that was sent.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No connection was made: the grant was certainly not seen.
    #[error("WebinarGeek could not be reached, and nothing was sent: {0}")]
    NotSent(String),
    /// 429: refused before it was looked at. Or 503 with Retry-After, where that is less certain.
    #[error("WebinarGeek asked us to wait (status {status})")]
    Throttled { status: u16, retry_after: Option<Duration> },
    /// Sent, and no usable answer: a timeout, a broken connection, 5xx, or a success that cannot be read.
    #[error("the outcome at WebinarGeek is unknown: {0}")]
    Unknown(String),
    /// 400 or 401 and JSON that says so (RFC 6749 section 5.2).
    #[error("WebinarGeek answered invalid_grant")]
    InvalidGrant,
    /// 400 or 401 and JSON that says so: the grant was not used.
    #[error("WebinarGeek answered invalid_client: the client id or secret is wrong")]
    InvalidClient,
    /// A complete answer that is no success and says nothing about the grant: our configuration, or an outage.
    #[error("WebinarGeek refused the request: {0}")]
    Refused(String),
}

/// The longest that one request to the provider takes, its connection included. Leases are measured by it.
pub const REQUEST_BUDGET: Duration = Duration::from_secs(13);

/// Exchanges an authorization code (RFC 6749 section 4.1.3). Never repeated by the adapter.
#[async_trait]
pub trait ExchangeCode: Send + Sync {
    async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
        verifier: Option<&CodeVerifier>,
        secret: &ClientSecret,
    ) -> Result<Grant, ProviderError>;
}

/// Refreshes a pair (RFC 6749 section 6). Never repeated by the adapter.
#[async_trait]
pub trait RefreshPair: Send + Sync {
    async fn refresh(&self, refresh_token: &RefreshToken, secret: &ClientSecret) -> Result<Grant, ProviderError>;
}

/// Revokes a token (RFC 7009), where the provider has an endpoint for it.
#[async_trait]
pub trait RevokeToken: Send + Sync {
    /// False when there is no such endpoint.
    async fn revoke(&self, pair: &TokenPair, secret: &ClientSecret) -> Result<bool, ProviderError>;
}

/// Asks the provider whose account an access token is for. Asking is a use of the token: only after its pair is stored.
#[async_trait]
pub trait ReadAccount: Send + Sync {
    async fn read(&self, access_token: &AccessToken) -> Result<Account, ProviderError>;
}

/// What the token endpoint answered, and when by its own clock (RFC 9110 section 6.6.1).
pub struct Probed {
    pub answer: Result<Grant, ProviderError>,
    pub date: Option<Timestamp>,
}

/// Sends a code that nobody was given, to see whether the client is accepted. It takes nobody's grant away.
#[async_trait]
pub trait ProbeTokenEndpoint: Send + Sync {
    async fn probe(&self, redirect_uri: &str, secret: &ClientSecret) -> Probed;
}

/// A table as it is. Keys are the partition key, then the sort key where there is one.
#[derive(Clone, Debug)]
pub struct TableShape {
    pub key: Vec<String>,
    pub indexes: Vec<IndexShape>,
}

#[derive(Clone, Debug)]
pub struct IndexShape {
    pub name: String,
    pub key: Vec<String>,
    /// Beside the keys; `None` is all of them.
    pub attributes: Option<Vec<String>>,
    /// Whether it can be asked: one that is still being built cannot.
    pub is_active: bool,
}

/// Looks how a table is made (`dynamodb:DescribeTable`).
#[async_trait]
pub trait DescribeTable: Send + Sync {
    /// `None` where there is no such table.
    async fn describe(&self) -> Result<Option<TableShape>, StoreError>;
}

/// Looks by which attribute rows of a table expire (`dynamodb:DescribeTimeToLive`).
#[async_trait]
pub trait DescribeTimeToLive: Send + Sync {
    /// `None` where none do.
    async fn expires_by(&self) -> Result<Option<String>, StoreError>;
}

/// The time, and the only way to wait.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
    async fn sleep(&self, duration: Duration);
}

/// The source of every random byte.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A whole number of milliseconds below `limit`, to keep parallel callers apart.
    pub fn jitter(&self, limit: Duration) -> Duration {
        let random = u64::from(u16::from_be_bytes(self.bytes()));
        Duration::from_millis(limit.as_millis() as u64 * random / u64::from(u16::MAX))
    }
}
