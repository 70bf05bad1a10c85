//! What the log says, and what it never says.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use serde_json::json;
use tests::world::{CLIENT_SECRET, World};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

thread_local! {
    /// What this thread's test has logged; the handlers run on its own thread.
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

/// One subscriber for the whole process: with one for each test, a line was lost when another test's ended at that moment,
/// because tracing then rebuilds what it keeps of who is interested.
pub(crate) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| OfThisThread);
        tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).init();
    });
    CAPTURED.set(Some(Vec::new()));
}

/// What was logged since, and nothing from now on.
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

    let refused = json!({ "status": { "status": 400, "error": "canary-code", "retry_after": null } });
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
async fn a_journey_can_be_followed_by_its_attempt_and_connection() {
    capture();
    let world = World::new().await;
    world.connect("tenant-7").await;
    let log = captured();
    assert!(log.matches("connection=\"tenant-7\"").count() >= 3, "{log}");
    let attempt = log.split("attempt=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(attempt.len(), 8);
    assert!(log.matches(&format!("attempt=\"{attempt}\"")).count() >= 3, "{log}");
}
