//! The tables, in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Failed;
use crate::journeys::Route;
use crate::options::Options;
use crate::programs::{FUNCTIONS, Maker, Reach, of_peer, sources_of};
use crate::sizes;
use crate::starts::Subject;
use crate::statistics::Series;

/// Calls, and how often each was made.
pub(crate) fn listed(calls: &BTreeMap<String, u64>) -> String {
    let calls: Vec<String> = calls.iter().map(|(name, times)| format!("{name} {times}")).collect();
    calls.join(", ")
}

/// Median and 95th percentile.
fn shown(series: &Series) -> String {
    if series.is_empty() {
        "–".to_owned()
    } else {
        format!("{:.1} ({:.1})", series.median(), series.percentile(0.95))
    }
}

fn ratio(one: &Series, other: &Series) -> String {
    if one.is_empty() || other.is_empty() { "–".to_owned() } else { format!("{:.2}", one.median() / other.median()) }
}

/// `exec` → `/next` of every function, as Lambda starts it, compared with the floor (`rust-hello`).
pub(crate) fn of_starts(subjects: &[Subject]) -> String {
    let is_right = |it: &&Subject| it.route.is_none() && it.measured.wrong.is_none();
    let floor = subjects.iter().filter(is_right).find(|it| it.maker == Maker::RustHello);
    let started = |owner: &str, function: &str| {
        subjects.iter().filter(is_right).find(|it| it.owner == owner && it.function == function)
    };
    let mut table =
        "| program | function | exec → `/next`, ms | × floor | CPU, ms | peak memory, MB |\n|---|---|---|---|---|---|\n"
            .to_owned();
    let mut row = |subject: &Subject| {
        let measured = &subject.measured;
        let against = floor.map_or("–".to_owned(), |floor| ratio(&measured.next, &floor.measured.next));
        let (next, cpu, memory) = (shown(&measured.next), shown(&measured.cpu), shown(&measured.memory));
        let _ = writeln!(table, "| {} | {} | {next} | {against} | {cpu} | {memory} |", subject.owner, subject.function);
    };
    for owner in owners(subjects, Maker::Ours) {
        FUNCTIONS.iter().filter_map(|function| started(owner, function)).for_each(&mut row);
    }
    subjects.iter().filter(is_right).filter(|it| it.maker != Maker::Ours).for_each(&mut row);
    table
}

/// `exec` → first answer, and the later answers. A ratio says how much slower a program is than the first build.
pub(crate) fn of_answers(subjects: &[Subject]) -> String {
    let mut table =
        "| route | program | exec → `/next`, ms | exec → first answer, ms | / ours | warm, ms | / ours | CPU, ms | / ours \
                     | peak memory, MB | calls | connections |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for route in [Route::Hello, Route::Authorize, Route::Callback, Route::Token, Route::Status] {
        let of_route = || subjects.iter().filter(move |it| it.route == Some(route));
        for subject in of_route() {
            let measured = &subject.measured;
            if let Some(wrong) = &measured.wrong {
                let why = wrong.lines().next().unwrap_or_default();
                let _ = writeln!(table, "| {} | {} | wrong answer: {why} |", route.name(), subject.owner);
                continue;
            }
            let ours = of_route().find(|it| it.maker == Maker::Ours && it.measured.wrong.is_none());
            let against =
                |of: fn(&Subject) -> &Series| ours.map_or("–".to_owned(), |ours| ratio(of(subject), of(ours)));
            let connections: u64 = measured.counts.connections.values().sum();
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {connections} |",
                route.name(),
                subject.owner,
                shown(&measured.next),
                shown(&measured.answer),
                against(|it| &it.measured.answer),
                shown(&measured.warm),
                against(|it| &it.measured.warm),
                shown(&measured.cpu),
                against(|it| &it.measured.cpu),
                shown(&measured.memory),
                listed(&measured.counts.calls),
            );
        }
    }
    table
}

/// The zip of each function.
pub(crate) fn of_sizes(options: &Options) -> Result<(), Failed> {
    println!("| program | function | zip, MB |\n|---|---|---|");
    let row =
        |owner: &str, function: &str, bytes: u64| println!("| {owner} | {function} | {:.2} |", bytes as f64 / 1e6);
    for build in &options.builds {
        for function in build.functions()? {
            row(&build.label, function, sizes::of_file(&build.binary(function)?)?);
        }
    }
    for peer in &options.peers {
        let bytes = match peer {
            Maker::RustHello | Maker::RustDefault => {
                sizes::of_file(&of_peer(*peer, &options.built_peers, "handler", Reach::Nothing)?.command)?
            }
            Maker::NodeGuide => sizes::of_node(&sources_of(*peer), "axios")?,
            // No size: it depends on how the packages that pip installs beside the runtime's SDK are packed.
            Maker::PythonRefresher | Maker::Ours => continue,
        };
        row(peer.name(), "all", bytes);
    }
    Ok(())
}

fn owners(subjects: &[Subject], maker: Maker) -> Vec<&str> {
    let mut owners: Vec<&str> = subjects.iter().filter(|it| it.maker == maker).map(|it| it.owner.as_str()).collect();
    owners.dedup();
    owners
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn subject(owner: &str, maker: Maker, milliseconds: u64) -> Subject {
        let mut subject = Subject::unstarted(owner, maker, Route::Authorize);
        for series in [&mut subject.measured.next, &mut subject.measured.answer, &mut subject.measured.warm] {
            series.milliseconds(Duration::from_millis(milliseconds));
        }
        subject
    }

    #[test]
    fn a_peer_that_gives_a_wrong_answer_has_no_figure_and_no_ratio() {
        let mut subjects = [subject("ours", Maker::Ours, 10), subject("node-guide", Maker::NodeGuide, 200)];
        assert!(of_answers(&subjects).contains("| 200.0 (200.0) | 20.00 |"));
        subjects[1].measured.wrong = Some("an empty page".to_owned());
        let table = of_answers(&subjects);
        assert!(table.contains("| authorize | node-guide | wrong answer: an empty page |"), "{table}");
        assert!(!table.contains("200.0") && !table.contains("20.00"), "{table}");
        subjects[1].measured.wrong = None;
        subjects[0].measured.wrong = Some("an empty page".to_owned());
        assert!(!of_answers(&subjects).contains("20.00"), "no peer is compared with a wrong answer of ours");
    }
}
