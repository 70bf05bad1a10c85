//! `import`: connections from another system, one or thousands.
//!
//! 1. every line of the file is read first; if a line is not valid, only that line fails
//! 2. the report of an earlier run says which lines are done
//! 3. lines are imported a few at a time; each line is written to the report before it is sent, and again with its
//!    result
//! 4. after an interruption, lines that were sent are finished, and no other line is started
//!
//! A process that is killed leaves lines that were sent and have no result. The next run asks the API about those lines
//! before it sends them again: a refresh token that is used twice may end its grant.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, future, stream};
use serde_json::json;
use webinargeek_connect_client::Client;

use crate::arguments::Import;
use crate::connections::described;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::table::Table;

mod line;
mod report;
mod source;

use line::Importer;
use report::{Outcome, Record, Report};
use source::Line;

/// After so many lines in a row without an answer, the connection to the API is the fault, and not the lines.
const UNANSWERED: usize = 20;

/// The number of failed lines that a person is shown; the report has all.
const SHOWN: usize = 20;

pub(crate) async fn import(client: &Client, output: &Output, asked: Import) -> Result<(), Failure> {
    match (&asked.connection, &asked.file) {
        (_, Some(file)) => many(client, output, &asked, file).await,
        (Some(connection), None) => {
            let refresh_token = input::secret("refresh token")?;
            let connection = client.import(connection, &refresh_token, asked.replace).await?;
            output.answer(&connection, || described(&connection));
            if connection.reason.as_deref() == Some("invalid_grant") { Err(Failure::Refused) } else { Ok(()) }
        }
        (None, None) => Err(Failure::Usage("a file or --connection is needed".to_owned())),
    }
}

async fn many(client: &Client, output: &Output, asked: &Import, file: &Path) -> Result<(), Failure> {
    // 1.
    let lines = source::read(file, asked.format)?;
    // 2.
    let path = asked.report.clone().unwrap_or_else(|| beside(file));
    let report = Report::open(&path)?;
    let open: Vec<&Line> = lines.iter().filter(|line| !report.is_done(&line.id, asked.replace)).collect();
    let done = lines.len() - open.len();
    if done > 0 {
        output.note(&format!("{done} of {} lines are done already, as {} says.", lines.len(), path.display()));
    }
    // 3. and 4.
    let importer = Importer { client, report: &report, replace: asked.replace };
    let stop = interruption();
    let progress = output.progress(Some(lines.len() as u64), "importing");
    progress.set_position(done as u64);
    let (mut ended, mut failed, mut unanswered, mut broken) = (0, 0, 0, None);
    let mut running = stream::iter(&open)
        .take_while(|_| future::ready(!stop.load(Ordering::SeqCst)))
        .map(|line| importer.carry_out(line))
        .buffer_unordered(asked.concurrency.into());
    while let Some(result) = running.next().await {
        match result {
            Ok(record) => {
                ended += 1;
                failed += usize::from(record.has_failed());
                unanswered = if record.outcome == Outcome::NoAnswer { unanswered + 1 } else { 0 };
                progress.inc(1);
                progress.set_message(format!("{failed} failed"));
            }
            // Not a failure of this line: the credentials, or a report that cannot be written.
            Err(failure) => broken = broken.or(Some(failure)),
        }
        if broken.is_some() || unanswered >= UNANSWERED {
            stop.store(true, Ordering::SeqCst);
        }
    }
    drop(running);
    progress.finish_and_clear();

    let summary = Summary::of(&lines, &report, open.len() - ended, &path);
    summary.show(output);
    match broken {
        Some(failure) => Err(failure),
        None if summary.open > 0 && unanswered >= UNANSWERED => {
            Err(Failure::Failed(format!("{UNANSWERED} lines in a row had no answer: run the same command to go on")))
        }
        None if summary.open > 0 => Err(Failure::Interrupted),
        None if summary.failures.is_empty() => Ok(()),
        None => {
            let (failed, lines) = (summary.failures.len(), lines.len());
            Err(Failure::Lines { failed, lines, report: path.display().to_string() })
        }
    }
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".report.jsonl");
    file.with_file_name(name)
}

/// Set by Ctrl-C. A second one ends the process at once.
fn interruption() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        }
    });
    stop
}

/// The counts of the file's lines, over all runs.
struct Summary<'a> {
    lines: usize,
    imported: usize,
    stored: usize,
    failures: Vec<Record>,
    /// Lines that this run has not reached.
    open: usize,
    report: &'a Path,
}

impl<'a> Summary<'a> {
    fn of(lines: &[Line], report: &Report, open: usize, path: &'a Path) -> Self {
        let records: Vec<Record> = lines.iter().filter_map(|line| report.of(&line.id)).collect();
        let count = |outcome| records.iter().filter(|record| record.outcome == outcome).count();
        let (imported, stored) = (count(Outcome::Imported), count(Outcome::Stored));
        let failures = records.into_iter().filter(Record::has_failed).collect();
        Self { lines: lines.len(), imported, stored, failures, open, report: path }
    }

    fn show(&self, output: &Output) {
        let Self { lines, imported, stored, failures, open, report } = self;
        let value = json!({
            "lines": lines, "imported": imported, "stored": stored, "failed": failures.len(), "open": open, "report": report,
        });
        output.answer(&value, || {
            let some = |number: usize| (number > 0).then(|| number.to_string());
            Table::of_members([
                ("lines", Some(lines.to_string())),
                ("imported", Some(imported.to_string())),
                ("stored, not refreshed yet", some(*stored)),
                ("failed", some(failures.len())),
                ("still to be done", some(*open)),
                ("report", Some(report.display().to_string())),
            ])
        });
        for failure in failures.iter().take(SHOWN) {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            output.note(&format!("line {}: {}: {}", failure.line, text(&failure.code), text(&failure.detail)));
        }
        if failures.len() > SHOWN {
            output.note(&format!("and {} more, in the report", failures.len() - SHOWN));
        }
    }
}
