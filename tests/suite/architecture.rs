//! The arrows between folders, and which names are allowed where: the compiler does not check this.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
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

/// The files below these folders, by path, whose shipped code does this.
fn files_that(folders: &[&str], does: impl Fn(&str) -> bool) -> Vec<String> {
    let all = folders.iter().flat_map(|folder| sources(&root().join(folder)));
    let doing = all.filter(|(_, source)| does(&shipped(source)));
    let mut paths: Vec<String> =
        doing.map(|(path, _)| path.strip_prefix(root()).unwrap().display().to_string()).collect();
    paths.sort();
    paths
}

const EVERYTHING: &[&str] = &["shared/src", "functions"];

/// Whether the code has this whole identifier. An iterator's associated type `Item` does not count.
fn names(code: &str, identifier: &str) -> bool {
    let code = code.replace("Item = ", "");
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == identifier)
}

/// Which modules of `shared` each of its modules may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("ports", &["domain"]),
    ("protocol", &["ports", "sealing", "domain"]),
    ("sealing", &["domain"]),
    ("failure", &["ports", "domain", "telemetry"]),
    ("http", &["http", "domain"]),
    ("aws", &["config", "ports", "domain", "telemetry", "tls"]),
    ("webinargeek", &["config", "ports", "domain", "telemetry", "tls"]),
    ("tls", &["config"]),
    ("config", &["protocol", "domain"]),
    ("system", &["ports", "domain"]),
    ("telemetry", &["metrics", "ports", "system"]),
    ("metrics", &["domain"]),
    // The composition.
    ("aws/clients", &["aws", "ports", "protocol", "webinargeek"]),
    ("lambda", &["aws", "config", "domain", "http", "ports", "protocol", "system", "tls", "webinargeek"]),
    ("lib", &[]),
];

#[test]
fn imports_inside_shared_run_one_way() {
    let folder = root().join("shared/src");
    for (path, source) in sources(&folder) {
        let relative = path.strip_prefix(&folder).unwrap().with_extension("");
        let module = match relative.to_str().unwrap() {
            file @ "aws/clients" => file,
            file => file.split('/').next().unwrap(),
        };
        let (_, allowed) =
            ARROWS.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} has no arrows"));
        for named in shipped(&source).split("crate::").skip(1) {
            let named: String = named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(allowed.contains(&named.as_str()), "{} names {named}", relative.display());
        }
    }
}

#[test]
fn config_names_only_the_deployment_of_the_protocol() {
    let config = shipped(&std::fs::read_to_string(root().join("shared/src/config.rs")).unwrap());
    let named: Vec<&str> = config.split("crate::protocol::").skip(1).collect();
    assert!(!named.is_empty() && named.iter().all(|named| named.starts_with("Deployment;")), "{named:?}");
}

#[test]
fn the_core_and_the_simulator_compile_without_the_aws_sdk() {
    for (package, has_sdk) in [("shared", false), ("simulator", false), ("local", true)] {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--package", package, "--edges", "normal,build", "--prefix", "none", "--offline"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8(tree.stdout).unwrap();
        let is_of_aws = |line: &str| ["aws-sdk-", "aws-config ", "lambda_"].iter().any(|name| line.starts_with(name));
        let of_aws: BTreeSet<&str> = tree.lines().filter(|line| is_of_aws(line)).collect();
        assert_eq!(!of_aws.is_empty(), has_sdk, "{package}: {of_aws:?}");
    }
}

#[test]
fn no_function_depends_on_another_function_or_on_the_laptop() {
    let functions = ["authorize", "callback", "connections", "events", "maintenance", "refresh", "token"];
    for function in functions {
        let manifest = std::fs::read_to_string(root().join(format!("functions/{function}/Cargo.toml"))).unwrap();
        for other in functions.iter().filter(|other| **other != function).chain(&["local", "tests"]) {
            assert!(!manifest.contains(&format!("\n{other}.workspace")), "{function} depends on {other}");
        }
    }
}

#[test]
fn a_row_is_parsed_only_in_the_adapter_and_from_the_stream() {
    let allowed = |path: &String| {
        path.starts_with("shared/src/domain/")
            || path.starts_with("shared/src/aws/")
            || path == "functions/events/src/record.rs"
    };
    let naming = files_that(EVERYTHING, |code| names(code, "Item") || names(code, "BadAttribute"));
    assert!(naming.iter().all(allowed), "{naming:?}");
    assert_eq!(
        files_that(EVERYTHING, |code| code.contains(" Row::parse(")),
        [
            "functions/events/src/record.rs",
            "shared/src/aws/dynamodb/connections.rs",
            "shared/src/aws/dynamodb/listing.rs"
        ]
    );
}

#[test]
fn the_attributes_of_a_row_are_named_in_one_file() {
    /// Members of answers, attributes of other rows, and the keys of the indexes.
    const ELSEWHERE_TOO: [&str; 19] = [
        "account_id",
        "attention",
        "client_id",
        "created_at",
        "expires_at",
        "failures",
        "id",
        "not_refreshed",
        "reason",
        "refresh_at",
        "refreshed_at",
        "revocation",
        "scope",
        "session",
        "shard",
        "status",
        "throw_away",
        "token_type",
        "version",
    ];
    const FILE: &str = "shared/src/domain/connection/attributes.rs";
    let listed = std::fs::read_to_string(root().join(FILE)).unwrap();
    let listed = shipped(listed.split("/// Values of [`STATUS`].").next().unwrap());
    let texts: BTreeSet<&str> = listed.split('"').skip(1).step_by(2).collect();
    assert!(texts.len() > 40, "{texts:?}");
    for text in texts.into_iter().filter(|text| !ELSEWHERE_TOO.contains(text)) {
        assert_eq!(files_that(EVERYTHING, |code| code.contains(&format!("\"{text}\""))), [FILE], "{text}");
    }
}

#[test]
fn authorize_cannot_name_a_connection_or_a_token() {
    for port in ["Connections", "DataKey", "ClientSecret", "RefreshPair", "ExchangeCode", "RevokeToken", "WriteOrders"]
    {
        assert!(files_that(&["functions/authorize/src"], |code| code.contains(port)).is_empty(), "{port}");
    }
}

#[test]
fn callback_can_seal_but_not_open_and_neither_refreshes_nor_revokes() {
    let cannot = ["OpenDataKeys", "RevokeToken", "RefreshPair", "Refreshes", "Refreshing", "Revoking", "FleetRows"];
    for port in cannot {
        assert!(files_that(&["functions/callback/src"], |code| names(code, port)).is_empty(), "{port}");
    }
    assert_eq!(files_that(&["functions/callback/src"], |code| names(code, "MakeDataKeys")).len(), 1);
    // The services of a function that stores grants do not contain them either.
    let composition = shipped(&std::fs::read_to_string(root().join("shared/src/protocol/composition.rs")).unwrap());
    let services = composition.split("pub struct GrantServices {").nth(1).unwrap().split('}').next().unwrap();
    assert!(cannot.iter().all(|port| !names(services, port)), "{services}");
}

#[test]
fn a_refresh_makes_no_data_key() {
    let refreshing = ["shared/src/protocol/refresh", "functions/refresh/src", "functions/token/src"];
    assert!(files_that(&refreshing, |code| names(code, "MakeDataKeys")).is_empty());
    let file = std::fs::read_to_string(root().join("shared/src/protocol/refresh.rs")).unwrap();
    assert!(names(&shipped(&file), "OpenDataKeys") && !names(&shipped(&file), "MakeDataKeys"));
}

#[test]
fn only_maintenance_walks_through_the_table_and_deletes() {
    let ports = ["WalkConnections", "DeleteConnections", "TraceDataKeys"];
    assert_eq!(
        files_that(EVERYTHING, |code| ports.iter().any(|port| names(code, port))),
        [
            "functions/maintenance/src/lib.rs",
            "shared/src/aws/dynamodb/connections.rs",
            "shared/src/aws/dynamodb/listing.rs",
            "shared/src/aws/kms.rs",
            "shared/src/ports.rs"
        ]
    );
}

#[test]
fn only_these_files_expose_a_secret() {
    assert_eq!(
        files_that(EVERYTHING, |code| code.contains(".expose()")),
        [
            "functions/authorize/src/lib.rs",
            "functions/connections/src/sessions.rs",
            "functions/token/src/lib.rs",
            "shared/src/domain/attempt.rs",
            "shared/src/domain/attempt/binding.rs",
            "shared/src/domain/attempt/destination.rs",
            "shared/src/domain/attempt/writes.rs",
            "shared/src/domain/connection/waiting.rs",
            "shared/src/domain/pkce.rs",
            "shared/src/domain/return_to.rs",
            "shared/src/domain/session.rs",
            "shared/src/http/cookie.rs",
            "shared/src/sealing.rs",
            "shared/src/webinargeek.rs",
            "shared/src/webinargeek/account.rs",
            "shared/src/webinargeek/revocation.rs",
        ]
    );
}
