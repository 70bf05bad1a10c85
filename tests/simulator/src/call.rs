//! A process's calls to the world and their answers, as values. So a call can wait, be shown in a history, be hashed by
//! the exhaustive search, and be changed by a mutant.

use shared::domain::item::Item;
use shared::domain::secret::DataKey;
use shared::domain::token_pair::TokenResponse;
use shared::domain::write::{Delete, Write, Written};
use shared::ports::{DuePage, ProviderError, Segment};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    Attempts,
    Connections,
}

#[derive(Clone, Debug)]
pub enum Request {
    Read {
        table: Table,
        key: String,
    },
    Write {
        table: Table,
        write: Write,
    },
    WriteBoth(Write, Write),
    Delete(Delete),
    /// The page of a segment of the connections table that begins after a key.
    Walk {
        segment: Segment,
        after: Option<String>,
    },
    List {
        shard: u8,
    },
    MakeKey {
        connection: String,
    },
    OpenKey {
        connection: String,
        wrapped: Vec<u8>,
    },
    Secret,
    /// A sealed pair for the queue.
    Escrow {
        message: String,
    },
    IsQueueEmpty,
    Exchange {
        code: String,
        redirect_uri: String,
        verifier: Option<String>,
    },
    Refresh {
        refresh_token: String,
    },
    Revoke {
        token: String,
    },
    /// Asks whose account it is: a first use of the access token, like any other.
    Account {
        access_token: String,
    },
    /// An integrator's request to the provider's API, which is the first use of a new access token.
    Use {
        access_token: String,
    },
}

/// The service that answers. It decides which faults are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    Store,
    Keys,
    Secrets,
    Queue,
    Provider,
    /// The provider's API, called by the integrator: not part of the product, and so without faults.
    Api,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Item(Option<Item>),
    Written(Written<Item>),
    Both(bool),
    Deleted(bool),
    Walked(Rows),
    Due(DuePage),
    MadeKey {
        plain: DataKey,
        wrapped: Vec<u8>,
    },
    OpenedKey(Option<DataKey>),
    Secret,
    Queued,
    QueueIsEmpty(bool),
    Grant(Result<TokenResponse, CallError>),
    Revoked,
    /// A complete error: another try would get the same.
    NotRevoked,
    /// `None` if the provider does not accept the token.
    Account(Option<String>),
    Used(bool),
    /// The call failed; only the service's own error is known.
    Failed(CallError),
}

/// Rows with their keys, as the table holds them.
#[derive(Clone, Debug)]
pub struct Rows {
    pub rows: Vec<(String, Item)>,
    pub next: Option<String>,
}

/// Stands for [`ProviderError`], which cannot be cloned. The other services fail with `Unavailable` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallError {
    NotSent,
    Throttled {
        status: u16,
        retry_after: Option<u32>,
    },
    Unknown,
    InvalidGrant,
    /// A complete answer that does not say that the grant is invalid.
    Refused,
    Unavailable,
    /// A failure of the store that comes again at every try.
    Permanent,
}

impl Request {
    pub fn service(&self) -> Service {
        match self {
            Self::Read { .. }
            | Self::Write { .. }
            | Self::WriteBoth(..)
            | Self::Delete(_)
            | Self::Walk { .. }
            | Self::List { .. } => Service::Store,
            Self::MakeKey { .. } | Self::OpenKey { .. } => Service::Keys,
            Self::Secret => Service::Secrets,
            Self::Escrow { .. } | Self::IsQueueEmpty => Service::Queue,
            Self::Exchange { .. } | Self::Refresh { .. } | Self::Revoke { .. } | Self::Account { .. } => {
                Service::Provider
            }
            Self::Use { .. } => Service::Api,
        }
    }

    /// Whether the call changes a row. For other calls, a retry of the transport changes nothing, and is not tried.
    pub fn changes(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::WriteBoth(..) | Self::Delete(_))
    }

    /// A row that all workers share and that is only read here.
    pub fn is_of_the_fleet(&self) -> bool {
        matches!(self, Self::Read { key, .. } if key.starts_with('#'))
    }

    /// Whether no other process of the exhaustive search can see or change what the call reads. That is true for the
    /// pause, which is never written there; for the order of events, which only one process takes; for keys and secret.
    pub fn is_of_one_process(&self) -> bool {
        match self {
            Self::MakeKey { .. } | Self::OpenKey { .. } | Self::Secret => true,
            Self::Read { table: Table::Attempts, .. } | Self::Write { table: Table::Attempts, .. } => true,
            request => request.is_of_the_fleet(),
        }
    }

    /// Whether another process can see its effect, besides the one that waits for its answer.
    pub fn is_seen_by_others(&self) -> bool {
        match self {
            Self::Write { .. } | Self::WriteBoth(..) | Self::Delete(_) | Self::Escrow { .. } => true,
            Self::Exchange { .. } | Self::Refresh { .. } | Self::Revoke { .. } => true,
            Self::Account { .. } | Self::Use { .. } => true,
            Self::Read { .. } | Self::Walk { .. } | Self::List { .. } => false,
            Self::MakeKey { .. } | Self::OpenKey { .. } | Self::Secret | Self::IsQueueEmpty => false,
        }
    }

    pub fn asks_for_tokens(&self) -> bool {
        matches!(self, Self::Exchange { .. } | Self::Refresh { .. })
    }

    /// Its name in a history, and in a table of mutants.
    pub fn name(&self) -> String {
        match self {
            Self::Read { table: Table::Attempts, .. } => "read attempt".to_owned(),
            Self::Read { table: Table::Connections, key } => format!("read {key}"),
            Self::Write { table: Table::Attempts, write } => write.name.as_str().to_owned(),
            Self::Write { table: Table::Connections, write } => format!("{} {}", write.name, write.key),
            Self::WriteBoth(first, second) => format!("{} and {}", first.name, second.name),
            Self::Delete(delete) => format!("{} {}", delete.name, delete.key),
            Self::Walk { segment, after: None } => format!("walk segment {}", segment.number),
            Self::Walk { after: Some(key), .. } => format!("walk after {key}"),
            Self::List { shard } => format!("list shard {shard}"),
            Self::MakeKey { .. } => "make key".to_owned(),
            Self::OpenKey { .. } => "open key".to_owned(),
            Self::Secret => "secret".to_owned(),
            Self::Escrow { .. } => "put into escrow".to_owned(),
            Self::IsQueueEmpty => "is the queue empty".to_owned(),
            Self::Exchange { code, .. } => format!("exchange {code}"),
            Self::Refresh { refresh_token } => format!("refresh {refresh_token}"),
            Self::Revoke { token } => format!("revoke {token}"),
            Self::Account { access_token } => format!("account of {access_token}"),
            Self::Use { access_token } => format!("use {access_token}"),
        }
    }
}

impl Answer {
    pub fn name(&self) -> String {
        match self {
            Self::Item(None) => "no row".to_owned(),
            Self::Item(Some(_)) => "row".to_owned(),
            Self::Written(Written::Applied(_)) => "applied".to_owned(),
            Self::Written(Written::ConditionFailed(None)) => "condition failed, no row".to_owned(),
            Self::Written(Written::ConditionFailed(Some(_))) => "condition failed".to_owned(),
            Self::Both(true) => "both applied".to_owned(),
            Self::Both(false) => "neither applied".to_owned(),
            Self::Deleted(true) => "deleted".to_owned(),
            Self::Deleted(false) => "condition failed".to_owned(),
            Self::Walked(page) => format!("{} rows", page.rows.len()),
            Self::Due(page) => format!("{} rows", page.rows.len()),
            Self::MadeKey { .. } | Self::OpenedKey(Some(_)) => "key".to_owned(),
            Self::OpenedKey(None) => "no such key".to_owned(),
            Self::Secret => "secret".to_owned(),
            Self::Queued => "queued".to_owned(),
            Self::QueueIsEmpty(is_empty) => format!("empty: {is_empty}"),
            Self::Grant(Ok(grant)) => format!(
                "{} {}",
                grant.pair.access_token.expose(),
                grant.pair.refresh_token.as_ref().map_or("without refresh token", |token| token.expose())
            ),
            Self::Grant(Err(error)) | Self::Failed(error) => format!("{error:?}"),
            Self::Revoked => "revoked".to_owned(),
            Self::NotRevoked => "404".to_owned(),
            Self::Account(Some(account)) => account.clone(),
            Self::Account(None) => "401".to_owned(),
            Self::Used(true) => "accepted".to_owned(),
            Self::Used(false) => "401".to_owned(),
        }
    }
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent => Self::NotSent("simulated".to_owned()),
            CallError::Throttled { status, retry_after } => Self::Throttled {
                status,
                retry_after: retry_after.map(|seconds| std::time::Duration::from_secs(seconds.into())),
            },
            CallError::Unknown | CallError::Unavailable | CallError::Permanent => Self::Unknown("simulated".to_owned()),
            CallError::InvalidGrant => Self::InvalidGrant,
            CallError::Refused => Self::Refused("simulated".to_owned()),
        }
    }
}
