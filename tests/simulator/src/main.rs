//! The simulator's commands: `docs/simulator.md`.

fn main() {
    let class = simulator::provider::Class::parse(&std::env::args().nth(1).unwrap_or_default());
    let class = class.unwrap_or(simulator::provider::Class::P1);
    let mut counts = simulator::invariants::Counts::default();
    for seed in 0..200 {
        let plan = simulator::scenario::Plan::drawn(seed, class);
        let report = simulator::scenario::Scenario::new(plan, None, simulator::history::History::default()).run();
        counts.add(&report.counts);
        if let Some(violation) = report.violation {
            let again = simulator::scenario::Scenario::new(plan, None, simulator::history::History::on()).run();
            println!("{}", again.history.picture(60));
            println!("seed {seed}: {violation:?}");
            break;
        }
    }
    println!("{counts:?}");
}
