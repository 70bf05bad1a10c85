//! What happened, as a picture: a column per process, a line per event, virtual time on the left.

use std::fmt::Write;

/// Wide enough for a call and its answer.
const WIDTH: usize = 34;

#[derive(Default)]
pub struct History {
    on: bool,
    lines: Vec<Line>,
    lanes: Vec<bool>,
}

struct Line {
    time: u64,
    lane: usize,
    process: String,
    text: String,
}

impl History {
    pub fn on() -> Self {
        Self { on: true, ..Self::default() }
    }

    /// It is written only when a seed is replayed, since writing takes longer than the run itself.
    pub fn is_on(&self) -> bool {
        self.on
    }

    pub fn open_lane(&mut self) -> usize {
        if !self.on {
            return 0;
        }
        match self.lanes.iter().position(|taken| !taken) {
            Some(free) => {
                self.lanes[free] = true;
                free
            }
            None => {
                self.lanes.push(true);
                self.lanes.len() - 1
            }
        }
    }

    pub fn close_lane(&mut self, lane: usize) {
        if let Some(taken) = self.lanes.get_mut(lane) {
            *taken = false;
        }
    }

    pub fn add(&mut self, time: u64, lane: usize, process: &str, text: String) {
        self.lines.push(Line { time, lane, process: process.to_owned(), text });
    }

    /// The last `count` events.
    pub fn picture(&self, count: usize) -> String {
        let lines = &self.lines[self.lines.len().saturating_sub(count)..];
        let lanes = lines.iter().map(|line| line.lane + 1).max().unwrap_or(0);
        let mut shown: Vec<&str> = vec![""; lanes];
        let mut picture = String::new();
        for line in lines {
            let mut text = line.text.clone();
            if shown[line.lane] != line.process {
                shown[line.lane] = &line.process;
                text = format!("[{}] {text}", line.process);
            }
            let mut row = format!("{:>11}  ", seconds(line.time));
            for _ in 0..line.lane {
                let _ = write!(row, "{:<WIDTH$}", "│");
            }
            let _ = writeln!(picture, "{row}{text}");
        }
        picture
    }
}

fn seconds(time: u64) -> String {
    format!("{}.{:03}", time / 1000, time % 1000)
}
