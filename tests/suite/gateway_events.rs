//! From the bytes of a Lambda event to the bytes of its answer, through the entry of the functions: each event that
//! API Gateway can send gets an answer of ours. `PROOF=long` tries a million events.

use std::panic::AssertUnwindSafe;

use http::{Method, StatusCode};
use lambda_runtime::Context;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::http::Endpoint;
use shared::ports::Clock;
use tests::gateway_events::{FUNCTIONS, HOST, Known, REQUEST_ID, event, hold, text_of};
use tests::proof::Proof;
use tests::world::World;

fn endpoint<'a>(world: &'a World, function: &str) -> &'a dyn Endpoint {
    match function {
        "authorize" => &world.deployment.authorize,
        "callback" => &world.deployment.callback,
        "token" => &world.deployment.token,
        _ => &world.deployment.connections,
    }
}

/// The answer, as Lambda parses it.
async fn answer(world: &World, function: &'static str, event: &str) -> Value {
    let event: Box<RawValue> = serde_json::from_str(event).expect("Lambda passes on only JSON");
    let mut context = Context::default();
    context.request_id = REQUEST_ID.to_owned();
    context.deadline = (world.clock.now().unix() as u64 + 60) * 1000;
    let answer = shared::lambda::answer(function, endpoint(world, function), &event, &context).await;
    serde_json::from_slice(&serde_json::to_vec(&answer).unwrap()).unwrap()
}

fn title(answer: &Value) -> &str {
    answer["body"].as_str().unwrap().split("<h1>").nth(1).unwrap_or_default().split("</h1>").next().unwrap()
}

#[tokio::test]
async fn a_raw_space_in_the_query_made_the_function_crash_before_a_handler_ran() {
    let world = World::new().await;
    for raw in [" ", "\"", "<", ">", "é", "\u{0}", "\n", "\u{7f}", "#", "%", "%zz", "\\", "{", "|", "\u{1f4a9}"] {
        for query in [raw.to_owned(), format!("session={raw}"), format!("{raw}=x&code=c&state=s")] {
            for (function, path) in [("authorize", "/authorize"), ("callback", "/callback")] {
                let answer = answer(&world, function, &event("GET", path, &query).to_string()).await;
                hold(&answer, &query);
                let expected = if function == "authorize" && query != format!("session={raw}") { 200 } else { 400 };
                assert_eq!(answer["statusCode"], expected, "{function} {query:?}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_non_ascii_cookie_in_an_event_hid_all_the_others() {
    let world = World::new().await;
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let mut event = event("GET", "/callback", callback.split_once('?').unwrap().1);
    event["cookies"] = json!(["plaats=Café", "tab=\u{1}", browser.cookies()]);
    let answer = answer(&world, "callback", &event.to_string()).await;
    assert_eq!(title(&answer), "Your WebinarGeek account is connected", "{answer}");
    assert!(answer["cookies"][0].as_str().unwrap().contains("Max-Age=0"), "{answer}");
}

#[tokio::test]
async fn half_of_a_surrogate_pair_in_a_header_loses_only_that_header() {
    let world = World::new().await;
    let text = event("GET", "/authorize", "").to_string().replace("text/html", r"\ud800");
    let answer = answer(&world, "authorize", &text).await;
    assert_eq!(title(&answer), "Connect your WebinarGeek account", "{answer}");
}

/// API Gateway passes `/v1/connections/%2561cme` on as `/v1/connections/%61cme`.
#[tokio::test]
async fn a_path_that_was_decoded_twice_reached_a_connection_under_another_name() {
    let world = World::new().await;
    world.connect("acme").await;
    let code = async |function, method, path: &str| {
        let event = event(method, path, "").to_string();
        let answer = answer(&world, function, &event).await;
        answer["statusCode"].as_u64().unwrap()
    };
    assert_eq!(code("connections", "GET", "/v1/connections/acme").await, 200);
    for path in
        ["/v1/connections/%61cme", "/v1/connections/%2561cme", "/v1/connections/acme%", "/v1/connections/acme%2E"]
    {
        for method in ["GET", "PUT", "DELETE"] {
            assert_eq!(code("connections", method, path).await, 400, "{method} {path}");
        }
        assert_eq!(code("token", "GET", &format!("{path}/token")).await, 400, "{path}");
    }
    assert_eq!(code("connections", "GET", "/v1/connections/acme").await, 200);
}

#[tokio::test]
async fn the_laptop_decodes_a_path_once_too() {
    let world = World::new().await;
    world.connect("acme").await;
    assert_eq!(
        world.get("/v1/connections/%61cme").await.status,
        StatusCode::OK,
        "RFC 3986 section 6.2.2.2: the same name"
    );
    for path in ["/v1/connections/%2561cme", "/v1/connections/%252561cme", "/v1/connections/acme%25"] {
        assert_eq!(world.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(world.json(Method::DELETE, "/v1/connections/%2561cme", None).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_event_that_is_not_api_gateways_is_answered_with_what_it_lacks() {
    let world = World::new().await;
    for (event, detail) in [
        (json!({}), "requestContext:"),
        (json!([]), "not a JSON object"),
        (json!(null), "not a JSON object"),
        (json!({ "version": "1.0", "path": "/authorize", "httpMethod": "GET", "requestContext": {} }), "rawPath"),
        (json!({ "rawPath": "/authorize", "requestContext": { "domainName": HOST } }), "requestContext.http.method"),
        (json!({ "rawPath": "/", "requestContext": { "http": { "method": "GET" } } }), "requestContext.domainName"),
        (
            json!({ "rawPath": "/", "requestContext": { "domainName": "a/b", "http": { "method": "GET" } } }),
            "domainName",
        ),
    ] {
        for function in FUNCTIONS {
            let answer = answer(&world, function, &event.to_string()).await;
            hold(&answer, function);
            assert_eq!(answer["statusCode"], 400, "{answer}");
            assert!(answer["body"].as_str().unwrap().contains(detail), "{answer}");
        }
    }
}

#[tokio::test]
async fn no_event_makes_a_function_crash() {
    let proof = Proof::asked();
    let world = World::new().await;
    world.connect("acme").await;
    let session = world.session(json!({ "connection_id": "acme", "confirm_page": false })).await;
    let link = session.text("url").split_once('?').unwrap().1.to_owned();
    let browser = world.browser();
    let callback = browser.to_callback("/authorize").await;
    let known = Known {
        queries: vec![link, callback.split_once('?').unwrap().1.to_owned()],
        cookies: browser.cookies(),
        session: session.text("session_id").to_owned(),
    };
    for number in 0..proof.length(4_000, 1_000_000) {
        let mut random = proof.random(number);
        let function = random.pick(&FUNCTIONS);
        let event = text_of(&known.event(&mut random, function), &mut random);
        let context = format!("SEED={} event {number} for {function}: {event}", proof.seed);
        let answered = futures_util::FutureExt::catch_unwind(AssertUnwindSafe(answer(&world, function, &event))).await;
        hold(&answered.unwrap_or_else(|_| panic!("a panic: {context}")), &context);
    }
}
