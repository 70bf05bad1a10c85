//! `GET /local/live`: the sections of the page that have changed, as server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use shared::domain::time::Timestamp;
use tokio::sync::watch::Receiver;

use super::{View, page};
use crate::server::Server;

/// Lines that come together are sent together.
const TOGETHER: Duration = Duration::from_millis(100);

/// In seconds. The script counts lifetimes down, so a section is not sent again every second.
const COUNTED: i64 = 15;

struct Viewer {
    server: Arc<Server>,
    view: View,
    sent: HashMap<&'static str, String>,
    looks: Receiver<u64>,
    lines: Receiver<u64>,
}

pub(crate) fn stream(server: &Arc<Server>, view: View) -> Response {
    let (looks, lines) = (server.console.watch.looks(), server.console.log.changes());
    let viewer = Viewer { server: server.clone(), view, sent: HashMap::new(), looks, lines };
    let events = stream::unfold(viewer, async |mut viewer| Some((Ok::<_, Infallible>(viewer.next().await), viewer)));
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

impl Viewer {
    /// Sent at once for the first time: the page may be older than the stream.
    async fn next(&mut self) -> Event {
        loop {
            let mut changed: Vec<String> = Vec::new();
            let now = self.server.deployment.clock.now().unix();
            let now = Timestamp::from_unix(now - now.rem_euclid(COUNTED));
            for section in page::sections(&self.server, &self.view, now) {
                let html = section.markup.into_string();
                if self.sent.get(section.name) != Some(&html) {
                    changed.push(html.clone());
                    self.sent.insert(section.name, html);
                }
            }
            if !changed.is_empty() {
                // As JSON, so that a line break in a text does not end the event.
                return Event::default().json_data(changed).unwrap_or_default();
            }
            tokio::select! {
                _ = self.looks.changed() => {}
                _ = self.lines.changed() => self.server.deployment.clock.sleep(TOGETHER).await,
            }
        }
    }
}
