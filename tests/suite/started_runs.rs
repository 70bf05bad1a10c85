//! On the wire: how a run starts another run, and how it keeps its connections to the provider.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use shared::aws::own_function::OwnFunction;
use shared::config::Environment;
use shared::domain::secret::{ClientSecret, RefreshToken};
use shared::domain::time::Timestamp;
use shared::lambda::Network;
use shared::ports::{RefreshPair, StartRun};
use shared::system::SystemClock;
use shared::tls::Tls;
use shared::webinargeek::{HttpClient, WebinarGeek};
use tokio::net::TcpListener;

use crate::wire::endpoint;

/// Of a request: the client address, the URI, the headers and the body.
type Received = (SocketAddr, String, HeaderMap, Bytes);

#[derive(Clone)]
struct Server {
    answer: (StatusCode, &'static str),
    requests: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    async fn answering(status: StatusCode, body: &'static str) -> (Self, String) {
        let server = Self { answer: (status, body), requests: Arc::default() };
        let router = Router::new().fallback(record).with_state(server.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        (server, origin)
    }

    /// The client ends of the connections on which requests came.
    fn connections(&self) -> BTreeSet<SocketAddr> {
        self.requests.lock().unwrap().iter().map(|(from, ..)| *from).collect()
    }
}

async fn record(
    State(server): State<Server>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    server.requests.lock().unwrap().push((from, uri.to_string(), headers, body));
    server.answer.into_response()
}

fn own_function(origin: &str) -> OwnFunction {
    let origin = origin.to_owned();
    let lookup = move |name: &str| match name {
        "AWS_ENDPOINT_URL_LAMBDA" => Some(origin.clone()),
        "AWS_LAMBDA_FUNCTION_NAME" => Some("stack-RefreshFunction-1a2b".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        _ => None,
    };
    let read = |env: &mut Environment<'_>| OwnFunction::new(&Network::read(env).aws, OwnFunction::read_name(env));
    Environment::read(&lookup, read).unwrap()
}

#[tokio::test]
async fn a_run_is_started_by_an_asynchronous_invocation_of_the_functions_own_name() {
    let (server, origin) = Server::answering(StatusCode::ACCEPTED, "").await;
    own_function(&origin).start(&[3, 16], Timestamp::from_unix(1_800_000_300)).await.unwrap();
    let requests = server.requests.lock().unwrap();
    let [(_, uri, headers, body)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(uri, "/2015-03-31/functions/stack-RefreshFunction-1a2b/invocations");
    assert_eq!(headers["x-amz-invocation-type"], "Event");
    let event: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(event, json!({ "shards": [3, 16], "until": 1_800_000_300 }));
    let run = refresh::Run::parse(&event).unwrap();
    assert_eq!((run.shards, run.until.map(Timestamp::unix)), (vec![3, 16], Some(1_800_000_300)));
}

#[tokio::test]
async fn a_refused_invocation_is_an_error_that_says_why() {
    let refusal = r#"{"Message":"not authorized to perform: lambda:InvokeFunction"}"#;
    let (_, origin) = Server::answering(StatusCode::FORBIDDEN, refusal).await;
    let error = own_function(&origin).start(&[3], Timestamp::from_unix(0)).await.unwrap_err();
    assert!(error.to_string().contains("another run could not be started"), "{error}");
}

#[tokio::test]
async fn a_connection_to_the_provider_is_used_again_within_a_run_and_never_in_the_next_one() {
    let (server, origin) = Server::answering(StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#).await;
    let http = HttpClient::new(&Tls::default());
    let adapter = WebinarGeek::new(http.clone(), endpoint(&origin), Arc::new(SystemClock));
    let refresh = async || {
        for _ in 0..3 {
            adapter.refresh(&RefreshToken::new("r"), &ClientSecret::new("secret")).await.unwrap_err();
        }
        server.connections().len()
    };
    for opened_by_then in [1, 2] {
        let reused = http.reuse_connections();
        assert_eq!(refresh().await, opened_by_then, "each run opens one connection");
        drop(reused);
    }
    assert_eq!(refresh().await, 5, "outside of a run each request opens its own connection");
}
