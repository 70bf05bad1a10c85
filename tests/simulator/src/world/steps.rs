//! The queue of steps: which one comes next, and what it does.

use super::{Call, CallId, Process, ProcessId, World};
use crate::chooser::Fate;

/// A point at which something happens.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A process begins, or one of its waits ends.
    Run(ProcessId),
    Wake(CallId),
    Effect(CallId),
    Deliver(CallId),
    Crash(ProcessId),
    /// The scenario's turn.
    Act(u32),
}

/// What the scheduler has to do after a step.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    Poll(ProcessId),
    Drop(ProcessId),
    Act(u32),
    /// The step belonged to no live process.
    Nothing,
    /// There are no more steps.
    End,
}

impl World {
    pub fn schedule(&mut self, time: u64, step: Step) {
        self.sequence += 1;
        self.steps.insert((time, self.sequence), step);
    }

    /// Takes the next step.
    pub fn turn(&mut self) -> Turn {
        let chosen = if self.merges_local_steps { self.local_or_chosen() } else { self.chosen() };
        let Some(key) = chosen else { return Turn::End };
        let Some(step) = self.steps.remove(&key) else { return Turn::End };
        self.now = self.now.max(key.0);
        match step {
            Step::Act(actor) => Turn::Act(actor),
            Step::Run(process) => self.runnable(process, step).map_or(Turn::Nothing, Turn::Poll),
            Step::Crash(process) => self.crash(process),
            Step::Effect(call) => self.take_effect(call),
            Step::Wake(call) | Step::Deliver(call) => self.deliver(call, step),
        }
    }

    fn chosen(&mut self) -> Option<(u64, u64)> {
        let index = self.chooser.next(self.steps.len());
        self.steps.keys().nth(index).copied()
    }

    fn local_or_chosen(&mut self) -> Option<(u64, u64)> {
        let can_come: Vec<_> = self.steps.iter().filter(|(_, step)| self.can_come(step)).collect();
        let is_local = |step: &Step| match step {
            Step::Run(_) | Step::Wake(_) | Step::Deliver(_) | Step::Crash(_) => true,
            Step::Effect(id) => self.calls.get(id).is_some_and(|call| call.request.is_of_one_process()),
            Step::Act(_) => false,
        };
        // A process waits by its own clock, and that time passes for all processes.
        let is_wait = |step: &Step| match step {
            Step::Wake(_) => true,
            Step::Deliver(id) => self.calls.get(id).is_some_and(|call| matches!(call.fate, Fate::LateEffect(_))),
            _ => false,
        };
        let comes_at_once = |(time, _): &(u64, u64), step: &Step| *time <= self.now && is_local(step) || is_wait(step);
        let local = can_come.iter().find(|(key, step)| comes_at_once(key, step));
        match local {
            Some((key, _)) => Some(**key),
            None => can_come.get(self.chooser.next(can_come.len())).map(|(key, _)| **key),
        }
    }

    /// If time does not order the steps, an answer must still come after its effect.
    fn can_come(&self, step: &Step) -> bool {
        let id = match step {
            Step::Deliver(id) => id,
            Step::Crash(process) => {
                let is_before =
                    |call: &Call| call.process == *process && call.fate == Fate::CrashAfter && call.outcome.is_none();
                return !self.calls.values().any(|call| is_before(call));
            }
            _ => return true,
        };
        self.calls.get(id).is_none_or(|call| match call.fate {
            Fate::FailBefore | Fate::Throttled { .. } | Fate::ServerError | Fate::Refused | Fate::LateEffect(_) => true,
            Fate::Retried => call.steps == 1,
            _ => call.outcome.is_some(),
        })
    }

    fn crash(&mut self, process: ProcessId) -> Turn {
        if !self.processes[process].alive {
            return Turn::Nothing;
        }
        self.note(process, || "✝ the process is gone".to_owned());
        self.ledger.process_crashed(process);
        self.finished(process);
        Turn::Drop(process)
    }

    pub(super) fn runnable(&mut self, process: ProcessId, step: Step) -> Option<ProcessId> {
        let &Process { alive, frozen_until, .. } = &self.processes[process];
        if alive && frozen_until > self.now {
            self.schedule(frozen_until, step);
            return None;
        }
        alive.then_some(process)
    }

    /// The remaining steps of an ended process that no other process can see change nothing. So a search does not
    /// choose when they come.
    pub(super) fn forget(&mut self, process: ProcessId) {
        for (key, step) in std::mem::take(&mut self.steps) {
            let (is_its_own, call) = match step {
                Step::Run(of) | Step::Crash(of) => (of == process, None),
                Step::Wake(id) | Step::Deliver(id) => {
                    (self.calls.get(&id).is_none_or(|call| call.process == process), Some(id))
                }
                Step::Effect(id) => {
                    let is_its_own = |call: &Call| call.process == process && !call.request.is_seen_by_others();
                    (self.calls.get(&id).is_none_or(|call| is_its_own(call)), Some(id))
                }
                Step::Act(_) => (false, None),
            };
            if !is_its_own {
                self.steps.insert(key, step);
            } else if let Some(id) = call {
                self.step_done(id);
            }
        }
    }
}
