//! The connections table's stream, read from the engine through the API that Lambda uses.

use std::net::SocketAddr;

use events::record::Read;
use serde_json::{Value, json};

use crate::StartError;

/// The engine requires it, and does not verify it.
const UNVERIFIED: &str =
    "AWS4-HMAC-SHA256 Credential=local/20261124/local/dynamodb/aws4_request, SignedHeaders=host, Signature=00";

/// The stream of one table.
#[derive(Clone)]
pub struct Stream {
    engine: SocketAddr,
    table: String,
    http: reqwest::Client,
}

impl Stream {
    #[expect(clippy::disallowed_methods, reason = "requests to an engine inside this process, and no provider's")]
    pub fn new(engine: SocketAddr, table: &str) -> Result<Self, StartError> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(|error| failed(&error))?;
        Ok(Self { engine, table: table.to_owned(), http })
    }

    /// Every record that the stream still has, in Lambda's form, the earliest first.
    pub async fn records(&self) -> Result<Vec<Value>, StartError> {
        let streams = self.call("ListStreams", json!({ "TableName": self.table })).await?;
        // Tables of an earlier version have none.
        let Some(stream) = streams["Streams"][0].get("StreamArn") else { return Ok(Vec::new()) };
        let described = self.call("DescribeStream", json!({ "StreamArn": stream })).await?;
        let mut records = Vec::new();
        for shard in described["StreamDescription"]["Shards"].as_array().into_iter().flatten() {
            let from = json!({ "StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" });
            let mut iterator = self.call("GetShardIterator", from).await?["ShardIterator"].take();
            while !iterator.is_null() {
                let mut page = self.call("GetRecords", json!({ "ShardIterator": iterator })).await?;
                let Value::Array(found) = page["Records"].take() else { break };
                // An open shard always has a next iterator.
                if found.is_empty() {
                    break;
                }
                records.extend(found);
                iterator = page["NextShardIterator"].take();
            }
        }
        Ok(records)
    }

    /// The events that the bus would have received.
    pub async fn events(&self, stack: &str) -> Result<Vec<Value>, StartError> {
        let records = self.records().await?;
        let occurred = records.iter().filter_map(|record| Read::of(record).ok()?.occurred);
        let details = occurred.map(|it| it.event.entry(stack, it.at).detail);
        details.map(|detail| serde_json::from_str(&detail).map_err(|error| failed(&error))).collect()
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, StartError> {
        let request = self
            .http
            .post(format!("http://{}/", self.engine))
            .header("x-amz-target", format!("DynamoDBStreams_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", UNVERIFIED)
            .header("x-amz-date", "20261124T000000Z")
            .body(input.to_string());
        let answer = async { request.send().await?.error_for_status()?.bytes().await }.await;
        serde_json::from_slice(&answer.map_err(|error| failed(&error))?).map_err(|error| failed(&error))
    }
}

fn failed(error: &dyn std::error::Error) -> StartError {
    StartError(format!("the tables' stream cannot be read: {error}"))
}
