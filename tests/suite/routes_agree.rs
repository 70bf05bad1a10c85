//! Status, list, token route, event and metric agree on a connection, in every state.

use aws_sdk_dynamodb::types::AttributeValue;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::domain::connection::refresh::{RefreshReason, acquire, give_up};
use shared::domain::connection_id::ConnectionId;
use shared::failure::FailureClass;
use shared::ports::{Clock, WriteConnections};
use tests::world::{Setup, TABLE, World};

use crate::faults;
use crate::reported::events_of;

const FILTERS: [&str; 8] =
    ["", "active", "degraded", "pending", "unconfirmed", "reauth_required", "disconnecting", "quarantined"];

/// What the routes show of a connection.
struct View {
    status: Option<&'static str>,
    reason: Option<&'static str>,
    /// The filters that list it. The list without a filter always does.
    listed: &'static [&'static str],
    token: (u16, Option<&'static str>),
    /// The last event, without its version.
    event: Option<&'static str>,
    /// Whether its access token counts for the fleet's least remaining lifetime.
    counts: bool,
}

async fn all_say(world: &World, state: &str, view: View) {
    let shown = world.get("/v1/connections/t").await;
    match view.status {
        None => assert_eq!(shown.status, StatusCode::NOT_FOUND, "{state}: {shown:?}"),
        Some(status) => {
            assert_eq!(shown.status, StatusCode::OK, "{state}: {shown:?}");
            assert_eq!(
                (&shown.body["status"], &shown.body["reason"]),
                (&json!(status), &json!(view.reason)),
                "{state}"
            );
        }
    }
    for filter in FILTERS {
        let query = if filter.is_empty() { String::new() } else { format!("?status={filter}") };
        let page = world.get(&format!("/v1/connections{query}")).await;
        let is_listed = view.status.is_some() && (filter.is_empty() || view.listed.contains(&filter));
        let expected = if is_listed { json!([shown.body]) } else { json!([]) };
        assert_eq!(page.body["connections"], expected, "{state}: ?status={filter}");
    }
    let token = world.token("t").await;
    let code = token.body.get("code").and_then(Value::as_str);
    assert_eq!((token.status.as_u16(), code), view.token, "{state}: {token:?}");
    let event = events_of(world, "t").await;
    let event = event.last().map(|event| {
        let (what, version) = event.split_once('/').unwrap();
        version.split_once(' ').map_or(what.to_owned(), |(_, reason)| format!("{what} {reason}"))
    });
    assert_eq!(event.as_deref(), view.event, "{state}");
    // This is the last check, because a run may change the state.
    let least = world.sweep().await["least_remaining_seconds"].clone();
    assert_eq!(least.is_number(), view.counts, "{state}: {least}");
}

async fn connected() -> World {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    world
}

async fn wait_for_a_confirmation(world: &World) {
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/" });
    let session = world.session(body).await;
    world.browser().journey(session.text("url"), "approve").await;
}

#[tokio::test]
async fn all_routes_agree_on_a_connection_that_works() {
    let active = |reason, event, listed| View {
        status: Some("active"),
        reason,
        listed,
        token: (200, None),
        event: Some(event),
        counts: true,
    };
    let world = connected().await;
    all_say(&world, "active", active(None, "connected", &["active"])).await;

    let world = connected().await;
    wait_for_a_confirmation(&world).await;
    all_say(&world, "active, beside a pair that waits for its confirmation", active(None, "connected", &["active"]))
        .await;

    let world = connected().await;
    world.clock.advance(5800);
    world.fault(json!({ "answer": faults::error(400, "invalid_scope"), "grant_type": "refresh_token", "times": 3 }));
    for _ in 0..3 {
        world.sweep().await;
        world.clock.advance(45);
    }
    // The next try is not due yet.
    world.clock.advance(-10);
    all_say(&world, "degraded", active(Some("refused"), "degraded refused", &["active", "degraded"])).await;
}

#[tokio::test]
async fn all_routes_agree_on_a_connection_that_has_no_token_yet() {
    let world = World::with(Setup::strict()).await;
    wait_for_a_confirmation(&world).await;
    let unconfirmed = View {
        status: Some("unconfirmed"),
        reason: None,
        listed: &["unconfirmed"],
        token: (409, Some("unconfirmed")),
        event: None,
        counts: false,
    };
    all_say(&world, "unconfirmed", unconfirmed).await;

    let world = World::with(Setup::strict()).await;
    world.fault(json!({ "answer": faults::error(403, "access_denied"), "grant_type": "refresh_token" }));
    let import = json!({ "refresh_token": "from-another-system" });
    let imported = world.json(Method::PUT, "/v1/connections/t", Some(import)).await;
    assert_eq!((imported.status, imported.text("status")), (StatusCode::ACCEPTED, "pending"), "{imported:?}");
    let not_refreshed = View {
        status: Some("pending"),
        reason: Some("refused"),
        listed: &["pending"],
        token: (503, Some("provider_unavailable")),
        event: None,
        counts: false,
    };
    all_say(&world, "imported and not refreshed", not_refreshed).await;
}

#[tokio::test]
async fn all_routes_agree_on_a_connection_that_needs_its_customer() {
    for why in [
        FailureClass::InvalidGrant,
        FailureClass::AmbiguousRotation,
        FailureClass::NoRefreshToken,
        FailureClass::Refused,
    ] {
        let world = connected().await;
        world.clock.advance(7300);
        let (id, now) = (ConnectionId::parse("t").unwrap(), world.clock.now());
        let table = world.clients.connections(TABLE);
        table.write(&acquire(&id, &RefreshReason::Scheduled, "a worker", now)).await.unwrap();
        table.write(&give_up(&id, "a worker", why, now, now + std::time::Duration::from_secs(60))).await.unwrap();
        let event = format!("reauth_required {}", why.as_str());
        let needs_customer = View {
            status: Some("reauth_required"),
            reason: Some(why.as_str()),
            listed: &["reauth_required"],
            token: (409, Some("reauth_required")),
            event: Some(event.leak()),
            counts: false,
        };
        all_say(&world, why.as_str(), needs_customer).await;
        assert_eq!(world.refreshes(), 0, "{}", why.as_str());
    }
}

#[tokio::test]
async fn all_routes_agree_on_a_connection_that_was_disconnected() {
    let world = connected().await;
    world.fault(json!({ "answer": faults::error(500, "server_error"), "grant_type": "revoke", "times": 1000 }));
    let deleted = world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{deleted:?}");
    let disconnecting = View {
        status: Some("disconnecting"),
        reason: None,
        listed: &["disconnecting"],
        token: (404, Some("not_found")),
        event: Some("disconnected"),
        counts: false,
    };
    all_say(&world, "disconnecting", disconnecting).await;

    world.simulation.faults.clear();
    world.clock.advance(1000);
    world.sweep().await;
    let gone = View {
        status: None,
        reason: None,
        listed: &[],
        token: (404, Some("not_found")),
        event: Some("disconnected"),
        counts: false,
    };
    all_say(&world, "tombstone", gone).await;
    let world = World::new().await;
    let never =
        View { status: None, reason: None, listed: &[], token: (404, Some("not_found")), event: None, counts: false };
    all_say(&world, "no row", never).await;
}

#[tokio::test]
async fn all_routes_agree_on_a_row_that_cannot_be_read() {
    let world = connected().await;
    world.set("t", "lifetime", AttributeValue::S("long".to_owned())).await;
    let unreadable = View {
        status: Some("unreadable"),
        reason: Some("inconsistent_row"),
        listed: &["degraded", "quarantined"],
        token: (503, Some("misconfigured")),
        event: Some("degraded inconsistent_row"),
        counts: true,
    };
    all_say(&world, "unreadable", unreadable).await;
}

#[tokio::test]
async fn all_routes_agree_on_a_pair_that_does_not_open() {
    let world = connected().await;
    world.set("t", "sealed", AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(vec![1; 64]))).await;
    world.clock.advance(6000);
    world.sweep().await;
    let unopenable = View {
        status: Some("active"),
        reason: Some("unopenable"),
        listed: &["active", "degraded", "quarantined"],
        token: (503, Some("misconfigured")),
        event: Some("degraded unopenable"),
        counts: true,
    };
    all_say(&world, "unopenable", unopenable).await;
}
