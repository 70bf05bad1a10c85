//! A stand-in for the calls of KMS and Secrets Manager that the product makes. It uses AWS's JSON protocol.
//!
//! A queue that is always empty is also here, for functions that check whether the queue is empty.
//!
//! Two keys are derived from one that is kept in a file: with the second one, a change of keys can be tried. The first
//! byte of a ciphertext names its key. The ciphertext is bound to its encryption context: names and values are sorted,
//! each with its length before it, so that two contexts never look the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use shared::ports::Entropy;

use crate::StartError;
use crate::data_dir::private_file;
use crate::engines::{Answer, refusal};

pub const KEY_ARN: &str = "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000001";
pub const NEXT_KEY_ARN: &str = "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000002";
pub const SECRET_ARN: &str = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:client-secret-000001";

/// KMS encrypts at most this many bytes.
const PLAINTEXT_LIMIT: usize = 4096;
const CIPHERTEXT_LIMIT: usize = 6144;
const KEY_ARNS: [&str; 2] = [KEY_ARN, NEXT_KEY_ARN];

pub(crate) struct Keys {
    /// In the order of [`KEY_ARNS`].
    keys: [LessSafeKey; 2],
    /// The secret text as stored in Secrets Manager.
    client_secret: Mutex<String>,
    entropy: Arc<dyn Entropy>,
}

/// An error in AWS's form.
struct AwsError(&'static str, &'static str);

impl Keys {
    /// With the key of a file, which is made if it is missing; or with a key that ends with the process.
    pub(crate) fn open(
        file: Option<&Path>,
        client_secret: String,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        let bytes = match file {
            Some(path) if path.exists() => std::fs::read(path)?,
            Some(path) => {
                let bytes = entropy.bytes::<32>().to_vec();
                private_file(path, &bytes)?;
                bytes
            }
            None => entropy.bytes::<32>().to_vec(),
        };
        let key = |bytes: &[u8]| {
            let key = UnboundKey::new(&AES_256_GCM, bytes);
            key.map(LessSafeKey::new).map_err(|_| StartError("the key file is damaged".to_owned()))
        };
        let next = digest(&SHA256, &bytes);
        let client_secret = Mutex::new(client_secret);
        Ok(Self { keys: [key(&bytes)?, key(next.as_ref())?], client_secret, entropy })
    }

    /// What `aws secretsmanager put-secret-value` does.
    pub(crate) fn store_secret(&self, client_secret: String) {
        *self.client_secret.lock().unwrap_or_else(PoisonError::into_inner) = client_secret;
    }

    pub(crate) fn answer(&self, target: &str, body: &[u8]) -> Answer {
        let Ok(input) = serde_json::from_slice::<Value>(body) else {
            return refusal("SerializationException", "the body is not JSON");
        };
        let answer = match target {
            "TrentService.GenerateDataKey" => self.generate_data_key(&input),
            "TrentService.Encrypt" => self.encrypt(&input),
            "TrentService.Decrypt" => self.decrypt(&input),
            "secretsmanager.GetSecretValue" => self.secret_value(&input),
            "AmazonSQS.GetQueueAttributes" => Ok(json!({
                "Attributes": { "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0" },
            })),
            _ => Err(AwsError("UnknownOperationException", "the stand-in does not know this operation")),
        };
        match answer {
            Ok(value) => (StatusCode::OK, value.to_string()),
            Err(AwsError(name, message)) => refusal(name, message),
        }
    }

    fn generate_data_key(&self, input: &Value) -> Result<Value, AwsError> {
        let key = named(input)?;
        let length = match (input["KeySpec"].as_str(), input["NumberOfBytes"].as_u64()) {
            (Some("AES_256"), None) => 32,
            (Some("AES_128"), None) => 16,
            (None, Some(length @ 1..=1024)) => length as usize,
            _ => return Err(AwsError("ValidationException", "exactly one of KeySpec and NumberOfBytes")),
        };
        let mut plain = vec![0; length];
        self.entropy.fill(&mut plain);
        let wrapped = self.wrap(key, &plain, &context(input)?);
        Ok(json!({
            "KeyId": KEY_ARNS[key],
            "Plaintext": STANDARD.encode(plain),
            "CiphertextBlob": STANDARD.encode(wrapped),
        }))
    }

    fn encrypt(&self, input: &Value) -> Result<Value, AwsError> {
        let key = named(input)?;
        let plain = blob(input, "Plaintext")?;
        if plain.is_empty() || plain.len() > PLAINTEXT_LIMIT {
            return Err(AwsError("ValidationException", "Plaintext has 1 to 4096 bytes"));
        }
        let wrapped = self.wrap(key, &plain, &context(input)?);
        Ok(json!({
            "KeyId": KEY_ARNS[key],
            "CiphertextBlob": STANDARD.encode(wrapped),
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        }))
    }

    fn decrypt(&self, input: &Value) -> Result<Value, AwsError> {
        let wrapped = blob(input, "CiphertextBlob")?;
        if wrapped.is_empty() || wrapped.len() > CIPHERTEXT_LIMIT {
            return Err(AwsError("ValidationException", "CiphertextBlob has 1 to 6144 bytes"));
        }
        let (key, plain) = self
            .unwrap(&wrapped, &context(input)?)
            .ok_or(AwsError("InvalidCiphertextException", "the ciphertext, its key or its context is wrong"))?;
        if input["KeyId"].is_string() && named(input).ok() != Some(key) {
            return Err(AwsError("IncorrectKeyException", "the ciphertext is of another key"));
        }
        Ok(json!({
            "KeyId": KEY_ARNS[key],
            "Plaintext": STANDARD.encode(plain),
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        }))
    }

    fn secret_value(&self, input: &Value) -> Result<Value, AwsError> {
        if !matches!(input["SecretId"].as_str(), Some(SECRET_ARN | "client-secret")) {
            return Err(AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret."));
        }
        Ok(json!({
            "ARN": SECRET_ARN,
            "Name": "client-secret",
            "VersionId": "00000000-0000-4000-8000-000000000001",
            "VersionStages": ["AWSCURRENT"],
            "SecretString": *self.client_secret.lock().unwrap_or_else(PoisonError::into_inner),
        }))
    }

    /// `number of the key, from 1 | nonce | ciphertext and tag`
    fn wrap(&self, key: usize, plain: &[u8], context: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.entropy.bytes();
        let mut text = plain.to_vec();
        self.keys[key]
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut text)
            .expect("AES-GCM seals any text below 64 GiB");
        [&[key as u8 + 1], &nonce[..], &text].concat()
    }

    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Option<(usize, Vec<u8>)> {
        let (&number, rest) = wrapped.split_first()?;
        let key = usize::from(number).checked_sub(1)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let plain = self.keys.get(key)?.open_in_place(nonce, Aad::from(context), &mut text).ok()?;
        Some((key, plain.to_vec()))
    }
}

/// The requested key, by its ARN or its id.
fn named(input: &Value) -> Result<usize, AwsError> {
    let Some(given) = input["KeyId"].as_str() else {
        return Err(AwsError("ValidationException", "KeyId is required"));
    };
    let is_it = |arn: &&str| **arn == *given || arn.rsplit('/').next() == Some(given);
    KEY_ARNS.iter().position(is_it).ok_or(AwsError("NotFoundException", "there is no such key"))
}

fn blob(input: &Value, name: &str) -> Result<Vec<u8>, AwsError> {
    let text = input[name].as_str().unwrap_or_default();
    STANDARD.decode(text).map_err(|_| AwsError("SerializationException", "a blob is not base64"))
}

fn context(input: &Value) -> Result<Vec<u8>, AwsError> {
    let pairs: BTreeMap<String, String> = match &input["EncryptionContext"] {
        Value::Null => BTreeMap::new(),
        value => serde_json::from_value(value.clone())
            .map_err(|_| AwsError("SerializationException", "EncryptionContext maps strings to strings"))?,
    };
    let mut bytes = Vec::new();
    for text in pairs.into_iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.bytes());
    }
    Ok(bytes)
}
