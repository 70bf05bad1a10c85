//! `wgc`, the real binary, with `cargo dev`; `cli/aws.rs` tries it with a stack.

use std::process::{Output, Stdio};

use http::header::LOCATION;
use serde_json::{Value, json};
use tests::api_gateway::ApiGateway;
use tests::laptop::{Laptop, is_live};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::faults;

mod aws;
mod import;

const LAPTOP: &str = env!("CARGO_BIN_EXE_laptop");

/// The binary, without this machine's settings.
fn wgc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_command-line"));
    #[expect(clippy::disallowed_methods, reason = "PATH comes from the environment")]
    let path = std::env::var("PATH").unwrap();
    command.env_clear().env("PATH", path).env("HOME", "/nowhere").env("AWS_EC2_METADATA_DISABLED", "true");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn at(origin: &str, arguments: &[&str]) -> Command {
    let mut command = wgc(arguments);
    command.env("API_ORIGIN", origin);
    command
}

/// The standard output of a command that succeeds.
async fn stdout_of(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn json_of(mut command: Command) -> Value {
    let text = stdout_of({
        command.arg("--json");
        command
    })
    .await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn with_input(mut command: Command, input: &str) -> Output {
    let mut process = command.stdin(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    process.wait_with_output().await.unwrap()
}

/// A command that fails: its exit code, and its error as JSON.
async fn fails(mut command: Command) -> (i32, Value) {
    let output = command.arg("--json").output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "only answers are on standard output");
    let text = String::from_utf8(output.stderr).unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let code = output.status.code().unwrap();
    assert_eq!(answer["error"]["exit_code"], code, "{answer}");
    (code, answer["error"].clone())
}

#[tokio::test]
async fn the_commands_link_confirm_use_and_disconnect_a_connection() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    let wgc = |arguments: &[&str]| at(&laptop.origin, arguments);
    let back = "http://127.0.0.1:1/back";
    let link = json_of(wgc(&["link", "acme", "--return-to", back, "--no-confirm-page", "--expires-in", "600"])).await;
    let session = link["session_id"].as_str().unwrap();
    assert_eq!(json_of(wgc(&["session", session])).await["status"], "pending");

    let sent = laptop.http.get(link["url"].as_str().unwrap()).send().await.unwrap();
    let came_back = laptop.approve(sent).await.headers()[LOCATION].to_str().unwrap().to_owned();
    let (code, error) = fails(wgc(&["token", "acme"])).await;
    assert_eq!((code, &error["code"]), (4, &json!("unconfirmed")));
    let confirmed = with_input(wgc(&["confirm", session]), &format!("{came_back}\n")).await;
    assert!(confirmed.status.success(), "{confirmed:?}");
    assert!(String::from_utf8_lossy(&confirmed.stdout).contains("status\tactive"), "{confirmed:?}");

    // Without a terminal: a header, and columns for `cut`.
    let listed = stdout_of(wgc(&["list"])).await;
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((rows[0][0], rows[1][0], rows[1][1], rows.len()), ("id", "acme", "active", 2), "{listed}");
    assert_eq!(stdout_of(wgc(&["list", "--status", "reauth_required"])).await.lines().count(), 1);
    assert_eq!(json_of(wgc(&["list"])).await["id"], "acme");
    assert_eq!(json_of(wgc(&["show", "acme"])).await["version"], 1);

    let token = stdout_of(wgc(&["token", "acme", "--reveal"])).await;
    assert!(is_live(&laptop.provider().await, token.trim()).await);
    assert_eq!(json_of(wgc(&["token", "acme", "--reveal"])).await["access_token"], token.trim());
    for masked in [&["token", "acme"][..], &["token", "acme", "--json"]] {
        let shown = wgc(masked).output().await.unwrap();
        assert!(!String::from_utf8_lossy(&shown.stdout).contains(token.trim()), "{shown:?}");
    }
    let script = "printf '%s' \"$WEBINARGEEK_ACCESS_TOKEN\"; exit 43";
    let ran = wgc(&["token", "acme", "--min-ttl", "300", "--", "sh", "-c", script]).output().await.unwrap();
    assert_eq!((ran.status.code(), String::from_utf8_lossy(&ran.stdout).as_ref()), (Some(43), token.trim()));
    assert_eq!(fails(wgc(&["reject", "acme", "--version", "2"])).await.0, 2, "there is no such version yet");

    assert_eq!(fails(wgc(&["disconnect", "acme"])).await.0, 2, "there is no terminal to ask on");
    assert_eq!(json_of(wgc(&["disconnect", "acme", "--yes"])).await["revocation"], "done");
    assert_eq!(fails(wgc(&["show", "acme"])).await.0, 3);
}

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    assert_eq!(laptop.connect("acme").await.status(), 200);
    let codes: [(&[&str], i32, &str); 6] = [
        (&["show", "unknown"], 3, "not_found"),
        (&["session", "none"], 3, "not_found"),
        (&["show", "a/b"], 2, ""),
        (&["list", "--status", "happy"], 2, "invalid_request"),
        (&["logs"], 2, ""),
        (&["import", "--connection", "acme"], 2, ""),
    ];
    for (arguments, expected, name) in codes {
        let (code, error) = fails(at(&laptop.origin, arguments)).await;
        assert_eq!((code, error["code"].as_str().unwrap_or_default()), (expected, name), "{arguments:?}: {error}");
    }
    let exists = with_input(at(&laptop.origin, &["import", "--connection", "acme"]), "a-refresh-token").await;
    assert_eq!(exists.status.code(), Some(8), "{exists:?}");
    assert!(!String::from_utf8_lossy(&exists.stderr).contains("a-refresh-token"), "{exists:?}");

    let refused = with_input(at(&laptop.origin, &["import", "--connection", "other"]), "a-refresh-token").await;
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");

    // Without credentials the gateway refuses, and on an unused port nothing answers.
    let gateway = ApiGateway::before(&laptop.origin).await;
    let (code, error) = fails(at(&gateway.origin, &["list"])).await;
    assert_eq!((code, &error["status"]), (6, &json!(403)), "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("OperatorPolicyArn"), "{error}");
    let (code, error) = fails(at("http://127.0.0.1:1", &["list"])).await;
    assert_eq!(code, 5, "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("cargo dev"), "{error}");
    assert_eq!(fails(at("http://example.com", &["list"])).await.0, 2, "tokens go over https only");
    let both = wgc(&["list", "--url", "http://127.0.0.1:1", "--stack", "s"]).output().await.unwrap();
    assert_eq!(both.status.code(), Some(2), "{both:?}");
}

#[tokio::test]
async fn doctor_shows_its_findings_and_its_exit_code_says_if_one_has_failed() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    let examined = stdout_of(at(&laptop.origin, &["doctor"])).await;
    assert!(examined.contains("client_credentials\tok"), "{examined}");
    let refuses = faults::error(401, "invalid_client");
    laptop.post("/local/provider", json!({ "answer": refuses, "times": 4 })).await;
    let examined = at(&laptop.origin, &["doctor"]).output().await.unwrap();
    assert_eq!(examined.status.code(), Some(7), "{examined:?}");
    assert!(String::from_utf8_lossy(&examined.stdout).contains("client_credentials\tfailed"), "{examined:?}");
}

#[tokio::test]
async fn events_are_shown_as_they_happen() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    assert_eq!(laptop.connect("acme").await.status(), 200);
    assert!(stdout_of(at(&laptop.origin, &["events"])).await.contains("connection.connected  acme  version 1"));
    let mut following = at(&laptop.origin, &["events", "--follow", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    for (happens, kind) in [("", "connection.connected"), ("acme", "connection.disconnected")] {
        if !happens.is_empty() {
            stdout_of(at(&laptop.origin, &["disconnect", happens, "--yes"])).await;
        }
        let event: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!((&event["type"], &event["connection_id"]), (&json!(kind), &json!("acme")));
    }
}

#[tokio::test]
async fn maintain_shows_a_dry_run_and_refuses_too_few_days() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    assert_eq!(laptop.connect("acme").await.status(), 200);
    let dry_run = json_of(at(&laptop.origin, &["maintain", "reap", "--dry-run"])).await;
    assert_eq!(
        (&dry_run["scanned"], &dry_run["would_change"], &dry_run["finished"]),
        (&json!(1), &json!(0), &json!(true))
    );
    let nothing = at(&laptop.origin, &["maintain", "reseal"]).output().await.unwrap();
    assert!(
        nothing.status.success() && String::from_utf8_lossy(&nothing.stderr).contains("nothing to do"),
        "{nothing:?}"
    );
    assert_eq!(fails(at(&laptop.origin, &["maintain", "reap", "--days", "3"])).await.0, 1, "at least 30");
}

#[tokio::test]
async fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout_of(wgc(&["completions", shell])).await;
        assert!(["wgc", "disconnect", "reveal"].iter().all(|word| script.contains(word)), "{shell}");
    }
}
