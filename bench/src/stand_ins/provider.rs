//! The provider's token endpoint: every answer brings a new pair.

use std::collections::HashMap;

use serde_json::{Value, json};

pub(crate) const CLIENT_ID: &str = "bench-client";
pub(crate) const CLIENT_SECRET: &str = "bench-client-secret";

/// The grant type, which names the call, and the answer.
pub(super) fn answer(issued: &mut u64, body: &[u8]) -> (String, Result<Value, String>) {
    let form: HashMap<_, _> = url::form_urlencoded::parse(body).into_owned().collect();
    let member = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let grant_type = member("grant_type").to_owned();
    let is_known = match grant_type.as_str() {
        "authorization_code" => !member("code").is_empty(),
        "refresh_token" => member("refresh_token").starts_with("refresh-"),
        _ => false,
    };
    if !is_known || member("client_id") != CLIENT_ID || member("client_secret") != CLIENT_SECRET {
        return (grant_type, Err("the request is not what a client sends".to_owned()));
    }
    *issued += 1;
    let answer = json!({
        "access_token": access_token(*issued),
        "refresh_token": refresh_token(*issued),
        "token_type": "Bearer",
        "expires_in": 7200,
        "scope": "public",
    });
    (grant_type, Ok(answer))
}

/// As long as a token of Doorkeeper.
pub(crate) fn access_token(number: u64) -> String {
    format!("access-{number:036}")
}

pub(crate) fn refresh_token(number: u64) -> String {
    format!("refresh-{number:035}")
}
