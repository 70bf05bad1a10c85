//! A Lambda Runtime API that drives one function at a time, as Lambda does.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::Value;
use shared::ports::Clock;
use shared::system::SystemClock;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The result of an invocation: the function's answer, or the error that it reported.
pub(crate) type Answer = Result<Value, Value>;

struct Api {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, Value)>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
}

/// A built function that runs.
pub(crate) struct Function {
    api: Arc<Api>,
    events: mpsc::UnboundedSender<(String, Value)>,
    log: Arc<Mutex<Vec<String>>>,
    /// `CallbackFunction` is `callback`.
    name: String,
    process: Mutex<Child>,
    server: JoinHandle<()>,
}

/// A chaos run starts thousands of functions, so each one stops its server.
impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Function {
    pub(crate) async fn start(binary: &Path, variables: &[(&str, String)]) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        let api = Arc::new(Api { events: tokio::sync::Mutex::new(receiver), waiting: Mutex::default() });
        let (address, server) = serve(api.clone()).await;
        let mut process = Command::new(binary)
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", "function"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "log-group"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "log-stream"),
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
            ])
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let written = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                written.lock().unwrap().push(line);
            }
        });
        let folder = binary.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let name = folder.trim_end_matches("Function").to_lowercase();
        Self { api, events, log, name, process: Mutex::new(process), server }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn invoke(&self, request_id: &str, event: Value) -> Answer {
        self.invoke_unless_killed(request_id, event).await.expect("the function answers every invocation")
    }

    /// `None` if the process is killed before it answers.
    pub(crate) async fn invoke_unless_killed(&self, request_id: &str, event: Value) -> Option<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.api.waiting.lock().unwrap().insert(request_id.to_owned(), sender);
        self.events.send((request_id.to_owned(), event)).unwrap();
        // No function runs for longer. If one hangs, the test fails.
        let answered = tokio::time::timeout(Duration::from_secs(60), receiver).await;
        answered.unwrap_or_else(|_| panic!("{} has not answered in time: {:#?}", self.name, self.log())).ok()
    }

    /// Kills the process (SIGKILL). A caller that waits gets no answer.
    pub(crate) fn kill(&self) {
        self.process.lock().unwrap().start_kill().unwrap();
        self.api.waiting.lock().unwrap().clear();
    }

    /// Stops the process (SIGSTOP) until it is thawed.
    pub(crate) async fn freeze(&self) {
        self.signal("STOP").await;
    }

    pub(crate) async fn thaw(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.lock().unwrap().id().expect("it runs");
        let sent = Command::new("kill").args(["-s", signal, &id.to_string()]).status().await.unwrap();
        assert!(sent.success(), "SIG{signal}");
    }

    /// Waits for a line of its log, which may come later than its answer.
    pub(crate) async fn logged(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                if let Some(line) = self.log().into_iter().find(|line| is_it(line)) {
                    return line;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), found).await;
        found.unwrap_or_else(|_| panic!("no such line: {:#?}", self.log()))
    }

    /// What it has written so far, a JSON object a line.
    pub(crate) fn log(&self) -> Vec<Value> {
        let lines = self.log.lock().unwrap();
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }
}

async fn serve(api: Arc<Api>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    // Without `nodelay`, each small answer waits for an acknowledgement of the one before.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .with_state(api);
    (address, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    let (id, event) = match api.events.lock().await.recv().await {
        Some(next) => next,
        None => std::future::pending().await,
    };
    let deadline = (SystemClock.now() + Duration::from_secs(60)).unix() * 1000;
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:000000000000:function:function".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event.to_string()).into_response()
}

async fn response(State(api): State<Arc<Api>>, Segment(id): Segment<String>, body: Bytes) -> StatusCode {
    api.answer(&id, Ok(serde_json::from_slice(&body).unwrap()))
}

async fn error(State(api): State<Arc<Api>>, Segment(id): Segment<String>, body: Bytes) -> StatusCode {
    api.answer(&id, Err(serde_json::from_slice(&body).unwrap()))
}

impl Api {
    fn answer(&self, id: &str, answer: Answer) -> StatusCode {
        if let Some(waiting) = self.waiting.lock().unwrap().remove(id) {
            let _ = waiting.send(answer);
        }
        StatusCode::ACCEPTED
    }
}
