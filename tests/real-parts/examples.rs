//! The examples in Python and Node against `cargo dev`, behind a gate that checks signatures as API Gateway does.

use std::path::{Path, PathBuf};

use tests::integrator::calls_the_api;
use tokio::process::Command;

use crate::process::part;

const LAPTOP: &str = env!("CARGO_BIN_EXE_laptop");

#[tokio::test]
async fn the_python_example_signs_waits_and_replaces_a_rejected_token() {
    calls_the_api(LAPTOP, "python", program(part("PYTHON"), "python/call_api.py")).await;
}

#[tokio::test]
async fn the_node_example_signs_waits_and_replaces_a_rejected_token() {
    calls_the_api(LAPTOP, "node", program("node".into(), "node/call-api.mjs")).await;
}

fn program(interpreter: PathBuf, example: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(interpreter);
    command.arg(root.join("examples").join(example));
    command
}
