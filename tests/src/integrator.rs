//! The examples, as an integrator runs them.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use crate::api_gateway::{ApiGateway, REGION, SECRET, SESSION_TOKEN};
use crate::laptop::{Folder, Laptop};

/// It has the characters that clients often sign wrongly.
const CONNECTION: &str = "acme:eu-1.a_b-c";

/// A program with the settings that it needs. From this machine it gets only `PATH`.
pub fn configured(mut command: Command, api: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the path of the programs is read from the machine")]
    let path = std::env::var("PATH").unwrap();
    command.env_clear().env("PATH", path).env("API_ORIGIN", api).env("AWS_REGION", REGION);
    command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.env("AWS_SESSION_TOKEN", SESSION_TOKEN);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The promise of each example that calls WebinarGeek's API. Every request is signed as AWS checks it. The example
/// waits once after a 503. It replaces a token that WebinarGeek has ended, and keeps the new one.
pub async fn calls_the_api(laptop: &str, program: &str, example: Command) {
    let folder = Folder::new(&format!("example-{program}"));
    let variables = [
        ("DATA_DIR", folder.0.to_str().unwrap()),
        // The provider's tokens end long before the time in its answer.
        ("SIMULATED_EXPIRES_IN", "60"),
        ("WEBINARGEEK_EXPIRES_IN", "7200"),
    ];
    let before = Laptop::start(laptop, &variables).await;
    before.post("/local/provider", json!({ "answer": { "without": ["expires_in"] } })).await;
    assert_eq!(before.connect(CONNECTION).await.status(), 200);
    before.kill().await;
    let laptop = Laptop::later(&folder.0, Duration::from_secs(90)).await;
    let gateway = ApiGateway::before(&laptop.origin).await;

    let me = format!("{}/api/me", laptop.provider().await);
    let mut example = configured(example, &gateway.origin);
    let output = example.arg(CONNECTION).args([&me, &me]).output().await.unwrap();

    let printed = printed(&output);
    let answers: Vec<&str> = printed.lines().collect();
    assert_eq!(answers.len(), 2, "{output:?}");
    assert!(answers.iter().all(|answer| answer.starts_with("200 {")), "{output:?}");
    let path = format!("/v1/connections/{CONNECTION}/token");
    assert_eq!(
        gateway.requests(),
        [
            format!("GET {path} -> 503"),
            format!("GET {path} -> 200"),
            format!("POST {path} {{\"rejected_version\":1}} -> 200"),
        ]
    );
}

/// The output of a program that has succeeded.
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
