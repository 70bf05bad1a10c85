//! `/callback`: every way in which a browser can return.

use http::{Method, StatusCode};
use serde_json::json;
use shared::domain::digest;
use tests::browser::location;
use tests::world::{Setup, World};

use crate::faults;
use crate::reported::exchanges;

#[tokio::test]
async fn a_reload_or_a_double_click_shows_the_stored_outcome_and_sends_no_code_again() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let (first, second) = tokio::join!(browser.get(&callback), browser.get(&callback));
    let third = browser.get(&callback).await;
    for answer in [&first, &second, &third] {
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
        assert_eq!(answer.body(), first.body());
    }
    assert_eq!(exchanges(&world), 1);
}

#[tokio::test]
async fn a_reload_of_a_journey_with_return_to_redirects_there_again() {
    let world = World::new().await;
    let session =
        world.session(json!({ "connection_id": "t", "return_to": "https://app.example.com/", "confirm": false })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    for _ in 0..2 {
        assert_eq!(
            location(&browser.get(&callback).await),
            "https://app.example.com/?connection_id=t&status=connected"
        );
    }
    world.clock.advance(3600);
    let later = browser.get(&callback).await;
    assert_eq!(location(&later), "https://app.example.com/?connection_id=t&status=connected", "long after its expiry");
}

#[tokio::test]
async fn another_browser_does_not_use_up_the_attempt() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    world.calls.take();

    let stranger = world.browser().get(&callback).await;
    assert_eq!(stranger.status(), StatusCode::BAD_REQUEST);
    assert!(stranger.headers().get("location").is_none());
    assert!(world.calls.take().is_empty(), "without a cookie no table is read");

    let name = browser.cookies().split_once('=').unwrap().0.to_owned();
    let guessing = world.browser();
    guessing.plant(&name, &digest::base64url([7; 32]));
    assert_eq!(guessing.get(&callback).await.status(), StatusCode::BAD_REQUEST);

    let neighbour = world.browser();
    neighbour.plant(name.trim_start_matches("__Host-"), browser.cookies().split_once('=').unwrap().1);
    assert_eq!(
        neighbour.get(&callback).await.status(),
        StatusCode::BAD_REQUEST,
        "a cookie that any host of the domain could plant"
    );

    assert_eq!(exchanges(&world), 0);
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn two_tabs_do_not_break_each_other() {
    let world = World::new().await;
    let browser = world.browser();
    let first = browser.to_callback("/authorize").await;
    let second = browser.to_callback("/authorize").await;
    assert_eq!(browser.get(&second).await.status(), StatusCode::OK);
    assert_eq!(browser.get(&first).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_malformed_callback_is_refused_without_any_call() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let state = callback.split("state=").nth(1).unwrap().to_owned();
    world.calls.take();
    for query in [
        "".to_owned(),
        "?".to_owned(),
        "?code=abc".to_owned(),
        format!("?state={state}"),
        format!("?state={state}&code="),
        "?state=&code=abc".to_string(),
        format!("?state={state}&code=a&code=b"),
        format!("?state={state}&state={state}&code=a"),
        format!("?state={state}&code=a&error=access_denied"),
        format!("?state={state}&error=access_denied&error=server_error"),
        "?code=abc&state=short".to_owned(),
        format!("?code=abc&state={state}x"),
        format!("?code=abc&state={}", "é".repeat(43)),
        format!("?code=abc&state={}", "x".repeat(5000)),
        "?%ff%fe=%00&state=%".to_owned(),
    ] {
        let answer = browser.get(&format!("/callback{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.headers().get("location").is_none(), "{query}");
        assert!(answer.body().contains("start again"), "{query}: {}", answer.body());
    }
    assert!(world.calls.take().is_empty());
    assert_eq!(exchanges(&world), 0);
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK, "and the attempt is still open");
}

#[tokio::test]
async fn an_unknown_state_never_redirects() {
    let world = World::new().await;
    let state = digest::base64url([9; 32]);
    let browser = world.browser();
    let hash = digest::sha256(&state);
    browser.plant(&format!("__Host-wg_{}", &hash[..8]), "anything");
    let answer = browser.get(&format!("/callback?code=abc&state={state}")).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(exchanges(&world), 0);
}

#[tokio::test]
async fn an_attempt_expires_after_half_an_hour_even_if_its_row_is_still_there() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let session = world.session(json!({ "return_to": "https://app.example.com/" })).await;
    let with_return_to = browser.to_callback(session.text("url")).await;
    world.clock.advance(1800);
    for callback in [callback, with_return_to] {
        let answer = browser.get(&callback).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "an expired state never redirects");
        assert!(answer.body().contains("too long"), "{}", answer.body());
    }
    assert_eq!(exchanges(&world), 0);
}

#[tokio::test]
async fn a_prefetch_does_not_use_up_the_code() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    world.calls.take();
    let ahead = browser.send(Method::GET, &callback, &[("sec-purpose", "prefetch")]).await;
    assert_eq!(ahead.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ahead.headers()["cache-control"], "no-store");
    let post = browser.send(Method::POST, &callback, &[]).await;
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(world.calls.take().is_empty());
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_denial_has_a_page_of_its_own_also_after_a_reload() {
    let world = World::new().await;
    let browser = world.browser();
    let consent = browser.start("/authorize").await;
    let callback = browser.decide(&consent, "deny").await;
    for _ in 0..2 {
        let answer = browser.get(&callback).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.body().contains("You declined"), "{}", answer.body());
        assert!(answer.body().contains("href=\"/authorize\""), "the way to try again: {}", answer.body());
        assert!(!answer.body().contains("resource owner"), "the provider's words: {}", answer.body());
    }
    assert_eq!(exchanges(&world), 0);
}

#[tokio::test]
async fn an_error_of_the_provider_is_shown_with_a_reference_and_without_its_text() {
    let world = World::new().await;
    let browser = world.browser();
    let consent = browser.start("/authorize").await;
    let state = consent.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let callback = format!(
        "/callback?state={state}&error=canary-code&error_description=canary-words&error_uri=https://evil.example"
    );
    let first = browser.get(&callback).await;
    assert_eq!(first.status(), StatusCode::BAD_GATEWAY);
    assert!(first.body().contains("did not answer as expected"));
    assert!(first.body().contains("<code>request-"), "{}", first.body());
    assert!(!first.body().contains("canary") && !first.body().contains("evil"), "{}", first.body());
}

#[tokio::test]
async fn after_any_bad_answer_of_the_token_endpoint_the_code_was_sent_once_and_the_page_has_a_reference() {
    for answer in [
        json!("break"),
        json!("html"),
        json!("huge"),
        json!("garbage"),
        json!("hang"),
        faults::status(500),
        faults::retry_after(503, "5"),
        faults::status(302),
        faults::error(400, "invalid_grant"),
        faults::error(400, "canary-code"),
        json!({ "without": ["access_token"] }),
    ] {
        let world = World::new().await;
        world.fault(json!({ "answer": answer, "carried_out": true }));
        let session = world.session(json!({ "connection_id": "t" })).await;
        let browser = world.browser();
        let callback = browser.to_callback(session.text("url")).await;
        for _ in 0..2 {
            let page = browser.get(&callback).await;
            assert_eq!(page.status(), StatusCode::BAD_GATEWAY, "{answer}: {}", page.body());
            assert!(page.body().contains("did not answer as expected"), "{answer}");
            assert!(page.body().contains("<code>request-"), "{answer}");
            assert!(!page.body().contains("canary"), "{answer}");
        }
        assert_eq!(exchanges(&world), 1, "{answer}");
        assert!(world.stored("t").await.is_none());
    }
}

#[tokio::test]
async fn a_failed_journey_with_return_to_redirects_there() {
    let world = World::new().await;
    world.fault(json!({ "answer": "html" }));
    let session = world.session(json!({ "connection_id": "t", "return_to": "https://app.example.com/" })).await;
    let ended = world.browser().journey(session.text("url"), "approve").await;
    let reference = location(&ended).split_once("&reference=request-").unwrap().0.to_owned();
    assert_eq!(reference, "https://app.example.com/?connection_id=t&status=failed");
}

#[tokio::test]
async fn a_code_that_was_certainly_not_used_is_sent_again_by_a_reload() {
    for answer in [faults::retry_after(429, "1"), faults::error(401, "invalid_client")] {
        let world = World::new().await;
        world.fault(json!({ "answer": answer }));
        let browser = world.browser();
        let callback = browser.to_callback("/authorize").await;
        assert_eq!(browser.get(&callback).await.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(browser.get(&callback).await.status(), StatusCode::OK, "{answer}");
    }
}

#[tokio::test]
async fn a_code_is_not_sent_if_there_is_no_time_to_store_the_pair() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let late = browser.get_with_time(&callback, 15).await;
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(late.body().contains("try again in a minute"), "{}", late.body());
    assert_eq!(exchanges(&world), 0);
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_unreachable_provider_does_not_use_up_the_code() {
    let world = World::with(Setup::default().variable("WEBINARGEEK_TOKEN_URL", "http://127.0.0.1:9/token")).await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let page = browser.get(&callback).await;
    assert_eq!(page.status(), StatusCode::BAD_GATEWAY);
    assert!(page.body().contains("try again in a minute"), "{}", page.body());
}

#[tokio::test]
async fn with_a_rotated_client_secret_the_code_is_not_lost() {
    let list = json!(["not-yet-known-to-the-provider", tests::world::CLIENT_SECRET]).to_string();
    let world = World::with(Setup { client_secret: list, ..Setup::default() }).await;
    world.connect("t").await;
    assert_eq!(exchanges(&world), 2, "the only case in which a code is sent again: the provider did not use it");
}

#[tokio::test]
async fn if_the_process_dies_after_storing_the_pair_a_reload_finds_it() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    browser.get(&callback).await;
    put_back_to_exchanging(&world, &callback).await;
    let page = browser.get(&callback).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", page.body());
    assert_eq!(exchanges(&world), 1);
}

#[tokio::test]
async fn if_the_process_dies_with_the_code_the_page_says_that_the_outcome_is_unknown() {
    let world = World::new().await;
    world.connect("t").await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    put_back_to_exchanging(&world, &callback).await;
    let sent = exchanges(&world);
    let page = browser.get(&callback).await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body().contains("cannot tell"), "{}", page.body());
    assert_eq!(exchanges(&world), sent, "the code is never sent a second time");
}

/// The row as a process leaves it that died while its code was on its way.
async fn put_back_to_exchanging(world: &World, callback: &str) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let state = callback.split("state=").nth(1).unwrap();
    let key = format!("state#{}", digest::sha256(state));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    world
        .clients
        .dynamodb
        .update_item()
        .table_name(local::tables::ATTEMPTS)
        .key("pk", AttributeValue::S(key))
        .update_expression("SET phase = :exchanging, taken_by = :dead, taken_at = :then")
        .expression_attribute_values(":exchanging", text("exchanging"))
        .expression_attribute_values(":dead", text("dead"))
        .expression_attribute_values(":then", AttributeValue::N("1".to_owned()))
        .condition_expression("attribute_exists(pk)")
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stranger_with_a_link_that_its_owner_has_used_connects_nothing() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let (owner, stranger) = (world.browser(), world.browser());
    let strangers = stranger.to_callback(session.text("url")).await;
    owner.journey(session.text("url"), "approve").await;
    let token = world.token("t").await.body;

    for _ in 0..2 {
        let page = stranger.get(&strangers).await;
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert!(page.body().contains("has been used"), "{}", page.body());
    }
    assert_eq!(exchanges(&world), 1, "the stranger's code was not even sent");
    assert_eq!(world.token("t").await.body, token);
}

/// Found by the simulator: a connection stores its last session only.
#[tokio::test]
async fn a_stranger_with_an_older_link_connects_nothing_after_the_owner_has_used_a_newer_one() {
    let world = World::new().await;
    let mut sessions =
        [world.session(json!({ "connection_id": "t" })).await, world.session(json!({ "connection_id": "t" })).await];
    // They were made in the same second, and still have an order.
    let order = async |session: &tests::world::Answer| world.session_row(session.text("session_id")).await.order;
    if order(&sessions[0]).await > order(&sessions[1]).await {
        sessions.reverse();
    }
    let [first, second] = sessions;
    let (owner, stranger) = (world.browser(), world.browser());
    let strangers = stranger.to_callback(first.text("url")).await;
    owner.journey(first.text("url"), "approve").await;
    owner.journey(second.text("url"), "approve").await;
    let token = world.token("t").await.body;

    let page = stranger.get(&strangers).await;
    assert!(page.body().contains("has been used"), "{}", page.body());
    assert_eq!(exchanges(&world), 2, "the stranger's code was not even sent");
    assert_eq!(world.token("t").await.body, token);
}

#[tokio::test]
async fn a_customer_may_connect_again_over_a_live_connection() {
    let world = World::new().await;
    world.connect("t").await;
    let first = world.stored("t").await.unwrap();
    world.clock.advance(100);
    world.connect("t").await;
    let second = world.stored("t").await.unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(first.created_at, second.created_at);
    assert_ne!(first.granted_by, second.granted_by);
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn a_grant_without_refresh_token_and_lifetime_is_stored_until_its_access_token_ends() {
    let world = World::with(Setup::default().variable("WEBINARGEEK_EXPIRES_IN", "900")).await;
    world.fault(json!({ "answer": { "without": ["refresh_token", "expires_in", "token_type", "scope"] } }));
    world.connect("t").await;
    let stored = world.stored("t").await.unwrap();
    assert_eq!(stored.lifetime.as_secs(), 900);
    assert_eq!(stored.token_type, "Bearer");
    assert!(world.is_live(world.token("t").await.text("access_token")));
    world.clock.advance(901);
    for _ in 0..3 {
        let gone = world.token("t").await;
        assert_eq!(gone.status, StatusCode::CONFLICT, "{gone:?}");
        assert_eq!(gone.body["code"], "reauth_required");
    }
}
