//! No ended token is handed out: the provider accepts each token until its `cache_until`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use serde_json::json;
use shared::domain::connection::refresh::{LEASE, RefreshReason, acquire};
use shared::domain::connection_id::ConnectionId;
use shared::domain::secret::{ClientSecret, RefreshToken};
use shared::domain::token_pair::TokenResponse;
use shared::domain::write::Written;
use shared::http::{Endpoint, Invocation, Request};
use shared::ports::{Clock, ProviderError, RefreshPair, WriteConnections};
use shared::protocol::refresh::Refreshing;
use tests::world::{Answer, ORIGIN, Setup, TABLE, World};
use token::Token;

use crate::{faults, parts};

async fn is_leased(world: &World, id: &str) {
    let reason = RefreshReason::OnDemand { seen: world.stored(id).await.unwrap().pair.id };
    let lease = acquire(&ConnectionId::parse(id).unwrap(), &reason, "another worker", world.clock.now());
    let written = world.clients.connections(TABLE).write(&lease).await.unwrap();
    assert!(matches!(written, Written::Applied(_)));
}

fn is_over(answer: &Answer, world: &World) -> bool {
    answer.text("cache_until") <= world.clock.now().rfc3339().as_str()
}

#[tokio::test]
async fn a_token_that_is_due_is_refreshed_and_not_handed_out() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    let refresh_at = world.stored("t").await.unwrap().refresh_at;
    world.clock.advance(world.clock.now().seconds_until(refresh_at) - 1);
    let before = world.token("t").await;
    assert_eq!(before.body["version"], 1);
    assert!(!is_over(&before, &world), "{before:?}");
    world.clock.advance(1);
    assert_eq!(world.token("t").await.body["version"], 2);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn many_readers_of_a_due_token_cause_one_refresh_and_none_gets_the_old_token() {
    let world = Arc::new(World::with(Setup::strict()).await);
    world.connect("t").await;
    let refresh_at = world.stored("t").await.unwrap().refresh_at;
    world.clock.advance(world.clock.now().seconds_until(refresh_at));
    let reads: Vec<_> = (0..24)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.token("t").await })
        })
        .collect();
    for read in reads {
        let answer = read.await.unwrap();
        assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(2)), "{answer:?}");
        assert!(world.is_live(answer.text("access_token")));
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_read_during_a_lease_waits_two_seconds_at_most_and_then_answers_a_token_that_is_valid() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(3000);
    is_leased(&world, "t").await;
    world.clock.waits_move_time(true);
    let asked_at = world.clock.now();
    let answer = world.token("t").await;
    assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(1)), "{answer:?}");
    let waited = asked_at.seconds_until(world.clock.now());
    assert!((1..=2).contains(&waited), "{waited}");
    assert_eq!(world.refreshes(), 0);
    assert!(world.is_live(answer.text("access_token")));
}

#[tokio::test]
async fn a_read_during_a_lease_waits_longer_if_the_stored_token_has_ended() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(7201);
    is_leased(&world, "t").await;
    world.clock.waits_move_time(true);
    let asked_at = world.clock.now();
    let answer = world.token("t").await;
    assert_eq!((answer.status.as_u16(), answer.text("code")), (503, "unavailable"), "{answer:?}");
    let waited = asked_at.seconds_until(world.clock.now());
    assert!((8..=11).contains(&waited), "{waited}");
}

#[tokio::test]
async fn every_token_that_is_handed_out_may_be_cached_for_some_time() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    // For longer than two lifetimes, and without a single run of the schedule.
    for _ in 0..160 {
        let answer = world.token("t").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!is_over(&answer, &world), "at {}: {answer:?}", world.clock.now().rfc3339());
        assert!(world.is_live(answer.text("access_token")));
        world.clock.advance(97);
    }
    assert!((2..=3).contains(&world.refreshes()), "{}", world.refreshes());
}

#[tokio::test]
async fn while_refreshes_fail_the_stored_token_may_be_cached_until_the_next_try() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(6000);
    world.fault(json!({ "answer": faults::status(500), "times": 2 }));
    for _ in 0..2 {
        let answer = world.token("t").await;
        assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(1)), "{answer:?}");
        assert!(!is_over(&answer, &world), "{answer:?}");
    }
    assert_eq!(world.refreshes(), 2, "one refresh, which is sent again after an unknown outcome");
    world.clock.advance(11);
    assert_eq!(world.token("t").await.body["version"], 2);
}

/// At a provider that ends the old pair at once, a token that is handed out just before a refresh ends at once.
#[tokio::test]
async fn tokens_that_live_forty_seconds_are_valid_until_their_cache_until() {
    let world = Arc::new(World::with(Setup { expires_in: 40, ..Setup::strict() }).await);
    world.connect("t").await;
    let mut kept: Vec<Answer> = Vec::new();
    let mut answers = 0;
    for step in 0..120 {
        let reads: Vec<_> = (0..6)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.token("t").await })
            })
            .collect();
        let sweep = {
            let world = world.clone();
            tokio::spawn(async move { world.sweep().await })
        };
        for read in reads {
            let answer = read.await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert!(!is_over(&answer, &world), "step {step}: {answer:?}");
            kept.push(answer);
            answers += 1;
        }
        sweep.await.unwrap();
        // Until the last moment, also after the refreshes in between.
        for _ in 0..(1 + step % 3) {
            kept.retain(|answer| !is_over(answer, &world));
            for answer in &kept {
                assert!(world.is_live(answer.text("access_token")), "step {step}: {answer:?}");
            }
            world.clock.advance(1);
        }
    }
    assert_eq!(answers, 720);
    let refreshes = world.refreshes();
    assert!((11..=20).contains(&refreshes), "240 seconds, and no more than 20 for each token: {refreshes}");
}

/// A read that asks for more remaining time than the token has, long before the schedule refreshes it.
async fn early(world: &World, id: &str) -> Answer {
    world.get(&format!("/v1/connections/{id}/token?min_ttl=7000")).await
}

fn asks_to_wait(world: &World, status: u16) {
    let answer = faults::retry_after(status, "600");
    world.fault(json!({ "answer": answer, "grant_type": "refresh_token" }));
}

#[tokio::test]
async fn during_a_pause_the_stored_token_is_handed_out_and_must_not_be_cached() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.connect("u").await;
    world.clock.advance(4000);
    asks_to_wait(&world, 503);
    early(&world, "t").await;
    let answer = early(&world, "u").await;
    assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(1)), "{answer:?}");
    assert_eq!(world.refreshes(), 1, "the other refresh waits for the end of the pause");
    assert!(is_over(&answer, &world), "{answer:?}");
}

#[tokio::test]
async fn after_a_refresh_without_a_lease_the_stored_token_must_not_be_cached() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(4000);
    world.outage_of(&["UpdateItem"]);
    let answer = early(&world, "t").await;
    assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(1)), "{answer:?}");
    assert!(is_over(&answer, &world), "another worker may have the lease: {answer:?}");
}

/// Receives the answer of a refresh while the table is down.
struct ThenTheTableIsDown {
    provider: Arc<dyn RefreshPair>,
    world: World,
}

#[async_trait]
impl RefreshPair for ThenTheTableIsDown {
    async fn refresh(&self, token: &RefreshToken, secret: &ClientSecret) -> Result<TokenResponse, ProviderError> {
        let answer = self.provider.refresh(token, secret).await;
        self.world.outage_of(&["UpdateItem"]);
        self.world.clock.waits_move_time(false);
        answer
    }
}

#[tokio::test]
async fn after_a_failure_that_could_not_be_stored_the_token_may_be_cached_only_until_the_lease_ends() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world.clock.advance(4000);
    asks_to_wait(&world, 429);
    let refreshing = parts::refreshing(&world);
    let provider = Arc::new(ThenTheTableIsDown { provider: refreshing.provider.clone(), world: world.another() });
    let refreshing = Arc::new(Refreshing { provider, ..refreshing });
    let token = Token { refreshing, ..parts::deployment(&world).token };
    let mut request = Request::default();
    *request.uri_mut() = "/v1/connections/t/token?min_ttl=7000".parse().unwrap();
    let deadline = world.clock.now() + Duration::from_secs(60);
    let (request_id, origin) = ("request".to_owned(), ORIGIN.to_owned());
    let invocation = Invocation { request_id, origin, deadline, principal: None };
    let answer = token.handle(request, &invocation).await;
    let body: serde_json::Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!(body["version"], 1, "{body}");
    assert_eq!(world.refreshes(), 1);
    assert_eq!(body["cache_until"], (world.clock.now() + LEASE).rfc3339(), "not until the end of the backoff: {body}");
}
