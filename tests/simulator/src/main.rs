//! The simulator's commands: `docs/simulator.md`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use simulator::campaign;
use simulator::exhaustive::{self, Setup};
use simulator::mutation;
use simulator::provider::Class;
use simulator::scenario::Plan;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
cargo simulator run            random runs, until N refreshes are stored
  --provider p0|p1|p2|p3|p4    the class of the provider (p1)
  --refreshes N                (1_000_000)
  --seed N                     the seed of the first run (0)
cargo simulator replay SEED    one run again, with its history
  --provider, --events N       the last N events (200)
  --many-faults yes|no         as it was in the run (yes for each eighth seed)
  --mutant TEXT                with the first mutant whose name contains TEXT
cargo simulator mutants        removes each clause of each condition; a promise must break
  --seconds N                  the most for each mutant (10)
  --only TEXT                  only mutants whose name contains TEXT
cargo simulator exhaustive     every interleaving of two workers and a disconnect
  --faults N                   the most faults of a run (2)
  --provider                   one class (all)
cargo simulator all            short forms of all of these";

/// What follows the command: `--name value` pairs, and words without a name.
struct Arguments(Vec<String>);

impl Arguments {
    fn option(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    /// Ends the program where the option has a value that cannot be read.
    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.option(name)?;
        let parsed = parse(text);
        if parsed.is_none() {
            eprintln!("{name} cannot be {text}\n\n{USAGE}");
            std::process::exit(2);
        }
        parsed
    }

    fn number(&self, name: &str, default: u64) -> u64 {
        self.parsed(name, |text| text.replace('_', "").parse().ok()).unwrap_or(default)
    }

    fn class(&self) -> Option<Class> {
        self.parsed("--provider", Class::parse)
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let arguments = Arguments(words.collect());
    let holds = match command.as_str() {
        "run" => run(
            arguments.class().unwrap_or(Class::P1),
            arguments.number("--seed", 0),
            arguments.number("--refreshes", 1_000_000),
        ),
        "replay" => replay(&arguments),
        "mutants" => mutants(arguments.number("--seconds", 10), arguments.option("--only").unwrap_or_default()),
        "exhaustive" => exhaustive(arguments.number("--faults", 2) as usize, arguments.class()),
        "all" => {
            let campaigns = Class::ALL.map(|class| run(class, 0, 20_000));
            // The most frequent class of provider, and the strictest. All five classes take a quarter of an hour.
            let searches = [Class::P1, Class::P4].map(|class| exhaustive(1, Some(class)));
            campaigns.into_iter().chain(searches).all(|held| held) & mutants(20, "")
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::disallowed_methods, reason = "the duration of a command, outside of the simulation")]
fn now() -> Instant {
    Instant::now()
}

fn run(class: Class, seed: u64, refreshes: u64) -> bool {
    let began = now();
    let campaign = campaign::run(class, seed, refreshes);
    if let Some((plan, _)) = &campaign.failed {
        print!("{}", campaign::explain(&campaign::replay(*plan, None), 80));
    }
    let counts = campaign.counts;
    println!(
        "{class:?}: {} refreshes stored ({} sent), {} connects, {} tokens handed out, in {} runs ({} virtual days together); {} \
         faults, {} crashes; {} connections lost, {} of them unavoidable; {:.1} s",
        counts.refreshes,
        counts.sent,
        counts.connects,
        counts.handed_out,
        campaign.runs,
        campaign.virtual_seconds / 86_400,
        counts.faults,
        counts.crashes,
        counts.lost,
        counts.unavoidable,
        began.elapsed().as_secs_f64()
    );
    campaign.failed.is_none()
}

fn replay(arguments: &Arguments) -> bool {
    let seed = arguments.0.first().and_then(|text| text.parse().ok()).unwrap_or(0);
    let has_many_faults =
        arguments.option("--many-faults").map_or_else(|| u64::is_multiple_of(seed, 8), |text| text == "yes");
    let class = arguments.class().unwrap_or(Class::P1);
    let plan = if has_many_faults { Plan::with_many_faults(seed, class) } else { Plan::drawn(seed, class) };
    let mutant = arguments
        .option("--mutant")
        .and_then(|text| mutation::find(600).into_iter().find(|mutant| mutant.name().contains(text)));
    let report = campaign::replay(plan, mutant);
    print!("{}", campaign::explain(&report, arguments.number("--events", 200) as usize));
    report.violation.is_none()
}

fn mutants(seconds: u64, only: &str) -> bool {
    let mut survivors = 0;
    let mut mutants = mutation::find(600);
    mutants.retain(|mutant| mutant.name().contains(only));
    for mutant in &mutants {
        let began = now();
        let result = mutation::try_to_kill(mutant, || began.elapsed() < Duration::from_secs(seconds));
        let name = result.mutant.name();
        let time = began.elapsed().as_secs_f64();
        match result.killed_by {
            Some((plan, violation)) => {
                let invariant = format!("{:?}", violation.invariant);
                println!("killed   {time:>5.1} s  by {invariant:<21} {:?} seed {:<6} {name}", plan.class, plan.seed);
            }
            None => {
                survivors += 1;
                println!("SURVIVED {time:>5.1} s  in {:<6} runs {:>24} {name}", result.runs, "");
            }
        }
    }
    println!("{} mutants, {survivors} survived", mutants.len());
    survivors == 0 && !mutants.is_empty()
}

fn exhaustive(most_faults: usize, only: Option<Class>) -> bool {
    let mut holds = true;
    for setup in Setup::all(most_faults).into_iter().filter(|setup| only.is_none_or(|class| class == setup.class)) {
        let began = now();
        let found = exhaustive::search(setup);
        println!(
            "{:?}, second worker {} s after the first{}{}, up to {most_faults} faults: {} states, {} interleavings, {} runs \
             left at a known state; {} unavoidable losses; {:.1} s",
            setup.class,
            setup.second_after,
            if setup.expired { ", access token expired" } else { "" },
            if setup.disconnects { ", connection taken away meanwhile" } else { "" },
            found.states,
            found.interleavings,
            found.pruned,
            found.lost,
            began.elapsed().as_secs_f64()
        );
        if let Some(violation) = found.violation {
            println!("{violation}");
            holds = false;
        }
    }
    holds
}
