//! Taking a connection away, in the midst of everything else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use authorize::Authorize;
use aws_sdk_dynamodb::types::AttributeValue;
use local::deployment::Deployment;
use serde_json::json;
use shared::disconnecting::Disconnection;
use shared::domain::connection::Status;
use shared::domain::connection::disconnecting::Revocation;
use shared::domain::connection::writes::{Need, acquire};
use shared::domain::connection_id::ConnectionId;
use shared::domain::item::Item;
use shared::ports::{Clock, ReadAttempts, StoreError, WriteConnections};
use tests::world::{Setup, TABLE, World};

async fn disconnect(world: &World, id: &str) -> Disconnection {
    let deadline = world.clock.now() + Duration::from_secs(60);
    let id = ConnectionId::parse(id).unwrap();
    world.deployment.refresh.disconnecting.disconnect(&id, deadline).await.unwrap()
}

fn revocations(world: &World) -> usize {
    world.simulation.faults.requested("revoke")
}

#[tokio::test]
async fn afterwards_the_provider_accepts_neither_token_and_nothing_secret_is_left() {
    let world = World::new().await;
    world.connect("t").await;
    let token = world.token("t").await.text("access_token").to_owned();
    assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(Revocation::Done));
    assert!(!world.is_live(&token));
    assert_eq!(world.token("t").await.status, 404);
    assert_eq!(world.get("/v1/connections/t").await.status, 404);
    assert_eq!(
        world.row("t").await.unwrap().into_keys().collect::<std::collections::BTreeSet<_>>(),
        ["disconnected_at", "id", "revocation", "session", "session_order", "status", "version"]
            .map(str::to_owned)
            .into()
    );
    // Whoever asks again learns how it ended.
    assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(Revocation::Done));
    assert_eq!(disconnect(&world, "unknown").await, Disconnection::NotFound);
    assert_eq!(world.sweep().await["due"], 0);
}

#[tokio::test]
async fn a_provider_without_an_endpoint_for_it_is_no_reason_to_keep_a_connection() {
    let world = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", "")).await;
    world.connect("t").await;
    assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(Revocation::Off));
}

#[tokio::test]
async fn a_customer_may_come_back_and_the_version_goes_on() {
    let world = World::new().await;
    world.connect("t").await;
    disconnect(&world, "t").await;
    world.clock.advance(1);
    world.connect("t").await;
    let back = world.stored("t").await.unwrap();
    assert_eq!((back.version, back.status), (2, Status::Active));
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_journey_that_began_before_does_not_bring_it_back_and_its_grant_is_revoked() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(1);
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    world.clock.advance(10);
    disconnect(&world, "t").await;
    let page = browser.get(&callback).await;
    assert!(page.body().contains("taken away in the meantime"), "{}", page.body());
    assert!(world.stored("t").await.is_none());
    assert_eq!(revocations(&world), 2, "the pair that was stored, and the one that could not be");
}

/// Reads a session, and stands still until another one's link was used, and the connection taken away.
struct StandsStill {
    sessions: Arc<dyn ReadAttempts>,
    world: World,
    link: String,
}

#[async_trait]
impl ReadAttempts for StandsStill {
    async fn read(&self, key: &str) -> Result<Option<Item>, StoreError> {
        let session = self.sessions.read(key).await;
        let page = self.world.browser().journey(&self.link, "approve").await;
        assert!(page.body().contains("is connected"), "{}", page.body());
        self.world.clock.advance(10);
        assert_eq!(disconnect(&self.world, "t").await, Disconnection::Ended(Revocation::Done));
        self.world.clock.advance(10);
        session
    }
}

#[tokio::test]
async fn a_journey_whose_process_stood_still_before_its_first_write_does_not_bring_it_back() {
    let world = World::new().await;
    let used = world.session(json!({ "connection_id": "t", "confirm_page": false })).await.text("url").to_owned();
    world.clock.advance(1);
    let link = world.session(json!({ "connection_id": "t", "confirm_page": false })).await.text("url").to_owned();
    let Ok(deployment) = Arc::try_unwrap(world.another().deployment) else { panic!("nobody else has it") };
    let stands_still =
        StandsStill { sessions: deployment.authorize.sessions.clone(), world: world.another(), link: used };
    let authorize = Authorize { sessions: Arc::new(stands_still), ..deployment.authorize };
    let mut slow = world.another();
    slow.deployment = Arc::new(Deployment { authorize, ..deployment });
    let browser = slow.browser();
    let page = browser.journey(&link, "approve").await;
    assert!(page.body().contains("taken away in the meantime"), "{}", page.body());
    assert!(world.stored("t").await.is_none());
}

#[tokio::test]
async fn a_link_that_was_used_does_not_bring_it_back_although_its_journey_died_before_it_could_say_so() {
    let world = World::new().await;
    let earlier = world.session(json!({ "connection_id": "t" })).await;
    world.clock.advance(1);
    let session = world.session(json!({ "connection_id": "t" })).await;
    world.browser().journey(session.text("url"), "approve").await;
    world.say_that_it_is_pending(session.text("session_id")).await;
    disconnect(&world, "t").await;
    world.clock.advance(10);
    for link in [&session, &earlier] {
        let exchanges = world.simulation.faults.requested("authorization_code");
        let page = world.browser().journey(link.text("url"), "approve").await;
        assert!(page.body().contains("This link has been used"), "{}", page.body());
        assert!(world.stored("t").await.is_none());
        assert_eq!(
            world.simulation.faults.requested("authorization_code"),
            exchanges,
            "nothing is taken from the provider"
        );
    }
    let shown = world.get(&format!("/v1/connect-sessions/{}", session.text("session_id"))).await;
    assert_eq!(shown.body["status"], "completed");
    world.connect("t").await;
    assert_eq!(world.token("t").await.status, 200, "a new link does");
}

#[tokio::test]
async fn a_refresh_in_flight_is_waited_out_and_its_pair_is_the_one_that_is_revoked() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(6000);
    let table = shared::aws::dynamodb::ConnectionsTable::new(world.services.dynamodb.clone(), TABLE.to_owned());
    let id = ConnectionId::parse("t").unwrap();
    table.write(&acquire(&id, &Need::Scheduled, "in-flight", world.clock.now())).await.unwrap();

    assert_eq!(disconnect(&world, "t").await, Disconnection::Pending);
    assert_eq!(disconnect(&world, "t").await, Disconnection::Pending, "asked for twice");
    assert_eq!(revocations(&world), 0);
    assert_eq!(world.token("t").await.status, 404, "and hands out nothing meanwhile");

    // The process with the lease has died: the schedule goes on.
    world.clock.advance(36);
    assert_eq!(world.sweep().await["due"], 1);
    assert!(world.stored("t").await.is_none());
    assert_eq!((world.refreshes(), revocations(&world)), (0, 1));
}

#[tokio::test]
async fn a_pair_that_cannot_be_revoked_is_tried_for_a_day() {
    let world = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", "http://127.0.0.1:9/revoke")).await;
    world.connect("t").await;
    assert_eq!(disconnect(&world, "t").await, Disconnection::Pending);
    // A refresh that was in flight could not open the pair, and says so after that.
    world.set("t", "attention", AttributeValue::S("quarantined".to_owned())).await;
    for _ in 0..300 {
        world.clock.advance(300);
        world.sweep().await;
    }
    assert!(world.stored("t").await.is_none());
    let left = world.row("t").await.unwrap();
    assert_eq!(left["revocation"].as_s().unwrap(), "failed");
    assert!(!left.contains_key("attention"), "nobody need look at a tombstone");
}

#[tokio::test]
async fn two_at_once_revoke_and_bury_once() {
    let world = World::new().await;
    world.connect("t").await;
    let (first, second) = tokio::join!(disconnect(&world, "t"), disconnect(&world, "t"));
    let ended = [first, second].iter().filter(|one| matches!(one, Disconnection::Ended(_))).count();
    assert!(ended >= 1, "{first:?} {second:?}");
    assert!(world.stored("t").await.is_none());
    assert_eq!(revocations(&world), 1);
}
