//! Budgets that do not depend on the machine: calls, bytes, crates, instructions. Exceeding one needs a decision: the
//! number is changed here, and docs/performance.md says why.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::Failed;
use crate::function::Program;
use crate::journeys::Route;
use crate::programs::{Build, Maker, Reach, of_ours};
use crate::report::listed;
use crate::sizes;
use crate::stand_ins::{Counts, Service, StandIns};
use crate::starts::Plan;
use crate::sweep::{self, Sweep};
use crate::valgrind::{self, Instructions};

/// A function, the bytes of its zip, and the crates in its tree.
const OF_FUNCTIONS: [(&str, u64, usize); 7] = [
    ("authorize", 2_350_000, 188),
    ("callback", 2_720_000, 188),
    ("refresh", 2_810_000, 188),
    ("token", 2_670_000, 188),
    ("connections", 2_970_000, 188),
    ("events", 2_230_000, 188),
    ("maintenance", 2_450_000, 188),
];

type Calls = &'static [(&'static str, u64)];

/// A route, the calls of a process's first answer, and of a later answer for the same connection.
const OF_ROUTES: [(Route, Calls, Calls); 4] = [
    (Route::Authorize, &[("UpdateItem", 1)], &[("UpdateItem", 1)]),
    (
        Route::Callback,
        &[("GenerateDataKey", 1), ("GetItem", 1), ("GetSecretValue", 1), ("UpdateItem", 3), ("authorization_code", 1)],
        &[("GenerateDataKey", 1), ("GetItem", 1), ("UpdateItem", 3), ("authorization_code", 1)],
    ),
    (Route::Token, &[("Decrypt", 1), ("GetItem", 1)], &[("GetItem", 1)]),
    (Route::Status, &[("GetItem", 1)], &[("GetItem", 1)]),
];

/// The calls of a refresh: the first of a process, and a later one of the same connection.
const OF_A_REFRESH: [Calls; 2] =
    [&[("Decrypt", 1), ("UpdateItem", 2), ("refresh_token", 1)], &[("UpdateItem", 2), ("refresh_token", 1)]];

/// A route, the most instructions from `exec` to its first answer, and the most of a later answer. Both are some 3 %
/// above the counted values, since handshakes and hash tables differ a little from run to run.
const OF_ANSWERS: [(Route, Instructions); 2] = [
    (Route::Authorize, Instructions { first: 7_760_000, later: 1_430_000 }),
    (Route::Token, Instructions { first: 10_470_000, later: 1_335_000 }),
];

/// The most bytes that a sweep allocates for a due row: some 7 % above the counted value, since two runs differ by 5 %.
const ALLOCATED_PER_ROW: u64 = 715_000;

/// How much more memory, in bytes, a sweep of [`MANY`] rows may need than one of [`FEW`]. Two runs of one size differ
/// as much.
const GROWTH: u64 = 600_000;
const FEW: usize = 1_000;
const MANY: usize = 3_000;

/// Checks every budget, and prints the counted values. dhat sees no allocation of a static program: the allocated bytes
/// are those of the last build, which may be linked dynamically.
pub(crate) async fn check(builds: &[Build], stand_ins: &StandIns) -> Result<(), Failed> {
    let (build, allocating) = builds.first().zip(builds.last()).ok_or("no build")?;
    let mut exceeded = Vec::new();
    println!("| function | zip, bytes | budget | crates | budget |\n|---|---|---|---|---|");
    for (function, most_bytes, most_crates) in OF_FUNCTIONS {
        let (bytes, crates) = (sizes::of_file(&build.binary(function)?)?, crates_of(function)?);
        println!("| {function} | {bytes} | {most_bytes} | {crates} | {most_crates} |");
        if bytes > most_bytes || crates > most_crates {
            exceeded.push(function.to_owned());
        }
    }
    println!("\n| route | calls | budget |\n|---|---|---|");
    let mut counted = |what: String, calls: &BTreeMap<String, u64>, budget: Calls| {
        let budget: BTreeMap<String, u64> = budget.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        println!("| {what} | {} | {} |", listed(calls), listed(&budget));
        if *calls != budget {
            exceeded.push(what);
        }
    };
    let builds = [build.clone()];
    let plan = Plan { builds: &builds, peers: &[], built_peers: "".as_ref(), stand_ins };
    for mut subject in plan.subjects()? {
        let known = OF_ROUTES.iter().find(|(route, ..)| subject.route == Some(*route));
        let Some((route, first, later)) = known else { continue };
        subject.start(stand_ins, None, 1).await;
        counted(format!("{}, first answer", route.name()), &subject.measured.counts.calls, first);
        counted(format!("{}, later answer", route.name()), &subject.measured.later.calls, later);
    }
    let mut program = of_ours(build, "refresh", Reach::StandIns(stand_ins))?;
    // The calls that a run makes once, for any number of due rows, are in both.
    let (few, more) = (2, 12);
    let all = two_runs(&program, more, stand_ins).await?.into_iter().zip(two_runs(&program, few, stand_ins).await?);
    for (((run, of_few), budget), what) in all.zip(OF_A_REFRESH).zip(["first refresh", "later refresh"]) {
        // Lambda may freeze the process between two runs: what was connected before is of no use then.
        if !run.connections.contains_key(&Service::Provider) {
            return Err(format!("{what}: a connection to the provider has outlived its run").into());
        }
        let mut calls = run.calls;
        for (name, number) in of_few.calls {
            calls.entry(name).and_modify(|all| *all = all.saturating_sub(number));
        }
        // Each refresh that begins before the first one has read the fleet's pause reads it too: a few in each run, in
        // a fleet of any size.
        calls.remove("GetItem");
        calls.retain(|_, number| *number >= (more - few) as u64);
        calls.values_mut().for_each(|number| *number /= (more - few) as u64);
        counted(what.to_owned(), &calls, budget);
    }
    println!("\n| what | counted | budget |\n|---|---|---|");
    let mut measured = |what: String, counted: u64, budget: u64| {
        println!("| {what} | {counted} | {budget} |");
        if counted > budget {
            exceeded.push(what);
        }
    };
    for (route, budget) in OF_ANSWERS {
        let counted = valgrind::instructions(build, route, stand_ins).await?;
        measured(format!("instructions of the first answer, {}", route.name()), counted.first, budget.first);
        measured(format!("instructions of a later answer, {}", route.name()), counted.later, budget.later);
    }
    let allocated = valgrind::allocated_per_row(allocating, [32, 160], stand_ins).await?;
    measured("allocated bytes for a due row".to_owned(), allocated, ALLOCATED_PER_ROW);
    // No data keys are kept: their limit is some 4 MB. With one rate, both sweeps have as many requests in flight.
    let settings = [("DATA_KEY_MINUTES", "0"), ("PROVIDER_REQUESTS_PER_SECOND", "200")];
    program.environment.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut peaks = [0; 2];
    for (due, peak) in [FEW, MANY].into_iter().zip(&mut peaks) {
        let sweep = Sweep { maker: Maker::Ours, program: &program, due, budget: sweep::BUDGET, must_end: true };
        *peak = sweep.run(stand_ins, None).await?.peak_memory;
    }
    measured(
        format!("more bytes of memory for {MANY} due rows than for {FEW}"),
        peaks[1].saturating_sub(peaks[0]),
        GROWTH,
    );
    if exceeded.is_empty() { Ok(()) } else { Err(format!("over budget: {}", exceeded.join(", ")).into()) }
}

async fn two_runs(program: &Program, due: usize, stand_ins: &StandIns) -> Result<[Counts; 2], Failed> {
    let sweep = Sweep { maker: Maker::Ours, program, due, budget: sweep::BUDGET, must_end: true };
    sweep.calls_of_two_runs(stand_ins).await
}

/// The crates that a function is built of.
fn crates_of(function: &str) -> std::io::Result<usize> {
    let mut command = Command::new("cargo");
    command.args(["tree", "--package", function, "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    command.args(["--target", "x86_64-unknown-linux-musl"]);
    let output = command.output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().map(|line| line.trim_end_matches(" (*)")).collect::<BTreeSet<_>>().len())
}
