//! All secrets begin with one word. No log line, page or problem may contain that word.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::http::{Request, Response};
use shared::ports::Entropy;
use shared::system::SystemEntropy;
use tests::proof::Proof;
use tests::random::Random;
use tests::world::{Setup, World};

use crate::faults;
use crate::log::{capture, captured};

/// In base64, every 32 random bytes begin with the word: states, cookies, verifiers, session tokens, codes, tokens and
/// data keys.
struct Canaries;

impl Entropy for Canaries {
    fn fill(&self, bytes: &mut [u8]) {
        SystemEntropy.fill(bytes);
        if bytes.len() == 32 {
            // base64url of these is "canary__".
            bytes[..6].copy_from_slice(&[0x71, 0xa9, 0xda, 0xaf, 0x2f, 0xff]);
        }
    }
}

const WORD: &str = "canary";

/// What a stranger may send: the word in every place, and input with which parsers often have problems.
const PIECES: [&str; 14] = [
    "canary",
    "canary__AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "canary%00canary",
    "canary%22%3E%3Cscript%3Ecanary",
    "%F0%9F%90%A6canary",
    "%ff%fecanary",
    "access_denied",
    "canary.canary",
    "{\"canary\":1}",
    "canary%0d%0aset-cookie:canary=1",
    "",
    "canary&canary=canary",
    "canary;canary",
    "../../canary",
];

const NAMES: [&str; 10] =
    ["state", "code", "error", "error_description", "session", "min_ttl", "canary", "scope", "iss", "cursor"];

fn query(random: &mut Random) -> String {
    let pairs: Vec<String> = (0..random.below(5))
        .map(|_| format!("{}={}", random.pick(&NAMES), random.pick(&PIECES).replace([' ', '"', '{', '}'], "")))
        .collect();
    pairs.join("&")
}

fn strange_request(random: &mut Random) -> Request {
    let paths = [
        "/authorize",
        "/callback",
        "/v1/connect-sessions",
        // The id of a connection is not secret, and is in the log.
        "/v1/connections/stranger",
        "/v1/connections/canary%2Fcanary/token",
        "/v1/connections/t/token",
        "/v1/connections",
        "/v1/connect-sessions/canary__AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "/v1/connect-sessions/canary__AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/confirm",
        "/v1/doctor",
        "/v1/canary/canary",
    ];
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD];
    let bodies = [
        json!({ "rejected_version": "canary" }),
        json!({ "canary": "canary" }),
        json!({ "connection_id": "canary/canary", "return_to": "https://canary.example/canary" }),
        json!({ "refresh_token": "canary", "replace": true }),
        json!({ "confirmation": "canary__AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "throw_away": "canary/canary" }),
        json!({ "throw_away": "t" }),
        json!(["canary"]),
        json!("canary"),
    ];
    let mut request = Request::new(random.pick(&bodies).to_string().into_bytes());
    *request.method_mut() = random.pick(&methods);
    *request.uri_mut() = format!("{}?{}", random.pick(&paths), query(random)).parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert("cookie", "canary=canary; __Host-wg_canary00=canary".parse().unwrap());
    headers.insert("origin", "https://canary.example".parse().unwrap());
    headers.insert("authorization", "Bearer canary".parse().unwrap());
    if random.percent(70) {
        headers.insert("content-type", "application/json".parse().unwrap());
    }
    request
}

/// An answer contains no secret, except a token where one is asked for. Of the stranger's text it repeats only the name
/// of a member.
fn has_none(response: &Response, sent: &str) {
    let is_token = sent.contains("/token?") && response.status() == StatusCode::OK;
    if is_token {
        return;
    }
    let is_problem = response.headers().get("content-type").is_some_and(|value| value == "application/problem+json");
    let (body, location) = (response.body(), response.headers().get("location"));
    // The answer to a HEAD has no body.
    if is_problem && !body.is_empty() {
        let mut problem: Value = serde_json::from_str(body).unwrap();
        problem.as_object_mut().unwrap().remove("field");
        assert!(!problem.to_string().contains(WORD), "{sent}: {body}");
    } else {
        assert!(!body.contains(WORD), "{sent}: {body}");
    }
    assert!(location.is_none_or(|value| !value.to_str().unwrap().contains(WORD)), "{sent}: {location:?}");
}

fn fault(random: &mut Random) -> Value {
    let answers = [
        json!("garbage"),
        json!("html"),
        json!("break"),
        json!("huge"),
        json!({ "without": ["access_token"] }),
        json!({ "status": { "status": 400, "error": "canary", "retry_after": "canary" } }),
        faults::error(401, "invalid_client"),
        faults::error(500, "canary"),
        json!({ "status": { "status": 429, "error": "canary", "retry_after": "1" } }),
    ];
    json!({ "answer": random.pick(&answers), "carried_out": random.percent(30), "times": random.between(1, 2) })
}

/// Days of one deployment: after that its fleet is so large that most of the time goes into sweeps.
const DAYS: u64 = 25;

/// Strangers, a provider with faults, and customers who connect. Returns the numbers of lines and of answers.
async fn some_days(random: &mut Random) -> (u64, u64) {
    let world = World::with(Setup { entropy: Arc::new(Canaries), ..Setup::default() }).await;
    world.connect("t").await;
    let (mut lines, mut answers) = (0, 0);
    for _ in 0..DAYS {
        capture();
        for _ in 0..40 {
            let request = strange_request(random);
            let sent = format!("{} {}", request.method(), request.uri());
            has_none(&world.send(request).await, &sent);
            answers += 1;
        }
        world.simulation.faults.clear();
        if random.percent(80) {
            world.fault(fault(random));
        }
        let ended = world.browser().journey("/authorize", "approve").await;
        has_none(&ended, "a journey");
        world.clock.advance(random.between(300, 9000) as i64);
        world.sweep().await;
        let token = world.token("t").await;
        if token.status != StatusCode::OK {
            assert!(!token.body.to_string().contains(WORD), "{token:?}");
        }
        let log = captured();
        assert!(!log.contains(WORD), "{}", log.lines().find(|line| line.contains(WORD)).unwrap());
        lines += log.lines().count() as u64;
    }
    let token = world.token("t").await;
    assert!(
        token.status != StatusCode::OK || token.text("access_token").starts_with(WORD),
        "secrets begin with the word: {token:?}"
    );
    (lines, answers)
}

#[tokio::test]
async fn no_log_line_page_or_problem_holds_a_secret_for_any_request_and_any_answer() {
    let proof = Proof::asked();
    let lines_wanted = proof.length(2_000, 1_000_000);
    let mut random = proof.random(7);
    let (mut lines, mut answers) = (0, 0);
    while lines < lines_wanted {
        let (more_lines, more_answers) = some_days(&mut random).await;
        (lines, answers) = (lines + more_lines, answers + more_answers);
    }
    println!("{}", json!({ "lines": lines, "answers": answers, "with_a_secret": 0 }));
}
