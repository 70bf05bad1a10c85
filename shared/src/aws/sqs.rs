//! The queue in which a sealed pair waits until the table takes it.

use async_trait::async_trait;
pub use aws_sdk_sqs::Client;

use crate::domain::escrowed::Escrowed;
use crate::ports::{Escrow, EscrowError};
use crate::telemetry::Chain;

/// `sqs:SendMessage` on one queue.
pub struct EscrowQueue {
    pub client: Client,
    pub url: String,
}

#[async_trait]
impl Escrow for EscrowQueue {
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError> {
        let message = self.client.send_message().queue_url(&self.url).message_body(escrowed.to_json());
        message.send().await.map(|_| ()).map_err(|error| EscrowError(Chain(&error).to_string()))
    }
}
