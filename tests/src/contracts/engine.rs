//! The tables of an engine. The shipped adapters write them, and the tests read them without adapters.

use std::collections::HashMap;
use std::fmt::Debug;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use local::tables;
use shared::aws::dynamodb::{AttemptsTable, ConnectionsTable};
use shared::domain::account;
use shared::domain::attempt::Attempt;
use shared::domain::connection::Row;
use shared::domain::fleet::FleetRow;
use shared::domain::item::{Item, Unreadable, Value};
use shared::domain::order::Order;
use shared::domain::write::{Delete, Write, WriteName, Written};
use shared::ports::{
    ClaimAccounts, DeleteConnections, FleetRows, StoreError, WriteAttempts, WriteConnections, WriteOrders,
};

/// The kind of a row: the table that it is in, and the port that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connection,
    Account,
    Fleet,
    Attempt,
    Session,
    Order,
}

impl Kind {
    pub(super) fn of(name: WriteName) -> Self {
        use WriteName as W;
        match name {
            W::BeginAttempt | W::NoteFailure | W::TakeAttempt | W::GiveAttemptBack | W::EndAttempt => Self::Attempt,
            W::BeginSession | W::EndSession | W::ConfirmSession => Self::Session,
            W::TakePresentOrder | W::TakeNextOrder => Self::Order,
            W::Connect
            | W::AwaitConfirmation
            | W::Confirm
            | W::ExpireConfirmation
            | W::Acquire
            | W::Commit
            | W::Settle
            | W::GiveUp
            | W::Quarantine
            | W::Disconnect
            | W::AddRevocation
            | W::ClaimRevocation
            | W::RemoveRevocation
            | W::LeaveSchedule
            | W::Identify
            | W::IdentifyWaiting
            | W::Reseal
            | W::ReapTombstone
            | W::ReapConnection => Self::Connection,
            W::ClaimAccount => Self::Account,
            W::Pause
            | W::CountRefusals
            | W::BeginWindow
            | W::NoteSuccess
            | W::TakeSlots
            | W::BeginSecond
            | W::LowerRate
            | W::HandOn => Self::Fleet,
        }
    }

    pub(super) fn names(self) -> Vec<WriteName> {
        WriteName::ALL.iter().copied().filter(|name| Self::of(*name) == self).collect()
    }

    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Connection | Self::Account | Self::Fleet => tables::CONNECTIONS,
            Self::Attempt | Self::Session | Self::Order => tables::ATTEMPTS,
        }
    }

    pub(super) fn key_name(self) -> &'static str {
        match self {
            Self::Connection | Self::Account | Self::Fleet => "id",
            Self::Attempt | Self::Session | Self::Order => "pk",
        }
    }

    /// The row after the write, by the model.
    pub(super) fn after(self, write: &Write, image: Option<&Item>) -> Item {
        let mut item = write.apply(image);
        item.0.insert(self.key_name().into(), write.key.as_str().into());
        item
    }

    /// The answer that the adapter must give, by the model.
    pub(super) fn expected(self, write: &Write, image: Option<&Item>) -> Answer {
        let parsed = |item: &Item| self.parse(&write.key, item).map_err(|unreadable| unreadable.attribute);
        let answer = if write.evaluate(image).is_empty() {
            parsed(&self.after(write, image)).map(Answer::Applied)
        } else {
            image.map(parsed).transpose().map(|row| Answer::ConditionFailed(row.flatten()))
        };
        answer.unwrap_or_else(Answer::Unreadable)
    }

    /// `None` if the port does not return the row.
    fn parse(self, key: &str, item: &Item) -> Result<Option<String>, Unreadable> {
        let text = match self {
            // An unreadable row is a row, too.
            Self::Connection => text(&Row::parse(key, item)),
            Self::Attempt => text(&Attempt::parse(key, item)?),
            Self::Account => text(&account::parse_claim(item).map_err(|bad| item.unreadable(key, bad))?),
            Self::Order => text(&Order::parse(item).map_err(|bad| item.unreadable(key, bad))?),
            Self::Fleet => text(&FleetRow::parse(key, item).map_err(|bad| item.unreadable(key, bad))?),
            Self::Session => return Ok(None),
        };
        Ok(Some(text))
    }
}

/// A port's answer to a write. If the port returns the row, it is here in its `Debug` form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// With the row after the write.
    Applied(Option<String>),
    /// With the row as it is, unchanged.
    ConditionFailed(Option<String>),
    /// Applied or not: the port cannot parse this attribute of the row.
    Unreadable(&'static str),
}

pub(super) type Attributes = HashMap<String, AttributeValue>;

#[derive(Clone)]
pub(super) struct Engine {
    pub client: Client,
    connections: ConnectionsTable,
    attempts: AttemptsTable,
}

impl Engine {
    pub(super) fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            connections: ConnectionsTable::new(client.clone(), tables::CONNECTIONS.to_owned()),
            attempts: AttemptsTable::new(client.clone(), tables::ATTEMPTS.to_owned()),
        }
    }

    /// Writes through the shipped adapter.
    pub(super) async fn write(&self, kind: Kind, write: &Write) -> Result<Answer, String> {
        let answer = match kind {
            Kind::Connection => WriteConnections::write(&self.connections, write).await.map(row),
            Kind::Account => ClaimAccounts::claim(&self.connections, write).await.map(row),
            Kind::Attempt => WriteAttempts::attempt(&self.attempts, write).await.map(row),
            Kind::Order => WriteOrders::order(&self.attempts, write).await.map(row),
            Kind::Session => WriteAttempts::session(&self.attempts, write).await.map(no_row),
            Kind::Fleet => FleetRows::write(&self.connections, write).await.map(row),
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(StoreError::Unreadable(unreadable)) => Ok(Answer::Unreadable(unreadable.attribute)),
            Err(error @ StoreError::Unavailable(_)) => Err(error.to_string()),
        }
    }

    pub(super) async fn both(&self, first: &Write, second: &Write) -> Result<bool, String> {
        self.attempts.both(first, second).await.map_err(|error| error.to_string())
    }

    pub(super) async fn delete(&self, delete: &Delete) -> Result<bool, String> {
        self.connections.delete(delete).await.map_err(|error| error.to_string())
    }

    /// A strongly consistent read.
    pub(super) async fn read(&self, kind: Kind, key: &str) -> Option<Item> {
        let request = self.client.get_item().table_name(kind.table()).consistent_read(true);
        let request = request.key(kind.key_name(), AttributeValue::S(key.to_owned()));
        request.send().await.unwrap().item.map(item)
    }

    /// Replaces the present row.
    pub(super) async fn put(&self, kind: Kind, item: &Item) {
        let is_taken = self.put_raw(kind, rendered(item)).await;
        assert!(is_taken, "an attribute of an index has another type: {item:?}");
    }

    /// False if the engine does not accept the types.
    pub(super) async fn put_raw(&self, kind: Kind, attributes: Attributes) -> bool {
        let put = self.client.put_item().table_name(kind.table()).set_item(Some(attributes)).send().await;
        match put {
            Ok(_) => true,
            Err(error) => {
                let code = error.code().map(str::to_owned);
                assert_eq!(code.as_deref(), Some("ValidationException"), "{error:?}");
                false
            }
        }
    }

    pub(super) async fn remove(&self, kind: Kind, key: &str) {
        let request = self.client.delete_item().table_name(kind.table());
        request.key(kind.key_name(), AttributeValue::S(key.to_owned())).send().await.unwrap();
    }

    /// Stores this row; `None` removes it.
    pub(super) async fn place(&self, kind: Kind, key: &str, image: Option<&Item>) {
        match image {
            Some(image) => self.put(kind, image).await,
            None => self.remove(kind, key).await,
        }
    }
}

fn text(row: &impl Debug) -> String {
    format!("{row:?}")
}

fn row<R: Debug>(written: Written<R>) -> Answer {
    match written {
        Written::Applied(row) => Answer::Applied(Some(text(&row))),
        Written::ConditionFailed(row) => Answer::ConditionFailed(row.as_ref().map(text)),
    }
}

fn no_row(is_applied: bool) -> Answer {
    if is_applied { Answer::Applied(None) } else { Answer::ConditionFailed(None) }
}

pub(super) fn rendered(item: &Item) -> Attributes {
    item.0.iter().map(|(name, value)| (name.to_string(), attribute(value))).collect()
}

/// Converts an item without our adapters.
pub(super) fn item(attributes: Attributes) -> Item {
    Item(attributes.into_iter().map(|(name, attribute)| (name.into(), value(attribute))).collect())
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::S(text) => AttributeValue::S(text.clone()),
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::B(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Value::Other => AttributeValue::Bool(true),
    }
}

fn value(attribute: AttributeValue) -> Value {
    match attribute {
        AttributeValue::S(text) => Value::S(text),
        AttributeValue::N(number) => number.parse().map_or(Value::Other, Value::N),
        AttributeValue::B(blob) => Value::B(blob.into_inner()),
        _ => Value::Other,
    }
}
