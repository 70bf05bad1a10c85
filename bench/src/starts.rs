//! Cold starts. Every run starts all programs one after the other, so other work of the machine slows down all of them
//! equally.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::Failed;
use crate::function::{Function, Program};
use crate::journeys::Route;
use crate::machine;
use crate::programs::{Build, Maker, Reach, of_ours, of_peer};
use crate::rows;
use crate::stand_ins::{Counts, StandIns};
use crate::statistics::Series;

/// Near the timeout of these functions.
pub(crate) const BUDGET: Duration = Duration::from_secs(30);

/// A program that is started again and again.
pub(crate) struct Subject {
    /// The build's label, or the peer's name.
    pub owner: String,
    pub maker: Maker,
    pub function: String,
    /// `None`: the program is started as Lambda starts it, and gets no event.
    pub route: Option<Route>,
    program: Program,
    /// The program that starts the journeys which a callback ends.
    starter: Option<Program>,
    pub measured: Measured,
}

#[derive(Default)]
pub(crate) struct Measured {
    /// Milliseconds from `exec`.
    pub next: Series,
    pub answer: Series,
    /// Milliseconds of a later answer.
    pub warm: Series,
    /// Processor time from `exec` to the first answer, or to the request for an event.
    pub cpu: Series,
    /// Megabytes.
    pub memory: Series,
    /// The calls of the first answer.
    pub counts: Counts,
    /// The calls of the last answer.
    pub later: Counts,
    /// Why there is no figure.
    pub wrong: Option<String>,
}

pub(crate) struct Plan<'a> {
    pub builds: &'a [Build],
    pub peers: &'a [Maker],
    pub built_peers: &'a Path,
    pub stand_ins: &'a StandIns,
}

impl Plan<'_> {
    pub(crate) fn subjects(&self) -> Result<Vec<Subject>, Failed> {
        let mut subjects = Vec::new();
        for build in self.builds {
            subjects.extend(self.of_build(build)?);
        }
        for peer in self.peers {
            subjects.extend(self.of_peer(*peer)?);
        }
        Ok(subjects)
    }

    fn of_build(&self, build: &Build) -> Result<Vec<Subject>, Failed> {
        let built: Vec<&str> = build.functions()?;
        let (label, maker, mut subjects) = (&build.label, Maker::Ours, Vec::new());
        for function in &built {
            let program = of_ours(build, function, Reach::Nothing)?;
            subjects.push(Subject::new(label, maker, function, None, program));
        }
        let routes = [
            ("authorize", Route::Authorize),
            ("callback", Route::Callback),
            ("token", Route::Token),
            ("connections", Route::Status),
        ];
        for (function, route) in routes.into_iter().filter(|(function, _)| built.contains(function)) {
            let reach = Reach::StandIns(self.stand_ins);
            let mut subject = Subject::new(label, maker, function, Some(route), of_ours(build, function, reach)?);
            if route == Route::Callback {
                subject.starter = Some(of_ours(build, "authorize", reach)?);
            }
            subjects.push(subject);
        }
        Ok(subjects)
    }

    fn of_peer(&self, peer: Maker) -> Result<Vec<Subject>, Failed> {
        let of = |handler, reach| of_peer(peer, self.built_peers, handler, reach);
        let reach = Reach::StandIns(self.stand_ins);
        let routes: &[(&str, Route)] = match peer {
            Maker::RustHello => &[("hello", Route::Hello)],
            Maker::RustDefault => {
                &[("authorize", Route::Authorize), ("callback", Route::Callback), ("token", Route::Token)]
            }
            Maker::NodeGuide => &[("authorize", Route::Authorize), ("callback", Route::Callback)],
            Maker::PythonRefresher | Maker::Ours => &[],
        };
        let started = routes.first().map_or("handler", |(handler, _)| handler);
        let mut subjects = vec![Subject::new(peer.name(), peer, started, None, of(started, Reach::Nothing)?)];
        for (handler, route) in routes {
            let mut subject = Subject::new(peer.name(), peer, handler, Some(*route), of(handler, reach)?);
            if *route == Route::Callback {
                subject.starter = Some(of("authorize", reach)?);
            }
            subjects.push(subject);
        }
        Ok(subjects)
    }
}

impl Subject {
    fn new(owner: &str, maker: Maker, function: &str, route: Option<Route>, program: Program) -> Self {
        let (owner, function) = (owner.to_owned(), function.to_owned());
        Self { owner, maker, function, route, program, starter: None, measured: Measured::default() }
    }

    /// For the tables' own tests.
    #[cfg(test)]
    pub(crate) fn unstarted(owner: &str, maker: Maker, route: Route) -> Self {
        let program = Program { command: "".into(), arguments: Vec::new(), environment: Vec::new() };
        Self::new(owner, maker, route.name(), Some(route), program)
    }

    /// One cold start. After one wrong answer a program has no figures.
    pub(crate) async fn start(&mut self, stand_ins: &StandIns, group: Option<&Path>, warm: usize) {
        if self.measured.wrong.is_none()
            && let Err(error) = self.measure(stand_ins, group, warm).await
        {
            eprintln!("{} {}: {error}", self.owner, self.function);
            self.measured.wrong = Some(error.to_string());
        }
    }

    async fn measure(&mut self, stand_ins: &StandIns, group: Option<&Path>, warm: usize) -> Result<(), Failed> {
        let Some(route) = self.route else {
            let mut function = Function::start(&self.program, group).await?;
            self.measured.next.milliseconds(function.next().await?);
            self.measured.cpu.milliseconds(function.cpu());
            self.measured.memory.push(function.peak_memory() as f64 / 1e6);
            return function.end().await;
        };
        seed(stand_ins);
        let events = self.events(route, stand_ins, 1 + warm).await?;
        let mut function = Function::start(&self.program, group).await?;
        self.measured.next.milliseconds(function.next().await?);
        for (number, event) in events.iter().enumerate() {
            drop(stand_ins.take_counts());
            let answer = function.invoke(event, BUDGET).await?;
            if number == 0 {
                self.measured.cpu.milliseconds(function.cpu());
                self.measured.counts = stand_ins.take_counts();
                self.measured.answer.milliseconds(function.since_exec(answer.came_at));
            } else {
                self.measured.later = stand_ins.take_counts();
                self.measured.warm.milliseconds(answer.came_at.saturating_sub(answer.sent_at));
            }
            route.check(self.maker, &answer.body, stand_ins)?;
            function.next().await?;
        }
        self.measured.memory.push(function.peak_memory() as f64 / 1e6);
        function.end().await
    }

    /// A callback needs a journey of its own each time.
    async fn events(&self, route: Route, stand_ins: &StandIns, number: usize) -> Result<Vec<String>, Failed> {
        let Some(starter) = &self.starter else {
            return (0..number).map(|_| route.event(self.maker, None)).collect();
        };
        let mut function = Function::start(starter, None).await?;
        let mut events = Vec::new();
        for _ in 0..number {
            function.next().await?;
            let answer = function.invoke(&Route::Authorize.event(self.maker, None)?, BUDGET).await?;
            let start: Value = Route::Authorize.check(self.maker, &answer.body, stand_ins)?;
            events.push(route.event(self.maker, Some(&start))?);
        }
        function.end().await?;
        Ok(events)
    }
}

pub(crate) fn seed(stand_ins: &StandIns) {
    let now = machine::now();
    let mut tables = stand_ins.tables();
    tables.clear();
    let (key, row) = rows::connection(0, now);
    tables.table("connections").put(key, row);
    let (key, row) = rows::in_rust_default(0);
    tables.table("tokens").put(key, row);
}
