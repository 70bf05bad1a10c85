//! What valgrind counts in a process: instructions and allocated bytes. The counts do not depend on the speed of the
//! machine, nor on its other work.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::Failed;
use crate::function::{Function, Program};
use crate::journeys::Route;
use crate::programs::{Build, Maker, Reach, of_ours};
use crate::stand_ins::StandIns;
use crate::starts;
use crate::sweep::{BUDGET, Sweep};

/// The number of later answers that are counted; the count is divided by it.
const LATER: usize = 20;

/// Instructions from `exec` to the first answer, and of a later answer.
#[derive(Clone, Copy)]
pub(crate) struct Instructions {
    pub first: u64,
    pub later: u64,
}

/// A program inside one of valgrind's tools. The tool writes its counts into a file when the process ends.
struct Counted {
    program: Program,
    file: PathBuf,
}

impl Counted {
    fn new(build: &Build, function: &str, tool: &str, stand_ins: &StandIns) -> Result<Self, Failed> {
        let file = stand_ins.authority.with_file_name(format!("{function}.{tool}"));
        let Program { command, environment, .. } = of_ours(build, function, Reach::StandIns(stand_ins))?;
        let arguments = vec![
            "--quiet".to_owned(),
            format!("--tool={tool}"),
            format!("--{tool}-out-file={}", file.display()),
            command.display().to_string(),
        ];
        Ok(Self { program: Program { command: "valgrind".into(), arguments, environment }, file })
    }

    async fn end(&self, function: Function) -> Result<String, Failed> {
        function.terminate().await?;
        let counted = fs::read_to_string(&self.file)?;
        fs::remove_file(&self.file)?;
        Ok(counted)
    }
}

/// Counts for a function with one route that needs no journey before it.
pub(crate) async fn instructions(build: &Build, route: Route, stand_ins: &StandIns) -> Result<Instructions, Failed> {
    let counted = Counted::new(build, route.name(), "callgrind", stand_ins)?;
    let first = instructions_of(&counted, route, 1, stand_ins).await?;
    let all = instructions_of(&counted, route, 1 + LATER, stand_ins).await?;
    Ok(Instructions { first, later: all.saturating_sub(first) / LATER as u64 })
}

async fn instructions_of(counted: &Counted, route: Route, events: usize, stand_ins: &StandIns) -> Result<u64, Failed> {
    starts::seed(stand_ins);
    let mut function = Function::start(&counted.program, None).await?;
    for _ in 0..events {
        function.next().await?;
        let answer = function.invoke(&route.event(Maker::Ours, None)?, starts::BUDGET).await?;
        route.check(Maker::Ours, &answer.body, stand_ins)?;
    }
    function.next().await?;
    let text = counted.end(function).await?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind has counted nothing")?.trim().parse()?)
}

/// Bytes that a sweep allocates for each due row: the difference between a larger and a smaller sweep, for each row of
/// the difference.
pub(crate) async fn allocated_per_row(build: &Build, rows: [usize; 2], stand_ins: &StandIns) -> Result<u64, Failed> {
    let counted = Counted::new(build, "refresh", "dhat", stand_ins)?;
    let mut allocated = [0; 2];
    for (due, allocated) in rows.into_iter().zip(&mut allocated) {
        let sweep = Sweep { maker: Maker::Ours, program: &counted.program, due, budget: BUDGET, must_end: true };
        let text = counted.end(sweep.run_to_its_end(stand_ins).await?).await?;
        *allocated = allocated_by(&serde_json::from_str(&text)?);
    }
    Ok(allocated[1].saturating_sub(allocated[0]) / (rows[1] - rows[0]) as u64)
}

/// dhat has one entry for each place that allocates.
fn allocated_by(counted: &Value) -> u64 {
    counted["pps"].as_array().into_iter().flatten().filter_map(|place| place["tb"].as_u64()).sum()
}
