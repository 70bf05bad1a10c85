//! KMS. A wrapped key is the digest of its encryption context, followed by the key. So it is bound to its context, as
//! in KMS, and costs almost no time.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::domain::digest;

pub(crate) const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/bench";

pub(crate) type Context = BTreeMap<String, String>;

pub(crate) fn wrap(context: &Context, key: &[u8]) -> Vec<u8> {
    let mut wrapped = mark(context).into_bytes();
    wrapped.extend_from_slice(key);
    wrapped
}

fn unwrap<'a>(context: &Context, wrapped: &'a [u8]) -> Option<&'a [u8]> {
    wrapped.strip_prefix(mark(context).as_bytes())
}

fn mark(context: &Context) -> String {
    digest::sha256(format!("{context:?}"))
}

pub(crate) fn answer(operation: &str, body: &[u8]) -> Result<Value, String> {
    let input: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let context = serde_json::from_value(input["EncryptionContext"].clone()).unwrap_or_default();
    let blob = |name: &str| {
        let text = input[name].as_str().ok_or(format!("no {name}"))?;
        STANDARD.decode(text).map_err(|error| error.to_string())
    };
    match operation {
        "GenerateDataKey" => {
            let key = [7; 32];
            Ok(json!({
                "CiphertextBlob": STANDARD.encode(wrap(&context, &key)),
                "Plaintext": STANDARD.encode(key),
                "KeyId": ARN,
            }))
        }
        "Encrypt" => {
            Ok(json!({ "CiphertextBlob": STANDARD.encode(wrap(&context, &blob("Plaintext")?)), "KeyId": ARN }))
        }
        "Decrypt" => {
            let wrapped = blob("CiphertextBlob")?;
            let plain = unwrap(&context, &wrapped).ok_or("the context is another one")?;
            Ok(json!({ "Plaintext": STANDARD.encode(plain), "KeyId": ARN }))
        }
        _ => Err(format!("{operation} is not known here")),
    }
}
