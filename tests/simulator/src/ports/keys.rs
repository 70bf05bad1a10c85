//! The key service, and the client secret.

use async_trait::async_trait;
use shared::domain::connection_id::ConnectionId;
use shared::domain::secret::{ClientSecret, DataKey};
use shared::ports::{
    KeyError, MakeDataKeys, OpenDataKeys, OpenedDataKey, ReadClientSecret, SecretError, TraceDataKeys, WrappedDataKey,
};

use super::{Ports, unexpected};
use crate::call::{Answer, Request};
use crate::keys;

#[async_trait]
impl MakeDataKeys for Ports {
    async fn make(&self, connection: &ConnectionId) -> Result<WrappedDataKey, KeyError> {
        match self.ask(Request::MakeKey { connection: connection.as_str().to_owned() }).await {
            Answer::MadeKey { plain, wrapped } => Ok(WrappedDataKey { plain, wrapped }),
            answer => Err(KeyError::Unavailable(unexpected(&answer))),
        }
    }
}

#[async_trait]
impl OpenDataKeys for Ports {
    async fn open(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let request = Request::OpenKey { connection: connection.as_str().to_owned(), wrapped: wrapped.to_vec() };
        match self.ask(request).await {
            Answer::OpenedKey(Some(key)) => Ok(key),
            Answer::OpenedKey(None) => Err(KeyError::NotAccepted("simulated".to_owned())),
            answer => Err(KeyError::Unavailable(unexpected(&answer))),
        }
    }
}

#[async_trait]
impl TraceDataKeys for Ports {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError> {
        let plain = OpenDataKeys::open(self, connection, wrapped).await?;
        let wrapped_by = keys::wrapped_by(connection.as_str(), wrapped).unwrap_or_default();
        Ok(OpenedDataKey { plain, wrapped_by: keys::arn(wrapped_by) })
    }
}

#[async_trait]
impl ReadClientSecret for Ports {
    async fn read(&self) -> Result<Vec<ClientSecret>, SecretError> {
        match self.ask(Request::Secret).await {
            Answer::Secret => Ok(vec![ClientSecret::new("secret")]),
            answer => Err(SecretError::Unavailable(unexpected(&answer))),
        }
    }
}
