//! One scheduled run over many connections that are due.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use shared::domain::item::Value as Attribute;

use crate::Failed;
use crate::function::{Function, Program};
use crate::machine;
use crate::programs::Maker;
use crate::rows;
use crate::stand_ins::{Counts, StandIns};

/// The time that Lambda gives to the function.
pub(crate) const BUDGET: Duration = Duration::from_secs(300);
/// A new pair lives for two hours: a pair that expires later than this is a new one.
const RENEWED: i64 = 7000;

pub(crate) struct Sweep<'a> {
    pub maker: Maker,
    pub program: &'a Program,
    pub due: usize,
    /// The time from the event to the deadline.
    pub budget: Duration,
    /// Whether the run must refresh all of them.
    pub must_end: bool,
}

pub(crate) struct Swept {
    pub refreshed: u64,
    pub took: Duration,
    /// Processor time, without the start.
    pub cpu: Duration,
    pub peak_memory: u64,
    pub counts: Counts,
}

impl Sweep<'_> {
    pub(crate) async fn run(&self, stand_ins: &StandIns, group: Option<&Path>) -> Result<Swept, Failed> {
        self.seed(stand_ins);
        let mut function = Function::start(self.program, group).await?;
        function.next().await?;
        drop(stand_ins.take_counts());
        let before = function.cpu();
        let answer = function.invoke("{}", self.budget).await?;
        let cpu = function.cpu().saturating_sub(before);
        let peak_memory = function.peak_memory();
        function.end().await?;
        let counts = stand_ins.take_counts();
        let took = answer.came_at.saturating_sub(answer.sent_at);
        let summary: Value = serde_json::from_slice(&answer.body)?;
        let refreshed = summary["refreshed"].as_u64().unwrap_or_default();
        self.check(&summary, refreshed, &counts, stand_ins)?;
        Ok(Swept { refreshed, took, cpu, peak_memory, counts })
    }

    /// Does a run, and returns its process.
    pub(crate) async fn run_to_its_end(&self, stand_ins: &StandIns) -> Result<Function, Failed> {
        self.seed(stand_ins);
        let mut function = Function::start(self.program, None).await?;
        function.next().await?;
        drop(stand_ins.take_counts());
        let answer = function.invoke("{}", self.budget).await?;
        let summary: Value = serde_json::from_slice(&answer.body)?;
        let refreshed = summary["refreshed"].as_u64().unwrap_or_default();
        self.check(&summary, refreshed, &stand_ins.take_counts(), stand_ins)?;
        Ok(function)
    }

    /// The calls of a run, and of a second one in the same process, over the same connections.
    pub(crate) async fn calls_of_two_runs(&self, stand_ins: &StandIns) -> Result<[Counts; 2], Failed> {
        self.seed(stand_ins);
        let mut function = Function::start(self.program, None).await?;
        let mut counts = [Counts::default(), Counts::default()];
        for counted in &mut counts {
            self.make_due(stand_ins);
            function.next().await?;
            drop(stand_ins.take_counts());
            let answer = function.invoke("{}", self.budget).await?;
            *counted = stand_ins.take_counts();
            let summary: Value = serde_json::from_slice(&answer.body)?;
            self.check(&summary, summary["refreshed"].as_u64().unwrap_or_default(), counted, stand_ins)?;
        }
        function.end().await?;
        Ok(counts)
    }

    /// Makes all pairs due, as if the time had passed.
    fn make_due(&self, stand_ins: &StandIns) {
        let mut tables = stand_ins.tables();
        let table = tables.table(self.table());
        for number in 0..self.due {
            let key = rows::id(number);
            if let Some(mut row) = table.rows.get(&key).cloned() {
                row.0.insert("refresh_at".into(), Attribute::N(rows::long_ago(machine::now()).unix()));
                table.put(key, row);
            }
        }
    }

    /// Checks that every counted refresh has sent a request, and that every new pair is stored.
    fn check(&self, answer: &Value, refreshed: u64, counts: &Counts, stand_ins: &StandIns) -> Result<(), Failed> {
        let now = machine::now().unix();
        let mut tables = stand_ins.tables();
        let rows = tables.table(self.table()).rows.values();
        let is_renewed = |row: &&_| matches!(expires_at(row), Some(at) if at > now + RENEWED);
        let stored = rows.filter(is_renewed).count() as u64;
        let sent = counts.calls.get("refresh_token").copied().unwrap_or_default();
        let is_right = refreshed > 0 && stored == refreshed && sent == refreshed;
        if is_right && (!self.must_end || refreshed == self.due as u64) {
            return Ok(());
        }
        let due = self.due;
        let wrong =
            format!("{refreshed} of {due} were refreshed, {sent} requests sent, {stored} pairs stored: {answer}");
        Err(wrong.into())
    }

    fn seed(&self, stand_ins: &StandIns) {
        let granted_at = rows::long_ago(machine::now());
        let mut tables = stand_ins.tables();
        tables.clear();
        for number in 0..self.due {
            let (key, row) = match self.maker {
                Maker::Ours => rows::connection(number, granted_at),
                _ => rows::in_plain_text(number, granted_at),
            };
            tables.table(self.table()).put(key, row);
        }
    }

    fn table(&self) -> &'static str {
        if self.maker == Maker::Ours { "connections" } else { "tokens" }
    }
}

fn expires_at(row: &shared::domain::item::Item) -> Option<i64> {
    match row.0.get("expires_at") {
        Some(Attribute::N(at)) => Some(*at),
        _ => None,
    }
}
