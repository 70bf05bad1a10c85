//! The connections table's stream, read from the engine through the API that Lambda uses.

use events::record::Read;
use serde_json::{Value, json};

use crate::StartError;
use crate::engines::Engines;

/// The stream of one table.
#[derive(Clone)]
pub struct Stream {
    engines: Engines,
    table: String,
}

impl Stream {
    pub fn new(engines: Engines, table: &str) -> Self {
        Self { engines, table: table.to_owned() }
    }

    pub(crate) fn engines(&self) -> &Engines {
        &self.engines
    }

    /// Every record that the stream still has, in Lambda's form, the earliest first.
    pub async fn records(&self) -> Result<Vec<Value>, StartError> {
        self.records_after(None).await
    }

    /// The records that come after the one with this sequence number.
    pub async fn records_after(&self, last: Option<&str>) -> Result<Vec<Value>, StartError> {
        let streams = self.call("ListStreams", json!({ "TableName": self.table })).await?;
        // Tables of an earlier version have no stream.
        let Some(stream) = streams["Streams"][0].get("StreamArn") else { return Ok(Vec::new()) };
        let described = self.call("DescribeStream", json!({ "StreamArn": stream })).await?;
        let mut records = Vec::new();
        for shard in described["StreamDescription"]["Shards"].as_array().into_iter().flatten() {
            let mut from =
                json!({ "StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" });
            if let Some(last) = last {
                from["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
                from["SequenceNumber"] = last.into();
            }
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
        let target = format!("DynamoDBStreams_20120810.{operation}");
        let (status, body) = self.engines.answer(&target, input.to_string().as_bytes()).await;
        if !status.is_success() {
            return Err(failed(&body));
        }
        serde_json::from_str(&body).map_err(|error| failed(&error))
    }
}

fn failed(error: &dyn std::fmt::Display) -> StartError {
    StartError(format!("the tables' stream cannot be read: {error}"))
}
