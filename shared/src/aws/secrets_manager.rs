//! The OAuth client secret, which each call reads again: [`crate::ports::ReadClientSecret`].

use async_trait::async_trait;
pub use aws_sdk_secretsmanager::Client;
use serde_json::{Map, Value};

use super::LazyClient;
use crate::domain::secret::ClientSecret;
use crate::ports::{ReadClientSecret, SecretError};
use crate::telemetry::Chain;

/// `secretsmanager:GetSecretValue` on one secret.
pub struct SecretsManagerSecret {
    client: LazyClient<Client>,
    arn: String,
}

impl SecretsManagerSecret {
    /// Sends nothing.
    pub fn new(client: LazyClient<Client>, arn: String) -> Self {
        Self { client, arn }
    }
}

#[async_trait]
impl ReadClientSecret for SecretsManagerSecret {
    async fn read(&self) -> Result<Vec<ClientSecret>, SecretError> {
        let request = self.client.get_secret_value().secret_id(&self.arn);
        let output = request.send().await.map_err(|error| SecretError::Unavailable(Chain(&error).to_string()))?;
        parse(&output.secret_string.unwrap_or_default())
    }
}

/// The secret itself; a JSON object, as the console of Secrets Manager stores it; or a JSON list of secrets in order of
/// preference. A text that begins like an object or a list is never sent as a secret: WebinarGeek would refuse it, and
/// not say why.
fn parse(stored: &str) -> Result<Vec<ClientSecret>, SecretError> {
    // Editors and shells may add a byte order mark before a text, and a line end after it.
    let stored = stored.trim_start_matches('\u{feff}').trim();
    let json: Option<Value> = serde_json::from_str(stored).ok().filter(|_| stored.starts_with(['{', '[']));
    let texts: Option<Vec<&str>> = match &json {
        Some(Value::Object(members)) => of_object(members).map(|text| vec![text]),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        _ => Some(vec![stored]).filter(|_| !stored.starts_with(['{', '['])),
    };
    let texts: Vec<&str> = texts.into_iter().flatten().map(str::trim).collect();
    if texts.is_empty() || texts.iter().any(|text| text.is_empty()) {
        return Err(SecretError::UnknownForm);
    }
    Ok(texts.into_iter().map(ClientSecret::new).collect())
}

fn of_object(members: &Map<String, Value>) -> Option<&str> {
    if let Some(named) = members.get("client_secret") {
        return named.as_str();
    }
    let mut texts = members.values().filter_map(Value::as_str);
    let only = texts.next()?;
    texts.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stored: &str) -> Option<Vec<String>> {
        let secrets = parse(stored).ok()?;
        Some(secrets.iter().map(|secret| secret.expose().to_owned()).collect())
    }

    #[test]
    fn a_secret_is_a_text_an_object_with_one_or_a_list_in_order_of_preference() {
        for (stored, secrets) in [
            ("s3cret\n", vec!["s3cret"]),
            ("\u{feff}s3cret", vec!["s3cret"]),
            (r#"["new", "old"]"#, vec!["new", "old"]),
            (r#" ["only"] "#, vec!["only"]),
            (r#"{"client_secret": "s3cret"}"#, vec!["s3cret"]),
            ("{\"client_secret\": \"s3cret\\n\", \"client_id\": \"one\"}\n", vec!["s3cret"]),
            (r#"{"OAuth secret": "s3cret"}"#, vec!["s3cret"]),
            (r#"{"secret": "s3cret", "since": 2024}"#, vec!["s3cret"]),
            ("12345", vec!["12345"]),
            ("s3{cr[et", vec!["s3{cr[et"]),
        ] {
            assert_eq!(read(stored).unwrap(), secrets, "{stored}");
        }
    }

    #[test]
    fn any_other_object_or_list_is_not_sent_as_a_secret() {
        for stored in [
            "",
            " ",
            "[]",
            r#"["new", ""]"#,
            r#"["new", 7]"#,
            r#"[["new"]]"#,
            r#"[{"client_secret": "new"}]"#,
            "{}",
            r#"{"client_secret": ""}"#,
            r#"{"client_secret": 7, "other": "s3cret"}"#,
            r#"{"client_secret": {"value": "s3cret"}}"#,
            r#"{"username": "one", "password": "s3cret"}"#,
            r#"{"number": 7}"#,
            r#"{"client_secret": "s3cret",}"#,
            "{client_secret: s3cret}",
            "{'client_secret': 's3cret'}",
            "[s3cret]",
        ] {
            assert!(read(stored).is_none(), "{stored}");
        }
        let sentence = SecretError::UnknownForm.to_string();
        assert!(["the secret itself", "object", "client_secret", "list"].iter().all(|form| sentence.contains(form)));
    }
}
