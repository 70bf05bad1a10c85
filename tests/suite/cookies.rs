//! The cookies that bind attempts to their browser, among the cookies that others have set on the domain.

use std::collections::BTreeSet;

use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use http::{Method, StatusCode};
use serde_json::json;
use shared::http::{Request, Response};
use tests::world::{ORIGIN, World};

/// A request for the address with these Cookie headers, as they are.
async fn get(world: &World, url: &str, cookies: &[&[u8]]) -> Response {
    let mut request = Request::default();
    *request.uri_mut() = url.strip_prefix(ORIGIN).unwrap_or(url).parse().unwrap();
    for cookie in cookies {
        request.headers_mut().append(COOKIE, HeaderValue::from_bytes(cookie).unwrap());
    }
    world.send(request).await
}

fn set_cookies(response: &Response) -> Vec<&str> {
    response.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
}

/// The names of the cookies that an answer removes.
fn removed(response: &Response) -> BTreeSet<&str> {
    let ended = set_cookies(response).into_iter().filter(|cookie| cookie.contains("; Max-Age=0;"));
    ended.map(|cookie| cookie.split_once('=').unwrap().0).collect()
}

#[tokio::test]
async fn a_non_ascii_byte_in_a_cookie_of_another_application_hid_ours() {
    for others in [
        ["plaats=Café; ".as_bytes(), b""],
        [b"a=\xff\xfe\x80; ", b""],
        [b"=no name; ; =; ;", b"; b"],
        [b"no_value;\t", b";"],
        [b"wg_=; __Host-wg_; __Host-wg_==;", b"; __Host-wg_\xe9=1"],
        [b"quoted=\"a; ", b"; b\""],
    ] {
        let world = World::new().await;
        let browser = world.browser();
        let callback = browser.to_callback("/authorize").await;
        let cookie = [others[0], browser.cookies().as_bytes(), others[1]].concat();
        let answer = get(&world, &callback, &[&cookie]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{:?}: {}", String::from_utf8_lossy(&cookie), answer.body());
    }
}

#[tokio::test]
async fn the_cookie_is_found_in_any_of_several_headers() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let cookies = browser.cookies();
    let answer = get(&world, &callback, &[b"first=1", "tweede=é".as_bytes(), cookies.as_bytes()]).await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
}

/// A host of the same domain may set `other=x,__Host-wg_…=…`. Browsers do not check the prefix after the comma.
#[tokio::test]
async fn a_cookie_inside_the_value_of_another_cookie_is_not_ours() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let cookies = browser.cookies();
    for planted in [format!("other=x,{cookies}"), format!("other=\"{cookies}\""), format!("other={cookies}")] {
        let answer = get(&world, &callback, &[planted.as_bytes()]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{planted}");
    }
}

#[tokio::test]
async fn the_final_answer_removes_its_cookie_and_a_reload_still_shows_the_answer() {
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/", "confirm": false });
    let session = world.session(body).await;
    for url in ["/authorize", session.text("url")] {
        let browser = world.browser();
        let callback = browser.to_callback(url).await;
        let name = browser.cookies().split_once('=').unwrap().0.to_owned();
        let ended = browser.get(&callback).await;
        assert_eq!(removed(&ended), BTreeSet::from([name.as_str()]));
        assert!(!browser.cookies().contains(&name), "{}", browser.cookies());
        let again = browser.get(&callback).await;
        assert_eq!((again.status(), again.body()), (ended.status(), ended.body()));
        assert_eq!(again.headers().get("location"), ended.headers().get("location"));
    }
}

#[tokio::test]
async fn the_cookie_of_a_finished_journey_is_valid_for_no_other_journey() {
    let world = World::new().await;
    let (first, second) = (world.browser(), world.browser());
    let callback = first.to_callback("/authorize").await;
    second.journey("/authorize", "approve").await;
    let kept = second.cookies();
    assert_eq!(get(&world, &callback, &[kept.as_bytes()]).await.status(), StatusCode::BAD_REQUEST, "{kept}");
}

#[tokio::test]
async fn the_cookie_stays_if_a_reload_can_still_connect() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    world.fault(json!({ "answer": { "status": { "status": 429, "error": "slow_down", "retry_after": "1" } } }));
    let throttled = browser.get(&callback).await;
    assert_eq!(throttled.status(), StatusCode::BAD_GATEWAY, "{}", throttled.body());
    assert!(set_cookies(&throttled).is_empty(), "nothing was used up");
    world.clock.advance(60);
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn after_150_starts_the_cookies_were_larger_than_the_gateway_accepts() {
    let world = World::new().await;
    let browser = world.browser();
    for _ in 0..30 {
        browser.start("/authorize").await;
        world.clock.advance(1);
    }
    let last = browser.to_callback("/authorize").await;
    assert_eq!(browser.cookies().split("; ").count(), 20, "{}", browser.cookies());
    assert_eq!(browser.get(&last).await.status(), StatusCode::OK, "the newest ones stay");
}

#[tokio::test]
async fn if_a_browser_has_too_many_cookies_only_our_oldest_ones_are_removed() {
    let world = World::new().await;
    let browser = world.browser();
    for number in 0..60 {
        browser.plant(&format!("__Host-wg_new{number:05}"), &format!("x.{}", 1_700_000_000 + number));
        browser.plant(&format!("other{number}"), "x");
        browser.plant(&format!("wg_{number:08}"), "a neighbour on http");
        browser.plant(&format!("__Host-wg_{number}"), "x"); // not a name of ours
    }
    browser.plant("__Host-wg_ancient0", "without a time");
    let first = browser.send(Method::POST, "/authorize", &[("origin", ORIGIN)]).await;
    let removed = removed(&first);
    let oldest = (0..19).map(|number| format!("__Host-wg_new{number:05}")).chain(["__Host-wg_ancient0".to_owned()]);
    assert_eq!(removed, oldest.collect::<BTreeSet<_>>().iter().map(String::as_str).collect());
    for _ in 0..3 {
        browser.start("/authorize").await;
    }
    let cookies = browser.cookies();
    let count = |is: &dyn Fn(&str) -> bool| cookies.split("; ").filter(|cookie| is(cookie)).count();
    let is_ours = |cookie: &str| cookie.starts_with("__Host-") && cookie.find('=') == Some("__Host-wg_12345678".len());
    assert_eq!(count(&is_ours), 20, "{cookies}");
    assert_eq!(count(&|cookie| !is_ours(cookie)), 180, "{cookies}");
}
