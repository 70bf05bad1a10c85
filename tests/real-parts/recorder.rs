//! The calls of a function to AWS. A proxy in front of each engine records every call. [`Call::asks`] has the requests
//! that IAM decides for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub function: &'static str,
    /// `DynamoDB_20120810.GetItem`
    pub target: String,
    pub input: Value,
    pub output: Value,
}

#[derive(Clone, Default)]
pub(crate) struct Calls {
    noted: Arc<Mutex<Vec<Call>>>,
    /// Whether every write of a pair fails.
    pairs_fail: Arc<AtomicBool>,
    /// Whether queries on an index fail.
    lists_fail: Arc<AtomicBool>,
}

impl Calls {
    pub(crate) fn all(&self) -> Vec<Call> {
        self.noted.lock().unwrap().clone()
    }

    pub(crate) fn fail_to_store_pairs(&self, fail: bool) {
        self.pairs_fail.store(fail, Ordering::SeqCst);
    }

    pub(crate) fn fail_to_list(&self, fail: bool) {
        self.lists_fail.store(fail, Ordering::SeqCst);
    }

    fn fails(&self, target: &str, body: &[u8]) -> bool {
        let stores_a_pair =
            [&b"#sealed = "[..], b"#waiting = "].iter().any(|set| body.windows(set.len()).any(|part| part == *set));
        (stores_a_pair && self.pairs_fail.load(Ordering::SeqCst))
            || (target.ends_with(".Query") && self.lists_fail.load(Ordering::SeqCst))
    }
}

#[derive(Clone)]
struct Proxy {
    function: &'static str,
    engine: SocketAddr,
    calls: Calls,
    http: reqwest::Client,
}

/// Starts a proxy for the function in front of an engine, and returns its address.
pub(crate) async fn record(function: &'static str, engine: SocketAddr, calls: Calls) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = Proxy { function, engine, calls, http: tests::browser::provider_client() };
    let router = Router::new().fallback(pass_on).with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn pass_on(State(proxy): State<Proxy>, uri: Uri, mut headers: HeaderMap, body: Bytes) -> Response {
    // Lambda's API is REST: the operation and the function are in the path.
    let Some(target) = headers.get("x-amz-target").map(|target| target.to_str().unwrap().to_owned()) else {
        let input = json!({ "path": uri.path(), "type": headers["x-amz-invocation-type"].to_str().unwrap() });
        let call = Call { function: proxy.function, target: "Lambda.Invoke".to_owned(), input, output: Value::Null };
        proxy.calls.noted.lock().unwrap().push(call);
        return StatusCode::ACCEPTED.into_response();
    };
    if proxy.calls.fails(&target, &body) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    headers.remove("host");
    let request = proxy.http.post(format!("http://{}{uri}", proxy.engine)).headers(headers).body(body.clone());
    let response = request.send().await.unwrap();
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap();
    let mut kept = HeaderMap::new();
    for name in ["content-type", "x-amzn-requestid"] {
        if let Some(value) = response.headers().get(name) {
            kept.insert(name, value.clone());
        }
    }
    let answer = response.bytes().await.unwrap();
    let json = |bytes: &Bytes| serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let call = Call { function: proxy.function, target, input: json(&body), output: json(&answer) };
    proxy.calls.noted.lock().unwrap().push(call);
    (status, kept, answer).into_response()
}

/// An action on a resource, with the context that AWS would see.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub action: String,
    pub resource: String,
    pub context: Value,
}

impl Call {
    /// The requests that IAM decides for this call. For a transaction there is one for each item.
    pub(crate) fn asks(&self) -> Vec<Asked> {
        let (service, operation) = self.target.split_once('.').unwrap();
        match (service, operation) {
            ("DynamoDB_20120810", "TransactWriteItems") => {
                let items = self.input["TransactItems"].as_array().unwrap().iter();
                items
                    .flat_map(|item| item.as_object().unwrap())
                    .map(|(kind, item)| on_item(&format!("{kind}Item"), item))
                    .collect()
            }
            ("DynamoDB_20120810", "Query") => {
                let index = self.input["IndexName"].as_str().unwrap();
                let resource = format!("{}/index/{index}", table_arn(&self.input));
                vec![Asked { action: "dynamodb:Query".to_owned(), resource, context: json!({}) }]
            }
            ("DynamoDB_20120810", "DescribeTable" | "DescribeTimeToLive") => {
                vec![Asked {
                    action: format!("dynamodb:{operation}"),
                    resource: table_arn(&self.input),
                    context: json!({}),
                }]
            }
            ("DynamoDB_20120810", "BatchGetItem") => {
                let tables = self.input["RequestItems"].as_object().unwrap().iter();
                let asked = |table: &String, batch: &Value| {
                    let keys: Vec<&Value> =
                        batch["Keys"].as_array().unwrap().iter().map(|key| &key["id"]["S"]).collect();
                    Asked {
                        action: "dynamodb:BatchGetItem".to_owned(),
                        resource: table_arn(&json!({ "TableName": table })),
                        context: json!({ "dynamodb:LeadingKeys": keys }),
                    }
                };
                tables.map(|(table, batch)| asked(table, batch)).collect()
            }
            ("DynamoDB_20120810", "Scan") => {
                vec![Asked { action: "dynamodb:Scan".to_owned(), resource: table_arn(&self.input), context: json!({}) }]
            }
            ("DynamoDB_20120810", _) => vec![on_item(operation, &self.input)],
            ("TrentService", _) => {
                let pairs = self.input["EncryptionContext"].as_object().unwrap();
                let mut context = json!({ "kms:EncryptionContextKeys": pairs.keys().collect::<Vec<_>>() });
                for (key, value) in pairs {
                    context[format!("kms:EncryptionContext:{key}")] = value.clone();
                }
                // The key that was used. A ciphertext names its key.
                let resource = self.output["KeyId"].as_str().unwrap_or_else(|| panic!("no key: {self:?}")).to_owned();
                vec![Asked { action: format!("kms:{operation}"), resource, context }]
            }
            ("AmazonSQS", _) => {
                let queue = self.input["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap();
                let resource = format!("arn:aws:sqs:eu-west-1:111122223333:{queue}");
                vec![Asked { action: format!("sqs:{operation}"), resource, context: json!({}) }]
            }
            ("AWSEvents", _) => {
                let bus = self.input["Entries"][0]["EventBusName"].as_str().unwrap();
                let resource = format!("arn:aws:events:eu-west-1:111122223333:event-bus/{bus}");
                vec![Asked { action: format!("events:{operation}"), resource, context: json!({}) }]
            }
            ("Lambda", "Invoke") => {
                assert_eq!(self.input["type"], "Event", "{self:?}");
                let name = self.input["path"].as_str().unwrap().split('/').nth(3).unwrap();
                let resource = format!("arn:aws:lambda:eu-west-1:111122223333:function:{name}");
                vec![Asked { action: "lambda:InvokeFunction".to_owned(), resource, context: json!({}) }]
            }
            ("secretsmanager", _) => {
                let resource = self.input["SecretId"].as_str().unwrap().to_owned();
                vec![Asked { action: format!("secretsmanager:{operation}"), resource, context: json!({}) }]
            }
            _ => panic!("a call to an unknown service: {}", self.target),
        }
    }
}

fn on_item(operation: &str, input: &Value) -> Asked {
    let key = input["Key"].as_object().unwrap().values().next().unwrap();
    Asked {
        action: format!("dynamodb:{operation}"),
        resource: table_arn(input),
        context: json!({ "dynamodb:LeadingKeys": [key["S"]] }),
    }
}

fn table_arn(input: &Value) -> String {
    format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{}", input["TableName"].as_str().unwrap())
}
