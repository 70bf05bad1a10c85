//! How fast the functions start and answer, and what they cost, compared with the programs that an engineer would write
//! instead: docs/performance.md.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::process::ExitCode;

mod budgets;
mod clock;
mod cpu_share;
mod function;
mod journeys;
mod launch;
mod machine;
mod options;
mod programs;
mod report;
mod rows;
mod runtime_api;
mod sizes;
mod stand_ins;
mod starts;
mod statistics;
mod sweep;
mod sweeps;
mod valgrind;

use cpu_share::CpuShare;
use options::Options;
use stand_ins::StandIns;
use starts::Plan;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == launch::LAUNCH).is_some() {
        eprintln!("{}", launch::launch(arguments));
        return ExitCode::FAILURE;
    }
    let texts = arguments.map(|argument| argument.to_string_lossy().into_owned());
    match Options::parse(texts).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Failed> {
    if options.command == options::HELP_ASKED {
        println!("{}", options::HELP);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let directory = std::env::temp_dir().join(format!("bench-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    // The stand-ins must not wait for other programs either.
    let own = CpuShare::new("own", None).and_then(|group| group.enter().map(|()| group)).ok();
    let done = runtime.block_on(async {
        let stand_ins = StandIns::start(&directory).await?;
        match options.command.as_str() {
            "starts" => starts(&options, &stand_ins).await,
            "sweeps" => sweeps::all(&options, &stand_ins).await,
            "sizes" => report::of_sizes(&options),
            "budgets" => budgets::hold(&options.builds, &stand_ins).await,
            command => Err(format!("{command} is not known\n\n{}", options::HELP).into()),
        }
    });
    drop(own);
    std::fs::remove_dir_all(&directory)?;
    done
}

async fn starts(options: &Options, stand_ins: &StandIns) -> Result<(), Failed> {
    let Options { builds, peers, built_peers, .. } = options;
    let mut wrong = 0;
    for share in &options.shares {
        for (number, (latency, set)) in options.latencies.iter().enumerate() {
            stand_ins.set_latency(*set);
            let group = cpu_share::of_programs(*share)?;
            let members = group.as_ref().map(CpuShare::members);
            let mut subjects = Plan { builds, peers, built_peers, stand_ins }.subjects()?;
            for run in 0..options.runs {
                for index in shuffled(subjects.len(), run) {
                    subjects[index].start(stand_ins, members.as_deref(), options.warm).await;
                }
            }
            let at = cpu_share::described(*share, group.as_ref());
            println!("\n## {at}; latency {latency}; {} cold starts each, median (95th percentile)\n", options.runs);
            println!("{}\n", machine::described());
            // A latency changes nothing before the first event.
            if number == 0 {
                println!("{}", report::of_starts(&subjects));
            }
            println!("{}", report::of_answers(&subjects));
            wrong += subjects.iter().filter(|subject| subject.measured.wrong.is_some()).count();
        }
    }
    if wrong > 0 { Err(format!("{wrong} programs have answered wrongly").into()) } else { Ok(()) }
}

/// An order for each run. In a fixed one, the same program would always follow Node or Python, which empty the
/// processor's caches.
fn shuffled(length: usize, run: usize) -> Vec<usize> {
    let hash = BuildHasherDefault::<DefaultHasher>::default();
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by_key(|index| hash.hash_one((run, index)));
    order
}
