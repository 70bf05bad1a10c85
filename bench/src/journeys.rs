//! The events that a program gets, and the checks of its answers.

use serde_json::{Value, json};
use url::Url;

use crate::Failed;
use crate::programs::{AUTHORIZE_URL, HOST, Maker};
use crate::rows;
use crate::stand_ins::StandIns;
use crate::stand_ins::tables::Tables;

/// The route that an answer is measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    /// A browser is sent to the provider. One write.
    Authorize,
    /// The code is exchanged, and the pair is stored.
    Callback,
    /// A stored token that is not due. Two calls: the row, and KMS.
    Token,
    /// The status of a connection. One read.
    Status,
    /// A text, without a call.
    Hello,
}

impl Route {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Callback => "callback",
            Self::Token => "token",
            Self::Status => "status",
            Self::Hello => "hello",
        }
    }

    /// The event that asks for it. `start`: the answer of [`Self::Authorize`] that a callback follows.
    pub(crate) fn event(self, maker: Maker, start: Option<&Value>) -> Result<String, Failed> {
        let id = rows::id(0);
        let event = match (self, maker) {
            (Self::Authorize, Maker::Ours) => event("POST", "/authorize", "", Vec::new()),
            (Self::Authorize, _) => event("GET", "/authorize", "", Vec::new()),
            (Self::Callback, _) => {
                let start = start.ok_or("a callback follows an authorization request")?;
                let cookies = start["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let cookies = cookies.filter_map(|cookie| cookie.split(';').next()).map(str::to_owned).collect();
                event("GET", "/callback", &format!("code=bench-code&state={}", state_of(start)?), cookies)
            }
            (Self::Token, Maker::Ours) => event("GET", &format!("/v1/connections/{id}/token"), "", Vec::new()),
            (Self::Token, _) => event("GET", &format!("/token/{id}"), "", Vec::new()),
            (Self::Status, _) => event("GET", &format!("/v1/connections/{id}"), "", Vec::new()),
            (Self::Hello, _) => event("GET", "/", "", Vec::new()),
        };
        Ok(event.to_string())
    }

    /// Checks the answer, and what was stored for it.
    pub(crate) fn check(self, maker: Maker, answer: &[u8], stand_ins: &StandIns) -> Result<Value, Failed> {
        let answer: Value = serde_json::from_slice(answer)?;
        let body = || serde_json::from_str::<Value>(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
        let status = answer["statusCode"].as_u64().unwrap_or_default();
        let is_right = match self {
            Self::Authorize => {
                let state = state_of(&answer)?;
                matches!(status, 302 | 303) && has_attempt(maker, &mut stand_ins.tables(), &state)
            }
            Self::Callback => status == 200 && !newest_pair(maker, &mut stand_ins.tables()).is_empty(),
            Self::Token => status == 200 && body()["access_token"] == rows::first_access_token(),
            Self::Status => status == 200 && body()["status"] == "active",
            Self::Hello => status == 200 && answer["body"] == "hello",
        };
        if is_right { Ok(answer) } else { Err(format!("{maker:?} gave a wrong answer to {self:?}: {answer}").into()) }
    }
}

fn event(method: &str, path: &str, query: &str, cookies: Vec<String>) -> Value {
    let parameters: Value = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "queryStringParameters": parameters,
        "cookies": cookies,
        "headers": {
            "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "accept-encoding": "gzip, deflate, br",
            "host": HOST,
            "origin": format!("https://{HOST}"),
            "sec-fetch-dest": "document",
            "sec-fetch-mode": "navigate",
            "sec-fetch-site": "same-origin",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "abc1234567",
            "domainName": HOST,
            "domainPrefix": "connect",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "Mozilla/5.0",
            },
            "requestId": "gateway-request",
            "routeKey": "$default",
            "stage": "$default",
            "time": "27/Nov/2026:00:00:00 +0000",
            "timeEpoch": 1_795_737_600_000_u64,
        },
        "isBase64Encoded": false,
    })
}

/// The state in an answer that sends a browser to the provider.
fn state_of(answer: &Value) -> Result<String, Failed> {
    let headers = answer["headers"].as_object().into_iter().flatten();
    let location = headers.filter(|(name, _)| name.eq_ignore_ascii_case("location")).find_map(|(_, it)| it.as_str());
    let location = location.filter(|location| location.starts_with(AUTHORIZE_URL));
    let location = Url::parse(location.ok_or_else(|| format!("no redirect to the provider: {answer}"))?)?;
    let state = location.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned());
    state.filter(|state| state.len() >= 32).ok_or_else(|| format!("no state: {answer}").into())
}

fn has_attempt(maker: Maker, tables: &mut Tables, state: &str) -> bool {
    match maker {
        Maker::Ours => {
            let key = format!("state#{}", shared::domain::digest::sha256(state));
            tables.table("attempts").rows.contains_key(&key)
        }
        _ => tables.table("states").rows.contains_key(state),
    }
}

/// The rows that a callback has made.
fn newest_pair(maker: Maker, tables: &mut Tables) -> Vec<String> {
    let table = if maker == Maker::Ours { "connections" } else { "tokens" };
    let rows = &tables.table(table).rows;
    rows.keys().filter(|id| !id.starts_with("tenant-") && !id.starts_with('#')).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: Value) -> Vec<u8> {
        json!({ "statusCode": status, "headers": {}, "body": body.to_string() }).to_string().into_bytes()
    }

    #[tokio::test]
    async fn only_the_right_answer_counts_and_only_if_it_is_stored() {
        let directory = std::env::temp_dir().join(format!("bench-test-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let stand_ins = StandIns::start(&directory).await.unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        let check = |route: Route, answer: &[u8]| route.check(Maker::RustDefault, answer, &stand_ins).is_ok();

        let token = |text: &str| json!({ "access_token": text });
        assert!(check(Route::Token, &answer(200, token(&rows::first_access_token()))));
        assert!(!check(Route::Token, &answer(200, token("another"))));
        assert!(!check(Route::Token, &answer(500, token(&rows::first_access_token()))));

        let state = "s".repeat(43);
        let redirect =
            json!({ "statusCode": 302, "headers": { "location": format!("{AUTHORIZE_URL}?state={state}") } });
        assert!(!check(Route::Authorize, redirect.to_string().as_bytes()), "no attempt is stored");
        stand_ins.tables().table("states").put(state, shared::domain::item::Item::default());
        assert!(check(Route::Authorize, redirect.to_string().as_bytes()));

        assert!(!check(Route::Callback, &answer(200, json!("connected"))), "no pair is stored");
    }
}
