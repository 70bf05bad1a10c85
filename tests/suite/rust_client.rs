//! `clients/rust`, at `cargo dev` behind a gate that checks signatures as API Gateway does.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use http::StatusCode;
use http::header::LOCATION;
use serde_json::json;
use tests::api_gateway::{ApiGateway, REGION, SECRET, SESSION_TOKEN};
use tests::laptop::{Folder, Laptop};
use tokio::net::TcpListener;
use url::Url;
use webinargeek_connect_client::{Client, Code, Error, Method, NewSession, SdkConfig, Secret};

const LAPTOP: &str = env!("CARGO_BIN_EXE_laptop");

/// A client that signs every call.
fn client(origin: &str) -> Client {
    let keys = Credentials::new("AKIDEXAMPLE", SECRET, Some(SESSION_TOKEN.to_owned()), None, "test");
    let config = SdkConfig::builder().region(Region::new(REGION));
    let config = config.credentials_provider(SharedCredentialsProvider::new(keys)).build();
    Client::with_config(origin, &config).unwrap()
}

/// A server that gives these answers in this order, and then repeats the last one. Also returns the count of answers.
async fn server<const N: usize>(answers: [fn(&Request) -> Response; N]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let router = Router::new().fallback(move |request: Request| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        async move { answers[number.min(N - 1)](&request) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, given)
}

fn later(seconds: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", seconds)]).into_response()
}

#[tokio::test]
async fn tasks_that_need_the_same_token_request_it_once_and_reject_it_once() {
    let folder = Folder::new("rust-client");
    let variables = [
        ("DATA_DIR", folder.0.to_str().unwrap()),
        // The tokens end long before the end that the provider names.
        ("SIMULATED_EXPIRES_IN", "60"),
        ("WEBINARGEEK_EXPIRES_IN", "7200"),
    ];
    let before = Laptop::start(LAPTOP, &variables).await;
    before.post("/local/provider", json!({ "answer": { "without": ["expires_in"] } })).await;
    assert_eq!(before.connect("acme").await.status(), 200);
    before.kill().await;
    let laptop = Laptop::later(&folder.0, Duration::from_secs(90)).await;
    let gateway = ApiGateway::before(&laptop.origin).await;
    let client = client(&gateway.origin);

    let me = format!("{}/api/me", laptop.provider().await);
    let requests = (0..20).map(|_| client.request("acme", Method::GET, &me, |request| request.query(&[("page", "1")])));
    for answer in join_all(requests).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(client.clone().token("acme").await.unwrap().version, 2, "the copy of a client shares the tokens");
    let path = "/v1/connections/acme/token";
    assert_eq!(
        gateway.requests(),
        [
            format!("GET {path} -> 503"),
            format!("GET {path} -> 200"),
            format!("POST {path} {{\"rejected_version\":1}} -> 200"),
        ]
    );
    assert_eq!(client.token_for("acme", 600).await.unwrap().version, 2, "the token is valid that long");
    assert_eq!(gateway.requests().len(), 3);
    assert_eq!(client.token_for("acme", 7000).await.unwrap().version, 2, "at most half of a lifetime is asked for");
    assert_eq!(gateway.requests().len(), 4);
}

#[tokio::test]
async fn a_token_is_not_printed() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    assert_eq!(laptop.connect("acme").await.status(), 200);
    let client = Client::new(&laptop.origin).await.unwrap();
    let token = client.token("acme").await.unwrap();
    let shown = format!("{token:?}");
    assert!(shown.contains("Secret(redacted)") && !shown.contains(token.access_token.expose()), "{shown}");
}

#[tokio::test]
async fn all_waiting_tasks_together_ask_a_server_that_is_down_once() {
    let (origin, asked) = server([|_| later("3600")]).await;
    let client = client(&origin);
    let failures = join_all((0..20).map(|_| client.token("acme"))).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    for failure in failures {
        let error = failure.unwrap_err();
        let problem = error.problem().unwrap();
        assert_eq!((problem.status, &problem.code), (503, &Code::Aws));
        assert_eq!(problem.retry_after, Some(Duration::from_secs(3600)), "the client does not wait that long");
    }
    client.token("acme").await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 2, "a later call asks again");
}

#[tokio::test]
async fn after_a_503_of_webinargeek_an_idempotent_request_is_sent_once_more() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    assert_eq!(laptop.connect("acme").await.status(), 200);
    let client = Client::new(&laptop.origin).await.unwrap();
    for (method, statuses) in [(Method::GET, [200, 200]), (Method::POST, [503, 200])] {
        let (webinargeek, _) = server([|_| later("0"), |_| StatusCode::OK.into_response()]).await;
        for status in statuses {
            let answer = client.request("acme", method.clone(), &webinargeek, |request| request).await.unwrap();
            assert_eq!(answer.status(), status, "{method}");
        }
    }
}

#[tokio::test]
async fn a_token_does_not_follow_a_redirect_to_another_origin() {
    fn elsewhere(request: &Request) -> Response {
        let has_token = request.headers().contains_key("authorization");
        if has_token { StatusCode::IM_A_TEAPOT } else { StatusCode::NO_CONTENT }.into_response()
    }
    fn redirects(request: &Request) -> Response {
        assert!(request.headers().contains_key("authorization"));
        let target = request.uri().query().unwrap().strip_prefix("to=").unwrap().to_owned();
        (StatusCode::FOUND, [("location", target)]).into_response()
    }
    let laptop = Laptop::start(LAPTOP, &[]).await;
    assert_eq!(laptop.connect("acme").await.status(), 200);
    let ((first, _), (second, _)) = (server([redirects]).await, server([elsewhere]).await);
    let client = Client::new(&laptop.origin).await.unwrap();
    let answer = client.request("acme", Method::GET, &format!("{first}/?to={second}/"), |request| request).await;
    assert_eq!(answer.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_client_connects_confirms_and_disconnects_a_customer() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    let client = Client::new(&laptop.origin).await.unwrap();
    let session = NewSession {
        connection_id: Some("acme".to_owned()),
        return_to: Some("http://127.0.0.1:1/back".to_owned()),
        confirm_page: Some(false),
        ..NewSession::default()
    };
    let link = client.begin_session(&session).await.unwrap();
    assert_eq!(client.session(&link.session_id).await.unwrap().status, "pending");
    let sent = laptop.http.get(link.url.expose()).send().await.unwrap();
    let back = laptop.approve(sent).await.headers()[LOCATION].to_str().unwrap().to_owned();
    let back = Url::parse(&back).unwrap();
    let (_, confirmation) = back.query_pairs().find(|(name, _)| name == "confirmation").unwrap();

    assert_eq!(client.session(&link.session_id).await.unwrap().status, "awaiting_confirmation");
    assert_eq!(client.show("acme").await.unwrap().status, "unconfirmed");
    let too_early = client.token("acme").await.unwrap_err();
    assert_eq!(too_early.problem().unwrap().code, Code::Unconfirmed);
    let wrong = client.confirm(&link.session_id, &Secret::new("A".repeat(43))).await.unwrap_err();
    assert_eq!(wrong.problem().unwrap().field.as_deref(), Some("confirmation"));
    let connection = client.confirm(&link.session_id, &Secret::new(confirmation)).await.unwrap();
    assert_eq!((connection.status.as_str(), connection.version), ("active", Some(1)));
    assert_eq!(client.token("acme").await.unwrap().version, 1);

    let again = client.import("acme", &Secret::new("anything"), false).await.unwrap_err();
    assert_eq!(again.problem().unwrap().code, Code::ConnectionExists);
    assert_eq!(client.disconnect("acme").await.unwrap().revocation, "done");
    let gone = client.token("acme").await.unwrap_err();
    assert_eq!(gone.problem().unwrap().code, Code::NotFound, "a kept token ends with its connection");
    assert!(client.doctor().await.unwrap().findings.iter().any(|finding| finding.check == "sealing"));
    let no_throw_away = client.try_rotation("acme").await.unwrap_err();
    assert_eq!(no_throw_away.problem().unwrap().code, Code::NotFound);
}

#[tokio::test]
async fn all_pages_of_a_list_are_read_although_one_is_empty() {
    fn page(request: &Request) -> Response {
        let connection = |id: &str| {
            json!({
                "id": id, "status": "active", "reason": null, "version": 1, "created_at": "2026-11-01T09:00:00Z",
                "expires_at": null, "refreshed_at": null, "next_refresh_at": null, "failures": 0, "scope": null,
                "account": null, "account_changed_from": null,
            })
        };
        let (connections, next) = match request.uri().query().unwrap() {
            "limit=100&status=active" => (vec![connection("a"), connection("b")], Some("one")),
            "limit=100&status=active&cursor=one" => (vec![], Some("two")),
            "limit=100&status=active&cursor=two" => (vec![connection("c")], None),
            other => panic!("{other}"),
        };
        axum::Json(json!({ "connections": connections, "next_cursor": next })).into_response()
    }
    let (origin, asked) = server([page]).await;
    let mut connections = client(&origin).list(Some("active"));
    let mut ids = Vec::new();
    while let Some(connection) = connections.next().await.unwrap() {
        ids.push(connection.id);
    }
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(connections.next().await.unwrap().is_none());
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_id_or_address_that_would_send_a_token_elsewhere_is_refused_and_nothing_is_sent() {
    let (origin, asked) = server([|_| later("3600")]).await;
    let client = client(&origin);
    for id in ["", ".", "..", "a/b", "a%2Fb", "a?b", "a b", &"x".repeat(129)] {
        assert!(matches!(client.show(id).await, Err(Error::Argument(_))), "{id}");
        assert!(matches!(client.token(id).await, Err(Error::Argument(_))), "{id}");
        assert!(matches!(client.session(id).await, Err(Error::Argument(_))), "{id}");
    }
    for url in ["http://app.webinargeek.com/", "ftp://127.0.0.1/", "api/v2"] {
        let answer = client.request("acme", Method::GET, url, |request| request).await;
        assert!(matches!(answer, Err(Error::Argument(_))), "{url}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    for origin in ["http://example.com", "https://example.com/v1", "https://user@example.com", "example.com", ""] {
        let error = Client::new(origin).await.err().unwrap();
        assert!(matches!(error, Error::Setting(_)), "{origin}");
    }
}
