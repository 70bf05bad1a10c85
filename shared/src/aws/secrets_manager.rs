//! The OAuth client secret, read anew with each call: [`crate::ports::ReadClientSecret`].

use async_trait::async_trait;
pub use aws_sdk_secretsmanager::Client;

use crate::domain::secret::ClientSecret;
use crate::ports::{ReadClientSecret, SecretError};
use crate::telemetry::Chain;

pub struct SecretsManagerSecret {
    client: Client,
    arn: String,
}

impl SecretsManagerSecret {
    pub fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }
}

#[async_trait]
impl ReadClientSecret for SecretsManagerSecret {
    async fn read(&self) -> Result<Vec<ClientSecret>, SecretError> {
        let request = self.client.get_secret_value().secret_id(&self.arn);
        let output = request.send().await.map_err(|error| SecretError(Chain(&error).to_string()))?;
        parse(&output.secret_string.unwrap_or_default())
    }
}

/// The secret itself, or a JSON list of secrets in order of preference.
fn parse(text: &str) -> Result<Vec<ClientSecret>, SecretError> {
    let texts = match serde_json::from_str::<Vec<String>>(text) {
        Ok(list) => list,
        Err(_) => vec![text.trim().to_owned()],
    };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(SecretError("the secret, its list, or an entry of the list is empty".to_owned()));
    }
    Ok(texts.into_iter().map(ClientSecret::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_text_or_a_list_in_order_of_preference() {
        let read =
            |text| parse(text).map(|list| list.iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>());
        assert_eq!(read("s3cret\n").unwrap(), ["s3cret"]);
        assert_eq!(read(r#"["new", "old"]"#).unwrap(), ["new", "old"]);
        assert_eq!(read(r#"{"not": "a list"}"#).unwrap(), [r#"{"not": "a list"}"#]);
        for empty in ["", " ", "[]", r#"["new", ""]"#] {
            assert!(read(empty).is_err(), "{empty}");
        }
    }
}
