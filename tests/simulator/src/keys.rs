//! The key service: a wrapped key is its key with the connection's id before it. Cheap, and bound as KMS binds it.

use shared::domain::secret::DataKey;

pub fn make(connection: &str, random: [u8; 32]) -> (DataKey, Vec<u8>) {
    let mut wrapped = connection.as_bytes().to_vec();
    wrapped.extend_from_slice(&random);
    (DataKey::new(random), wrapped)
}

/// None where the wrapped key is another connection's.
pub fn open(connection: &str, wrapped: &[u8]) -> Option<DataKey> {
    let key = wrapped.strip_prefix(connection.as_bytes())?;
    Some(DataKey::new(key.try_into().ok()?))
}
