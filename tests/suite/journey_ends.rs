//! How a journey ends: the page in the browser, the integrator's page and the session say the same.

use http::StatusCode;
use http::header::LOCATION;
use serde_json::{Value, json};
use shared::http::Response;
use tests::browser::location;
use tests::world::{Answer, Setup, World};
use url::Url;

use crate::faults;
use crate::log::{capture, captured};
use crate::reported::exchanges;

const RETURN_TO: &str = "https://app.example.com/done";

async fn session(world: &World) -> Answer {
    let body = json!({ "connection_id": "t", "return_to": RETURN_TO, "expires_in": 86_400, "confirm": false });
    world.session(body).await
}

async fn shown(world: &World, session: &Answer) -> Value {
    let mut shown = world.get(&format!("/v1/connect-sessions/{}", session.text("session_id"))).await.body;
    let members = ["status", "reason", "reference"].map(|name| shown[name].take());
    Value::Array(members.into())
}

fn back(response: &Response) -> Url {
    let url = Url::parse(&location(response)).unwrap();
    assert!(url.as_str().starts_with(RETURN_TO), "{url}");
    url
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn status(response: &Response) -> String {
    parameter(&back(response), "status").unwrap()
}

/// The address of the callback, with this answer instead of its own.
fn instead(callback: &str, answer: &str) -> String {
    let state = callback.split("state=").nth(1).unwrap().split('&').next().unwrap();
    format!("/callback?state={state}&{answer}")
}

/// The address of the page's button.
fn button(page: &Response) -> Option<String> {
    let to = page.body().split("<a class=\"button\" href=\"").nth(1)?.split('"').next()?;
    Some(to.replace("&amp;", "&"))
}

#[tokio::test]
async fn a_customer_who_declined_can_go_back_and_approve_with_the_same_state() {
    let world = World::new().await;
    let session = session(&world).await;
    let browser = world.browser();
    let consent = browser.start(session.text("url")).await;
    let denied = browser.decide(&consent, "deny").await;
    for _ in 0..2 {
        assert_eq!(status(&browser.get(&denied).await), "denied");
        assert_eq!(shown(&world, &session).await, json!(["denied", "denied", null]));
    }
    let approved = browser.decide(&consent, "approve").await;
    for _ in 0..2 {
        assert_eq!(status(&browser.get(&approved).await), "connected");
        assert_eq!(shown(&world, &session).await, json!(["completed", null, null]));
    }
    assert_eq!(exchanges(&world), 1, "a code is sent once");
    assert_eq!(status(&browser.get(&denied).await), "connected", "an old address does not decline what was granted");
    assert_eq!(shown(&world, &session).await, json!(["completed", null, null]));
}

#[tokio::test]
async fn after_an_error_of_the_provider_the_same_state_may_still_bring_a_code() {
    for error in ["temporarily_unavailable", "server_error", "something_else"] {
        let world = World::new().await;
        let session = session(&world).await;
        let browser = world.browser();
        let callback = browser.to_callback(session.text("url")).await;
        let failed = back(&browser.get(&instead(&callback, &format!("error={error}"))).await);
        assert_eq!(parameter(&failed, "status").unwrap(), "failed");
        let reference = parameter(&failed, "reference").unwrap();
        assert_eq!(shown(&world, &session).await, json!(["failed", "provider", reference]));
        assert_eq!(status(&browser.get(&callback).await), "connected", "{error}");
        assert_eq!(shown(&world, &session).await, json!(["completed", null, null]));
        assert_eq!(exchanges(&world), 1);
    }
}

#[tokio::test]
async fn a_denial_from_another_browser_or_a_prefetch_changes_nothing() {
    let world = World::new().await;
    let session = session(&world).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    let denial = instead(&callback, "error=access_denied");
    let stranger = world.browser();
    assert_eq!(stranger.get(&denial).await.status(), StatusCode::BAD_REQUEST);
    let name = browser.cookies().split_once('=').unwrap().0.to_owned();
    stranger.plant(&name, "guessed");
    assert_eq!(stranger.get(&denial).await.status(), StatusCode::BAD_REQUEST);
    let ahead = browser.send(http::Method::GET, &denial, &[("sec-purpose", "prefetch")]).await;
    assert_eq!(ahead.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shown(&world, &session).await, json!(["pending", null, null]));
    assert_eq!(status(&browser.get(&callback).await), "connected");
}

#[tokio::test]
async fn a_code_that_comes_after_a_denial_and_too_late_is_not_sent() {
    let world = World::new().await;
    let session = session(&world).await;
    let browser = world.browser();
    let consent = browser.start(session.text("url")).await;
    let denied = browser.decide(&consent, "deny").await;
    browser.get(&denied).await;
    let approved = browser.decide(&consent, "approve").await;
    world.clock.advance(1800);
    let late = browser.get(&approved).await;
    assert_eq!(exchanges(&world), 0);
    assert!(world.stored("t").await.is_none());
    // The time has ended the journey now, and not the denial.
    assert!(!late.body().contains("You declined"), "{}", late.body());
    let shown = world.get(&format!("/v1/connect-sessions/{}", session.text("session_id"))).await;
    assert_eq!((shown.text("status"), shown.text("reason")), ("expired", "expired"), "{shown:?}");
}

#[tokio::test]
async fn an_error_without_a_state_is_logged_counted_and_shown_without_its_text() {
    let world = World::new().await;
    for (sent, name) in [
        ("error=invalid_scope", "invalid_scope"),
        ("error=unauthorized_client&state=", "unauthorized_client"),
        ("error=access_denied&error_description=canary", "access_denied"),
        ("error=invalid_request&state=cut", "invalid_request"),
        ("error=canary-code&error_description=canary", "unknown"),
    ] {
        capture();
        let page = world.browser().get(&format!("/callback?{sent}")).await;
        let log = captured();
        assert_eq!(page.status(), StatusCode::BAD_REQUEST, "{sent}");
        assert!(page.body().contains("WebinarGeek reported an error"), "{sent}: {}", page.body());
        assert!(page.body().contains("<code>request-"), "{sent}: {}", page.body());
        assert!(!page.body().contains("canary"), "{sent}: {}", page.body());
        let line = log.lines().find(|line| line.contains("authorization_errors=1")).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("WARN") && line.contains(&format!("reported=\"{name}\"")), "{line}");
        assert!(!log.contains("canary"), "{log}");
    }
    assert!(world.calls.take().is_empty(), "a request without a valid state costs no call");
}

#[tokio::test]
async fn an_error_with_a_state_is_counted_too() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    capture();
    browser.get(&instead(&callback, "error=invalid_scope")).await;
    let log = captured();
    assert!(log.contains("authorization_errors=1") && log.contains("reported=\"invalid_scope\""), "{log}");
}

#[tokio::test]
async fn a_second_tab_of_the_same_browser_says_connected_too_and_another_browser_does_not() {
    for confirm in [false, true] {
        let world = World::new().await;
        let body = json!({ "connection_id": "t", "return_to": RETURN_TO, "confirm": confirm });
        let session = world.session(body).await;
        let (browser, stranger) = (world.browser(), world.browser());
        let first = browser.to_callback(session.text("url")).await;
        let second = browser.to_callback(session.text("url")).await;
        let strangers = stranger.to_callback(session.text("url")).await;
        let first_end = location(&browser.get(&first).await);
        assert_eq!(parameter(&Url::parse(&first_end).unwrap(), "confirmation").is_some(), confirm);
        for _ in 0..2 {
            assert_eq!(location(&browser.get(&second).await), first_end, "the same result as in the first tab");
            assert_eq!(location(&browser.get(&first).await), first_end);
            assert_eq!(status(&stranger.get(&strangers).await), "failed");
        }
        assert_eq!(exchanges(&world), 1);
        let status = if confirm { "awaiting_confirmation" } else { "completed" };
        assert_eq!(shown(&world, &session).await, json!([status, null, null]));
    }
}

#[tokio::test]
async fn for_a_browser_that_comes_back_too_late_page_and_session_say_expired() {
    for minutes in ["5", "30", "60"] {
        let world = World::with(Setup::default().variable("CONSENT_MINUTES", minutes)).await;
        let minutes: u64 = minutes.parse().unwrap();
        let session = session(&world).await;
        let browser = world.browser();
        let in_time = browser.start("/authorize").await;
        let late = browser.start(session.text("url")).await;
        world.clock.advance(minutes as i64 * 60 - 1);
        let in_time = browser.decide(&in_time, "approve").await;
        assert_eq!(browser.get(&in_time).await.status(), StatusCode::OK);
        world.clock.advance(1);
        let late = browser.decide(&late, "approve").await;
        let page = browser.get(&late).await;
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert!(page.headers().get(LOCATION).is_none(), "an expired state never redirects");
        assert!(page.body().contains("too long") && page.body().contains(&minutes.to_string()), "{}", page.body());
        let to = Url::parse(&button(&page).unwrap()).unwrap();
        assert_eq!(parameter(&to, "status").unwrap(), "expired");
        let reference = parameter(&to, "reference").unwrap();
        assert_eq!(shown(&world, &session).await, json!(["expired", "expired", reference]));
        world.clock.advance(6 * 3600);
        let again = browser.get(&late).await;
        assert_eq!(again.body(), page.body(), "the row still exists");
        assert_eq!(exchanges(&world), 1);
        // The link still works.
        assert_eq!(status(&browser.journey(session.text("url"), "approve").await), "connected");
        assert_eq!(shown(&world, &session).await, json!(["completed", null, null]));
    }
}

#[tokio::test]
async fn the_cookie_is_kept_as_long_as_the_row_of_its_attempt() {
    let world = World::new().await;
    let sent = world.browser().confirm("/authorize").await;
    let cookie = sent.headers()["set-cookie"].to_str().unwrap();
    let max_age: u64 = cookie.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
    assert_eq!(max_age, 1800 + 24 * 3600, "the lifetime of the row");
}

#[tokio::test]
async fn a_link_that_expires_unused_has_the_status_and_the_reason_expired() {
    let world = World::new().await;
    let session = world.session(json!({ "expires_in": 60 })).await;
    world.clock.advance(61);
    assert_eq!(shown(&world, &session).await, json!(["expired", "expired", null]));
}

#[tokio::test]
async fn the_page_of_a_used_or_expired_link_leads_back_without_a_result() {
    let world = World::with(Setup::default().variable("APPLICATION_HOME", "https://home.example.com/")).await;
    for (return_to, way) in [(Some(RETURN_TO), RETURN_TO), (None, "https://home.example.com/")] {
        let expired = world.session(json!({ "return_to": return_to, "expires_in": 60 })).await;
        world.clock.advance(61);
        let used = world.session(json!({ "return_to": return_to })).await;
        world.browser().journey(used.text("url"), "approve").await;
        for link in [&used, &expired] {
            let page = world.browser().get(link.text("url")).await;
            assert_eq!(page.status(), StatusCode::BAD_REQUEST);
            assert_eq!(button(&page).as_deref(), Some(way), "{}", page.body());
        }
    }
    let page = world.browser().get("/callback?code=a&state=short").await;
    assert_eq!(button(&page).as_deref(), Some("https://home.example.com/"));
}

#[tokio::test]
async fn a_journey_of_a_session_without_return_to_leads_to_the_applications_home() {
    let world = World::with(Setup::default().variable("APPLICATION_HOME", "https://home.example.com/")).await;
    for decision in ["deny", "approve"] {
        let session = world.session(json!({ "connection_id": "t" })).await;
        let page = world.browser().journey(session.text("url"), decision).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(button(&page).as_deref(), Some("https://home.example.com/"), "{}", page.body());
    }
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    assert_eq!(button(&world.browser().journey(session.text("url"), "deny").await), None, "no home is set");
}

#[tokio::test]
async fn a_failed_journey_has_one_reference_in_its_redirect_in_the_log_and_in_its_session() {
    for answer in [json!("html"), faults::retry_after(429, "1"), faults::error(400, "invalid_grant")] {
        let world = World::new().await;
        world.fault(json!({ "answer": answer }));
        let session = session(&world).await;
        capture();
        let failed = back(&world.browser().journey(session.text("url"), "approve").await);
        let reference = parameter(&failed, "reference").unwrap();
        assert_eq!(parameter(&failed, "status").unwrap(), "failed");
        assert_eq!(shown(&world, &session).await, json!(["failed", "provider", reference]), "{answer}");
        assert!(captured().contains(&format!("request_id=\"{reference}\"")));
    }
}

#[tokio::test]
async fn after_a_failure_on_our_side_before_the_code_is_sent_a_reload_still_connects() {
    for operation in ["GenerateDataKey", "GetSecretValue"] {
        let world = World::new().await;
        let session = session(&world).await;
        let browser = world.browser();
        let callback = browser.to_callback(session.text("url")).await;
        world.outage_of(&[operation]);
        let failed = back(&browser.get(&callback).await);
        world.outage_of(&[]);
        let reference = parameter(&failed, "reference").unwrap();
        assert_eq!(shown(&world, &session).await, json!(["failed", "not_stored", reference]), "{operation}");
        assert_eq!(status(&browser.get(&callback).await), "connected", "{operation}");
        assert_eq!(shown(&world, &session).await, json!(["completed", null, null]));
    }
}

#[tokio::test]
async fn a_return_to_that_is_no_longer_listed_is_not_used() {
    let world = World::new().await;
    let session = session(&world).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    let changed = world.redeployed(&[("RETURN_TO_ORIGINS", "https://other.example.com")]);
    let browser = browser.on(&changed);
    let page = browser.get(&callback).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", page.body());
    assert!(!page.body().contains("app.example.com"), "{}", page.body());
    let used = browser.get(session.text("url")).await;
    assert!(!used.body().contains("app.example.com"), "{}", used.body());
}

#[tokio::test]
async fn a_return_to_with_our_own_parameters_or_more_than_2048_characters_is_refused() {
    let world = World::new().await;
    let long = |length: usize| format!("{RETURN_TO}?a={}", "a".repeat(length - RETURN_TO.len() - 3));
    world.session(json!({ "return_to": long(2048) })).await;
    for return_to in [
        long(2049),
        format!("{RETURN_TO}?connection_id=mine"),
        format!("{RETURN_TO}?a=1&status=connected"),
        format!("{RETURN_TO}?st%61tus=connected"),
        format!("{RETURN_TO}?Status=connected"),
        format!("{RETURN_TO}?confirmation="),
        format!("{RETURN_TO}?reference"),
    ] {
        let body = json!({ "return_to": return_to });
        let refused = world.json(http::Method::POST, "/v1/connect-sessions", Some(body)).await;
        assert_eq!((refused.status, refused.text("field")), (StatusCode::BAD_REQUEST, "return_to"), "{return_to}");
    }
}

/// Changes an attribute of an attempt, as a writer of the table could.
async fn tamper(world: &World, callback: &str, attribute: &str, value: Option<&str>) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let state = callback.split("state=").nth(1).unwrap();
    let key = AttributeValue::S(format!("state#{}", shared::domain::digest::sha256(state)));
    let update = world.clients.dynamodb.update_item().table_name(local::tables::ATTEMPTS).key("pk", key);
    let update =
        update.expression_attribute_names("#attribute", attribute).condition_expression("attribute_exists(pk)");
    let update = match value {
        None => update.update_expression("REMOVE #attribute"),
        Some(text) => {
            let value = match text.parse::<i64>() {
                Ok(_) => AttributeValue::N(text.to_owned()),
                Err(_) => AttributeValue::S(text.to_owned()),
            };
            update.update_expression("SET #attribute = :value").expression_attribute_values(":value", value)
        }
    };
    update.send().await.unwrap();
}

#[tokio::test]
async fn a_changed_row_of_an_attempt_sends_neither_its_grant_nor_its_browser_elsewhere() {
    let other_session = "A".repeat(43);
    for (attribute, value) in [
        ("connection_id", Some("attacker")),
        ("return_to", Some("https://evil.example/")),
        ("return_to", Some("https://app.example.com/other")),
        ("return_to", None),
        ("confirmation", Some("another")),
        ("confirmation", None),
        ("session", Some(other_session.as_str())),
        ("session_order", Some("9999999999999")),
        ("order", Some("9999999999999")),
        ("redirect_uri", Some("https://evil.example/callback")),
        ("throw_away", Some("1")),
        ("same_account", Some("1")),
    ] {
        let world = World::new().await;
        let body = json!({ "connection_id": "t", "return_to": RETURN_TO, "confirm": true });
        let session = world.session(body).await;
        let browser = world.browser();
        let callback = browser.to_callback(session.text("url")).await;
        tamper(&world, &callback, attribute, value).await;
        for _ in 0..2 {
            let page = browser.get(&callback).await;
            assert!(page.headers().get(LOCATION).is_none(), "{attribute} {value:?}");
            assert_eq!(page.status(), StatusCode::BAD_REQUEST, "{attribute} {value:?}");
            assert!(!page.body().contains("evil"), "{}", page.body());
        }
        assert_eq!(exchanges(&world), 0, "{attribute}: the code is not sent");
        for id in ["t", "attacker"] {
            assert!(world.row(id).await.is_none(), "{attribute}");
        }
    }
}
