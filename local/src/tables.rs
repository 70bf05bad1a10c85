//! DynamoDB, embedded: an engine inside this process, reached over HTTP by the same SDK as in AWS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
};
use tokio::net::TcpListener;

use crate::StartError;

pub const ATTEMPTS: &str = "attempts";
pub const CONNECTIONS: &str = "connections";

/// Serves the tables from a file, or from memory, until the process ends. Every write is committed before its answer.
pub async fn serve(file: Option<&Path>) -> Result<SocketAddr, StartError> {
    let database = match file {
        Some(path) => dynoxide::Database::new(&path.to_string_lossy()),
        None => dynoxide::Database::memory(),
    };
    let database = database.map_err(|error| StartError(format!("the tables cannot be opened: {error}")))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    Ok(address)
}

/// Creates the tables of template.yaml, if they are not there yet.
pub async fn create(client: &Client) -> Result<(), StartError> {
    let failed =
        |error: &dyn std::error::Error| StartError(format!("a table cannot be made: {}", DisplayErrorContext(error)));
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
