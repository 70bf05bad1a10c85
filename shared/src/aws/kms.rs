//! Data keys from KMS. The encryption context binds a wrapped key to this product, stack and connection: KMS opens it
//! for no other, and writes the context to CloudTrail.

use std::collections::HashMap;

use async_trait::async_trait;
pub use aws_sdk_kms::Client;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::decrypt::DecryptError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use zeroize::Zeroizing;

use super::LazyClient;
use crate::domain::connection_id::ConnectionId;
use crate::domain::secret::DataKey;
use crate::ports::{KeyError, MakeDataKeys, OpenDataKeys, OpenedDataKey, TraceDataKeys, WrappedDataKey};
use crate::telemetry::Chain;

fn encryption_context(stack: &str, connection: &ConnectionId) -> HashMap<String, String> {
    [("service", "webinargeek-connect"), ("stack", stack), ("connection", connection.as_str())]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn plain(blob: Option<Blob>) -> Result<DataKey, KeyError> {
    let bytes = Zeroizing::new(blob.map(Blob::into_inner).unwrap_or_default());
    let bytes: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| KeyError::NotAccepted(format!("a data key of {} bytes instead of 32", bytes.len())))?;
    Ok(DataKey::new(bytes))
}

/// `kms:GenerateDataKey` on one key.
pub struct DataKeyMaker {
    /// The client of KMS.
    pub client: LazyClient<Client>,
    /// The ARN of a key (`KMS_KEY_ID`).
    pub key_id: String,
    /// A part of the encryption context: a key of another stack does not open.
    pub stack: String,
}

#[async_trait]
impl MakeDataKeys for DataKeyMaker {
    async fn make(&self, connection: &ConnectionId) -> Result<WrappedDataKey, KeyError> {
        let output = self
            .client
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(encryption_context(&self.stack, connection)))
            .send()
            .await
            .map_err(|error| KeyError::Unavailable(Chain(&error).to_string()))?;
        let wrapped = output.ciphertext_blob.map(Blob::into_inner).unwrap_or_default();
        Ok(WrappedDataKey { plain: plain(output.plaintext)?, wrapped })
    }
}

/// `kms:Decrypt`; the wrapped key names the key that wrapped it.
pub struct DataKeyOpener {
    /// The client of KMS.
    pub client: LazyClient<Client>,
    /// A part of the encryption context: the same as when the key was made.
    pub stack: String,
}

#[async_trait]
impl OpenDataKeys for DataKeyOpener {
    async fn open(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        Ok(self.trace(connection, wrapped).await?.plain)
    }
}

#[async_trait]
impl TraceDataKeys for DataKeyOpener {
    async fn trace(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<OpenedDataKey, KeyError> {
        let output = self
            .client
            .decrypt()
            .ciphertext_blob(Blob::new(wrapped))
            .set_encryption_context(Some(encryption_context(&self.stack, connection)))
            .send()
            .await
            .map_err(not_decrypted)?;
        Ok(OpenedDataKey { plain: plain(output.plaintext)?, wrapped_by: output.key_id.unwrap_or_default() })
    }
}

fn not_decrypted(error: SdkError<DecryptError>) -> KeyError {
    let refused = error.as_service_error().is_some_and(DecryptError::is_invalid_ciphertext_exception);
    let text = Chain(&error).to_string();
    if refused { KeyError::NotAccepted(text) } else { KeyError::Unavailable(text) }
}
