//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::Failed;
use crate::programs::{Build, Maker};
use crate::stand_ins::Latency;

pub(crate) const HELP: &str = "\
cargo bench-functions [starts|sweeps|sizes|budgets] [options]

  starts   cold starts and first answers, interleaved
  sweeps   scheduled runs: refreshes a second, processor time of each, memory
  sizes    zips
  budgets  what does not depend on the machine: calls, zips, crates; fails beyond a budget. A second build that is
           linked dynamically has its allocated bytes counted

  --functions LABEL=DIRECTORY  a build: of `sam build`, or target/release. More than one: all are measured side by
                               side. A function that is not built is left out
  --plain-provider LABEL       a build that trusts public certificate authorities alone: its provider answers without TLS
  --peer NAME                  rust-hello, rust-default, node-guide, python-refresher or none; all, if none is named
  --peers DIRECTORY            what bench/peers/build has made (target/peers)
  --cpu full|MEGABYTES         the share of a processor that Lambda gives at this memory; full and 256
  --latency zero|real          0, or 5 ms of DynamoDB, 8 ms of KMS, 150 ms of the provider; both
  --runs N                     cold starts of each program (30)
  --warm N                     later events of each (10)
  --due N                      connections of a sweep (1000)
  --due-peer N                 of a sweep of a peer, which refreshes one after the other (100)
  --memory N                   connections of a sweep whose memory is measured, more than once; 1000, 10000, 100000";

/// The error for `--help`, which is no command.
pub(crate) const HELP_ASKED: &str = "help";

pub(crate) struct Options {
    pub command: String,
    pub builds: Vec<Build>,
    pub peers: Vec<Maker>,
    pub built_peers: PathBuf,
    /// `None` is a whole processor.
    pub shares: Vec<Option<u64>>,
    pub latencies: Vec<(&'static str, Latency)>,
    pub runs: usize,
    pub warm: usize,
    pub due: usize,
    pub due_of_peers: usize,
    pub due_for_memory: Vec<usize>,
}

pub(crate) const ZERO: (&str, Latency) =
    ("0 ms", Latency { dynamodb: Duration::ZERO, kms: Duration::ZERO, provider: Duration::ZERO });
pub(crate) const REAL: (&str, Latency) = (
    "DynamoDB 5 ms, KMS 8 ms, provider 150 ms",
    Latency { dynamodb: Duration::from_millis(5), kms: Duration::from_millis(8), provider: Duration::from_millis(150) },
);

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failed> {
        let mut options = Self {
            command: "starts".to_owned(),
            builds: Vec::new(),
            peers: Vec::new(),
            built_peers: "target/peers".into(),
            shares: Vec::new(),
            latencies: Vec::new(),
            runs: 30,
            warm: 10,
            due: 1000,
            due_of_peers: 100,
            due_for_memory: Vec::new(),
        };
        let (mut plain, mut is_peer_named) = (Vec::new(), false);
        while let Some(argument) = arguments.next() {
            if !argument.starts_with('-') {
                options.command = argument;
                continue;
            }
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value\n\n{HELP}"));
            match argument.as_str() {
                "--help" => options.command = HELP_ASKED.to_owned(),
                "--functions" => {
                    let value = value()?;
                    let (label, directory) = value.split_once('=').ok_or("--functions LABEL=DIRECTORY")?;
                    let directory = directory.into();
                    options.builds.push(Build { label: label.to_owned(), directory, has_plain_provider: false });
                }
                "--plain-provider" => plain.push(value()?),
                "--peer" => {
                    is_peer_named = true;
                    let name = value()?;
                    if name != "none" {
                        options.peers.push(Maker::named(&name).ok_or(format!("there is no peer {name}"))?);
                    }
                }
                "--peers" => options.built_peers = value()?.into(),
                "--cpu" => {
                    let value = value()?;
                    options.shares.push(if value == "full" { None } else { Some(value.parse()?) });
                }
                "--latency" => options.latencies.push(match value()?.as_str() {
                    "zero" => ZERO,
                    "real" => REAL,
                    _ => return Err("--latency zero or real".into()),
                }),
                "--runs" => options.runs = value()?.parse()?,
                "--warm" => options.warm = value()?.parse()?,
                "--due" => options.due = value()?.parse()?,
                "--due-peer" => options.due_of_peers = value()?.parse()?,
                "--memory" => options.due_for_memory.push(value()?.parse()?),
                _ => return Err(format!("{argument} is not known\n\n{HELP}").into()),
            }
        }
        if options.builds.is_empty() {
            let directory = "target/release".into();
            options.builds.push(Build { label: "ours".to_owned(), directory, has_plain_provider: false });
        }
        for label in plain {
            let build = options.builds.iter_mut().find(|build| build.label == label);
            build.ok_or(format!("there is no build {label}"))?.has_plain_provider = true;
        }
        if !is_peer_named {
            options.peers = Maker::PEERS.into();
        }
        if options.due_for_memory.is_empty() {
            options.due_for_memory = vec![1_000, 10_000, 100_000];
        }
        if options.shares.is_empty() {
            options.shares = vec![None, Some(256)];
        }
        if options.latencies.is_empty() {
            options.latencies = vec![ZERO, REAL];
        }
        Ok(options)
    }
}
