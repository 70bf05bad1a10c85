//! Asks whose account an access token is for: one GET with the token as bearer token (RFC 6750 section 2.1).

use async_trait::async_trait;
use http::header::ACCEPT;
use url::Url;

use super::members::Members;
use super::{HttpClient, body::Body, not_answered};
use crate::domain::account::Account;
use crate::domain::secret::AccessToken;
use crate::ports::{ProviderError, ReadAccount};

/// The longest text of the provider that a row stores.
const LONGEST: usize = 256;

/// The address that names the account of an access token (`WEBINARGEEK_ACCOUNT_URL`).
pub struct AccountEndpoint {
    http: HttpClient,
    url: Url,
}

impl AccountEndpoint {
    /// `url` must be the provider's: it receives access tokens.
    pub fn new(http: HttpClient, url: Url) -> Self {
        Self { http, url }
    }
}

#[async_trait]
impl ReadAccount for AccountEndpoint {
    async fn read(&self, access_token: &AccessToken) -> Result<Account, ProviderError> {
        let request = self.http.client().get(self.url.clone()).header(ACCEPT, "application/json");
        let mut response = request.bearer_auth(access_token.expose()).send().await.map_err(not_answered)?;
        let status = response.status();
        if !status.is_success() {
            return Err(ProviderError::Refused(format!("status {status}")));
        }
        let body = Body::read(&mut response).await;
        Members::find(&body.octets, account).ok_or_else(|| match body.cut {
            Some(cut) => ProviderError::Refused(format!("status {status}, and {cut}")),
            None => ProviderError::Refused(format!("status {status}, and no id of an account")),
        })
    }
}

/// The names are not documented. The usual ones are read: at the top, in `data`, and in the `user` of both.
/// `account_id` is certainly the account's. An `id` is the account's inside an `account`, and elsewhere may be the
/// user's.
fn account(top: &Members) -> Option<Account> {
    let data = top.object("data");
    let outer: Vec<&Members> = std::iter::once(top).chain(&data).collect();
    let users: Vec<Members> = outer.iter().filter_map(|members| members.object("user")).collect();
    let others: Vec<&Members> = outer.into_iter().chain(&users).collect();
    let accounts: Vec<Members> = others.iter().filter_map(|members| members.object("account")).collect();
    let all = || accounts.iter().chain(others.iter().copied());
    let find = |name: &str| all().find_map(|members| text(members, name));
    Some(Account {
        id: others
            .iter()
            .find_map(|members| text(members, "account_id"))
            .or_else(|| find("account_id"))
            .or_else(|| find("id"))?,
        company: find("company").or_else(|| find("company_name")),
        email: find("email"),
    })
}

/// A text, or a number with all its digits.
fn text(members: &Members, name: &str) -> Option<String> {
    let text = members.text(name).or_else(|| members.number(name).map(str::to_owned))?;
    (text.len() <= LONGEST && !text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(body: &[u8]) -> Option<Account> {
        Members::find(body, super::account)
    }

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
    fn the_id_of_the_account_comes_before_the_id_of_the_user() {
        for body in [
            r#"{"id":1,"account":{"id":7}}"#,
            r#"{"id":1,"account":{"id":2,"account_id":7}}"#,
            r#"{"id":1,"user":{"id":2,"account_id":7}}"#,
            r#"{"account_id":7,"id":1,"account":{"id":2,"account_id":3}}"#,
            r#"{"user":{"id":1},"account":{"id":7}}"#,
            r#"{"id":7,"user":{"id":1}}"#,
            r#"{"data":{"id":1,"account":{"id":7}}}"#,
            r#"{"user":{"id":1,"account":{"id":7}}}"#,
            r#"{"user":{"id":1,"account_id":7}}"#,
            r#"{"data":{"user":{"id":1},"account":{"id":7}},"id":2}"#,
            r#"{"data":{"user":{"id":1,"account":{"id":7}}}}"#,
            r#"{"data":{"account_id":7,"account":{"account_id":3}}}"#,
        ] {
            assert_eq!(account(body.as_bytes()).unwrap().id, "7", "{body}");
        }
    }

    #[test]
    fn an_id_keeps_all_its_digits_and_a_byte_order_mark_is_ignored() {
        let digits = "123456789012345678901234567890";
        let body = format!("\u{feff}{{\"id\":{digits},\"company\":\"\\ud800\"}}");
        assert_eq!(account(body.as_bytes()).unwrap().id, digits);
        assert_eq!(account(body.as_bytes()).unwrap().company, None);
        assert_eq!(account(br#"{"id":18446744073709551615}"#).unwrap().id, "18446744073709551615");
        assert_eq!(account(br#"{"id":-7}"#).unwrap().id, "-7");
    }

    #[test]
    fn an_answer_that_names_no_account_has_none() {
        for body in
            ["", "[]", "<html>", "{}", r#"{"id":null}"#, r#"{"id":""}"#, r#"{"id":{"a":1}}"#, r#"{"id":"a\nb"}"#]
        {
            assert!(account(body.as_bytes()).is_none(), "{body}");
        }
        assert!(account(format!(r#"{{"id":"{}"}}"#, "x".repeat(257)).as_bytes()).is_none());
    }
}
