//! From the bytes of a Lambda event to the bytes of its answer, as the functions' own entry goes: whatever API Gateway may
//! put into an event, the answer is ours. `PROOF=long` tries a million.

use std::panic::AssertUnwindSafe;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use lambda_runtime::Context;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::http::Endpoint;
use shared::ports::Clock;
use tests::proof::Proof;
use tests::random::Random;
use tests::world::World;

const HOST: &str = "connect.example.com";
const FUNCTIONS: [&str; 4] = ["authorize", "callback", "token", "connections"];

fn endpoint<'a>(world: &'a World, function: &str) -> &'a dyn Endpoint {
    match function {
        "authorize" => &world.deployment.authorize,
        "callback" => &world.deployment.callback,
        "token" => &world.deployment.token,
        _ => &world.deployment.connections,
    }
}

/// What Lambda gets back, as it parses it.
async fn answer(world: &World, function: &'static str, event: &str) -> Value {
    let event: Box<RawValue> = serde_json::from_str(event).expect("Lambda hands on JSON alone");
    let mut context = Context::default();
    context.request_id = "request-of-lambda".to_owned();
    context.deadline = (world.clock.now().unix() as u64 + 60) * 1000;
    let answer = shared::lambda::answer(function, endpoint(world, function), &event, &context).await;
    serde_json::from_slice(&serde_json::to_vec(&answer).unwrap()).unwrap()
}

fn event(method: &str, path: &str, query: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "cookies": ["a=1"],
        "headers": { "accept": "text/html", "content-type": "application/json", "host": HOST },
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "abc1234567",
            "domainName": HOST,
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
            "requestId": "gateway-request",
            "stage": "$default",
            "timeEpoch": 1_795_478_400_000_u64,
        },
        "isBase64Encoded": false,
    })
}

/// Payload format 2.0, and an answer of ours in it.
fn hold(answer: &Value, of: &str) {
    let status = answer["statusCode"].as_u64().and_then(|status| StatusCode::from_u16(status.try_into().ok()?).ok());
    let status = status.unwrap_or_else(|| panic!("no status: {answer}\n{of}"));
    assert!(
        matches!(status.as_u16(), 200 | 201 | 202 | 303 | 400 | 404 | 405 | 409 | 413 | 415 | 502 | 503),
        "{answer}\n{of}"
    );
    for (name, value) in answer["headers"].as_object().unwrap() {
        assert!(HeaderName::from_bytes(name.as_bytes()).is_ok(), "{name}\n{of}");
        assert!(HeaderValue::from_str(value.as_str().unwrap()).is_ok(), "{name}: {value}\n{of}");
    }
    assert_eq!(
        answer["headers"]["cross-origin-resource-policy"], "same-origin",
        "it has not come through our edge: {answer}\n{of}"
    );
    for cookie in answer["cookies"].as_array().unwrap() {
        assert!(HeaderValue::from_str(cookie.as_str().unwrap()).is_ok(), "{cookie}\n{of}");
    }
    assert_eq!(answer["isBase64Encoded"], false);
    let body = answer["body"].as_str().unwrap();
    // Of a HEAD nothing but the headers is left.
    if status.is_server_error() && !body.is_empty() {
        assert!(body.contains("request-of-lambda"), "a 5xx that names no request: {answer}\n{of}");
    }
    if answer["headers"]["content-type"].as_str().is_some_and(|media_type| media_type.ends_with("json"))
        && !body.is_empty()
    {
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(status.is_success() || body["code"].is_string(), "{body}\n{of}");
    }
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
async fn a_cookie_outside_ascii_in_an_event_hid_all_the_others() {
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
async fn half_of_a_surrogate_pair_in_one_header_costs_that_header_alone() {
    let world = World::new().await;
    let text = event("GET", "/authorize", "").to_string().replace("text/html", r"\ud800");
    let answer = answer(&world, "authorize", &text).await;
    assert_eq!(title(&answer), "Connect your WebinarGeek account", "{answer}");
}

/// API Gateway hands `/v1/connections/%2561cme` on as `/v1/connections/%61cme`.
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
async fn an_event_that_is_none_of_api_gateways_is_told_what_it_has_not() {
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
        let event = known.event(&mut random, function);
        let told = format!("SEED={} event {number} for {function}: {event}", proof.seed);
        let answered = futures_util::FutureExt::catch_unwind(AssertUnwindSafe(answer(&world, function, &event))).await;
        hold(&answered.unwrap_or_else(|_| panic!("a panic: {told}")), &told);
    }
}

/// What leads past the first checks.
struct Known {
    queries: Vec<String>,
    cookies: String,
    session: String,
}

impl Known {
    fn event(&self, random: &mut Random, function: &str) -> String {
        let path = match function {
            "authorize" => "/authorize".to_owned(),
            "callback" => "/callback".to_owned(),
            "token" => format!("/v1/connections/{}/token", text(random, &["acme", "other"])),
            _ => {
                let id = text(random, &["acme", "other", &self.session]);
                let shapes = [
                    "connections",
                    "connections/{}",
                    "connect-sessions",
                    "connect-sessions/{}",
                    "doctor",
                    "connect-sessions/{}/confirm",
                    "{}",
                ];
                format!("/v1/{}", random.pick(&shapes).replace("{}", &id))
            }
        };
        let method = random.pick(&["GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS"]);
        let queries: Vec<&str> =
            self.queries.iter().map(String::as_str).chain(["", "limit=2", "status=active"]).collect();
        let mut event = event(method, &path, &text(random, &queries));
        event["cookies"] = json!([text(random, &["a=1"]), text(random, &[&self.cookies])]);
        for name in ["origin", "sec-fetch-site", "sec-fetch-dest", "purpose", "content-type", "x-\u{e9}", "cookie"] {
            if random.percent(20) {
                let known = [
                    "https://connect.example.com",
                    "null",
                    "same-origin",
                    "document",
                    "image",
                    "prefetch",
                    "application/json",
                ];
                event["headers"][name] = text(random, &known).into();
            }
        }
        if random.percent(50) {
            let bodies = [
                "{}",
                "{\"rejected_version\":1}",
                "{\"connection_id\":\"acme\"}",
                "{\"refresh_token\":\"x\"}",
                "e30=",
                "{\"a\":1,\"a\":2}",
            ];
            event["body"] = text(random, &bodies).into();
            event["isBase64Encoded"] = random.percent(30).into();
        }
        for _ in 0..random.below(3) {
            damage(random, &mut event);
        }
        let event = event.to_string();
        // What no `Value` can hold.
        match random.below(20) {
            0 => event.replacen("connect", r"\ud800", 1),
            1 => event.replacen(":false", ":1e999", 1),
            2 => event.replacen("{\"", "{\"rawPath\":\"/v1/doctor\",\"", 1),
            _ => event,
        }
    }
}

/// One of these, mostly as it is.
fn text(random: &mut Random, known: &[&str]) -> String {
    let mut text = random.pick(known).to_owned();
    for _ in 0..random.below(8).saturating_sub(4) {
        let odd = [
            "%",
            "%25",
            "%2561",
            "%2F",
            "%ff",
            "..",
            "/",
            "//",
            "?",
            "#",
            "&",
            "=",
            ";",
            ",",
            " ",
            "\"",
            "<",
            "\u{0}",
            "\n",
            "\r",
            "\t",
            "\\",
            "é",
            "\u{7f}",
            "\u{ffff}",
            "\u{1f4a9}",
            "+",
            "@",
            ":",
            "[",
            "]",
            "{",
            "|",
            "^",
            "`",
            "state=x&",
            "code=c",
        ];
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let piece = if random.percent(2) { "x".repeat(70_000) } else { random.pick(&odd).to_owned() };
        text.insert_str(random.pick(&places), &piece);
    }
    text
}

/// Takes one member away, or gives it another value.
fn damage(random: &mut Random, event: &mut Value) {
    let pointers = [
        "/rawPath",
        "/rawQueryString",
        "/cookies",
        "/cookies/0",
        "/headers",
        "/headers/host",
        "/requestContext",
        "/requestContext/http",
        "/requestContext/http/method",
        "/requestContext/domainName",
        "/body",
        "/isBase64Encoded",
        "/version",
        "",
    ];
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("x"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "a": null }),
        json!(["a=b", 7, null]),
    ];
    let pointer = random.pick(&pointers);
    if let Some(member) = event.pointer_mut(pointer) {
        *member = random.pick(&values);
    }
}
