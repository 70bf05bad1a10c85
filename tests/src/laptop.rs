//! `cargo dev` as a process of its own, used over HTTP.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::LOCATION;
use local::settings::Settings;
use local::start::start;
use serde_json::{Value, json};
use shared::domain::time::Timestamp;
use shared::ports::Clock;
use shared::system::{SystemClock, SystemEntropy};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::browser::provider_client;

pub struct Laptop {
    pub origin: String,
    pub printed: Vec<String>,
    pub http: reqwest::Client,
    process: Option<Process>,
}

struct Process {
    child: Child,
    /// Read at once, line by line: a process whose output is not read may stop.
    output: mpsc::UnboundedReceiver<String>,
}

/// The system's time plus an offset: the clock of a later restart.
pub struct LaterClock(pub Duration);

#[async_trait]
impl Clock for LaterClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.0
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}

impl Laptop {
    /// Starts the binary and waits until it says that it listens.
    pub async fn start(binary: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary);
        command.env_clear().env("PORT", "0").envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, mut output) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = sender.send(line);
            }
        });
        let mut printed = Vec::new();
        let origin = loop {
            let line = output.recv().await.expect("cargo dev ended before it listened");
            let origin = line.strip_prefix("listening on ").map(str::to_owned);
            printed.push(line);
            if let Some(origin) = origin {
                break origin;
            }
        };
        Self { origin, printed, http: provider_client(), process: Some(Process { child, output }) }
    }

    /// The same deployment inside this process, with a clock that is ahead.
    pub async fn later(data_dir: &Path, later: Duration) -> Self {
        let data_dir = data_dir.to_string_lossy().into_owned();
        let lookup = move |name: &str| match name {
            "PORT" => Some("0".to_owned()),
            "DATA_DIR" => Some(data_dir.clone()),
            _ => None,
        };
        let settings = Settings::read(&lookup, true).unwrap();
        let running = start(settings, lookup, Arc::new(LaterClock(later)), Arc::new(SystemEntropy)).await.unwrap();
        let origin = running.server.origin.clone();
        tokio::spawn(running.serve());
        Self { origin, printed: Vec::new(), http: provider_client(), process: None }
    }

    /// The origin of the simulated provider.
    pub async fn provider(&self) -> String {
        let session = self.post("/v1/connect-sessions", json!({ "confirm_page": false })).await;
        let sent = self.http.get(session["url"].as_str().unwrap()).send().await.unwrap();
        let consent = url::Url::parse(sent.headers()[LOCATION].to_str().unwrap()).unwrap();
        consent.origin().ascii_serialization()
    }

    pub fn process_id(&self) -> u32 {
        self.process.as_ref().and_then(|process| process.child.id()).expect("a process of its own, that runs")
    }

    /// Waits for a line that contains this text, and returns the output up to it.
    pub async fn log_until(&mut self, text: &str) -> Vec<String> {
        let output = &mut self.process.as_mut().expect("a process of its own").output;
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(text)) {
            let next = tokio::time::timeout(Duration::from_secs(30), output.recv()).await;
            lines.push(next.ok().flatten().unwrap_or_else(|| panic!("{text} was not printed: {lines:?}")));
        }
        lines
    }

    /// `kill -9`
    pub async fn kill(mut self) {
        self.process.as_mut().expect("a process of its own").child.kill().await.unwrap();
    }

    pub async fn get(&self, target: &str) -> reqwest::Response {
        self.http.get(format!("{}{target}", self.origin)).send().await.unwrap()
    }

    pub async fn json(&self, target: &str) -> Value {
        let text = self.get(target).await.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub async fn post(&self, target: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{target}", self.origin)).header("content-type", "application/json");
        let text = request.body(body.to_string()).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// A journey of a session without the confirmation page. Returns the answer of `/callback`.
    pub async fn connect(&self, id: &str) -> reqwest::Response {
        let session = self.post("/v1/connect-sessions", json!({ "connection_id": id, "confirm_page": false })).await;
        let sent = self.http.get(session["url"].as_str().unwrap()).send().await.unwrap();
        self.approve(sent).await
    }

    /// The part of a journey from the answer that leads to the provider to the answer of `/callback`.
    pub async fn approve(&self, sent: reqwest::Response) -> reqwest::Response {
        let (cookie, callback) = self.consent(sent).await;
        self.http.get(callback).header("cookie", cookie).send().await.unwrap()
    }

    /// The part of a journey from the answer that leads to the provider to the cookie and the address of the return.
    pub async fn consent(&self, sent: reqwest::Response) -> (String, String) {
        let cookie = sent.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let consent = url::Url::parse(sent.headers()[LOCATION].to_str().unwrap()).unwrap();
        let mut form: Vec<(String, String)> = consent.query_pairs().into_owned().collect();
        form.push(("decision".to_owned(), "approve".to_owned()));
        let decide = format!("{}{}", consent.origin().ascii_serialization(), consent.path());
        let back = self.http.post(decide).form(&form).send().await.unwrap();
        (cookie, back.headers()[LOCATION].to_str().unwrap().to_owned())
    }
}

/// The answer of the provider's API to an access token.
pub async fn is_live(provider_origin: &str, access_token: &str) -> bool {
    let request = provider_client().get(format!("{provider_origin}/api/me")).bearer_auth(access_token);
    request.send().await.unwrap().status() == 200
}

/// A test's own folder: empty at first, and removed with the test.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("webinargeek-connect-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
