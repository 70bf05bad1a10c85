//! The checks of the tables and their indexes.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};
use local::tables;
use tests::world::{Setup, World};

use super::{examined, finding, finds, troubles};

#[tokio::test]
async fn a_missing_table_and_a_missing_index_are_found() {
    let missing = World::with(Setup::default().variable("CONNECTIONS_TABLE", "nothing")).await;
    let expected = [("connections_table", "failed"), ("index_due", "skipped"), ("index_attention", "skipped")];
    let answer = finds(&missing, &expected).await;
    assert!(finding(&answer, "connections_table")["remedy"].as_str().unwrap().contains("ExistingConnectionsTable"));

    let missing = World::with(Setup::default().variable("ATTEMPTS_TABLE", "nothing")).await;
    finds(&missing, &[("attempts_table", "failed"), ("attempts_ttl", "skipped")]).await;

    // A table, but another one.
    let swapped = World::with(Setup::default().variable("CONNECTIONS_TABLE", tables::ATTEMPTS)).await;
    let expected = [("connections_table", "failed"), ("index_due", "failed"), ("index_attention", "failed")];
    finds(&swapped, &expected).await;
    let swapped = World::with(Setup::default().variable("ATTEMPTS_TABLE", tables::CONNECTIONS)).await;
    finds(&swapped, &[("attempts_table", "failed"), ("attempts_ttl", "failed")]).await;
}

#[tokio::test]
async fn an_index_with_other_keys_or_attributes_is_found() {
    let world = World::with(Setup::default().variable("CONNECTIONS_TABLE", "by-hand")).await;
    let attribute = |name: &str, of_type| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(of_type).build().unwrap()
    };
    let key = |name: &str, of_type| KeySchemaElement::builder().attribute_name(name).key_type(of_type).build().unwrap();
    let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    let index = |name: &str, sort: &str, partition: &str| {
        let index = GlobalSecondaryIndex::builder().index_name(name).projection(keys_only.clone());
        index.key_schema(key(partition, KeyType::Hash)).key_schema(key(sort, KeyType::Range)).build().unwrap()
    };
    let table = world.clients.dynamodb.create_table().table_name("by-hand").billing_mode(BillingMode::PayPerRequest);
    let table =
        table.key_schema(key("id", KeyType::Hash)).attribute_definitions(attribute("id", ScalarAttributeType::S));
    let table = table
        .attribute_definitions(attribute("shard", ScalarAttributeType::N))
        .attribute_definitions(attribute("refresh_at", ScalarAttributeType::N))
        .attribute_definitions(attribute("attention", ScalarAttributeType::S));
    let table = table.global_secondary_indexes(index("due", "refresh_at", "shard"));
    table.global_secondary_indexes(index("attention", "attention", "id")).send().await.unwrap();

    let answer = finds(&world, &[("index_due", "failed"), ("index_attention", "failed")]).await;
    assert!(finding(&answer, "index_due")["detail"].as_str().unwrap().contains("expires_at"), "{}", answer.body);
    assert!(finding(&answer, "index_attention")["detail"].as_str().unwrap().contains("id, attention"));
}

#[tokio::test]
async fn tables_that_may_not_be_described_are_found() {
    let world = World::new().await;
    world.outage_of(&["DescribeTimeToLive"]);
    finds(&world, &[("attempts_ttl", "failed")]).await;
    world.outage_of(&["DescribeTable"]);
    let answer = examined(&world).await;
    assert_eq!(troubles(&answer).len(), 5, "{}", answer.body);
}

#[tokio::test]
async fn an_attempts_table_without_ttl_is_found() {
    let world = World::new().await;
    let off = TimeToLiveSpecification::builder().enabled(false).attribute_name("ttl").build().unwrap();
    let update = world.clients.dynamodb.update_time_to_live().table_name(tables::ATTEMPTS);
    update.time_to_live_specification(off).send().await.unwrap();
    let answer = finds(&world, &[("attempts_ttl", "failed")]).await;
    assert!(finding(&answer, "attempts_ttl")["remedy"].as_str().unwrap().contains("update-time-to-live"));
}
