//! What other sites' pages, other users of the machine and requests through a tunnel cannot reach on a laptop.

use std::time::Duration;

use http::header::LOCATION;
use serde_json::json;
use tests::laptop::{Folder, Laptop, is_live};

use super::BINARY;

const SCAN: (&str, &str) = ("DynamoDB_20120810.Scan", r#"{"TableName":"connections"}"#);
const SECRET: (&str, &str) = ("secretsmanager.GetSecretValue", r#"{"SecretId":"client-secret"}"#);
const UNVERIFIED: &str =
    "AWS4-HMAC-SHA256 Credential=local/20261124/local/dynamodb/aws4_request, SignedHeaders=host, Signature=00";

/// An engine on a port of its own let pages of other origins read and delete every row (it answered any of them with
/// `Access-Control-Allow-Origin: *`), and every user of the machine read the client secret.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_port_leads_to_the_stand_ins_for_dynamodb_kms_and_secrets_manager() {
    let laptop = Laptop::start(BINARY, &[]).await;
    assert_eq!(laptop.connect("t").await.status(), 200);
    let provider = laptop.provider().await;
    let mut listening: Vec<String> =
        ports_of(laptop.process_id()).into_iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    listening.sort();
    for origin in &listening {
        for (target, body) in [SCAN, SECRET] {
            for page in [None, Some("https://evil.example")] {
                let mut request = laptop.http.post(format!("{origin}/")).header("x-amz-target", target).body(body);
                request = request.header("content-type", "application/x-amz-json-1.0");
                request = request.header("authorization", UNVERIFIED).header("x-amz-date", "20261124T000000Z");
                if let Some(page) = page {
                    request = request.header("origin", page);
                }
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 404, "{origin} {target} {page:?}");
                assert!(!answer.headers().contains_key("access-control-allow-origin"), "{origin} {target}");
            }
        }
    }
    let mut expected = vec![laptop.origin.clone(), provider];
    expected.sort();
    assert_eq!(listening, expected, "the laptop's own, and the simulated provider's");
}

/// The TCP ports that a process listens on.
#[cfg(target_os = "linux")]
fn ports_of(process: u32) -> Vec<u16> {
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.map(|row| row.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns[3] == "0A" && inodes.iter().any(|inode| inode == columns[9]))
        .map(|columns| u16::from_str_radix(columns[1].rsplit(':').next().unwrap(), 16).unwrap())
        .collect()
}

/// Any TCP tunnel passes `Host: 127.0.0.1` on and adds no header: `/v1` answered it live tokens.
#[tokio::test]
async fn the_port_of_a_tunnel_has_only_the_browsers_routes_with_any_host() {
    const PUBLIC: &str = "https://connect.example.com";
    let laptop = Laptop::start(BINARY, &[("PUBLIC_ORIGIN", PUBLIC)]).await;
    let tunnel = laptop.printed.iter().find(|line| line.contains(PUBLIC)).expect("both addresses are printed");
    let tunnel = tunnel.split(&[' ', ',', ':'][..]).collect::<Vec<_>>();
    let port = tunnel.iter().find(|word| word.parse::<u16>().is_ok()).unwrap();
    let tunnel = format!("http://127.0.0.1:{port}");
    assert_ne!(tunnel, laptop.origin);

    let session = laptop.post("/v1/connect-sessions", json!({ "connection_id": "t", "confirm_page": false })).await;
    let link = session["url"].as_str().unwrap();
    assert!(link.starts_with(&format!("{PUBLIC}/authorize?")), "{link}");
    let through = |url: &str| url.replacen(PUBLIC, &tunnel, 1);
    let sent = laptop.http.get(through(link)).send().await.unwrap();
    let provider = url::Url::parse(sent.headers()[LOCATION].to_str().unwrap()).unwrap().origin().ascii_serialization();
    let (cookie, callback) = laptop.consent(sent).await;
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    let ended = laptop.http.get(through(&callback)).header("cookie", cookie).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    let token = laptop.json("/v1/connections/t/token").await;
    assert!(is_live(&provider, token["access_token"].as_str().unwrap()).await, "{token}");

    for path in ["/v1/connections/t/token", "/v1/connections", "/local/provider", "/local/events", "/openapi.yaml"] {
        assert_eq!(laptop.get(path).await.status(), 200, "{path}");
        for host in ["127.0.0.1", "localhost:8787", "connect.example.com", laptop.origin.trim_start_matches("http://")]
        {
            let answer = laptop.http.get(format!("{tunnel}{path}")).header("host", host).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{path} with {host}");
        }
    }
    let home = laptop.http.get(format!("{tunnel}/")).send().await.unwrap().text().await.unwrap();
    assert!(!home.contains("/v1/connections/t"), "no connection is named through the tunnel: {home}");
    // There are no journeys on the API's own port: their cookies would be of another origin.
    let led = laptop.get("/authorize?x=1").await;
    assert_eq!(led.headers()[LOCATION], format!("{PUBLIC}/authorize?x=1").as_str());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files_and_the_modes_of_an_earlier_version_are_corrected() {
    let folder = Folder::new("modes");
    let data_dir = folder.0.join("made/below");
    let variables = [("DATA_DIR", data_dir.to_str().unwrap())];
    let laptop = Laptop::start(BINARY, &variables).await;
    assert_eq!(laptop.connect("t").await.status(), 200);
    let written = modes(&data_dir);
    assert!(written.contains_key("tables.sqlite") && written.contains_key("key"), "{written:?}");
    assert!(
        written.keys().any(|name| name.ends_with("-wal")),
        "the file beside a database exists while the database is written: {written:?}"
    );
    assert!(written.values().all(|mode| *mode == 0o600), "{written:?}");
    assert_eq!(mode(&data_dir), 0o700);
    laptop.kill().await;

    for name in written.keys() {
        set_mode(&data_dir.join(name), 0o644);
    }
    set_mode(&data_dir, 0o755);
    let laptop = Laptop::start(BINARY, &variables).await;
    assert_eq!(laptop.json("/v1/connections/t").await["status"], "active");
    let mended = modes(&data_dir);
    assert!(mended.values().all(|mode| *mode == 0o600), "{mended:?}");
    assert_eq!(mode(&data_dir), 0o700);
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_with_other_files_is_refused_and_keeps_its_mode() {
    let folder = Folder::new("shared");
    std::fs::write(folder.0.join("thesis.txt"), "").unwrap();
    set_mode(&folder.0, 0o755);
    let mut command = tokio::process::Command::new(BINARY);
    let output = command.env_clear().env("PORT", "0").env("DATA_DIR", &folder.0).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(30), output).await.expect("it does not start").unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("DATA_DIR") && message.contains("thesis.txt"), "{message}");
    assert_eq!(mode(&folder.0), 0o755);
}

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
fn modes(folder: &std::path::Path) -> std::collections::BTreeMap<String, u32> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), mode(&entry.path()))).collect()
}
