//! `/authorize`: which requests start a journey, and which do not.

use http::{Method, StatusCode};
use serde_json::json;
use tests::browser::location;
use tests::world::{ORIGIN, Setup, World};

#[tokio::test]
async fn the_customer_is_asked_first_and_the_page_names_the_integrator() {
    let world = World::with(Setup::default().variable("DISPLAY_NAME", "Acme <b>Webinars</b>")).await;
    let browser = world.browser();
    let page = browser.get("/authorize").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.body().contains("Acme &lt;b&gt;Webinars&lt;/b&gt;"), "{}", page.body());
    assert_eq!(page.body().matches("<form").count(), 1);
    assert_eq!(page.body().matches("<button").count(), 1);
    assert!(page.body().contains("Continue"));
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.headers()["cache-control"], "no-store");
    assert!(browser.cookies().is_empty(), "the confirmation page starts nothing");

    let sent = browser.confirm("/authorize").await;
    assert!(location(&sent).starts_with(&world.provider_origin));
}

#[tokio::test]
async fn a_form_on_another_site_starts_nothing() {
    let world = World::new().await;
    for origin in
        ["https://evil.example", "null", "https://connect.example.com.evil.example", "http://connect.example.com"]
    {
        let answer = world.browser().send(Method::POST, "/authorize", &[("origin", origin)]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{origin}");
        assert!(answer.headers().get("set-cookie").is_none());
    }
    let answer = world.browser().send(Method::POST, "/authorize", &[]).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "no Origin at all");
}

#[tokio::test]
async fn a_session_can_leave_out_the_confirmation_page() {
    let world = World::new().await;
    let session = world.session(json!({ "confirm_page": false })).await;
    let sent = world.browser().get(session.text("url")).await;
    assert!(location(&sent).starts_with(&world.provider_origin));
}

#[tokio::test]
async fn the_cookie_cannot_be_planted_read_or_sent_elsewhere() {
    let world = World::new().await;
    let session = world.session(json!({ "confirm_page": false })).await;
    let sent = world.browser().get(session.text("url")).await;
    let cookie = sent.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-wg_"), "{cookie}");
    for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn a_browser_on_another_host_is_redirected_to_the_callbacks_host_before_any_write() {
    let world = World::with(Setup::default().variable("PUBLIC_ORIGIN", ORIGIN)).await;
    for method in [Method::GET, Method::POST] {
        let mut request = shared::http::Request::default();
        *request.method_mut() = method;
        *request.uri_mut() = "/authorize?session=abc".parse().unwrap();
        let answer = world.send_to("https://abc123.execute-api.eu-west-1.amazonaws.com", request).await;
        assert_eq!(location(&answer), format!("{ORIGIN}/authorize?session=abc"));
    }
    assert!(world.calls.take().is_empty());
}

#[tokio::test]
async fn an_unknown_or_expired_session_gets_a_page_and_starts_nothing() {
    let world = World::new().await;
    let unknown = format!("/authorize?session={}", "A".repeat(43));
    let expired = world.session(json!({ "expires_in": 60 })).await;
    world.clock.advance(61);
    for url in [unknown.as_str(), "/authorize?session=short", "/authorize?session=a&session=b", expired.text("url")] {
        for method in [Method::GET, Method::POST] {
            let answer = world.browser().send(method, url, &[("origin", ORIGIN)]).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{url}");
            assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
            assert!(answer.headers().get("set-cookie").is_none(), "{url}");
        }
    }
}

#[tokio::test]
async fn a_link_preview_does_not_use_up_the_link() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t", "confirm_page": false })).await;
    for _ in 0..3 {
        world.browser().get(session.text("url")).await;
    }
    let ended = world.browser().journey(session.text("url"), "approve").await;
    assert_eq!(ended.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_session_that_has_made_its_connection_starts_no_second_journey() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    world.browser().journey(session.text("url"), "approve").await;
    let again = world.browser().get(session.text("url")).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    assert!(again.body().contains("has been used"), "{}", again.body());
}

#[tokio::test]
async fn an_install_link_is_off_unless_it_is_switched_on() {
    let world = World::with(Setup { variables: Vec::new(), ..Setup::default() }).await;
    for method in [Method::GET, Method::POST] {
        let answer = world.browser().send(method, "/authorize", &[("origin", ORIGIN)]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_prefetch_starts_nothing() {
    let world = World::new().await;
    let session = world.session(json!({ "confirm_page": false })).await;
    world.calls.take();
    for header in [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")] {
        let answer = world.browser().send(Method::GET, session.text("url"), &[header]).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{header:?}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    assert!(world.calls.take().is_empty());
}
