//! The examples in Python and Node against `cargo dev`, behind a gate that checks signatures as API Gateway does.

use std::path::{Path, PathBuf};

use tests::api_gateway::ApiGateway;
use tests::integrator::{calls_the_api, configured, printed};
use tests::laptop::Laptop;
use tokio::process::Command;

use crate::process::{free_address, part, serve};

const LAPTOP: &str = env!("CARGO_BIN_EXE_laptop");

#[tokio::test]
async fn the_python_example_signs_waits_and_replaces_a_rejected_token() {
    calls_the_api(LAPTOP, "python", program(part("PYTHON"), "python/call_api.py")).await;
}

#[tokio::test]
async fn the_node_example_signs_waits_and_replaces_a_rejected_token() {
    calls_the_api(LAPTOP, "node", program("node".into(), "node/call-api.mjs")).await;
}

/// API Gateway checks the query as it was sent, sorted.
#[tokio::test]
async fn the_clients_sign_a_query_too() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    assert_eq!(laptop.connect("acme").await.status(), 200);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut python = Command::new(part("PYTHON"));
    python.arg("-c").arg(
        "from webinargeek_connect import Client\n\
         for connection in Client().list('active'): print(connection.id)",
    );
    let mut node = Command::new("node");
    node.current_dir(root.join("examples/node")).args(["--input-type=module", "--eval"]).arg(
        "import { Client } from 'webinargeek-connect';\n\
         for await (const { id } of new Client().list('active')) console.log(id);",
    );
    for program in [python, node] {
        let gateway = ApiGateway::before(&laptop.origin).await;
        let output = configured(program, &gateway.origin).output().await.unwrap();
        assert_eq!(printed(&output).trim(), "acme");
        assert_eq!(gateway.requests(), ["GET /v1/connections -> 503", "GET /v1/connections -> 200"]);
    }
}

#[tokio::test]
async fn an_example_says_in_one_sentence_what_is_missing() {
    let confirm = program(part("PYTHON"), "python/confirm.py");
    let mut python = program(part("PYTHON"), "python/call_api.py");
    let mut node = program("node".into(), "node/call-api.mjs");
    python.args(["acme", "https://app.webinargeek.com/"]);
    node.args(["acme", "https://app.webinargeek.com/"]);
    for example in [confirm, python, node] {
        let mut example = configured(example, "");
        let output = example.output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{example:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("API_ORIGIN is not set: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

fn program(interpreter: PathBuf, example: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(interpreter);
    command.arg(root.join("examples").join(example));
    command
}

#[tokio::test]
async fn a_link_that_was_passed_on_connects_nothing() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    let gateway = ApiGateway::before(&laptop.origin).await;
    let address = free_address().await;
    let mut backend = configured(program(part("PYTHON"), "python/confirm.py"), &gateway.origin);
    backend.env("PORT", address.port().to_string());
    let _backend = serve(backend, address).await;
    let as_user =
        |user: &str, request: reqwest::RequestBuilder| request.header("cookie", format!("user={user}")).send();
    let start = async |user| {
        let begun = as_user(user, laptop.http.post(format!("http://{address}/connect"))).await.unwrap();
        begun.headers()["location"].to_str().unwrap().to_owned()
    };
    // Through the page that asks and the provider's consent page. Returns the address that the browser comes back to.
    let approve = async |link: &str| {
        let sent = laptop.http.post(link).header("origin", &laptop.origin).send().await.unwrap();
        laptop.approve(sent).await.headers()["location"].to_str().unwrap().to_owned()
    };
    let come_back = async |user, back: &str| as_user(user, laptop.http.get(back)).await.unwrap().status();
    let token = async |user| laptop.get(&format!("/v1/connections/{user}/token")).await.status();

    let passed_on = start("mallory").await;
    let back = approve(&passed_on).await;
    assert_eq!(come_back("vera", &back).await, 403);
    let own = start("vera").await;
    assert_eq!(come_back("vera", &back).await, 403, "also after she has got a link of her own");
    assert_ne!(token("mallory").await, 200);

    let back = approve(&own).await;
    assert_ne!(token("vera").await, 200, "before she has come back");
    assert_eq!(come_back("vera", &back).await, 200);
    assert_eq!(token("vera").await, 200);
    assert_ne!(token("mallory").await, 200);
}
