//! The ports of one process: each call is handed to the world, and waits for its answer there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use shared::domain::escrow::Escrowed;
use shared::domain::time::Timestamp;
use shared::ports::{Clock, Entropy, Escrow, EscrowError};

use crate::call::{Answer, Request};
use crate::world::{CallId, ProcessId, Shared};

mod keys;
mod provider;
mod tables;

#[derive(Clone)]
pub struct Ports {
    pub world: Shared,
    pub process: ProcessId,
}

enum Waiting {
    ToAsk(Request),
    ToSleep(u64),
    For(CallId),
}

/// A call on its way: it is handed to the world when the future is first polled.
struct Asking<'a> {
    ports: &'a Ports,
    waiting: Option<Waiting>,
}

impl Future for Asking<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let mut world = self.ports.world.lock();
        let call = match self.waiting.take() {
            Some(Waiting::ToAsk(request)) => world.register(self.ports.process, request, context.waker().clone()),
            Some(Waiting::ToSleep(time)) => world.sleep(self.ports.process, time, context.waker().clone()),
            Some(Waiting::For(call)) => match world.take_answer(call, context.waker()) {
                Some(answer) => return Poll::Ready(answer),
                None => call,
            },
            // A future that has ended is not polled again.
            None => return Poll::Pending,
        };
        drop(world);
        self.waiting = Some(Waiting::For(call));
        Poll::Pending
    }
}

impl Ports {
    /// The process begins as if it had just read the row.
    pub fn has_just_read(&self) {
        self.world.lock().has_just_read(self.process);
    }

    pub fn ask(&self, request: Request) -> impl Future<Output = Answer> + Send {
        Asking { ports: self, waiting: Some(Waiting::ToAsk(request)) }
    }
}

fn unexpected(answer: &Answer) -> String {
    format!("simulated: {}", answer.name())
}

#[async_trait]
impl Escrow for Ports {
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError> {
        match self.ask(Request::Escrow { message: escrowed.to_json() }).await {
            Answer::Queued => Ok(()),
            answer => Err(EscrowError(unexpected(&answer))),
        }
    }

    async fn is_empty(&self) -> Result<bool, EscrowError> {
        match self.ask(Request::IsQueueEmpty).await {
            Answer::QueueIsEmpty(is_empty) => Ok(is_empty),
            answer => Err(EscrowError(unexpected(&answer))),
        }
    }
}

#[async_trait]
impl Clock for Ports {
    fn now(&self) -> Timestamp {
        self.world.lock().clock()
    }

    async fn sleep(&self, duration: Duration) {
        let waiting = Waiting::ToSleep(duration.as_millis() as u64);
        Asking { ports: self, waiting: Some(waiting) }.await;
    }
}

impl Entropy for Ports {
    fn fill(&self, bytes: &mut [u8]) {
        self.world.lock().processes[self.process].entropy.fill(bytes);
    }
}
