//! Events of API Gateway's HTTP APIs (payload format 2.0): real ones, and random ones that an attacker could send.

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::random::Random;

pub const HOST: &str = "connect.example.com";

/// The role of an integrator's code, as API Gateway reports it after it has verified the signature.
pub const PRINCIPAL: &str = "arn:aws:sts::111122223333:assumed-role/worker/session-1";

pub const FUNCTIONS: [&str; 4] = ["authorize", "callback", "token", "connections"];

pub fn event(method: &str, path: &str, query: &str) -> Value {
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
            "authorizer": { "iam": { "accountId": "111122223333", "userArn": PRINCIPAL } },
            "domainName": HOST,
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
            "requestId": "gateway-request",
            "stage": "$default",
            "timeEpoch": 1_795_478_400_000_u64,
        },
        "isBase64Encoded": false,
    })
}

/// The request id of every event. A 5xx of ours must name it.
pub const REQUEST_ID: &str = "request-of-lambda";

/// Checks that our answer is in payload format 2.0.
pub fn hold(answer: &Value, of: &str) {
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
        "the answer does not have the headers of `http::answer`: {answer}\n{of}"
    );
    for cookie in answer["cookies"].as_array().unwrap() {
        assert!(HeaderValue::from_str(cookie.as_str().unwrap()).is_ok(), "{cookie}\n{of}");
    }
    assert_eq!(answer["isBase64Encoded"], false);
    let body = answer["body"].as_str().unwrap();
    // An answer to HEAD has only headers.
    if status.is_server_error() && !body.is_empty() {
        assert!(body.contains(REQUEST_ID), "a 5xx without its request id: {answer}\n{of}");
    }
    if answer["headers"]["content-type"].as_str().is_some_and(|media_type| media_type.ends_with("json"))
        && !body.is_empty()
    {
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(status.is_success() || body["code"].is_string(), "{body}\n{of}");
    }
}

/// Valid values, so that events pass the first checks.
pub struct Known {
    pub queries: Vec<String>,
    pub cookies: String,
    /// The id of a connect session.
    pub session: String,
}

impl Known {
    pub fn event(&self, random: &mut Random, function: &str) -> Value {
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
        event
    }
}

/// The event's text, sometimes with a value that a `Value` cannot hold.
pub fn text_of(event: &Value, random: &mut Random) -> String {
    let event = event.to_string();
    match random.below(20) {
        0 => event.replacen("connect", r"\ud800", 1),
        1 => event.replacen(":false", ":1e999", 1),
        2 => event.replacen("{\"", "{\"rawPath\":\"/v1/doctor\",\"", 1),
        _ => event,
    }
}

/// One of these, usually unchanged.
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

/// Removes one member, or changes its value.
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
