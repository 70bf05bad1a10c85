//! What holds for every request and every answer, of all functions.

use http::{Method, StatusCode};
use serde_json::json;
use shared::http::{Request, Response};
use tests::browser::{location, provider_client};
use tests::laptop::Laptop;
use tests::world::{ORIGIN, Setup, World};

use crate::connections::assert_problem;

/// A link that redirects at once, so that a request for it is a write.
async fn link_without_a_question(world: &World) -> String {
    let session = world.session(json!({ "connection_id": "t", "confirm_page": false })).await;
    session.text("url").to_owned()
}

#[tokio::test]
async fn every_answer_has_the_headers_that_isolate_it_from_other_sites() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let answers = [
        browser.get("/authorize").await,
        browser.confirm("/authorize").await,
        browser.get("/authorize?session=unknown").await,
        browser.send(Method::DELETE, "/authorize", &[]).await,
        browser.get(&callback).await,
        browser.get("/callback").await,
        browser.get("/v1/connections/t").await,
        browser.get("/v1/connections/a%20b").await,
        browser.get("/v1/connections").await,
        browser.send(Method::HEAD, "/authorize", &[]).await,
    ];
    for answer in answers {
        let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
        assert_eq!(header("strict-transport-security"), "max-age=63072000", "{answer:?}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{answer:?}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{answer:?}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{answer:?}");
        assert!(header("permissions-policy").contains("camera=()"), "{answer:?}");
    }
    let mut request = Request::default();
    *request.uri_mut() = "/authorize".parse().unwrap();
    let plain = world.send_to("http://127.0.0.1:8787", request).await;
    assert!(!plain.headers().contains_key("strict-transport-security"), "RFC 6797 section 7.2");
    assert!(plain.headers().contains_key("cross-origin-resource-policy"));
}

#[tokio::test]
async fn a_head_request_of_a_mail_gateway_finds_the_link_alive_and_starts_nothing() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let asks = world.session(json!({ "connection_id": "asks" })).await.text("url").to_owned();
    for (url, status) in [
        ("/authorize", StatusCode::OK),
        (&asks, StatusCode::OK),
        (&link_without_a_question(&world).await, StatusCode::OK),
        ("/authorize?session=unknown", StatusCode::BAD_REQUEST),
        (&callback, StatusCode::OK),
        ("/callback", StatusCode::BAD_REQUEST),
    ] {
        world.calls.take();
        let head = browser.send(Method::HEAD, url, &[]).await;
        assert_eq!((head.status(), head.body().as_str()), (status, ""), "{url}");
        assert!(head.headers().get("set-cookie").is_none() && head.headers().get("location").is_none(), "{url}");
        assert!(!head.headers()["content-length"].is_empty(), "{url}");
        let calls = world.calls.take();
        assert!(calls.keys().all(|operation| operation == "GetItem"), "{url}: {calls:?}");
    }
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK, "nothing was used up");
}

#[tokio::test]
async fn a_request_that_no_person_made_starts_nothing_and_uses_up_nothing() {
    let world = World::new().await;
    let browser = world.browser();
    let link = link_without_a_question(&world).await;
    let callback = browser.to_callback("/authorize").await;
    let purposes = [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "prefetch;anonymous-client-ip"),
        ("purpose", "prefetch"),
        ("purpose", "Preview"),
        ("x-moz", "prefetch"),
        ("x-purpose", "preview"),
    ];
    let destinations = [
        "audio",
        "audioworklet",
        "embed",
        "empty",
        "fencedframe",
        "font",
        "frame",
        "iframe",
        "image",
        "json",
        "manifest",
        "object",
        "paintworklet",
        "report",
        "script",
        "serviceworker",
        "sharedworker",
        "style",
        "track",
        "video",
        "webidentity",
        "worker",
        "xslt",
    ];
    world.calls.take();
    for header in purposes.into_iter().chain(destinations.map(|destination| ("sec-fetch-dest", destination))) {
        for (method, url) in [(Method::GET, &*link), (Method::POST, "/authorize"), (Method::GET, &callback)] {
            let answer = browser.send(method, url, &[("origin", ORIGIN), header]).await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{url} {header:?}");
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert!(answer.headers().get("set-cookie").is_none(), "{url} {header:?}");
        }
    }
    assert!(world.calls.take().is_empty());
    let document = [("sec-fetch-dest", "document"), ("sec-purpose", "")];
    location(&browser.send(Method::GET, &link, &document).await);
    assert_eq!(browser.send(Method::GET, &callback, &document).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_prefetch_header_with_a_non_ascii_byte_still_means_a_prefetch() {
    let world = World::new().await;
    let mut request = Request::default();
    *request.uri_mut() = link_without_a_question(&world).await.strip_prefix(ORIGIN).unwrap().parse().unwrap();
    let purpose = http::HeaderValue::from_bytes(b"prefetch;\xe9").unwrap();
    request.headers_mut().insert("sec-purpose", purpose);
    assert_eq!(world.send(request).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

async fn press_continue(world: &World, headers: &[(&'static str, &str)]) -> Response {
    world.browser().send(Method::POST, "/authorize", headers).await
}

#[tokio::test]
async fn a_browser_that_sends_no_origin_could_never_pass_the_confirmation_page() {
    let world = World::new().await;
    let from_here = ("sec-fetch-site", "same-origin");
    for headers in [
        vec![("origin", ORIGIN)],
        vec![("origin", ORIGIN), from_here],
        vec![("origin", "null"), from_here],
        vec![from_here],
    ] {
        location(&press_continue(&world, &headers).await);
    }
    for headers in [
        vec![],
        vec![("origin", "null")],
        vec![("origin", "")],
        vec![("origin", "https://evil.example"), from_here],
        vec![("origin", "NULL"), from_here],
        vec![("sec-fetch-site", "none")],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("origin", "null"), ("sec-fetch-site", "same-site")],
        vec![("origin", "null"), ("sec-fetch-site", "same-origin, cross-site")],
        vec![("origin", "null"), ("sec-fetch-site", "")],
    ] {
        let answer = press_continue(&world, &headers).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{headers:?}");
        assert!(answer.headers().get("set-cookie").is_none(), "{headers:?}");
    }
    let mut twice = Request::default();
    *twice.method_mut() = Method::POST;
    *twice.uri_mut() = "/authorize".parse().unwrap();
    for origin in [ORIGIN, "https://evil.example"] {
        twice.headers_mut().append("origin", origin.parse().unwrap());
    }
    twice.headers_mut().insert("sec-fetch-site", "same-origin".parse().unwrap());
    assert_eq!(world.send(twice).await.status(), StatusCode::BAD_REQUEST);
}

/// RFC 6749 section 4.1.2: the client ignores what it does not recognize.
#[tokio::test]
async fn an_unknown_parameter_that_came_twice_made_the_callback_invalid() {
    for more in
        ["utm_source=a&utm_source=b", "scope[]=x&scope[]=y", "%ff=%fe&%ff=%fe", "scope=x&scope=y", "&&==&=&%", "Code=x"]
    {
        let world = World::new().await;
        let browser = world.browser();
        let callback = browser.to_callback("/authorize").await;
        let answer = browser.get(&format!("{callback}&{more}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{more}: {}", answer.body());
    }
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    for name in ["code", "state", "error", "iss"] {
        for twice in [format!("{name}=x&{name}=y"), format!("{name}=&{name}=")] {
            let answer = browser.get(&format!("{callback}&{twice}")).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{twice}");
        }
    }
    let issued = browser.get(&format!("{callback}&iss=https%3A%2F%2Fapp.webinargeek.com")).await;
    assert_eq!(issued.status(), StatusCode::OK, "{}", issued.body());
}

#[tokio::test]
async fn of_a_member_that_came_twice_the_last_value_was_used() {
    let world = World::new().await;
    for (body, field) in [
        (r#"{"connection_id":"a","connection_id":"b"}"#, "connection_id"),
        (r#"{"expires_in":60,"expires_in":60}"#, "expires_in"),
        (r#"{"confirm":true,"confirm_page":false,"\u0063onfirm":false}"#, "confirm"),
    ] {
        let answer = post_session(&world, body).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
        assert_eq!((answer.text("field"), answer.text("detail")), (field, "is there more than once"));
    }
    assert!(world.calls.take().is_empty());
}

#[tokio::test]
async fn invalid_json_is_answered_with_line_and_column_and_without_its_text() {
    let world = World::new().await;
    for (body, detail) in [
        ("{\n  \"connection_id\": canary\n}", "line 2 column 20"),
        ("{\"connection_id\":", "line 1 column 17"),
        ("", "line 1 column 0"),
        ("{\"connection_id\": \"canary\u{1}\"}", "line 1 column 26"),
        ("[\"canary\"]", "the body is not a JSON object"),
        ("\"canary\"", "the body is not a JSON object"),
    ] {
        let answer = post_session(&world, body).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
        assert!(answer.text("detail").ends_with(detail), "{body}: {}", answer.text("detail"));
        assert!(!answer.text("detail").contains("canary"), "{}", answer.text("detail"));
    }
}

async fn post_session(world: &World, body: &str) -> tests::world::Answer {
    let mut request = Request::new(body.as_bytes().to_vec());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/v1/connect-sessions".parse().unwrap();
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    world.answer(request).await
}

#[tokio::test]
async fn a_return_to_that_is_not_listed_is_answered_with_its_origin_and_the_parameter_to_change() {
    let world = World::with(Setup::default()).await;
    let answer = post_session(&world, r#"{"return_to":"https://new.example:8443/path?secret=x"}"#).await;
    assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
    let detail = answer.text("detail");
    assert!(detail.contains("https://new.example:8443,") && detail.contains("ReturnToOrigins"), "{detail}");
    assert!(!detail.contains("secret"), "{detail}");
}

#[tokio::test]
async fn the_laptop_answers_head_and_isolates_its_pages_as_a_stack_does() {
    let laptop = Laptop::start(env!("CARGO_BIN_EXE_laptop"), &[]).await;
    for path in
        ["/", "/authorize", "/authorize?session=unknown", "/callback", "/openapi.yaml", "/v1/connections", "/nowhere"]
    {
        let get = laptop.get(path).await;
        let head = provider_client().head(format!("{}{path}", laptop.origin)).send().await.unwrap();
        for answer in [&get, &head] {
            assert_eq!(answer.headers()["cross-origin-resource-policy"], "same-origin", "{path}");
            assert_eq!(answer.headers()["cross-origin-opener-policy"], "same-origin", "{path}");
            assert!(!answer.headers().contains_key("strict-transport-security"), "{path}");
        }
        if !path.starts_with("/v1/") {
            assert_eq!(head.status(), get.status(), "{path}");
            assert_eq!(head.headers().get("content-length"), get.headers().get("content-length"), "{path}");
        }
    }
}
