//! One process of a function, from its `exec` on.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::Failed;
use crate::clock;
use crate::launch::{self, LAUNCH, NO_GROUP};
use crate::runtime_api::{Event, RuntimeApi, Step};

/// Every start takes less than this, even on a seventh of a processor.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much of a log is kept, to report why a process has ended.
const LOG_KEPT: usize = 20;

pub(crate) struct Program {
    pub command: std::path::PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

pub(crate) struct Function {
    process: Child,
    api: RuntimeApi,
    log: Arc<Mutex<Vec<String>>>,
    exec_at: Duration,
    /// The processor time that the process had used before it became the function.
    spent_before: u64,
}

/// An answer, and when the event was handed over and the answer came.
pub(crate) struct Answer {
    pub sent_at: Duration,
    pub came_at: Duration,
    pub body: Bytes,
}

impl Function {
    /// `group`: the file of a control group that it belongs to.
    pub(crate) async fn start(program: &Program, group: Option<&Path>) -> Result<Self, Failed> {
        let api = RuntimeApi::listen().await?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(LAUNCH).arg(group.unwrap_or(Path::new(NO_GROUP))).arg(&program.command).args(&program.arguments);
        command.env_clear().envs(program.environment.iter().map(|(name, value)| (name, value)));
        command.env("AWS_LAMBDA_RUNTIME_API", api.address.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let (Some(output), Some(errors)) = (process.stdout.take(), process.stderr.take()) else {
            return Err("the process has no output".into());
        };
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line).await?;
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(exec_at)), Some(Ok(spent_before))) = (numbers.next(), numbers.next()) else {
            return Err(format!("{} was not started: {line}", program.command.display()).into());
        };
        let log = Arc::new(Mutex::new(Vec::new()));
        for reader in [Box::new(output) as Box<dyn AsyncRead + Send + Unpin>, Box::new(errors)] {
            tokio::spawn(keep(reader, log.clone()));
        }
        Ok(Self { process, api, log, exec_at: Duration::from_nanos(exec_at), spent_before })
    }

    /// How long it took from `exec` to the request for an event.
    pub(crate) async fn next(&mut self) -> Result<Duration, Failed> {
        match self.step(PATIENCE).await? {
            Step::Next(at) => Ok(at.saturating_sub(self.exec_at)),
            Step::Answered(..) => Err(self.error("it answered before it had an event")),
            Step::Failed(why) => Err(self.error(&String::from_utf8_lossy(&why))),
        }
    }

    /// Hands over an event. `next` must have been called before.
    pub(crate) async fn invoke(&mut self, event: &str, budget: Duration) -> Result<Answer, Failed> {
        let sent_at = clock::now();
        let event = Event { body: event.to_owned(), deadline: sent_at + budget };
        self.api.events.send(event).map_err(|_| "the runtime API has ended")?;
        match self.step(budget.max(PATIENCE)).await? {
            Step::Answered(came_at, body) => Ok(Answer { sent_at, came_at, body }),
            Step::Next(_) => Err(self.error("it asked for another event before it answered")),
            Step::Failed(why) => Err(self.error(&String::from_utf8_lossy(&why))),
        }
    }

    pub(crate) fn since_exec(&self, at: Duration) -> Duration {
        at.saturating_sub(self.exec_at)
    }

    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(launch::cpu_nanoseconds(self.id()).saturating_sub(self.spent_before))
    }

    pub(crate) fn peak_memory(&self) -> u64 {
        launch::peak_memory(self.id())
    }

    pub(crate) async fn end(mut self) -> Result<(), Failed> {
        Ok(self.process.kill().await?)
    }

    /// Asks the process to end. Then a tool that counts in it writes its counts.
    pub(crate) async fn terminate(mut self) -> Result<(), Failed> {
        Command::new("sh").arg("-c").arg(format!("kill {}", self.id())).status().await?;
        tokio::time::timeout(PATIENCE, self.process.wait()).await??;
        Ok(())
    }

    fn id(&self) -> u32 {
        self.process.id().unwrap_or_default()
    }

    async fn step(&mut self, patience: Duration) -> Result<Step, Failed> {
        let step = tokio::select! {
            step = tokio::time::timeout(patience, self.api.steps.recv()) => step.ok().flatten(),
            _ = self.process.wait() => None,
        };
        step.ok_or_else(|| self.error("the process has ended, or has not answered in time"))
    }

    fn error(&self, what: &str) -> Failed {
        let log = self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        format!("{what}\n{}", log.join("\n")).into()
    }
}

/// Reads the output of a process, as Lambda does: a full pipe would stop the process.
async fn keep(reader: impl AsyncRead + Unpin, log: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if log.len() == LOG_KEPT {
            log.remove(0);
        }
        log.push(line);
    }
}
