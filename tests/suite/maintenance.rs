//! Maintenance: a new sealing key, and rows that are no longer of use.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::keys::NEXT_KEY_ARN;
use maintenance::{Event, Maintenance};
use serde_json::{Value, json};
use shared::aws::kms::DataKeyOpener;
use shared::domain::connection_id::ConnectionId;
use shared::ports::{Clock, TraceDataKeys};
use tests::world::{TABLE, World};

mod reap;
mod reseal;
mod walk;

pub(crate) const DAY: i64 = 24 * 3600;

/// A run of the deployment's maintenance that may take five minutes.
pub(crate) async fn run(world: &World, event: Value) -> Value {
    run_for(&world.deployment.maintenance, world, 300, event).await
}

async fn run_for(maintenance: &Maintenance, world: &World, seconds: u64, event: Value) -> Value {
    let deadline = world.clock.now() + Duration::from_secs(seconds);
    serde_json::to_value(maintenance.run(&Event::parse(&event).unwrap(), deadline).await).unwrap()
}

/// The event of a run that changes rows.
fn reseal_event() -> Value {
    json!({ "task": "reseal", "dry_run": false })
}

/// Connections of a stack, before and after a change of its sealing key.
async fn with_a_new_key(ids: &[impl AsRef<str>]) -> (World, World) {
    let before = World::new().await;
    for id in ids {
        before.connect(id.as_ref()).await;
    }
    let after = before.redeployed(&[("KMS_KEY_ID", NEXT_KEY_ARN)]);
    (before, after)
}

fn opener(world: &World) -> DataKeyOpener {
    DataKeyOpener { client: world.clients.kms.clone(), stack: "tests".to_owned() }
}

async fn wrapped_by(world: &World, id: &str) -> String {
    let data_key = world.stored(id).await.unwrap().pair.data_key;
    opener(world).trace(&ConnectionId::parse(id).unwrap(), &data_key).await.unwrap().wrapped_by
}

async fn rows(world: &World) -> HashMap<String, HashMap<String, AttributeValue>> {
    let items = world.clients.dynamodb.scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    items.into_iter().map(|row| (row["id"].as_s().unwrap().clone(), row)).collect()
}
