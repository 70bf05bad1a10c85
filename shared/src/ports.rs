//! What a function may do outside its process: one trait per capability.
//!
//! An endpoint's struct names the ports that it has, and its IAM statement allows only those. `authorize` has no port
//! to the connections table, so it cannot read or write a token.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::attempt::{Attempt, StateHash};
use crate::domain::connection::Row;
use crate::domain::connection_id::ConnectionId;
use crate::domain::escrow::Escrowed;
use crate::domain::fleet::FleetRow;
use crate::domain::item::Unreadable;
use crate::domain::order::Order;
use crate::domain::secret::{ClientSecret, DataKey};
use crate::domain::session::{Session, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::write::{Delete, Write, Written};

mod provider;

pub use provider::{ExchangeCode, ProviderError, REQUEST_BUDGET, ReadAccount, RefreshPair, RevokeToken, Revoked};

/// A call to a table failed, and it is not known whether it took effect; or the row that it found cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The cause, as DynamoDB or the network says it; a write may have taken effect.
    #[error("the table could not be used: {0}")]
    Unavailable(String),
    /// There is a row, and an attribute of it cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl StoreError {
    /// The row of a conditional write had changed at every try.
    pub fn changed_at_every_try() -> Self {
        Self::Unavailable("the connection changed at every try".to_owned())
    }
}

/// Reads rows of the attempts table, strongly consistent (`dynamodb:GetItem`).
#[async_trait]
pub trait ReadAttempts: Send + Sync {
    /// `None` where no attempt has this state, or DynamoDB has deleted its row.
    async fn attempt(&self, state_hash: &StateHash) -> Result<Option<Attempt>, StoreError>;
    /// `None` where there is no such session, or DynamoDB has deleted its row.
    async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError>;
    /// The order of the last event of a connection id.
    async fn order(&self, id: &ConnectionId) -> Result<Option<Order>, StoreError>;
}

/// Writes rows of the attempts table (`dynamodb:UpdateItem`).
#[async_trait]
pub trait WriteAttempts: Send + Sync {
    /// A write of an attempt.
    async fn attempt(&self, write: &Write) -> Result<Written<Attempt>, StoreError>;
    /// A write of a session: false when a condition failed.
    async fn session(&self, write: &Write) -> Result<bool, StoreError>;
    /// An attempt and its session, both or neither (`TransactWriteItems`, which needs the same permission): false when
    /// a condition failed.
    async fn both(&self, attempt: &Write, session: &Write) -> Result<bool, StoreError>;
}

/// Writes the counter of a connection id's events (`dynamodb:UpdateItem` on the attempts table).
#[async_trait]
pub trait WriteOrders: Send + Sync {
    /// `ConditionFailed` holds the number that the counter has already reached.
    async fn order(&self, write: &Write) -> Result<Written<Order>, StoreError>;
}

/// Reads rows of connections, strongly consistent (`dynamodb:GetItem`).
#[async_trait]
pub trait ReadConnections: Send + Sync {
    /// `None` where there is no row. A row that cannot be read is [`Row::Unreadable`], and not an error.
    async fn row(&self, id: &ConnectionId) -> Result<Option<Row>, StoreError>;
}

/// Writes rows of connections (`dynamodb:UpdateItem`).
#[async_trait]
pub trait WriteConnections: Send + Sync {
    /// A condition that does not hold is not an error: `ConditionFailed` has the row as it stands.
    async fn write(&self, write: &Write) -> Result<Written<Row>, StoreError>;
}

/// Claims accounts for connections (`dynamodb:UpdateItem`).
#[async_trait]
pub trait ClaimAccounts: Send + Sync {
    /// `ConditionFailed` holds the connection that has claimed the account.
    async fn claim(&self, write: &Write) -> Result<Written<ConnectionId>, StoreError>;
}

/// Reads and writes what all workers share: see [`crate::domain::fleet`].
#[async_trait]
pub trait FleetRows: Send + Sync {
    /// `None` where the row was never written.
    async fn read(&self, key: &'static str) -> Result<Option<FleetRow>, StoreError>;
    /// A condition that does not hold is not an error: `ConditionFailed` has the row as it stands.
    async fn write(&self, write: &Write) -> Result<Written<FleetRow>, StoreError>;
}

/// Rows in the order of the table, each parsed by itself: one that cannot be read hides no other.
#[derive(Clone, Debug)]
pub struct Page {
    /// A page may be empty although others follow.
    pub rows: Vec<Row>,
    /// The key of the last row that was read, if there may be more after it.
    pub next: Option<String>,
}

/// One of the equal parts that a table is walked in. The keys of a part depend on how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// From 0 on.
    pub number: u16,
    /// How many segments there are together.
    pub of: u16,
}

/// Walks through all rows of connections, in no order (`dynamodb:Scan`). Maintenance only: every other function works
/// on ids that it knows.
#[async_trait]
pub trait WalkConnections: Send + Sync {
    /// The page of a segment after the row of this key, which need not exist any more; without a key, its first page.
    async fn page(&self, segment: Segment, after: Option<&str>) -> Result<Page, StoreError>;
}

/// Deletes rows of connections (`dynamodb:DeleteItem`). Maintenance only.
#[async_trait]
pub trait DeleteConnections: Send + Sync {
    /// False when a condition failed.
    async fn delete(&self, delete: &Delete) -> Result<bool, StoreError>;
}

/// The cause. It is not known whether the queue has accepted the pair.
#[derive(Debug, thiserror::Error)]
#[error("the queue could not be used: {0}")]
pub struct EscrowError(pub String);

/// Keeps a pair until the table accepts it (`sqs:SendMessage`).
#[async_trait]
pub trait Escrow: Send + Sync {
    /// Success means that the queue has stored the pair.
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError>;
    /// Whether the queue is empty, approximately (`sqs:GetQueueAttributes`).
    async fn is_empty(&self) -> Result<bool, EscrowError>;
}

/// An event for a bus.
#[derive(Clone, Debug)]
pub struct BusEntry {
    /// The type of the event, by which rules of the bus choose.
    pub detail_type: &'static str,
    /// A JSON object.
    pub detail: String,
    /// When the event happened, not when it is put on the bus.
    pub at: Timestamp,
}

/// Only the first entries are certainly on the bus.
#[derive(Debug, thiserror::Error)]
#[error("the event bus could not be used: {why}")]
pub struct BusError {
    /// The number of these entries; those after them must be put again.
    pub taken: usize,
    /// The cause, for the log.
    pub why: String,
}

/// Puts events on a bus (`events:PutEvents`).
#[async_trait]
pub trait PutEvents: Send + Sync {
    /// Any number of entries, in the order in which they happened.
    async fn put(&self, entries: &[BusEntry]) -> Result<(), BusError>;
}

/// A row of the `due` index. An attribute that cannot be read counts as absent here.
#[derive(Clone, Debug)]
pub struct Due {
    /// The connection id as the row has it; it need not follow the grammar of ids.
    pub key: String,
    /// When the refresh is due. A number that is not an integer is read as 1970, so the row is due.
    pub refresh_at: Timestamp,
    /// When the access token ends; `None` where there is none, or where only its customer can help.
    pub expires_at: Option<Timestamp>,
}

/// Where a page of the `due` index ended.
#[derive(Clone, Debug)]
pub struct DueCursor {
    /// The key of the last row that was read.
    pub key: String,
    /// The value of the index, which may be a number that is not an integer.
    pub refresh_at: String,
}

/// A part of a shard of the `due` index.
#[derive(Clone, Debug)]
pub struct DuePage {
    /// In the order of `refresh_at`.
    pub rows: Vec<Due>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<DueCursor>,
}

/// Lists a shard of the `due` index from its earliest row on, eventually consistent (`dynamodb:Query` on the index).
#[async_trait]
pub trait ListDue: Send + Sync {
    /// The page after the cursor; without a cursor, the first one.
    async fn list(&self, shard: u8, after: Option<DueCursor>) -> Result<DuePage, StoreError>;
}

/// The cause. It is not known whether Lambda has accepted the event.
#[derive(Debug, thiserror::Error)]
#[error("another run could not be started: {0}")]
pub struct StartError(pub String);

/// Starts another run of the scheduled refresh, and does not wait for it (`lambda:InvokeFunction` on itself).
#[async_trait]
pub trait StartRun: Send + Sync {
    /// `shards`: of the `due` index. The run begins no refresh after `until`.
    async fn start(&self, shards: &[u8], until: Timestamp) -> Result<(), StartError>;
}

/// Why KMS has made or opened no data key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// KMS did not answer, or the key may not be used at present; another try may succeed.
    #[error("the key service could not be used: {0}")]
    Unavailable(String),
    /// The wrapped key belongs to another stack or connection, or was changed.
    #[error("the key service does not accept this wrapped key: {0}")]
    NotAccepted(String),
}

/// A data key, in plain text and wrapped.
pub struct WrappedDataKey {
    /// Opens and seals pairs; only in the memory of the process.
    pub plain: DataKey,
    /// What KMS has encrypted (`CiphertextBlob`); it is stored beside the pair.
    pub wrapped: Vec<u8>,
}

/// Makes data keys (`kms:GenerateDataKey`).
#[async_trait]
pub trait MakeDataKeys: Send + Sync {
    /// A new 256-bit key. Its wrapped form opens only for this connection.
    async fn make(&self, connection: &ConnectionId) -> Result<WrappedDataKey, KeyError>;
}

/// Unwraps data keys (`kms:Decrypt`).
#[async_trait]
pub trait OpenDataKeys: Send + Sync {
    /// `NotAccepted` where the key was wrapped for another connection or stack.
    async fn open(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<DataKey, KeyError>;
}

/// A data key, and the key that wrapped it.
pub struct OpenedDataKey {
    /// Opens and seals pairs; only in the memory of the process.
    pub plain: DataKey,
    /// The ARN of the KMS key.
    pub wrapped_by: String,
}

/// Unwraps data keys and says which key wrapped them (`kms:Decrypt`). Maintenance only: no refresh depends on the
/// answer.
#[async_trait]
pub trait TraceDataKeys: Send + Sync {
    /// `NotAccepted` where the key was wrapped for another connection or stack.
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError>;
}

/// Why there is no client secret to send.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not answer, or does not allow the call: the cause.
    #[error("the client secret could not be read: {0}")]
    Unavailable(String),
    /// The stored value was read, and is not sent: WebinarGeek would refuse it and not say why.
    #[error(
        "the client secret is stored in a form that is not known: store the secret itself, a JSON object with the member \
         client_secret or with one text, or a JSON list of secrets, the preferred one first"
    )]
    UnknownForm,
}

/// Reads the client secrets, in order of preference (`secretsmanager:GetSecretValue`). Each call reads;
/// [`crate::protocol::client_secrets`] keeps the list and chooses the one to send.
#[async_trait]
pub trait ReadClientSecret: Send + Sync {
    /// The list is never empty.
    async fn read(&self) -> Result<Vec<ClientSecret>, SecretError>;
}

/// The time, and the only way to wait.
#[async_trait]
pub trait Clock: Send + Sync {
    /// In whole seconds. It may be earlier than before: a system corrects its clock.
    fn now(&self) -> Timestamp;
    /// Waits at least this long.
    async fn sleep(&self, duration: Duration);
}

/// The source of every random byte.
pub trait Entropy: Send + Sync {
    /// Overwrites all bytes with random ones that are good enough for keys and tokens.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random number of milliseconds, at most `limit`, to spread parallel callers.
    pub fn jitter(&self, limit: Duration) -> Duration {
        let random = u64::from(u16::from_be_bytes(self.bytes()));
        Duration::from_millis(limit.as_millis() as u64 * random / u64::from(u16::MAX))
    }
}
