//! Whose account an access token is for: one GET with the token as its bearer (RFC 6750 section 2.1).

use async_trait::async_trait;
use http::header::ACCEPT;
use serde_json::{Map, Value};
use url::Url;

use super::{body_of, http_client, not_answered};
use crate::domain::account::Account;
use crate::domain::secret::AccessToken;
use crate::ports::{ProviderError, ReadAccount};

/// What a text of the provider may be long in a row.
const LONGEST: usize = 256;

pub struct AccountEndpoint {
    http: reqwest::Client,
    url: Url,
}

impl AccountEndpoint {
    pub fn new(url: Url) -> Self {
        Self { http: http_client(), url }
    }
}

#[async_trait]
impl ReadAccount for AccountEndpoint {
    async fn read(&self, access_token: &AccessToken) -> Result<Account, ProviderError> {
        let request = self.http.get(self.url.clone()).header(ACCEPT, "application/json");
        let mut response = request.bearer_auth(access_token.expose()).send().await.map_err(not_answered)?;
        let status = response.status();
        let body = body_of(&mut response).await?;
        if !status.is_success() {
            return Err(ProviderError::Refused(format!("status {status}")));
        }
        account(&body).ok_or_else(|| ProviderError::Refused(format!("status {status}, and no id of an account")))
    }
}

/// Nobody outside can tell the names: the usual ones are read, at the top or one level below.
fn account(body: &[u8]) -> Option<Account> {
    let top: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let below = ["account", "data", "user"].into_iter().find_map(|name| top.get(name)?.as_object());
    let find = |names: &[&str]| {
        let objects = [Some(&top), below].into_iter().flatten();
        objects.flat_map(|object| names.iter().filter_map(|name| text(object.get(*name)?))).next()
    };
    Some(Account {
        id: find(&["account_id", "id"])?,
        company: find(&["company", "company_name"]),
        email: find(&["email"]),
    })
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_the_usual_names() {
        for body in [
            r#"{"id":7,"company":"Acme","email":"a@example.com"}"#,
            r#"{"account":{"id":"7","company_name":"Acme","email":"a@example.com"}}"#,
            r#"{"data":{"account_id":7,"company":"Acme","email":"a@example.com"},"email":null}"#,
        ] {
            let account = account(body.as_bytes()).unwrap();
            assert_eq!((account.id.as_str(), account.company.as_deref()), ("7", Some("Acme")), "{body}");
            assert_eq!(account.email.as_deref(), Some("a@example.com"), "{body}");
        }
        assert_eq!(account(br#"{"id":"7"}"#).unwrap().company, None);
    }

    #[test]
    fn what_names_no_account_is_none() {
        for body in
            ["", "[]", "<html>", "{}", r#"{"id":null}"#, r#"{"id":""}"#, r#"{"id":{"a":1}}"#, r#"{"id":"a\nb"}"#]
        {
            assert!(account(body.as_bytes()).is_none(), "{body}");
        }
        assert!(account(format!(r#"{{"id":"{}"}}"#, "x".repeat(257)).as_bytes()).is_none());
    }
}
