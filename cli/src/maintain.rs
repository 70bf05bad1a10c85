//! `maintain`: a dry run, a question, and then one run after another until all is done.

use std::collections::BTreeMap;

use aws_sdk_lambda::primitives::Blob;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arguments::{Maintain, Task};
use crate::deployment::{Deployment, Kind, Stack, refused};
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::table::Table;

/// The sum of all runs. A single run ends after five minutes at the latest.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Report {
    task: String,
    dry_run: bool,
    scanned: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_change: Option<u64>,
    skipped: u64,
    failed: BTreeMap<String, u64>,
    finished: bool,
    /// Opaque: where the next run goes on.
    cursor: Value,
}

pub(crate) async fn maintain(deployment: &Deployment, output: &Output, asked: Maintain) -> Result<(), Failure> {
    let looked = all_runs(deployment, output, &asked, true, None).await?;
    show(output, &looked);
    if asked.dry_run {
        return Ok(());
    }
    // A pair that does not open would stay under the earlier key, and that key will be removed.
    if matches!(asked.task, Task::Reseal) && !looked.failed.is_empty() {
        let says = "nothing was changed: repair the rows that failed first; `wgc list --status quarantined` names them";
        return Err(Failure::Failed(says.to_owned()));
    }
    let rows = looked.would_change.unwrap_or_default();
    if rows == 0 {
        output.note("There is nothing to do.");
        return Ok(());
    }
    let what = match asked.task {
        Task::Reap => format!("Delete {rows} rows for good?"),
        Task::Reseal => format!("Seal the pairs of {rows} rows under the current key?"),
    };
    if !asked.yes && !input::agrees(&what)? {
        return Err(Failure::Failed("nothing was changed".to_owned()));
    }
    let changed = all_runs(deployment, output, &asked, false, Some(looked.scanned)).await?;
    show(output, &changed);
    if changed.failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed("some rows have failed and were not changed: run the same command again".to_owned()))
}

/// One run after another, each from the cursor of the one before.
async fn all_runs(
    deployment: &Deployment,
    output: &Output,
    asked: &Maintain,
    dry_run: bool,
    total: Option<u64>,
) -> Result<Report, Failure> {
    let task = match asked.task {
        Task::Reap => "reap",
        Task::Reseal => "reseal",
    };
    let mut event = json!({ "task": task, "dry_run": dry_run });
    if matches!(asked.task, Task::Reap) {
        event["days"] = asked.days.into();
    }
    let progress = output.progress(total, if dry_run { "looking" } else { "changing" });
    let mut sum = Report { task: task.to_owned(), dry_run, ..Report::default() };
    while !sum.finished {
        let answer = run(deployment, &event).await?;
        let report = Report::deserialize(&answer)
            .map_err(|_| Failure::Failed("the answer of the maintenance function is not a report".to_owned()))?;
        // A run that could not read the table would be repeated for ever.
        let no_progress = !report.finished && report.cursor == sum.cursor;
        sum.add(report, &progress);
        if no_progress {
            progress.finish_and_clear();
            show(output, &sum);
            return Err(Failure::Failed("a run made no progress: `wgc logs` says why; nothing is lost".to_owned()));
        }
        event["cursor"] = sum.cursor.clone();
    }
    progress.finish_and_clear();
    Ok(sum)
}

impl Report {
    fn add(&mut self, run: Self, progress: &ProgressBar) {
        let plus = |sum: Option<u64>, run: Option<u64>| run.map(|run| sum.unwrap_or_default() + run);
        self.scanned += run.scanned;
        self.changed = plus(self.changed, run.changed);
        self.would_change = plus(self.would_change, run.would_change);
        self.skipped += run.skipped;
        for (class, rows) in run.failed {
            *self.failed.entry(class).or_default() += rows;
        }
        (self.finished, self.cursor) = (run.finished, run.cursor);
        progress.inc(run.scanned);
    }
}

async fn run(deployment: &Deployment, event: &Value) -> Result<Value, Failure> {
    match &deployment.kind {
        Kind::Laptop(laptop) => laptop.maintain(event).await,
        Kind::Stack(stack) => invoke(stack, event).await,
        Kind::Address => Err(Deployment::address_is_not_enough("maintenance")),
    }
}

async fn invoke(stack: &Stack, event: &Value) -> Result<Value, Failure> {
    let function = stack.output("MaintenanceFunctionName")?;
    let invoked = aws_sdk_lambda::Client::new(&stack.config)
        .invoke()
        .function_name(function)
        .payload(Blob::new(event.to_string()))
        .send()
        .await
        .map_err(|error| refused("the maintenance function cannot be invoked", error))?;
    let answer: Value =
        serde_json::from_slice(invoked.payload().map(AsRef::as_ref).unwrap_or_default()).unwrap_or_default();
    if invoked.function_error().is_some() {
        let why = answer["errorMessage"].as_str().unwrap_or("its log says why");
        return Err(Failure::Failed(format!("the maintenance function has failed: {why}")));
    }
    Ok(answer)
}

fn show(output: &Output, report: &Report) {
    output.answer(report, || {
        let number = |number: u64| Some(number.to_string());
        let failed: Vec<String> = report.failed.iter().map(|(class, rows)| format!("{rows} {class}")).collect();
        Table::of_members([
            ("task", Some(format!("{}{}", report.task, if report.dry_run { ", dry run" } else { "" }))),
            ("rows", number(report.scanned)),
            ("would change", report.would_change.and_then(number)),
            ("changed", report.changed.and_then(number)),
            ("nothing to do", number(report.skipped)),
            ("failed", (!failed.is_empty()).then(|| failed.join(", "))),
        ])
    });
}
