//! The key service. A wrapped key is the connection's id, the number of the KMS key that wrapped it, and the key. This
//! is cheap, and bound to its context as in KMS.

use shared::domain::secret::DataKey;

pub fn make(connection: &str, kms_key: u8, random: [u8; 32]) -> (DataKey, Vec<u8>) {
    let mut wrapped = connection.as_bytes().to_vec();
    wrapped.push(kms_key);
    wrapped.extend_from_slice(&random);
    (DataKey::new(random), wrapped)
}

/// None if the wrapped key is another connection's.
pub fn open(connection: &str, wrapped: &[u8]) -> Option<DataKey> {
    let [_, key @ ..] = wrapped.strip_prefix(connection.as_bytes())? else { return None };
    Some(DataKey::new(key.try_into().ok()?))
}

/// The number of the KMS key.
pub fn wrapped_by(connection: &str, wrapped: &[u8]) -> Option<u8> {
    wrapped.strip_prefix(connection.as_bytes())?.first().copied()
}

pub fn arn(kms_key: u8) -> String {
    format!("arn:aws:kms:eu-west-1:111122223333:key/{kms_key}")
}
