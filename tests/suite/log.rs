//! What the log contains, and what it never contains.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use serde_json::json;
use tests::world::{CLIENT_SECRET, Setup, World};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::faults;

thread_local! {
    /// The log of the test on this thread. The handlers of a test run on its thread.
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        CAPTURED.with_borrow_mut(|captured| captured.iter_mut().for_each(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One subscriber serves the whole process. With one for each test, a line was lost when the subscriber of another test
/// ended at that moment, because tracing then rebuilds its list of subscribers.
pub(crate) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| OfThisThread);
        tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).init();
    });
    CAPTURED.set(Some(Vec::new()));
}

/// The log since `capture`. Ends the capture.
pub(crate) fn captured() -> String {
    String::from_utf8(CAPTURED.take().unwrap()).unwrap()
}

#[tokio::test]
async fn no_journey_and_no_failure_puts_a_secret_into_the_log() {
    capture();
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let consent = browser.start(session.text("url")).await;
    let callback = browser.decide(&consent, "approve").await;
    browser.get(&callback).await;
    browser.get(&callback).await;
    let mut secrets = vec![CLIENT_SECRET.to_owned(), "canary".to_owned()];
    let url = url::Url::parse(&callback).unwrap();
    secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    secrets.push(session.text("url").split("session=").nth(1).unwrap().to_owned());
    secrets.extend(browser.cookies().split(['=', ';']).skip(1).step_by(2).map(str::to_owned));
    secrets.push(world.token("t").await.text("access_token").to_owned());

    let refused = faults::error(400, "canary-code");
    for (answer, times) in [(json!("garbage"), 2), (json!("break"), 2), (json!("html"), 2), (refused, 1)] {
        world.clock.advance(8000);
        world.fault(json!({ "answer": answer, "carried_out": true, "times": times }));
        world.sweep().await;
        world.clock.advance(400);
        secrets.push(world.token("t").await.text("access_token").to_owned());
    }
    world.fault(json!({ "answer": "garbage" }));
    world.browser().journey("/authorize", "approve").await;
    world.browser().get("/callback?code=canary&state=canary&canary=canary&canary=canary").await;
    world.get("/v1/connections/t/token?canary=1").await;

    let log = captured();
    assert!(log.contains("sent to WebinarGeek") && log.contains("unknown"), "the log is captured: {log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn the_accepted_client_secret_is_named_by_its_position_only() {
    capture();
    let list = json!(["canary-not-yet-known", CLIENT_SECRET]).to_string();
    let world = World::with(Setup { client_secret: list, ..Setup::default() }).await;
    world.connect("t").await;
    let log = captured();
    let line = log.lines().find(|line| line.contains("put it first")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("WARN") && line.contains("position=2"), "{line}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn a_confirmation_and_an_imported_refresh_token_are_never_logged() {
    capture();
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/" });
    let session = world.session(body).await;
    let ended = world.browser().journey(session.text("url"), "approve").await;
    let back = url::Url::parse(ended.headers()["location"].to_str().unwrap()).unwrap();
    let confirmation = back.query_pairs().find(|(name, _)| name == "confirmation").unwrap().1.into_owned();
    let path = format!("/v1/connect-sessions/{}/confirm", session.text("session_id"));
    for confirmation in ["canary-of-a-guess", &confirmation] {
        world.json(http::Method::POST, &path, Some(json!({ "confirmation": confirmation }))).await;
    }
    for body in [json!({ "refresh_token": "canary" }), json!({ "refresh_token": "canary", "canary": 1 })] {
        let answer = world.json(http::Method::PUT, "/v1/connections/u", Some(body)).await;
        assert!(!answer.body["reason"].to_string().contains("canary"), "{answer:?}");
    }
    let log = captured();
    assert!(log.contains("a connection was confirmed") && log.contains("a connection was imported"), "{log}");
    for secret in [&confirmation, "canary"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn a_journey_can_be_followed_in_the_log_by_its_attempt_and_connection() {
    capture();
    let world = World::new().await;
    world.connect("tenant-7").await;
    let log = captured();
    assert!(log.matches("connection=\"tenant-7\"").count() >= 3, "{log}");
    let attempt = log.split("attempt=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(attempt.len(), 8);
    assert!(log.matches(&format!("attempt=\"{attempt}\"")).count() >= 3, "{log}");
}
