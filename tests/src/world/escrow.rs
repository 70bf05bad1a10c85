//! The queue of a world.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use shared::domain::escrow::Escrowed;
use shared::ports::{Escrow, EscrowError};

/// The queue of pairs that the table could not accept.
#[derive(Clone, Default)]
pub struct EscrowInMemory(Arc<Mutex<Vec<Escrowed>>>);

impl EscrowInMemory {
    pub fn take(&self) -> Vec<Escrowed> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl Escrow for EscrowInMemory {
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError> {
        self.0.lock().unwrap().push(escrowed.clone());
        Ok(())
    }

    async fn is_empty(&self) -> Result<bool, EscrowError> {
        Ok(self.0.lock().unwrap().is_empty())
    }
}
