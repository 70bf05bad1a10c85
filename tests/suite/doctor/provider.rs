//! The checks of the provider: its endpoints, and its clock.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use shared::ports::Clock;
use tests::world::{CLIENT_SECRET, Setup, World};
use tokio::net::TcpListener;

use super::{finding, finds};
use crate::faults;

/// An address on which no server listens.
async fn closed_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn the_revocation_endpoint_gets_a_made_up_token_and_its_answer_is_explained() {
    let world = World::new().await;
    let answer = finds(&world, &[]).await;
    assert!(finding(&answer, "revocation")["detail"].as_str().unwrap().contains("RFC 7009"), "{}", answer.body);
    for (answer, words) in [
        (faults::status(404), "404"),
        (faults::status(405), "405"),
        (faults::status(302), "302"),
        (faults::error(400, "invalid_token"), "invalid_token"),
        (faults::error(400, "canary of the provider's own"), "400"),
        (faults::error(401, "invalid_client"), "invalid_client"),
        (faults::status(429), "429"),
        (faults::status(500), "500"),
    ] {
        world.fault(json!({ "answer": answer, "grant_type": "revoke" }));
        let answer = finds(&world, &[("revocation", "warning")]).await;
        let finding = finding(&answer, "revocation");
        assert!(finding["detail"].as_str().unwrap().contains(words), "{finding}");
        assert!(finding["remedy"].as_str().unwrap().len() > 20, "{finding}");
    }

    let url = format!("http://{}/oauth/revoke", closed_address().await);
    let elsewhere = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", &url)).await;
    let answer = finds(&elsewhere, &[("revocation", "warning")]).await;
    assert!(finding(&answer, "revocation")["remedy"].as_str().unwrap().contains("RevokeUrl"), "{}", answer.body);

    let off = World::with(Setup::default().variable("WEBINARGEEK_REVOKE_URL", "")).await;
    let answer = finds(&off, &[]).await;
    assert!(finding(&answer, "revocation")["detail"].as_str().unwrap().starts_with("off"), "{}", answer.body);
}

#[tokio::test]
async fn the_revocation_endpoint_gets_the_secret_that_the_provider_accepts() {
    let secrets = json!(["canary-new", CLIENT_SECRET]).to_string();
    let world = World::with(Setup { client_secret: secrets, ..Setup::default() }).await;
    finds(&world, &[("client_credentials", "warning")]).await;
    assert_eq!(world.simulation.faults.requested("revoke"), 1);
}

#[tokio::test]
async fn a_wrong_clock_is_found_with_its_difference() {
    let world = World::new().await;
    let dated = |seconds: i64| {
        let theirs = world.clock.now().unix() - seconds;
        let theirs = std::time::UNIX_EPOCH + Duration::from_secs(theirs as u64);
        json!({ "answer": { "dated": httpdate::fmt_http_date(theirs) } })
    };
    for (ahead, begin, status) in [
        (600, "600 s ahead of", Some("failed")),
        (-600, "600 s behind", Some("failed")),
        (120, "120 s ahead of", Some("warning")),
        (-20, "20 s behind", None),
    ] {
        world.fault(dated(ahead));
        let expected: Vec<(&str, &str)> = status.map(|status| ("clock", status)).into_iter().collect();
        let answer = finds(&world, &expected).await;
        let detail = finding(&answer, "clock")["detail"].as_str().unwrap();
        assert!(detail.starts_with(begin), "{detail}");
    }
}

#[tokio::test]
async fn a_provider_that_is_unreachable_or_answers_unexpectedly_is_found() {
    let url = format!("http://{}/oauth/token", closed_address().await);
    let world = World::with(Setup::default().variable("WEBINARGEEK_TOKEN_URL", &url)).await;
    let answer =
        finds(&world, &[("client_credentials", "failed"), ("clock", "skipped"), ("revocation", "skipped")]).await;
    let remedy = finding(&answer, "client_credentials")["remedy"].as_str().unwrap();
    assert!(remedy.contains("TokenUrl"), "{remedy}");

    let world = World::new().await;
    for (answer, found) in [
        (json!("html"), "failed"),
        (json!("garbage"), "failed"),
        (faults::status(500), "failed"),
        (faults::status(404), "failed"),
        (faults::error(302, "invalid_grant"), "failed"),
        (faults::error(400, "unauthorized_client"), "failed"),
        (faults::error(400, "canary of the provider's own"), "failed"),
        (faults::status(429), "warning"),
    ] {
        world.fault(json!({ "answer": answer }));
        finds(&world, &[("client_credentials", found), ("revocation", "skipped")]).await;
    }
    world.fault(json!({ "answer": "huge" }));
    finds(&world, &[("client_credentials", "failed"), ("revocation", "skipped")]).await;
    // A broken connection shows no time.
    world.fault(json!({ "answer": "break" }));
    finds(&world, &[("client_credentials", "failed"), ("clock", "skipped"), ("revocation", "skipped")]).await;
}
