//! The arrows between folders, which the compiler does not hold.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// The code of a file that ships: no tests, no comments.
fn shipped(source: &str) -> String {
    let code = source.split("#[cfg(test)]").next().unwrap().lines();
    code.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Which modules of `shared` each of its modules may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("ports", &["domain"]),
    ("sealing", &["domain"]),
    ("http", &["http", "domain"]),
    ("failure", &["ports", "telemetry"]),
    ("fleet", &["ports", "domain"]),
    ("storing", &["ports", "domain"]),
    ("refreshing", &["refreshing", "fleet", "storing", "sealing", "failure", "ports", "domain"]),
    ("disconnecting", &["refreshing", "sealing", "ports", "domain"]),
    ("identifying", &["ports", "domain"]),
    ("aws", &["aws", "ports", "domain", "telemetry"]),
    ("webinargeek", &["webinargeek", "config", "ports", "domain", "telemetry"]),
    ("system", &["ports", "domain"]),
    ("config", &["domain"]),
    ("telemetry", &["domain", "metrics", "ports", "system"]),
    ("metrics", &["domain"]),
    // Where everything meets.
    (
        "lambda",
        &["aws", "config", "domain", "fleet", "http", "lambda", "refreshing", "storing", "system", "webinargeek"],
    ),
    ("lib", &[]),
];

#[test]
fn imports_inside_shared_run_one_way() {
    let folder = root().join("shared/src");
    for (path, source) in sources(&folder) {
        let relative = path.strip_prefix(&folder).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        let (_, allowed) =
            ARROWS.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} has no arrows"));
        for named in shipped(&source).split("crate::").skip(1) {
            let named: String = named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(allowed.contains(&named.as_str()), "{} names {named}", relative.display());
        }
    }
}

#[test]
fn no_function_names_another_and_none_the_laptop() {
    let functions = ["authorize", "callback", "connections", "events", "maintenance", "refresh", "token"];
    for function in functions {
        let manifest = std::fs::read_to_string(root().join(format!("functions/{function}/Cargo.toml"))).unwrap();
        for other in functions.iter().filter(|other| **other != function).chain(&["local", "tests"]) {
            assert!(!manifest.contains(&format!("\n{other}.workspace")), "{function} depends on {other}");
        }
    }
}

#[test]
fn authorize_cannot_name_a_token() {
    let source = std::fs::read_to_string(root().join("functions/authorize/src/lib.rs")).unwrap();
    for port in ["Connections", "DataKeys", "ClientSecret", "RefreshPair", "ExchangeCode"] {
        assert!(!shipped(&source).contains(port), "{port}");
    }
}

#[test]
fn callback_makes_data_keys_and_opens_none_and_the_others_the_reverse() {
    let callback = std::fs::read_to_string(root().join("functions/callback/src/lib.rs")).unwrap();
    assert!(callback.contains("MakeDataKeys") && !callback.contains("OpenDataKeys"));
    let refreshing = std::fs::read_to_string(root().join("shared/src/refreshing.rs")).unwrap();
    assert!(refreshing.contains("OpenDataKeys") && !refreshing.contains("MakeDataKeys"));
}

#[test]
fn only_maintenance_walks_through_the_table_and_deletes() {
    let mut naming = Vec::new();
    for folder in ["shared/src", "functions"] {
        for (path, source) in sources(&root().join(folder)) {
            let code = shipped(&source);
            if ["WalkConnections", "DeleteConnections", "TraceDataKeys"].iter().any(|port| code.contains(port)) {
                naming.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    naming.sort();
    assert_eq!(
        naming,
        [
            "functions/maintenance/src/lib.rs",
            "shared/src/aws/dynamodb/connections.rs",
            "shared/src/aws/kms.rs",
            "shared/src/ports.rs"
        ]
    );
}

#[test]
fn secrets_are_exposed_in_few_places() {
    let mut exposing: Vec<String> = Vec::new();
    for folder in ["shared/src", "functions"] {
        for (path, source) in sources(&root().join(folder)) {
            if shipped(&source).contains(".expose()") {
                exposing.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    exposing.sort();
    assert_eq!(
        exposing,
        [
            "functions/authorize/src/lib.rs",
            "functions/connections/src/sessions.rs",
            "functions/token/src/lib.rs",
            "shared/src/domain/attempt.rs",
            "shared/src/domain/attempt/writes.rs",
            "shared/src/domain/connection/confirming.rs",
            "shared/src/domain/pkce.rs",
            "shared/src/domain/return_to.rs",
            "shared/src/domain/session.rs",
            "shared/src/http/cookie.rs",
            "shared/src/sealing.rs",
            "shared/src/webinargeek.rs",
            "shared/src/webinargeek/account.rs",
        ]
    );
}
