//! A single-threaded executor in virtual time. It takes one step after the other, and polls the process of the step.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use crate::ports::Ports;
use crate::world::{ProcessId, Shared, Turn};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

pub struct Scheduler {
    pub world: Shared,
    tasks: Vec<Option<Task>>,
}

impl Scheduler {
    pub fn new(world: Shared) -> Self {
        Self { world, tasks: Vec::new() }
    }

    /// Starts a process at a moment. The process is ended at its deadline, if it is still running.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        name: String,
        (start, deadline): (u64, u64),
        body: impl FnOnce(Ports) -> F,
    ) -> ProcessId {
        let process = self.world.lock().spawn(name, start, deadline);
        let ports = Ports { world: self.world.clone(), process };
        self.tasks.push(Some(Box::pin(body(ports))));
        debug_assert_eq!(self.tasks.len(), process + 1);
        process
    }

    /// Takes one step. Turns of the scenario are returned to the caller.
    pub fn step(&mut self) -> Turn {
        let turn = self.world.lock().turn();
        match turn {
            Turn::Poll(process) => self.poll(process),
            // Its memory is lost.
            Turn::Drop(process) => self.tasks[process] = None,
            Turn::Act(_) | Turn::Nothing | Turn::End => {}
        }
        turn
    }

    fn poll(&mut self, process: ProcessId) {
        let Some(task) = &mut self.tasks[process] else { return };
        // The world decides when a process runs, so no waker is needed.
        let mut context = Context::from_waker(Waker::noop());
        if task.as_mut().poll(&mut context).is_ready() {
            self.tasks[process] = None;
            self.world.lock().finished(process);
        }
    }
}
