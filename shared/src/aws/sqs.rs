//! The queue in which a sealed pair waits until the table accepts it.

use async_trait::async_trait;
pub use aws_sdk_sqs::Client;

use super::LazyClient;
use crate::domain::escrow::Escrowed;
use crate::ports::{Escrow, EscrowError};
use crate::telemetry::Chain;

/// `sqs:SendMessage` and `sqs:GetQueueAttributes` on one queue.
pub struct EscrowQueue {
    /// The client of SQS.
    pub client: LazyClient<Client>,
    /// The queue's URL (`ESCROW_QUEUE_URL`).
    pub url: String,
}

#[async_trait]
impl Escrow for EscrowQueue {
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError> {
        let message = self.client.send_message().queue_url(&self.url).message_body(escrowed.to_json());
        message.send().await.map(|_| ()).map_err(|error| EscrowError(Chain(&error).to_string()))
    }

    async fn is_empty(&self) -> Result<bool, EscrowError> {
        use aws_sdk_sqs::types::QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as InFlight,
        };
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(Visible).attribute_names(InFlight).send().await;
        let attributes = answer.map_err(|error| EscrowError(Chain(&error).to_string()))?.attributes.unwrap_or_default();
        match [Visible, InFlight].map(|name| attributes.get(&name)) {
            [Some(visible), Some(in_flight)] => Ok(visible == "0" && in_flight == "0"),
            _ => Err(EscrowError("the answer has no number of messages".to_owned())),
        }
    }
}
