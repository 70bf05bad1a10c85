//! Whole journeys: from a link, through the provider, to a live access token.

use http::StatusCode;
use serde_json::json;
use tests::browser::location;
use tests::world::{ORIGIN, Setup, World};

#[tokio::test]
async fn a_customer_connects_and_the_integrator_gets_a_live_token() {
    let world = World::new().await;
    world.connect("tenant-1").await;

    let token = world.token("tenant-1").await;
    assert_eq!(token.status, StatusCode::OK, "{token:?}");
    assert_eq!(token.body["version"], 1);
    assert_eq!(token.text("token_type"), "Bearer");
    assert_eq!(token.headers["cache-control"], "no-store");
    assert!(world.is_live(token.text("access_token")));
}

#[tokio::test]
async fn an_install_link_generates_an_id_and_ends_on_our_own_page() {
    let world = World::new().await;
    let ended = world.browser().journey("/authorize", "approve").await;
    assert_eq!(ended.status(), StatusCode::OK);
    let listed = world.get("/v1/connections").await;
    let id = listed.body["connections"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("c_") && !ended.body().contains(id), "the id is the integrator's: {id}");
    assert!(world.is_live(world.token(id).await.text("access_token")));
}

#[tokio::test]
async fn a_session_ends_at_its_return_to_with_neither_token_nor_code() {
    let world = World::new().await;
    let session =
        world.session(json!({ "connection_id": "a:b", "return_to": "https://app.example.com/done?tab=1" })).await;
    let ended = world.browser().journey(session.text("url"), "approve").await;
    let (address, confirmation) =
        location(&ended).split_once("&confirmation=").map(|(a, c)| (a.to_owned(), c.to_owned())).unwrap();
    assert_eq!(address, "https://app.example.com/done?tab=1&connection_id=a%3Ab&status=connected");
    assert_eq!(confirmation.len(), 43);
    assert_eq!(ended.headers()["referrer-policy"], "no-referrer");
}

#[tokio::test]
async fn a_customer_who_declines_may_start_again() {
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/", "confirm": false });
    let session = world.session(body).await;
    let denied = world.browser().journey(session.text("url"), "deny").await;
    assert_eq!(location(&denied), "https://app.example.com/?connection_id=t&status=denied");
    assert!(world.stored("t").await.is_none());

    let connected = world.browser().journey(session.text("url"), "approve").await;
    assert_eq!(location(&connected), "https://app.example.com/?connection_id=t&status=connected");
}

#[tokio::test]
async fn the_authorization_request_follows_rfc_6749_and_rfc_7636() {
    let world = World::with(Setup::default().variable("WEBINARGEEK_SCOPE", "read write")).await;
    let url = url::Url::parse(&world.browser().start("/authorize").await).unwrap();
    let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], "client-one");
    assert_eq!(query["redirect_uri"], format!("{ORIGIN}/callback"));
    assert_eq!(query["scope"], "read write");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["state"].len(), 43);
    assert_eq!(query["code_challenge"].len(), 43);
    assert_ne!(query["state"], query["code_challenge"]);
}

#[tokio::test]
async fn variables_turn_pkce_off_and_basic_authentication_on() {
    let setup =
        Setup::default().variable("WEBINARGEEK_PKCE", "off").variable("WEBINARGEEK_CLIENT_AUTH", "client_secret_basic");
    let world = World::with(setup).await;
    let consent = world.browser().start("/authorize").await;
    assert!(!consent.contains("code_challenge"), "{consent}");
    world.connect("t").await;
    world.clock.advance(7300);
    assert_eq!(world.token("t").await.body["version"], 2);
}

#[tokio::test]
async fn a_connection_is_refreshed_for_a_hundred_lifetimes_of_its_access_token() {
    let world = World::with(Setup::strict()).await;
    world.connect("t").await;
    for version in 2..=101 {
        world.clock.advance(5800);
        let summary = world.sweep().await;
        assert_eq!(summary["refreshed"], 1, "{summary}");
        let token = world.token("t").await;
        assert_eq!(token.body["version"], version);
        assert!(world.is_live(token.text("access_token")));
    }
}
