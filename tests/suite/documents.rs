//! What the documents say about the code. `lychee` in `.ci/run` checks their links.

use std::path::{Path, PathBuf};

use shared::domain::connection::refresh::{LEASE, LONGEST_INVOCATION, UNSETTLED_GRACE};
use shared::domain::connection::revocation::TRIED_FOR;
use shared::domain::connection::waiting::CONFIRM_WITHIN;
use shared::domain::connection_id::ConnectionId;
use shared::domain::failure_class::FailureClass;
use shared::domain::schedule::RETRY_AFTER_LONGEST;
use tests::laptop::Laptop;

const LAPTOP: &str = env!("CARGO_BIN_EXE_laptop");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn document(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents in the top folder, in `docs` and in `docs/decisions`.
fn documents() -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/decisions"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

#[test]
fn each_class_of_a_failure_has_its_cause_and_its_row_on_the_operators_page() {
    let text = document("docs/operating.md");
    for class in FailureClass::ALL {
        let row = format!("\n| `{}` | {} | ", class.as_str(), class.cause());
        assert!(text.contains(&row), "docs/operating.md must have a row that begins: {row}");
    }
}

#[test]
fn each_test_that_a_threat_names_exists() {
    let text = document("docs/security.md");
    let named: Vec<(&str, &str)> =
        text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(": ")).collect();
    let mut tests = 0;
    for (file, name) in named.iter().filter(|(file, _)| file.ends_with(".rs")) {
        let code = document(&format!("tests/{file}"));
        assert!(code.contains(&format!("fn {name}(")), "docs/security.md names {name}, which is not in tests/{file}");
        tests += 1;
    }
    assert!(tests >= 20, "{tests}");
}

#[test]
fn each_decision_is_in_the_index() {
    let index = document("docs/decisions/README.md");
    let decisions = documents().into_iter().filter(|path| path.parent().unwrap().ends_with("docs/decisions"));
    for path in decisions.filter(|path| !path.ends_with("README.md")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(index.contains(&format!("]({name})")), "docs/decisions/README.md does not name {name}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let text = document("docs/operating.md");
    let limits = text.split("\n## Limits\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for promise in [
        format!("within {} seconds", CONFIRM_WITHIN.as_secs()),
        format!("tried for {} hours", TRIED_FOR.as_secs() / 3600),
        format!("schedule | {} seconds", LONGEST_INVOCATION.as_secs()),
        format!("its lease is {} seconds", LEASE.as_secs()),
        format!("taken over for {} seconds", UNSETTLED_GRACE.as_secs()),
        format!("asks for | {} seconds", RETRY_AFTER_LONGEST.as_secs()),
    ] {
        assert!(limits.contains(&promise), "docs/operating.md, Limits, must say: {promise}");
    }
    assert!(limits.contains("id | 128 characters"));
    assert!(ConnectionId::parse(&"a".repeat(128)).is_ok() && ConnectionId::parse(&"a".repeat(129)).is_err());
}

/// Tables, code and links may be longer: they cannot be broken.
#[test]
fn no_line_of_a_document_is_longer_than_120_characters() {
    for path in documents() {
        let mut code = false;
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            code ^= line.trim_start().starts_with("```");
            let cannot_be_broken = code || line.starts_with('|') || line.contains("](");
            assert!(cannot_be_broken || line.chars().count() <= 120, "{}:{}", path.display(), number + 1);
        }
    }
}

#[tokio::test]
async fn the_simulated_webinargeek_understands_each_order_in_the_documents() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    let text = document("docs/laptop.md");
    let printed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("curl -d '")).collect();
    assert!(printed.len() >= 6, "{printed:?}");
    for line in printed {
        let (body, address) = line.split_once("' http://127.0.0.1:8787").unwrap();
        let answer =
            laptop.http.post(format!("{}{address}", laptop.origin)).body(body.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{line}: {}", answer.text().await.unwrap());
    }
}
