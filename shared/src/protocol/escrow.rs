//! Stores a pair that exists nowhere else: it tries until the invocation ends, or until the pair is safe in a queue.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::connection::Row;
use crate::domain::escrow::Escrowed;
use crate::domain::time::Timestamp;
use crate::domain::write::{Write, Written};
use crate::ports::{Clock, Entropy, Escrow, StoreError, WriteConnections};

/// After so many tries the pair goes into the queue: the process may end at any time.
const TRIES_BEFORE_ESCROW: u32 = 2;

/// How long the table is still tried when the pair is in the queue: the pair is also stored from there.
const TRIED_WHILE_IN_ESCROW: Duration = Duration::from_secs(5);

/// The table, and the queue for what the table does not accept.
#[derive(Clone)]
pub struct PairStore {
    /// The table: the place of a pair.
    pub writes: Arc<dyn WriteConnections>,
    /// The queue: it is used only after the table has failed.
    pub escrow: Arc<dyn Escrow>,
    /// The time of the deadline, and the waits between tries.
    pub clock: Arc<dyn Clock>,
    /// Spreads the tries of parallel workers.
    pub entropy: Arc<dyn Entropy>,
}

impl PairStore {
    /// Stores the pair. The condition of `write` makes repetitions harmless, and the copy in the queue too.
    pub async fn store(
        &self,
        write: &Write,
        escrowed: impl Fn() -> Escrowed,
        deadline: Timestamp,
    ) -> Result<Written<Row>, StoreError> {
        let mut pause = Duration::from_millis(100);
        let mut tries = 0;
        let mut deadline = deadline;
        let mut is_in_escrow = false;
        loop {
            let error = match self.writes.write(write).await {
                Err(error @ StoreError::Unavailable(_)) => error,
                done => return done,
            };
            tries += 1;
            tracing::error!(%error, tries, "a new pair could not be stored yet");
            let is_last = self.clock.now() >= deadline;
            if !is_in_escrow && (tries >= TRIES_BEFORE_ESCROW || is_last) {
                is_in_escrow = self.put_into_queue(&escrowed()).await;
                if is_in_escrow {
                    deadline = deadline.min(self.clock.now() + TRIED_WHILE_IN_ESCROW);
                }
            }
            if is_last {
                return Err(error);
            }
            self.clock.sleep(pause + self.entropy.jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Returns whether it is in the queue.
    pub async fn put_into_queue(&self, escrowed: &Escrowed) -> bool {
        match self.escrow.put(escrowed).await {
            Ok(()) => {
                tracing::error!(pairs_in_escrow = 1, "a sealed pair waits in the queue until the table takes it");
                true
            }
            Err(error) => {
                tracing::error!(%error, "a sealed pair could not be stored, neither in the table nor in the queue");
                false
            }
        }
    }
}
