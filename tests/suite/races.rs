//! Many requests at once, at the HTTP edge. `PROOF=long` sends as many as the claim names. That needs an optimised
//! build: with a debug build no engine answers a thousand callers within the SDK's timeouts.
//! `PROOF=long cargo test --profile proof -p tests --test suite races`.

use std::sync::Arc;

use http::StatusCode;
use http::header::COOKIE;
use shared::http::{Request, Response};
use tests::proof::Proof;
use tests::world::{Setup, World};
use tokio::sync::Semaphore;

/// The most callbacks in flight: each holds sockets, at both ends, in this one process.
const IN_FLIGHT: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_reads_of_one_expired_token_cause_one_refresh_and_all_get_a_live_token() {
    let reads = Proof::asked().length(100, 1000);
    for setup in [Setup::default(), Setup::strict()] {
        let world = Arc::new(World::with(setup).await);
        world.connect("t").await;
        world.clock.advance(8000);
        let answers: Vec<_> = (0..reads)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.token("t").await })
            })
            .collect();
        for answer in answers {
            let answer = answer.await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert_eq!(answer.body["version"], 2);
            assert!(world.is_live(answer.text("access_token")));
        }
        assert_eq!(world.refreshes(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_callbacks_with_one_state_cause_one_exchange() {
    let callbacks = Proof::asked().length(500, 10_000);
    let world = Arc::new(World::new().await);
    let (callback, cookies) = {
        let browser = world.browser();
        (browser.to_callback("/authorize").await, browser.cookies())
    };
    let target = callback.strip_prefix(tests::world::ORIGIN).unwrap().to_owned();
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
    let answers: Vec<_> = (0..callbacks)
        .map(|_| {
            let (world, in_flight) = (world.clone(), in_flight.clone());
            let (target, cookies) = (target.clone(), cookies.clone());
            tokio::spawn(async move {
                let _permit = in_flight.acquire().await.unwrap();
                send_callback(&world, &target, &cookies).await
            })
        })
        .collect();
    for answer in answers {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
        assert!(answer.body().contains("connected"), "{}", answer.body());
    }
    assert_eq!(world.simulation.faults.requested("authorization_code"), 1);
}

async fn send_callback(world: &World, target: &str, cookies: &str) -> Response {
    let mut request = Request::default();
    *request.uri_mut() = target.parse().unwrap();
    request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
    world.send(request).await
}
