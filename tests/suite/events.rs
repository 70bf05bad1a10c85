//! Events: one for each change, with an id that stays the same, and without secrets.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Bytes;
use axum::response::IntoResponse;
use events::Events;
use serde_json::{Value, json};
use shared::aws::eventbridge::{Client, EventBus};
use shared::domain::connection_id::ConnectionId;
use shared::ports::{BusEntry, BusError, Clock, PutEvents};
use tests::laptop::Laptop;
use tests::world::{STORING_A_PAIR, World};

use crate::faults;
use crate::log::{capture, captured};
use crate::reported::event_ids;

/// A bus. `accepts` is the number of entries that its next call accepts; later calls accept all.
#[derive(Default)]
pub(crate) struct Bus {
    accepted: Mutex<Vec<BusEntry>>,
    accepts: Mutex<Option<usize>>,
}

#[async_trait]
impl PutEvents for Bus {
    async fn put(&self, entries: &[BusEntry]) -> Result<(), BusError> {
        let taken = self.accepts.lock().unwrap().take().map_or(entries.len(), |accepts| accepts.min(entries.len()));
        self.accepted.lock().unwrap().extend_from_slice(&entries[..taken]);
        if taken < entries.len() { Err(BusError { taken, why: "it is down".to_owned() }) } else { Ok(()) }
    }
}

impl Bus {
    pub(crate) fn details(&self) -> Vec<Value> {
        self.accepted.lock().unwrap().iter().map(|entry| serde_json::from_str(&entry.detail).unwrap()).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.details().iter().map(|detail| detail["id"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) fn events() -> (Arc<Bus>, Events) {
    let bus = Arc::new(Bus::default());
    (bus.clone(), Events { bus, stack: "tests".to_owned() })
}

async fn refused_refresh(world: &World) {
    world.clock.advance(400);
    let refused = faults::error(400, "invalid_scope");
    world.fault(json!({ "answer": refused, "grant_type": "refresh_token" }));
    world.sweep().await;
}

async fn disconnect(world: &World, id: &str) {
    let deadline = world.clock.now() + Duration::from_secs(60);
    world.deployment.connections.disconnecting.disconnect(&ConnectionId::parse(id).unwrap(), deadline).await.unwrap();
}

/// Everything that can happen to a connection, and the secrets that must not be in its events.
async fn a_whole_life(world: &World) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    let mut note = async || {
        let answer = world.token("t").await;
        secrets.extend(answer.body["access_token"].as_str().map(str::to_owned));
        for (name, value) in world.row("t").await.unwrap() {
            match value {
                AttributeValue::B(blob) => drop(secrets.insert(as_json(&blob))),
                AttributeValue::S(text) if name == "granted_by" || name == "session" => drop(secrets.insert(text)),
                _ => {}
            }
        }
    };
    world.connect("t").await;
    note().await;
    world.clock.advance(5800);
    world.sweep().await;
    note().await;
    world.clock.advance(5400);
    for _ in 0..4 {
        refused_refresh(world).await;
    }
    world.clock.advance(400);
    world.sweep().await;
    note().await;
    world.simulation.grants.revoke_all();
    for seconds in [5800, 400] {
        world.clock.advance(seconds);
        world.sweep().await;
    }
    world.connect("t").await;
    note().await;
    disconnect(world, "t").await;
    world.connect("t").await;
    note().await;
    assert!(secrets.len() > 12, "{secrets:?}");
    secrets
}

/// A blob, in the form of the stream.
fn as_json(blob: &Blob) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(blob.as_ref())
}

const OF_A_LIFE: [&str; 7] = [
    "t/1/connection.connected",
    "t/2/connection.degraded",
    "t/3/connection.recovered",
    "t/3/connection.reauth_required",
    "t/4/connection.reconnected",
    "t/4/connection.disconnected",
    "t/5/connection.connected",
];

#[tokio::test]
async fn every_event_of_a_connection_fits_the_schema_and_holds_no_secret() {
    let world = World::new().await;
    let secrets = a_whole_life(&world).await;
    let records = world.stream.records().await.unwrap();
    assert!(secrets.iter().any(|secret| Value::from(records.clone()).to_string().contains(secret)), "the images do");

    let (bus, events) = events();
    capture();
    let answer = events.deliver(&json!({ "Records": records })).await;
    assert_eq!(serde_json::to_value(answer).unwrap(), json!({ "batchItemFailures": [] }));
    assert_eq!(bus.ids(), OF_A_LIFE);
    let schema: Value = serde_json::from_str(include_str!("../../docs/events.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let log = captured();
    let accepted = bus.accepted.lock().unwrap().clone();
    for (entry, detail) in accepted.iter().zip(bus.details()) {
        let problems: Vec<String> = schema.iter_errors(&detail).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{detail}: {problems:?}");
        assert_eq!(detail["type"], entry.detail_type);
        assert_eq!(detail["id"], format!("t/{}/{}", detail["version"], entry.detail_type));
        let shown = format!("{entry:?}{log}");
        for secret in &secrets {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
    let of_all = |member: &str| bus.details().iter().map(|detail| detail[member].clone()).collect::<Vec<_>>();
    assert_eq!(
        of_all("reason"),
        [json!(null), json!("refused"), json!(null), json!("invalid_grant"), json!(null), json!(null), json!(null)]
    );
    assert!(!schema.is_valid(&json!({ "id": "t/1/connection.connected" })), "the schema has required members");
}

#[tokio::test]
async fn an_event_keeps_its_id_if_it_is_delivered_again_or_in_other_batches() {
    let world = World::new().await;
    a_whole_life(&world).await;
    let records = world.stream.records().await.unwrap();
    let (bus, events) = events();
    for size in [1, 7, records.len()] {
        bus.accepted.lock().unwrap().clear();
        for batch in records.chunks(size) {
            events.deliver(&json!({ "Records": batch })).await;
        }
        assert_eq!(bus.ids(), OF_A_LIFE, "in batches of {size}");
    }
}

#[tokio::test]
async fn after_an_event_that_the_bus_does_not_accept_the_delivery_continues_with_it() {
    let world = World::new().await;
    a_whole_life(&world).await;
    let mut records = world.stream.records().await.unwrap();
    let (bus, events) = events();
    for accepts in [0, 2, 0, 3] {
        *bus.accepts.lock().unwrap() = Some(accepts);
        let answer = serde_json::to_value(events.deliver(&json!({ "Records": records })).await).unwrap();
        assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 1, "{answer}");
        let from = &answer["batchItemFailures"][0]["itemIdentifier"];
        let at = records.iter().position(|record| record["dynamodb"]["SequenceNumber"] == *from).unwrap();
        records.drain(..at);
    }
    events.deliver(&json!({ "Records": records })).await;
    assert_eq!(bus.ids(), OF_A_LIFE, "none lost, none out of order");
}

#[tokio::test]
async fn an_unreadable_record_is_logged_and_delays_no_other() {
    let world = World::new().await;
    world.connect("t").await;
    world.set("t", "status", AttributeValue::S("what".to_owned())).await;
    world.connect("u").await;
    let mut records = world.stream.records().await.unwrap();
    records.insert(0, json!({}));
    records
        .insert(1, json!({ "dynamodb": { "Keys": { "id": { "S": "a/b" } }, "NewImage": { "id": { "S": "a/b" } } } }));
    let (bus, events) = events();
    capture();
    let answer = events.deliver(&json!({ "Records": records })).await;
    assert!(answer.batch_item_failures.is_empty());
    assert_eq!(bus.ids(), ["t/1/connection.connected", "t/1/connection.degraded", "u/1/connection.connected"]);
    assert_eq!(bus.details()[1]["reason"], "inconsistent_row");
    let log = captured();
    assert!(log.contains("inconsistent_row") && log.contains("`status`") && log.contains("`id`"), "{log}");
    assert!(!log.contains("what"), "{log}");
}

#[tokio::test]
async fn a_connection_has_its_event_when_it_is_stored_and_not_before() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    world.outage_of(&[STORING_A_PAIR]);
    world.browser().journey(session.text("url"), "approve").await;
    world.outage_of(&[]);
    assert_eq!(event_ids(&world).await, [""; 0]);
    for escrowed in world.escrow.take() {
        world.replay(&escrowed).await;
    }
    assert_eq!(event_ids(&world).await, ["t/1/connection.connected"]);
}

#[tokio::test]
async fn the_bus_gets_ten_events_at_a_time_and_each_of_its_answers_is_checked() {
    let calls = Arc::new(Mutex::new(Vec::<Value>::new()));
    let noted = calls.clone();
    let bus = axum::Router::new().fallback(move |body: Bytes| async move {
        let call: Value = serde_json::from_slice(&body).unwrap();
        let answers: Vec<Value> = call["Entries"].as_array().unwrap().iter().map(answered).collect();
        let failed = answers.iter().filter(|answer| answer.get("ErrorCode").is_some()).count();
        noted.lock().unwrap().push(call);
        let body = json!({ "FailedEntryCount": failed, "Entries": answers }).to_string();
        ([("content-type", "application/x-amz-json-1.1")], body).into_response()
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, bus).await });
    let config = aws_sdk_eventbridge::Config::builder()
        .behavior_version(aws_sdk_eventbridge::config::BehaviorVersion::latest())
        .region(aws_sdk_eventbridge::config::Region::new("eu-west-1"))
        .credentials_provider(aws_sdk_eventbridge::config::Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(origin)
        .build();
    let bus = EventBus { client: Client::from_conf(config), name: "the-bus".to_owned() };

    let clock = tests::clock::TestClock::default();
    let entry = |number: usize| BusEntry {
        detail_type: "connection.connected",
        detail: json!({ "number": number }).to_string(),
        at: clock.now(),
    };
    let put = async |numbers: std::ops::Range<usize>| bus.put(&numbers.map(entry).collect::<Vec<_>>()).await;
    put(100..123).await.unwrap();
    let sizes: Vec<usize> =
        calls.lock().unwrap().iter().map(|call| call["Entries"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [10, 10, 3]);
    let first = calls.lock().unwrap()[0]["Entries"][0].clone();
    assert_eq!(
        first,
        json!({
            "EventBusName": "the-bus",
            "Source": "webinargeek-connect",
            "DetailType": "connection.connected",
            "Detail": "{\"number\":100}",
            "Time": clock.now().unix(),
        })
    );

    calls.lock().unwrap().clear();
    let error = put(REFUSED - 13..REFUSED + 20).await.unwrap_err();
    assert_eq!(error.taken, 13);
    assert!(error.why.contains("InternalFailure"), "{error}");
    assert_eq!(calls.lock().unwrap().len(), 2, "no call follows a failure");
}

const REFUSED: usize = 1000;

fn answered(entry: &Value) -> Value {
    if entry["Detail"] == format!("{{\"number\":{REFUSED}}}") {
        json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "try again" })
    } else {
        json!({ "EventId": "e" })
    }
}

#[tokio::test]
async fn a_laptop_shows_the_events_that_a_bus_would_have_received() {
    let laptop = Laptop::start(env!("CARGO_BIN_EXE_laptop"), &[]).await;
    assert_eq!(laptop.json("/local/events").await, json!({ "events": [] }));
    laptop.connect("t").await;
    let shown = laptop.json("/local/events").await;
    assert_eq!(shown["events"][0]["id"], "t/1/connection.connected", "{shown}");
}
