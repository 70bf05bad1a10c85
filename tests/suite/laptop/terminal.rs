//! The texts that a developer reads in the terminal.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use local::settings::Settings;
use local::start::start;
use serde_json::{Value, json};
use shared::system::{SystemClock, SystemEntropy};
use tests::laptop::Laptop;
use tokio::process::Command;

use super::BINARY;

/// The engine logged a warning for each refused condition. A refused condition is part of the protocol, and no fault.
#[tokio::test]
async fn each_request_is_one_line_of_the_log_and_a_refused_condition_is_no_warning() {
    let mut laptop = Laptop::start(BINARY, &[]).await;
    let session = json!({ "connection_id": "t", "confirm_page": false });
    let session = laptop.post("/v1/connect-sessions", session).await;
    let sent = laptop.http.get(session["url"].as_str().unwrap()).send().await.unwrap();
    let (cookie, callback) = laptop.consent(sent).await;
    for _ in 0..2 {
        let ended = laptop.http.get(&callback).header("cookie", &cookie).send().await.unwrap();
        assert_eq!(ended.status(), 200, "the second time, its attempt cannot be taken");
    }
    let deleted = laptop.http.delete(format!("{}/v1/connections/t", laptop.origin)).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    laptop.get("/local/no-such?secret=1").await;

    let log = laptop.log_until("GET /local/no-such").await;
    let log: Vec<Value> =
        log.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let warnings: Vec<&Value> = log.iter().filter(|line| line["level"] != "INFO").collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    let requests: Vec<(String, &str)> = log
        .iter()
        .filter_map(|line| {
            let message = line["message"].as_str()?.strip_suffix(" ms")?;
            let (request, milliseconds) = message.rsplit_once(' ')?;
            milliseconds.parse::<u64>().ok()?;
            Some((request.to_owned(), line["connection"].as_str().unwrap_or("-")))
        })
        .collect();
    let expected = [
        ("POST /v1/connect-sessions 201", "t"),
        ("GET /authorize 303", "t"),
        ("GET /callback 200", "t"),
        ("GET /callback 200", "t"),
        ("DELETE /v1/connections/t 200", "t"),
        ("GET /local/no-such 404", "-"),
    ];
    let expected: Vec<_> = expected.map(|(request, connection)| (request.to_owned(), connection)).into();
    assert_eq!(requests, expected);
}

#[tokio::test]
async fn help_names_every_variable_that_is_read_with_its_default() {
    let output = Command::new(BINARY).env_clear().arg("--help").output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    let shown: BTreeSet<String> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .map(str::to_owned)
        .collect();

    let read = Arc::new(Mutex::new(BTreeSet::new()));
    for client_id in [None, Some("a real one")] {
        let asked = read.clone();
        let lookup = move |name: &str| {
            asked.lock().unwrap().insert(name.to_owned());
            match name {
                "PORT" => Some("0".to_owned()),
                "WEBINARGEEK_CLIENT_ID" => client_id.map(str::to_owned),
                "WEBINARGEEK_CLIENT_SECRET" => Some("a secret".to_owned()),
                _ => None,
            }
        };
        let settings = Settings::read(&lookup, true).unwrap();
        start(settings, lookup, Arc::new(SystemClock), Arc::new(SystemEntropy)).await.unwrap();
    }
    assert_eq!(shown, *read.lock().unwrap());
    for (name, default) in [("PORT", "8787"), ("REFRESH_EVERY", "60"), ("SIMULATED_ROTATION", "grace")] {
        let line = help.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        assert!(line.contains(default), "{line}");
    }
    let documents = concat!(include_str!("../../../docs/laptop.md"), include_str!("../../../docs/deploying.md"));
    for name in &shown {
        assert!(documents.contains(&format!("`{name}`")), "docs/laptop.md and docs/deploying.md do not name {name}");
    }
}

#[tokio::test]
async fn an_unknown_argument_names_the_help() {
    let output = Command::new(BINARY).env_clear().arg("--port").output().await.unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("--help") && message.contains("--port"), "{message}");
}
