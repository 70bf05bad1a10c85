//! The last minutes: the least remaining lifetime as a line, the requests to the provider as bars.

use std::time::Duration;

use maud::{Markup, html};

use super::connections::duration;
use super::history::clock;
use super::watch::{SAMPLES, Sample};

const WIDTH: f64 = 600.0;
const LINE: f64 = 110.0;
const BARS: f64 = 40.0;
const GAP: f64 = 14.0;
const HEIGHT: f64 = LINE + GAP + BARS;
/// The time from the left edge to the right edge.
const WINDOW: Duration = Duration::from_secs(SAMPLES as u64);
/// Seconds that one bar counts.
const BAR: usize = 5;

/// `samples` is one a second at most, the earliest first.
pub(super) fn section(samples: &[Sample], is_simulated: bool) -> Markup {
    let least = samples.last().and_then(|sample| sample.least_remaining);
    let highest = samples.iter().filter_map(|sample| sample.least_remaining).max().unwrap_or(1).max(1);
    let bars = bars(samples);
    let most = bars.iter().map(|bar| bar.requests).max().unwrap_or(0).max(4);
    let recent: usize = bars.iter().rev().take(60 / BAR).map(|bar| bar.requests).sum();
    let faulty: usize = bars.iter().rev().take(60 / BAR).map(|bar| bar.faulty).sum();
    let spoken = least.map_or("no token".to_owned(), duration);
    let title =
        format!("Least remaining lifetime {spoken}; {recent} requests in the last minute, {faulty} met a fault");
    html! {
        section id="chart" aria-labelledby="chart-title" {
            h2 #chart-title { "The last five minutes" }
            dl.legend {
                div { dt.line { "Least remaining lifetime" } dd { (spoken) } }
                @if is_simulated {
                    div { dt.asked { "Requests in a minute" } dd { (recent) } }
                    div { dt.faulty { "that met a fault" } dd { (faulty) } }
                }
            }
            svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(title) {
                line.grid x1="0" y1="0.5" x2=(WIDTH) y2="0.5" {}
                line.grid x1="0" y1=(LINE / 2.0) x2=(WIDTH) y2=(LINE / 2.0) {}
                line.grid x1="0" y1=(LINE) x2=(WIDTH) y2=(LINE) {}
                path.life d=(path(samples, highest)) {}
                @if is_simulated {
                    line.grid x1="0" y1=(HEIGHT - 0.5) x2=(WIDTH) y2=(HEIGHT - 0.5) {}
                    @for bar in &bars { (bar.drawn(most)) }
                }
            }
            p.axis {
                span { (samples.last().map(|sample| clock(sample.at - WINDOW)).unwrap_or_default()) }
                span { "0 to " (duration(highest)) @if is_simulated { ", 0 to " (most) " requests in " (BAR) " s" } }
                span { (samples.last().map(|sample| clock(sample.at)).unwrap_or_default()) }
            }
        }
    }
}

/// The place of a sample: the newest is on the right.
fn x(index: usize, count: usize) -> f64 {
    WIDTH * (SAMPLES - count + index) as f64 / (SAMPLES - 1) as f64
}

/// The line is interrupted while no connection has a token.
fn path(samples: &[Sample], highest: i64) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for (index, sample) in samples.iter().enumerate() {
        let Some(least) = sample.least_remaining else {
            is_drawing = false;
            continue;
        };
        let y = LINE - (LINE - 2.0) * least as f64 / highest as f64;
        let step = if is_drawing { 'L' } else { 'M' };
        path.push_str(&format!("{step}{:.1} {y:.1}", x(index, samples.len())));
        is_drawing = true;
    }
    path
}

#[derive(Default)]
struct Bar {
    x: f64,
    requests: usize,
    faulty: usize,
}

impl Bar {
    fn drawn(&self, most: usize) -> Markup {
        let height = |requests: usize| BARS * requests as f64 / most as f64;
        let (all, faulty) = (height(self.requests), height(self.faulty));
        let width = WIDTH * BAR as f64 / SAMPLES as f64 - 1.0;
        let at = |number: f64| format!("{number:.1}");
        html! {
            @if self.requests > 0 {
                rect.asked x=(at(self.x)) y=(at(HEIGHT - all)) width=(at(width)) height=(at(all)) {}
            }
            @if self.faulty > 0 {
                rect.faulty x=(at(self.x)) y=(at(HEIGHT - faulty)) width=(at(width)) height=(at(faulty)) {}
            }
        }
    }
}

/// A bar covers a whole group of seconds, so that it does not change while it moves to the left.
fn bars(samples: &[Sample]) -> Vec<Bar> {
    let mut bars: Vec<(i64, Bar)> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let group = sample.at.unix().div_euclid(BAR as i64);
        if bars.last().is_none_or(|(last, _)| *last != group) {
            bars.push((group, Bar { x: x(index, samples.len()), ..Bar::default() }));
        }
        if let Some((_, bar)) = bars.last_mut() {
            bar.requests += sample.requests;
            bar.faulty += sample.faulty;
        }
    }
    bars.into_iter().map(|(_, bar)| bar).collect()
}
