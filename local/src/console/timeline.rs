//! The history of one connection: its changes with their events and log lines, and its other requests.

use std::sync::Arc;

use maud::{Markup, html};
use shared::domain::time::Timestamp;
use tracing::Level;

use super::history::{Change, Tone, clock};
use crate::log::Line;

/// Entries that the page shows.
const SHOWN: usize = 40;

/// The log lines of one invocation.
struct Request {
    lines: Vec<Arc<Line>>,
}

impl Request {
    fn began(&self) -> Timestamp {
        self.lines.first().map_or(Timestamp::from_unix(0), |line| line.at)
    }

    fn ended(&self) -> Timestamp {
        self.lines.last().map_or(Timestamp::from_unix(0), |line| line.at)
    }

    fn has_trouble(&self) -> bool {
        self.lines.iter().any(|line| line.level <= Level::WARN)
    }

    /// Whether the change was written while the invocation ran. Times are whole seconds, and the first line may be
    /// written after the change. So a difference of this size is allowed.
    fn has_made(&self, change: &Change, more: i64) -> bool {
        let ran = self.began().unix() - more..=self.ended().unix() + more;
        ran.contains(&change.at.unix()) && (change.tone != Tone::Bad || self.has_trouble())
    }
}

enum Entry<'a> {
    Change(&'a Change, Vec<Arc<Line>>),
    Request(Request),
}

impl Entry<'_> {
    fn at(&self) -> Timestamp {
        match self {
            Self::Change(change, _) => change.at,
            Self::Request(request) => request.began(),
        }
    }
}

pub(super) fn section(changes: &[Change], lines: &[Arc<Line>]) -> Markup {
    let entries = entries(changes, lines);
    html! {
        section id="timeline" aria-labelledby="timeline-title" {
            h2 #timeline-title { "History" }
            @if entries.is_empty() { p.note { "Nothing has happened since the start." } }
            ol.timeline {
                @for entry in entries.iter().take(SHOWN) {
                    @match entry {
                        Entry::Change(change, lines) => (changed(change, lines)),
                        Entry::Request(request) => (requested(request)),
                    }
                }
            }
        }
    }
}

/// The latest first.
fn entries<'a>(changes: &'a [Change], lines: &[Arc<Line>]) -> Vec<Entry<'a>> {
    let mut requests: Vec<Request> = Vec::new();
    for line in lines {
        let same = |request: &&mut Request| request.lines[0].request_id == line.request_id;
        match requests.iter_mut().rev().find(same) {
            Some(request) if line.request_id.is_some() => request.lines.push(line.clone()),
            _ => requests.push(Request { lines: vec![line.clone()] }),
        }
    }
    // The earliest request that fits: then a later change does not take the lines of an earlier one.
    let mut have_changed: Vec<bool> = vec![false; requests.len()];
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for change in changes {
        let fits = |more| requests.iter().position(|request| request.has_made(change, more));
        let lines = fits(0).or_else(|| fits(1)).map(|index| {
            have_changed[index] = true;
            requests[index].lines.clone()
        });
        entries.push(Entry::Change(change, lines.unwrap_or_default()));
    }
    let others = requests.into_iter().zip(have_changed).filter(|(_, has_changed)| !has_changed);
    entries.extend(others.map(|(request, _)| Entry::Request(request)));
    // A stable sort: changes of the same second keep their order.
    entries.sort_by_key(Entry::at);
    entries.reverse();
    entries
}

fn changed(change: &Change, lines: &[Arc<Line>]) -> Markup {
    let tone = match change.tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Neutral => "neutral",
    };
    let event = change.event.as_ref().and_then(|event| event["type"].as_str());
    html! {
        li id={ "change-" (change.sequence_number) } class=(tone) {
            (time(change.at)) " " b { (change.title) } " " span { (change.detail) }
            @if let Some(event) = event { " " span.badge.event { (event) } }
            (log(lines))
        }
    }
}

fn requested(request: &Request) -> Markup {
    let last = request.lines.last();
    let text = last.map(|line| line.text()).unwrap_or_default();
    let id = last.and_then(|line| line.request_id.clone()).unwrap_or_default();
    let has_failed = request.has_trouble();
    html! {
        li id=[(!id.is_empty()).then(|| format!("request-{id}"))] class=(if has_failed { "bad" } else { "request" }) {
            (time(request.began())) " " span.call { (text) }
            @if request.lines.len() > 1 || has_failed { (log(&request.lines)) }
        }
    }
}

fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) { (clock(at)) } }
}

fn log(lines: &[Arc<Line>]) -> Markup {
    html! {
        @if !lines.is_empty() {
            details {
                summary { (lines.len()) @if lines.len() == 1 { " log line" } @else { " log lines" } }
                ul.log {
                    @for line in lines {
                        li class=(if line.level <= Level::WARN { "bad" } else { "" }) {
                            (clock(line.at)) " " (line.level.as_str().to_lowercase()) " "
                            @if let Some(function) = &line.function { (function) ": " }
                            (line.text())
                        }
                    }
                }
            }
        }
    }
}
