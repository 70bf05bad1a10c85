//! Tokens that are kept until `cache_until`, each requested by one task at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::answers::Token;
use crate::error::Error;

#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// The token of one connection.
#[derive(Default)]
struct Slot {
    /// How many requests have ended.
    ended: AtomicU64,
    newest: tokio::sync::Mutex<Option<Result<Token, Error>>>,
}

impl Tokens {
    /// The kept token, if it is good enough; otherwise the answer of `request`. A task that waits while another task
    /// requests one gets that answer, a failure too: so a hundred tasks send one request to a server that is down.
    pub(crate) async fn get(
        &self,
        connection: &str,
        is_good: impl Fn(&Token) -> bool,
        request: impl Future<Output = Result<Token, Error>>,
    ) -> Result<Token, Error> {
        let slot = self.slot(connection);
        let ended = slot.ended.load(Ordering::SeqCst);
        let mut newest = slot.newest.lock().await;
        match &*newest {
            Some(Ok(token)) if is_good(token) => return Ok(token.clone()),
            Some(Err(error)) if slot.ended.load(Ordering::SeqCst) != ended => return Err(error.clone()),
            _ => {}
        }
        let answer = request.await;
        slot.ended.fetch_add(1, Ordering::SeqCst);
        *newest = Some(answer.clone());
        answer
    }

    /// For a connection that was taken away, or has another grant now.
    pub(crate) fn forget(&self, connection: &str) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(connection);
    }

    fn slot(&self, connection: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(connection.to_owned()).or_default().clone()
    }
}
