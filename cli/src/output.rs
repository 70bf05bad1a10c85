//! Where answers go: tables and sentences for people, JSON for programs. Standard output has only answers.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;
use crate::table::Table;

pub(crate) struct Output {
    pub json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// An answer: the value for programs, the table for people.
    pub(crate) fn answer(&self, value: &impl Serialize, table: impl FnOnce() -> Table) {
        if self.json { self.line(value) } else { self.text(&table().to_string()) }
    }

    /// One object a line.
    pub(crate) fn line(&self, value: &impl Serialize) {
        self.text(&serde_json::to_string(value).unwrap_or_default());
    }

    pub(crate) fn text(&self, text: &str) {
        // A reader that has read enough closes the pipe. That is not a failure of the command.
        if writeln!(io::stdout().lock(), "{text}").is_err() {
            std::process::exit(0);
        }
    }

    /// A sentence beside the answer, for people only.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        let mut errors = io::stderr().lock();
        let _ = match failure {
            Failure::Command(_) => Ok(()),
            _ if self.json => writeln!(errors, "{}", failure.json()),
            _ => match failure.remedy() {
                Some(remedy) => writeln!(errors, "wgc: {failure}\n     {remedy}"),
                None => writeln!(errors, "wgc: {failure}"),
            },
        };
    }

    /// A progress bar, shown only on a terminal.
    pub(crate) fn progress(&self, total: Option<u64>, what: &'static str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), "{prefix} {wide_bar} {pos}/{len}  {msg}  {eta} left"),
            None => (ProgressBar::new_spinner(), "{spinner} {prefix} {pos}  {msg}  {elapsed}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.with_style(style).with_prefix(what)
    }
}
