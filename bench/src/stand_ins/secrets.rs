//! Secrets Manager.

use serde_json::{Value, json};

use super::CLIENT_SECRET;

pub(crate) const ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:bench";

pub(crate) fn answer(operation: &str) -> Result<Value, String> {
    match operation {
        "GetSecretValue" => Ok(json!({ "ARN": ARN, "Name": "bench", "SecretString": CLIENT_SECRET })),
        _ => Err(format!("{operation} is not known here")),
    }
}
