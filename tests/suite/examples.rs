//! `examples/`: code for integrators to copy. `tests/real-parts/examples.rs` runs Python and Node.

use std::path::Path;

use http::HeaderMap;
use tests::integrator::{calls_the_api, configured};
use tests::signature::{Received, verify};
use tokio::process::Command;

const LAPTOP: &str = env!("CARGO_BIN_EXE_laptop");
const RUST_EXAMPLE: &str = env!("CARGO_BIN_EXE_call-api-example");

#[tokio::test]
async fn the_rust_example_signs_waits_and_replaces_a_rejected_token() {
    calls_the_api(LAPTOP, "rust", Command::new(RUST_EXAMPLE)).await;
}

#[tokio::test]
async fn the_rust_example_says_what_is_missing() {
    let mut example = configured(Command::new(RUST_EXAMPLE), "");
    let output = example.env_remove("API_ORIGIN").args(["acme", "https://example.com"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let message =
        "API_ORIGIN is not set: it is the stack's output ApiOrigin, or http://127.0.0.1:8787 for `cargo dev`\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), message);
}

#[test]
fn the_readme_prints_the_python_example_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let printed = format!("\n```python\n{}```\n", text("examples/python/call_api.py"));
    assert!(text("README.md").contains(&printed), "README.md and examples/python/call_api.py differ");
}

/// The vectors that AWS publishes for implementations of Signature Version 4.
#[test]
fn a_signature_is_checked_as_aws_checks_it() {
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let verdict = |method: &str, path: &str, query: &str, signature: &str, secret: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("host", "example.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        let scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}");
        headers.insert("authorization", authorization.parse().unwrap());
        verify(&Received { method, path, query, headers: &headers, body: b"" }, secret, "us-east-1", "service")
    };
    const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    assert_eq!(verdict("GET", "/", "", VANILLA, SECRET), Ok(()));
    let utf8 = "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85";
    assert_eq!(verdict("GET", "/ሴ", "", utf8, SECRET), Ok(()));
    let sorted = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
    assert_eq!(verdict("GET", "/", "Param2=value2&Param1=value1", sorted, SECRET), Ok(()));
    for (method, path, secret) in [("POST", "/", SECRET), ("GET", "/x", SECRET), ("GET", "/", "another")] {
        assert!(verdict(method, path, "", VANILLA, secret).is_err(), "{method} {path}");
    }
}
