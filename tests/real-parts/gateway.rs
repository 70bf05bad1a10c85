//! Events as API Gateway's HTTP APIs send them, payload format 2.0.

use serde_json::{Value, json};

pub(crate) struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: Value,
    pub cookies: Vec<&'a str>,
    pub body: Option<Value>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'a str, target: &'a str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, path, query, headers: json!({}), cookies: Vec::new(), body: None }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers[name] = value.into();
        self
    }

    pub(crate) fn cookie(mut self, cookie: &'a str) -> Self {
        self.cookies.push(cookie);
        self
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self.header("content-type", "application/json")
    }

    pub(crate) fn event(&self, host: &str) -> Value {
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "cookies": self.cookies,
            "headers": self.headers,
            "requestContext": {
                "accountId": "111122223333",
                "apiId": "abc1234567",
                "domainName": host,
                "domainPrefix": host.split('.').next(),
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "test",
                },
                "requestId": "gateway-request",
                "routeKey": "$default",
                "stage": "$default",
                "time": "24/Nov/2026:00:00:00 +0000",
                "timeEpoch": 1_795_478_400_000_u64,
            },
            "body": self.body.as_ref().map(Value::to_string),
            "isBase64Encoded": false,
        })
    }
}

/// The JSON in a function's answer.
pub(crate) fn body(answer: &Value) -> Value {
    let text = answer["body"].as_str().unwrap_or_else(|| panic!("no body: {answer}"));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
