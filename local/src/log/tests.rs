use std::sync::Arc;

use shared::system::SystemClock;
use tracing_subscriber::layer::SubscriberExt;

use super::{CONNECTIONS, LINES, Line, Listening, Log, Terminal};

fn logged(write: impl FnOnce()) -> Arc<Log> {
    let log = Arc::new(Log::new(Arc::new(SystemClock)));
    let subscriber = tracing_subscriber::registry().with(Listening { log: log.clone(), terminal: None });
    tracing::subscriber::with_default(subscriber, write);
    log
}

fn texts(lines: &[Arc<Line>]) -> Vec<String> {
    lines.iter().map(|line| line.text()).collect()
}

#[test]
fn a_line_that_a_request_writes_before_its_connection_is_known_is_kept_for_this_connection() {
    let log = logged(|| {
        let span =
            tracing::info_span!("invocation", function = "token", request_id = "r", connection = tracing::field::Empty);
        span.in_scope(|| tracing::info!("early"));
        span.record("connection", "acme");
        span.in_scope(|| tracing::warn!(class = "unreachable", failures = 1, "failed"));
        tracing::info!("of no connection");
    });
    assert_eq!(texts(&log.of("acme")), ["early", "failed class=unreachable"]);
    let last = log.of("acme").pop().unwrap();
    assert_eq!((last.function.as_deref(), last.request_id.as_deref()), (Some("token"), Some("r")));
}

#[test]
fn a_busy_connection_pushes_out_no_line_of_another_one_and_memory_is_limited() {
    let log = logged(|| {
        tracing::info!(connection = "quiet", "once");
        for number in 0..=LINES {
            tracing::info!(connection = "busy", number, "often");
        }
    });
    assert_eq!(texts(&log.of("quiet")), ["once"]);
    let busy = texts(&log.of("busy"));
    assert_eq!((busy.len(), busy[0].as_str()), (LINES, "often number=1"));

    let log = logged(|| (0..=CONNECTIONS).for_each(|number| tracing::info!(connection = %number, "once")));
    assert_eq!((0..=CONNECTIONS).filter(|number| !log.of(&number.to_string()).is_empty()).count(), CONNECTIONS);
}

#[test]
fn a_terminal_gets_one_readable_line_with_colours_only_if_they_are_wanted() {
    let log = logged(|| {
        tracing::info!(target: "local::server", connection = "acme", "GET /v1/connections/acme/token 503 4 ms");
        tracing::error!(connection = "acme", class = "unreachable", "failed");
    });
    let [request, failure] = &log.of("acme")[..] else { panic!("two lines") };
    let plain = request.printed(Terminal::Plain);
    assert_eq!(plain[8..], *" request  GET /v1/connections/acme/token 503 4 ms");
    assert_eq!(failure.printed(Terminal::Plain)[8..], *" error    failed class=unreachable  acme");
    let coloured = request.printed(Terminal::Coloured);
    assert!(coloured.contains("\u{1b}[31mrequest \u{1b}[0m"), "{coloured:?}");
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}
