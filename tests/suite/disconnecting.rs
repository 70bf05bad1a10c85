//! Disconnecting a connection while other requests are under way.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use authorize::Authorize;
use local::deployment::Deployment;
use serde_json::json;
use shared::domain::attempt::{Attempt, StateHash};
use shared::domain::connection::State;
use shared::domain::connection::disconnect::{RevocationOutcome, disconnect as disconnected};
use shared::domain::connection::refresh::RefreshReason;
use shared::domain::connection_id::ConnectionId;
use shared::domain::order::Order;
use shared::domain::secret::{ClientSecret, RefreshToken};
use shared::domain::session::{Session, SessionId};
use shared::domain::token_pair::TokenResponse;
use shared::domain::write::Written;
use shared::ports::{Clock, ProviderError, ReadAttempts, RefreshPair, StoreError, WriteConnections};
use shared::protocol::disconnect::Disconnection;
use shared::protocol::refresh::{self, Refreshing};
use tests::tokens;
use tests::world::{Setup, TABLE, World};

use crate::confirmation::journey;
use crate::reported::revocations;
use crate::{faults, parts};

async fn disconnect(world: &World, id: &str) -> Disconnection {
    let deadline = world.clock.now() + Duration::from_secs(60);
    let id = ConnectionId::parse(id).unwrap();
    world.deployment.connections.disconnecting.disconnect(&id, deadline).await.unwrap()
}

#[tokio::test]
async fn after_a_disconnect_the_provider_accepts_neither_token_and_no_secret_is_left() {
    let world = World::new().await;
    world.connect("t").await;
    let token = world.token("t").await.text("access_token").to_owned();
    assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(RevocationOutcome::Done));
    assert!(!world.is_live(&token));
    assert_eq!(world.token("t").await.status, 404);
    assert_eq!(world.get("/v1/connections/t").await.status, 404);
    assert_eq!(
        world.row("t").await.unwrap().into_keys().collect::<std::collections::BTreeSet<_>>(),
        [
            "disconnect_order",
            "format",
            "id",
            "revision",
            "revocation",
            "session",
            "session_order",
            "status",
            "vacant_since",
            "version"
        ]
        .map(str::to_owned)
        .into()
    );
    // A second request gets the outcome.
    assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(RevocationOutcome::Done));
    assert_eq!(disconnect(&world, "unknown").await, Disconnection::NotFound);
    assert_eq!(world.sweep().await["due"], 0);
}

#[tokio::test]
async fn a_connection_is_disconnected_although_the_provider_has_no_revocation_endpoint() {
    let world = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", "")).await;
    world.connect("t").await;
    assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(RevocationOutcome::Off));
}

#[tokio::test]
async fn a_customer_may_come_back_and_the_version_continues() {
    let world = World::new().await;
    world.connect("t").await;
    disconnect(&world, "t").await;
    world.connect("t").await;
    let back = world.stored("t").await.unwrap();
    assert_eq!((back.version, back.state), (2, State::Active));
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

/// Reads the order of the id's events, and stops until another link was used and the connection disconnected.
struct StandsStill {
    sessions: Arc<dyn ReadAttempts>,
    world: World,
    link: String,
}

#[async_trait]
impl ReadAttempts for StandsStill {
    async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.sessions.session(id).await
    }

    async fn attempt(&self, state_hash: &StateHash) -> Result<Option<Attempt>, StoreError> {
        self.sessions.attempt(state_hash).await
    }

    async fn order(&self, id: &ConnectionId) -> Result<Option<Order>, StoreError> {
        let order = self.sessions.order(id).await;
        let page = self.world.browser().journey(&self.link, "approve").await;
        assert!(page.body().contains("is connected"), "{}", page.body());
        assert_eq!(disconnect(&self.world, "t").await, Disconnection::Ended(RevocationOutcome::Done));
        order
    }
}

#[tokio::test]
async fn a_journey_that_stood_still_before_its_first_write_does_not_connect_after_a_disconnect() {
    let world = World::new().await;
    let used = world.session(json!({ "connection_id": "t", "confirm_page": false })).await.text("url").to_owned();
    let link = world.session(json!({ "connection_id": "t", "confirm_page": false })).await.text("url").to_owned();
    let deployment = parts::deployment(&world);
    let stands_still =
        StandsStill { sessions: deployment.authorize.sessions.clone(), world: world.another(), link: used };
    let authorize = Authorize { sessions: Arc::new(stands_still), ..deployment.authorize };
    let slow = parts::process(&world, Deployment { authorize, ..deployment });
    let browser = slow.browser();
    let page = browser.journey(&link, "approve").await;
    assert!(page.body().contains("ended in the meantime"), "{}", page.body());
    assert!(world.stored("t").await.is_none());
}

#[tokio::test]
async fn a_used_link_does_not_connect_again_although_its_journey_could_not_store_its_end() {
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
            "no code is sent to the provider"
        );
    }
    let shown = world.get(&format!("/v1/connect-sessions/{}", session.text("session_id"))).await;
    assert_eq!(shown.body["status"], "completed");
    world.connect("t").await;
    assert_eq!(world.token("t").await.status, 200, "a new link connects");
}

/// Receives the answer of a refresh, and stops until the connection was disconnected.
struct TakenAway {
    provider: Arc<dyn RefreshPair>,
    world: World,
}

#[async_trait]
impl RefreshPair for TakenAway {
    async fn refresh(&self, token: &RefreshToken, secret: &ClientSecret) -> Result<TokenResponse, ProviderError> {
        let refreshed = self.provider.refresh(token, secret).await;
        assert_eq!(disconnect(&self.world, "t").await, Disconnection::Ended(RevocationOutcome::Done));
        assert_eq!(self.world.token("t").await.status, 404);
        refreshed
    }
}

#[tokio::test]
async fn a_refresh_in_flight_does_not_delay_a_disconnect_and_its_pair_is_revoked_by_the_next_sweep() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(6000);
    let refreshing = parts::refreshing(&world);
    let provider = Arc::new(TakenAway { provider: refreshing.provider.clone(), world: world.another() });
    let refreshing = Refreshing { provider, ..refreshing };
    let deadline = world.clock.now() + Duration::from_secs(60);
    let id = ConnectionId::parse("t").unwrap();
    let outcome = refreshing.refresh(&id, &RefreshReason::Scheduled, deadline).await;
    assert!(matches!(outcome, refresh::Outcome::Gone), "{outcome:?}");

    let late = tokens::to_revoke(&world, "t").await;
    assert_eq!((late.len(), revocations(&world)), (1, 1), "the old pair was revoked, the late one is in the list");
    assert!(world.is_live(late[0].access_token.expose()));
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "disconnecting");
    world.sweep().await;
    assert!(!world.is_live(late[0].access_token.expose()));
    assert_eq!(world.get("/v1/connections/t").await.status, 404);
    world.sweep().await;
    assert_eq!(revocations(&world), 2);
}

#[tokio::test]
async fn the_revocation_of_a_pair_is_tried_for_a_day() {
    let world = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", "http://127.0.0.1:9/revoke")).await;
    world.connect("t").await;
    assert_eq!(disconnect(&world, "t").await, Disconnection::Pending);
    for _ in 0..300 {
        world.clock.advance(300);
        world.sweep().await;
    }
    assert!(world.stored("t").await.is_none());
    assert_eq!(world.row("t").await.unwrap()["revocation"].as_s().unwrap(), "failed");
    assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(RevocationOutcome::Failed));
    assert_eq!(world.sweep().await["due"], 0);
}

fn refuses_a_revocation(world: &World) {
    let refused = faults::status(403);
    world.fault(json!({ "answer": refused, "grant_type": "revoke" }));
}

#[tokio::test]
async fn the_answered_outcome_is_that_of_the_last_disconnect() {
    let world = World::new().await;
    world.connect("t").await;
    refuses_a_revocation(&world);
    assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(RevocationOutcome::Failed));
    for comes_back in [true, false] {
        if comes_back {
            world.connect("t").await;
        } else {
            journey(&world, "t", "approve").await;
        }
        assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(RevocationOutcome::Done));
    }
}

#[tokio::test]
async fn an_unconfirmed_grant_does_not_change_the_outcome_of_the_disconnect_before() {
    for (of_the_connection, of_the_other) in
        [(RevocationOutcome::Done, RevocationOutcome::Failed), (RevocationOutcome::Failed, RevocationOutcome::Done)]
    {
        let world = World::new().await;
        world.connect("t").await;
        if of_the_connection == RevocationOutcome::Failed {
            refuses_a_revocation(&world);
        }
        assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(of_the_connection));
        journey(&world, "t", "approve").await;
        world.clock.advance(900);
        if of_the_other == RevocationOutcome::Failed {
            refuses_a_revocation(&world);
        }
        world.sweep().await;
        assert_eq!(revocations(&world), 2);
        assert_eq!(disconnect(&world, "t").await, Disconnection::Ended(of_the_connection));
    }
}

#[tokio::test]
async fn two_disconnects_at_once_revoke_once_and_leave_one_tombstone() {
    let world = World::new().await;
    world.connect("t").await;
    let (first, second) = tokio::join!(disconnect(&world, "t"), disconnect(&world, "t"));
    let ended = [first, second].iter().filter(|one| matches!(one, Disconnection::Ended(_))).count();
    assert!(ended >= 1, "{first:?} {second:?}");
    assert!(world.stored("t").await.is_none());
    assert_eq!(revocations(&world), 1);
}

#[tokio::test]
async fn of_two_overlapping_disconnects_the_later_order_stays_although_the_earlier_one_writes_last() {
    let world = World::new().await;
    world.connect("t").await;
    disconnect(&world, "t").await;
    world.connect("t").await;
    let later = world.stored("t").await.unwrap().disconnected.unwrap();
    let earlier = Order::from_number(later.number() - 1);
    let (write, _) = disconnected(&world.parsed("t").await.unwrap(), earlier, world.clock.now()).unwrap();
    let written = world.clients.connections(TABLE).write(&write).await.unwrap();
    assert!(matches!(written, Written::Applied(_)));
    assert_eq!(world.parsed("t").await.unwrap().disconnected(), Some(later));
}
