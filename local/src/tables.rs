//! DynamoDB, embedded: an engine inside this process.

use std::path::Path;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
};
use dynoxide::{Database, DynoxideError};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StartError;
use crate::engines::{Answer, refusal};

pub const ATTEMPTS: &str = "attempts";
pub const CONNECTIONS: &str = "connections";

/// The tables of a file, or of memory. Every write is committed before it is answered.
#[derive(Clone)]
pub(crate) struct Tables(Database);

impl Tables {
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, StartError> {
        let database = match file {
            Some(path) => Database::new(&path.to_string_lossy()),
            None => Database::memory(),
        };
        database.map(Self).map_err(|error| StartError(format!("the tables cannot be opened: {error}")))
    }

    /// The operations that the product and its tests call.
    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> Answer {
        let Self(engine) = self;
        match operation {
            "BatchGetItem" => run(body, |input| engine.batch_get_item(input)),
            "CreateTable" => run(body, |input| engine.create_table(input)),
            "DeleteItem" => run(body, |input| engine.delete_item(input)),
            "DescribeStream" => run(body, |input| engine.describe_stream(input)),
            "DescribeTable" => run(body, |input| engine.describe_table(input)),
            "DescribeTimeToLive" => run(body, |input| engine.describe_time_to_live(input)),
            "GetItem" => run(body, |input| engine.get_item(input)),
            "GetRecords" => run(body, |input| engine.get_records(input)),
            "GetShardIterator" => run(body, |input| engine.get_shard_iterator(input)),
            "ListStreams" => run(body, |input| engine.list_streams(input)),
            "ListTables" => run(body, |input| engine.list_tables(input)),
            "PutItem" => run(body, |input| engine.put_item(input)),
            "Query" => run(body, |input| engine.query(input)),
            "Scan" => run(body, |input| engine.scan(input)),
            "TransactWriteItems" => run(body, |input| engine.transact_write_items(input)),
            "UpdateItem" => run(body, |input| engine.update_item(input)),
            "UpdateTable" => run(body, |input| engine.update_table(input)),
            "UpdateTimeToLive" => run(body, |input| engine.update_time_to_live(input)),
            _ => refusal("UnknownOperationException", "the tables do not know this operation"),
        }
    }
}

fn run<I: DeserializeOwned, O: Serialize>(
    body: &[u8],
    operation: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Answer {
    let input = match serde_json::from_slice(body) {
        Ok(input) => input,
        Err(error) => return refusal("SerializationException", &error.to_string()),
    };
    let output = operation(input).and_then(|output| {
        serde_json::to_string(&output).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
    });
    match output {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.to_json())
        }
    }
}

/// Creates the tables of template.yaml, if they are not there yet.
pub async fn create(client: &Client) -> Result<(), StartError> {
    let failed = |error: &dyn std::error::Error| {
        StartError(format!("a table cannot be created: {}", DisplayErrorContext(error)))
    };
    let there = client.list_tables().send().await.map_err(|error| failed(&error))?;
    let is_there = |name: &str| there.table_names().iter().any(|there| there == name);
    if !is_there(ATTEMPTS) {
        client
            .create_table()
            .table_name(ATTEMPTS)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk", ScalarAttributeType::S))
            .key_schema(key("pk", KeyType::Hash))
            .send()
            .await
            .map_err(|error| failed(&error))?;
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("ttl").build();
        client
            .update_time_to_live()
            .table_name(ATTEMPTS)
            .time_to_live_specification(ttl.map_err(|error| failed(&error))?)
            .send()
            .await
            .map_err(|error| failed(&error))?;
    }
    if !is_there(CONNECTIONS) {
        let stream =
            StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewAndOldImages);
        client
            .create_table()
            .table_name(CONNECTIONS)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("id", ScalarAttributeType::S))
            .attribute_definitions(attribute("shard", ScalarAttributeType::N))
            .attribute_definitions(attribute("refresh_at", ScalarAttributeType::N))
            .attribute_definitions(attribute("attention", ScalarAttributeType::S))
            .key_schema(key("id", KeyType::Hash))
            .stream_specification(stream.build().map_err(|error| failed(&error))?)
            .global_secondary_indexes(index(
                "due",
                &[("shard", KeyType::Hash), ("refresh_at", KeyType::Range)],
                &["expires_at", "needs_customer_since", "not_refreshed"],
            ))
            .global_secondary_indexes(index("attention", &[("attention", KeyType::Hash), ("id", KeyType::Range)], &[]))
            .send()
            .await
            .map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn attribute(name: &str, of_type: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(of_type).build().expect("both parts are there")
}

fn key(name: &str, of_type: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(of_type).build().expect("both parts are there")
}

fn index(name: &str, keys: &[(&str, KeyType)], included: &[&str]) -> GlobalSecondaryIndex {
    let projection = if included.is_empty() {
        Projection::builder().projection_type(ProjectionType::KeysOnly)
    } else {
        let names = included.iter().map(|name| (*name).to_owned()).collect();
        Projection::builder().projection_type(ProjectionType::Include).set_non_key_attributes(Some(names))
    };
    let schema = keys.iter().map(|(name, of_type)| key(name, of_type.clone())).collect();
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(schema))
        .projection(projection.build())
        .build()
        .expect("all parts are there")
}
