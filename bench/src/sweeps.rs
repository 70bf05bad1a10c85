//! Scheduled runs, and their tables.

use std::time::Duration;

use crate::Failed;
use crate::cpu_share::{self, CpuShare};
use crate::function::Program;
use crate::machine;
use crate::options::{Options, REAL, ZERO};
use crate::programs::{Maker, Reach, of_ours, of_peer};
use crate::stand_ins::{Service, StandIns};
use crate::sweep::{BUDGET, Sweep, Swept};

/// The time for a run whose memory is measured. It need not refresh all connections.
const MEMORY_BUDGET: Duration = Duration::from_secs(90);

pub(crate) async fn all(options: &Options, stand_ins: &StandIns) -> Result<(), Failed> {
    let programs = programs(options, stand_ins)?;
    let mut wrong = 0;
    for share in &options.shares {
        let group = cpu_share::of_programs(*share)?;
        let members = group.as_ref().map(CpuShare::members);
        let at = cpu_share::described(*share, group.as_ref());
        println!("\n## one run; {at}; latency {}\n\n{}\n", REAL.0, machine::described());
        print!(
            "| program | due | seconds | refreshes a second | most in flight | of the possible rate | CPU of a refresh, ms "
        );
        println!("| peak memory, MB | connections to DynamoDB, KMS, provider |");
        println!("|---|---|---|---|---|---|---|---|---|");
        stand_ins.set_latency(REAL.1);
        for (owner, maker, program) in &programs {
            let due = if *maker == Maker::Ours { options.due } else { options.due_of_peers };
            let sweep = Sweep { maker: *maker, program, due, budget: BUDGET, must_end: true };
            match sweep.run(stand_ins, members.as_deref()).await {
                Ok(swept) => println!("{}", row(owner, due, &swept)),
                Err(error) => {
                    wrong += 1;
                    println!("| {owner} | {due} | wrong answer: {error} |");
                }
            }
        }
    }
    println!("\n## memory of one run of {} s; latency {}\n", MEMORY_BUDGET.as_secs(), ZERO.0);
    println!("| program | due | refreshed | peak memory, MB |\n|---|---|---|---|");
    stand_ins.set_latency(ZERO.1);
    for due in &options.due_for_memory {
        for (owner, maker, program) in programs.iter().filter(|(_, maker, _)| *maker == Maker::Ours) {
            let sweep = Sweep { maker: *maker, program, due: *due, budget: MEMORY_BUDGET, must_end: false };
            match sweep.run(stand_ins, None).await {
                Ok(swept) => {
                    println!("| {owner} | {due} | {} | {:.1} |", swept.refreshed, swept.peak_memory as f64 / 1e6);
                }
                Err(error) => {
                    wrong += 1;
                    println!("| {owner} | {due} | wrong answer: {error} |");
                }
            }
        }
    }
    if wrong > 0 { Err(format!("{wrong} runs gave a wrong answer").into()) } else { Ok(()) }
}

fn programs(options: &Options, stand_ins: &StandIns) -> Result<Vec<(String, Maker, Program)>, Failed> {
    let reach = Reach::StandIns(stand_ins);
    let mut programs = Vec::new();
    for build in options.builds.iter().filter(|build| build.binary("refresh").is_ok()) {
        programs.push((build.label.clone(), Maker::Ours, of_ours(build, "refresh", reach)?));
    }
    for peer in &options.peers {
        let handler = match peer {
            Maker::NodeGuide => "refreshTokens",
            Maker::PythonRefresher => "handler",
            Maker::RustHello | Maker::RustDefault | Maker::Ours => continue,
        };
        programs.push((peer.name().to_owned(), *peer, of_peer(*peer, &options.built_peers, handler, reach)?));
    }
    Ok(programs)
}

/// How long a refresh waits for its calls, which are made one after the other: the latencies of all calls of the run,
/// divided by the number of refreshes.
fn waits(swept: &Swept) -> Duration {
    let latency = REAL.1;
    let of_a_call = |name: &str| match name {
        "refresh_token" => latency.provider,
        "Decrypt" | "Encrypt" | "GenerateDataKey" => latency.kms,
        _ => latency.dynamodb,
    };
    let all: Duration = swept.counts.calls.iter().map(|(name, number)| of_a_call(name) * *number as u32).sum();
    all / swept.refreshed.max(1) as u32
}

fn row(owner: &str, due: usize, swept: &Swept) -> String {
    let seconds = swept.took.as_secs_f64();
    let rate = swept.refreshed as f64 / seconds;
    let allowed = swept.counts.most_in_flight as f64 / waits(swept).as_secs_f64();
    let cpu = swept.cpu.as_secs_f64() * 1000.0 / swept.refreshed as f64;
    let connections = [Service::DynamoDb, Service::Kms, Service::Provider]
        .map(|service| swept.counts.connections.get(&service).copied().unwrap_or_default().to_string());
    format!(
        "| {owner} | {due} | {seconds:.1} | {rate:.1} | {} | {:.0} % | {cpu:.2} | {:.1} | {} |",
        swept.counts.most_in_flight,
        rate / allowed * 100.0,
        swept.peak_memory as f64 / 1e6,
        connections.join(", "),
    )
}
