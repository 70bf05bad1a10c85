//! `wgc import`: many connections, and interruptions.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use local::webinargeek::{self, Faults, Grants, Rotation, Simulation};
use serde_json::{Value, json};
use shared::domain::digest;
use shared::ports::{Clock, Entropy};
use shared::system::{SystemClock, SystemEntropy};
use tests::laptop::{Folder, Laptop};
use tests::proof::Proof;
use tokio::net::TcpListener;

use super::{LAPTOP, at, json_of, with_input};

/// A deployment whose provider knows the refresh tokens of another system.
struct Other {
    simulation: Arc<Simulation>,
    laptop: Laptop,
}

impl Other {
    async fn system() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let provider = format!("http://{}", listener.local_addr().unwrap());
        let simulation = Arc::new(Simulation {
            client_id: "client-one".to_owned(),
            client_secret: "secret".to_owned(),
            redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
            // A refresh token that is sent twice ends its grant.
            grants: Grants::open(None, Rotation::ReuseDetection, Duration::from_secs(7200)).unwrap(),
            faults: Faults::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        });
        webinargeek::serve(simulation.clone(), listener).unwrap();
        let (authorize, token) = (format!("{provider}/oauth/authorize"), format!("{provider}/oauth/token"));
        let variables = [
            ("WEBINARGEEK_CLIENT_ID", simulation.client_id.as_str()),
            ("WEBINARGEEK_CLIENT_SECRET", &simulation.client_secret),
            ("WEBINARGEEK_AUTHORIZE_URL", &authorize),
            ("WEBINARGEEK_TOKEN_URL", &token),
        ];
        let laptop = Laptop::start(LAPTOP, &variables).await;
        Self { simulation, laptop }
    }

    fn refresh_token(&self) -> String {
        let random = || digest::base64url((&SystemEntropy as &dyn Entropy).bytes::<32>());
        let (code, redirect_uri, now) = (random(), &self.simulation.redirect_uris[0], SystemClock.now());
        let request = [("client_id", "client-one"), ("redirect_uri", redirect_uri)];
        let request = request.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let grants = &self.simulation.grants;
        grants.issue_code(&code, &request, now);
        grants.redeem(&code, redirect_uri, None, "client-one", (random(), random()), now).unwrap().refresh_token
    }

    fn asked(&self) -> u64 {
        self.simulation.faults.requested("refresh_token").try_into().unwrap()
    }

    async fn until_asked(&self, times: u64) {
        while self.asked() < times {
            SystemClock.sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The last record of each id.
fn outcomes(report: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(report).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.map(|record| (record["connection_id"].as_str().unwrap().to_owned(), record)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_twice_goes_on_and_sends_no_refresh_token_twice() {
    let lines = Proof::asked().length(300, 10_000);
    let other = Other::system().await;
    let folder = Folder::new("import");
    let (file, report) = (folder.0.join("customers.csv"), folder.0.join("customers.csv.report.jsonl"));
    let tokens: Vec<String> = (0..lines).map(|_| other.refresh_token()).collect();
    let rows = tokens.iter().enumerate().map(|(number, token)| format!("tenant:{number},{token}\n"));
    std::fs::write(&file, format!("connection_id,refresh_token\n{}", rows.collect::<String>())).unwrap();
    let import = || at(&other.laptop.origin, &["import", file.to_str().unwrap(), "--concurrency", "4"]);

    for times in [lines / 5, lines / 2] {
        let mut killed = import().spawn().unwrap();
        other.until_asked(times).await;
        killed.kill().await.unwrap();
    }
    let ended = json_of(import()).await;
    // A line that was under way when the process was killed may be stored without a refresh. The schedule refreshes it.
    let (imported, stored) = (ended["imported"].as_u64().unwrap(), ended["stored"].as_u64().unwrap());
    assert_eq!(imported + stored, lines, "{ended}");
    assert!(stored <= 2 * 4, "at most as many as were on their way at the two kills: {ended}");
    assert_eq!((&ended["failed"], &ended["open"]), (&json!(0), &json!(0)), "{ended}");
    assert!(other.asked() <= lines, "no refresh token was used twice");
    assert!(
        outcomes(&report).values().all(|record| ["imported", "stored"].contains(&record["outcome"].as_str().unwrap()))
    );
    let written = std::fs::read_to_string(&report).unwrap();
    assert!(tokens.iter().all(|token| !written.contains(token)), "a report has no token");

    // Nothing is left to do.
    assert_eq!(json_of(import()).await["imported"], imported);
    assert_eq!(std::fs::read_to_string(&report).unwrap(), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_fails_does_not_stop_the_others_and_is_tried_again() {
    let other = Other::system().await;
    let folder = Folder::new("import-failures");
    let (file, report) = (folder.0.join("customers.jsonl"), folder.0.join("report"));
    let line = |id: &str, token: &str| json!({ "connection_id": id, "refresh_token": token }).to_string();
    let (secret, taken) = (other.refresh_token(), other.refresh_token());
    let imported =
        with_input(at(&other.laptop.origin, &["import", "--connection", "taken"]), &format!("{taken}\n")).await;
    assert!(imported.status.success(), "{imported:?}");
    let lines = [
        line("good", &secret),
        "not JSON, with a secret-refresh-token".to_owned(),
        line("unknown-to-webinargeek", "a-token-that-was-never-granted"),
        line("no/id", "another-secret-refresh-token"),
        line("taken", &other.refresh_token()),
        line("last", &other.refresh_token()),
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let arguments = ["import", file.to_str().unwrap(), "--report", report.to_str().unwrap()];
    let output = at(&other.laptop.origin, &arguments).output().await.unwrap();
    assert_eq!(output.status.code(), Some(9), "{output:?}");

    let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let written = std::fs::read_to_string(&report).unwrap();
    for text in [&shown.into_owned(), &written] {
        assert!(!text.contains("secret-refresh-token") && !text.contains(&secret), "{text}");
    }
    let found = outcomes(&report);
    let outcome = |id: &str| (found[id]["outcome"].as_str().unwrap(), found[id]["code"].as_str().unwrap_or_default());
    assert_eq!((outcome("good"), outcome("last")), (("imported", ""), ("imported", "")));
    assert_eq!(outcome("#2"), ("failed", "invalid_line"));
    assert_eq!(outcome("unknown-to-webinargeek"), ("refused", "invalid_grant"));
    assert_eq!(outcome("no/id"), ("failed", "invalid_line"));
    assert_eq!(outcome("taken"), ("failed", "connection_exists"));

    // The repaired file is imported with the same report.
    let asked = other.asked();
    std::fs::write(
        &file,
        [&lines[0], &line("second", &other.refresh_token()), &lines[5]].map(String::as_str).join("\n"),
    )
    .unwrap();
    let repaired = json_of(at(&other.laptop.origin, &arguments)).await;
    assert_eq!((&repaired["imported"], &repaired["failed"]), (&json!(3), &json!(0)));
    assert_eq!(other.asked(), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_finishes_the_lines_that_it_has_sent() {
    let other = Other::system().await;
    let folder = Folder::new("import-interrupted");
    let file = folder.0.join("customers.csv");
    let rows: String = (0..100).map(|number| format!("t{number},{}\n", other.refresh_token())).collect();
    std::fs::write(&file, format!("connection_id,refresh_token\n{rows}")).unwrap();
    let arguments = ["import", file.to_str().unwrap(), "--concurrency", "2"];
    let process = at(&other.laptop.origin, &arguments).spawn().unwrap();
    other.until_asked(10).await;
    let interrupt = format!("kill -INT {}", process.id().unwrap());
    let sent = tokio::process::Command::new("sh").args(["-c", &interrupt]).status().await.unwrap();
    assert!(sent.success());
    let output = process.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let records = outcomes(&folder.0.join("customers.csv.report.jsonl"));
    assert!(records.values().all(|record| record["outcome"] == "imported"), "{records:?}");
    assert!(records.len() < 100 && records.len() as u64 == other.asked(), "{}", records.len());
}
