//! `cargo dev`, the real binary, over HTTP.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local::webinargeek::{self, Faults, Grants, Rotation, Simulation};
use serde_json::json;
use tests::laptop::{Folder, Laptop, is_live};
use tokio::net::TcpListener;

mod closed;
mod console;
mod terminal;

const BINARY: &str = env!("CARGO_BIN_EXE_laptop");

#[tokio::test]
async fn the_console_leads_to_a_connection_and_the_api_to_a_live_token() {
    let laptop = Laptop::start(BINARY, &[]).await;
    let home = laptop.get("/").await;
    assert_eq!(home.status(), 200);
    let home = home.text().await.unwrap();
    assert!(home.contains("href=\"/authorize\">Connect a WebinarGeek account</a>"), "{home}");

    let asked = laptop.get("/authorize").await.text().await.unwrap();
    assert!(asked.contains("<form method=\"post\" action=\"/authorize\">"), "{asked}");
    let confirm = laptop.http.post(format!("{}/authorize", laptop.origin)).header("origin", &laptop.origin);
    let sent = confirm.send().await.unwrap();
    let consent = sent.headers()["location"].to_str().unwrap().to_owned();
    let page = laptop.http.get(&consent).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("name=\"decision\" value=\"approve\"") && page.contains("name=\"decision\" value=\"deny\""),
        "{page}"
    );
    let cookie = sent.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("wg_") && !cookie.contains("Secure"), "plain http: {cookie}");

    let ended = laptop.approve(sent).await;
    assert_eq!(ended.status(), 200);
    let listed = laptop.json("/v1/connections").await;
    let id = listed["connections"][0]["id"].as_str().unwrap();
    let token = laptop.json(&format!("/v1/connections/{id}/token")).await;
    let provider = url::Url::parse(&consent).unwrap().origin().ascii_serialization();
    assert!(is_live(&provider, token["access_token"].as_str().unwrap()).await, "{token}");
    assert!(laptop.get("/").await.text().await.unwrap().contains(id), "the console lists the connection");
    assert_eq!(laptop.post("/local/refresh", json!({})).await["due"], 0);
    let maintained = laptop.post("/local/maintenance", json!({ "task": "reseal" })).await;
    assert_eq!((&maintained["skipped"], &maintained["finished"]), (&json!(1), &json!(true)));
}

#[tokio::test]
async fn the_simulated_provider_answers_with_a_fault_on_demand() {
    let laptop = Laptop::start(BINARY, &[("SIMULATED_ROTATION", "strict")]).await;
    laptop.post("/local/provider", json!({ "answer": "html" })).await;
    assert_eq!(laptop.connect("t").await.status(), 502);
    assert_eq!(laptop.connect("t").await.status(), 200);
    assert_eq!(laptop.json("/local/provider").await["requests"]["authorization_code"], 2);
    let unknown = laptop.http.post(format!("{}/local/provider", laptop.origin)).body("{\"anwser\":\"html\"}");
    assert_eq!(unknown.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn the_doctor_finds_each_rotation_that_can_be_simulated() {
    for (rotation, class) in [("never", "P0"), ("grace", "P1"), ("strict", "P2"), ("reuse_detection", "P4")] {
        let laptop = Laptop::start(BINARY, &[("SIMULATED_ROTATION", rotation)]).await;
        let session = json!({ "connection_id": "t", "confirm_page": false, "throw_away": true });
        let session = laptop.post("/v1/connect-sessions", session).await;
        let sent = laptop.http.get(session["url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(laptop.approve(sent).await.status(), 200);
        let found = laptop.post("/v1/doctor", json!({ "throw_away": "t" })).await;
        let detail = found["findings"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("({class})")), "{rotation}: {found}");
    }
}

#[tokio::test]
async fn requests_by_another_host_or_from_another_site_are_refused() {
    let laptop = Laptop::start(BINARY, &[]).await;
    for path in ["/v1/connections/t", "/v1/connections/t/token", "/local/provider", "/local/live", "/openapi.yaml"] {
        for (name, value) in [
            // A tunnel that sets Host to the laptop's own address.
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
            ("host", "evil.example"),
            ("host", "127.0.0.1.evil.example"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            // A picture or a script in another site's page: a browser sends no Origin with the request for it.
            ("sec-fetch-site", "cross-site"),
        ] {
            let request = laptop.http.get(format!("{}{path}", laptop.origin)).header(name, value);
            assert_eq!(request.send().await.unwrap().status(), 403, "{path} {name}: {value}");
        }
    }
    let port = laptop.origin.rsplit(':').next().unwrap();
    let by_name =
        laptop.http.get(format!("{}/authorize?x=1", laptop.origin)).header("host", format!("localhost:{port}"));
    let answer = by_name.send().await.unwrap();
    assert_eq!(answer.headers()["location"], format!("{}/authorize?x=1", laptop.origin).as_str());
    assert_eq!(laptop.get("/nothing").await.status(), 404);
}

#[tokio::test]
async fn sixty_four_parallel_reads_of_an_expired_token_cause_one_refresh() {
    let laptop = Arc::new(Laptop::start(BINARY, &[("WEBINARGEEK_EXPIRES_IN", "1"), ("REFRESH_EVERY", "3600")]).await);
    // Only the first token expires soon: on a busy machine the last read may come seconds after the first.
    laptop.post("/local/provider", json!({ "answer": { "without": ["expires_in"] } })).await;
    // This waits for the end of the run at the start: on a busy machine that run would refresh the token first.
    laptop.post("/local/refresh", json!({})).await;
    laptop.connect("t").await;
    // The token expires in real time.
    loop {
        let shown = laptop.json("/v1/connections/t").await;
        assert_eq!(shown["version"], 1, "the run at the start came before the connection");
        if shown["expires_at"].as_str().unwrap() <= now().as_str() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let reads: Vec<_> = (0..64)
        .map(|_| {
            let laptop = laptop.clone();
            tokio::spawn(async move { laptop.get("/v1/connections/t/token").await.status() })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), 200);
    }
    assert_eq!(laptop.json("/local/provider").await["requests"]["refresh_token"], 1);
}

fn now() -> String {
    use shared::ports::Clock;
    shared::system::SystemClock.now().rfc3339()
}

#[tokio::test]
async fn kill_9_at_any_moment_loses_no_connection() {
    const CONNECTIONS: usize = 8;
    for refreshes_before_the_kill in [0, 1, 3, 6, 9] {
        let folder = Folder::new(&format!("kill-{refreshes_before_the_kill}"));
        let data_dir = folder.0.to_str().unwrap();
        let variables = [("DATA_DIR", data_dir), ("SIMULATED_EXPIRES_IN", "1"), ("REFRESH_EVERY", "1")];
        let laptop = Arc::new(Laptop::start(BINARY, &variables).await);
        for number in 0..CONNECTIONS {
            assert_eq!(laptop.connect(&format!("t{number}")).await.status(), 200);
        }
        laptop.post("/local/provider", json!({ "answer": { "late": 5 }, "times": 1000, "carried_out": true })).await;
        let provider = laptop.provider().await;
        let answered: Arc<Mutex<BTreeMap<usize, i64>>> = Arc::default();
        let readers: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let (http, url) = (laptop.http.clone(), format!("{}/v1/connections/t{number}/token", laptop.origin));
                let (provider, answered) = (provider.clone(), answered.clone());
                tokio::spawn(async move {
                    while let Ok(answer) = http.get(&url).send().await {
                        let Ok(answer) = answer.text().await else { break };
                        let token: serde_json::Value = serde_json::from_str(&answer).unwrap();
                        let Some(version) = token["version"].as_i64() else { continue };
                        answered.lock().unwrap().insert(number, version);
                        // Its use ends the earlier pair at the provider: only the stored pair is valid now.
                        let info = http.get(format!("{provider}/oauth/token/info"));
                        let _ = info.bearer_auth(token["access_token"].as_str().unwrap()).send().await;
                    }
                })
            })
            .collect();
        let refreshes =
            async || laptop.json("/local/provider").await["requests"]["refresh_token"].as_u64().unwrap_or(0);
        while refreshes().await < refreshes_before_the_kill {}
        for reader in &readers {
            reader.abort();
        }
        for reader in readers {
            let _ = reader.await;
        }
        Arc::into_inner(laptop).expect("it is shared").kill().await;

        // The lease of the killed process is taken over two minutes after the end of the lease.
        let laptop = Laptop::later(&folder.0, Duration::from_secs(160)).await;
        for number in 0..CONNECTIONS {
            let token = laptop.json(&format!("/v1/connections/t{number}/token")).await;
            assert!(token["access_token"].is_string(), "killed after {refreshes_before_the_kill}: {token}");
            let before = answered.lock().unwrap().get(&number).copied().unwrap_or(0);
            assert!(
                token["version"].as_i64().unwrap() > before,
                "version {before} was answered before, and has expired"
            );
        }
    }
}

#[tokio::test]
async fn variables_are_enough_to_use_another_provider() {
    let free = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = free().await.local_addr().unwrap().port().to_string();
    let listener = free().await;
    let provider = format!("http://{}/some/where", listener.local_addr().unwrap());
    let simulation = Arc::new(Simulation {
        client_id: "an id with spaces & more".to_owned(),
        client_secret: "a secret: with + and %".to_owned(),
        redirect_uris: vec![format!("http://127.0.0.1:{port}/callback")],
        grants: Grants::open(None, Rotation::Strict, Duration::from_secs(600)).unwrap(),
        faults: Faults::default(),
        clock: Arc::new(shared::system::SystemClock),
        entropy: Arc::new(shared::system::SystemEntropy),
    });
    let router = axum::Router::new().nest("/some/where", webinargeek::router(simulation.clone()));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let (authorize, token) = (format!("{provider}/oauth/authorize"), format!("{provider}/oauth/token"));
    let variables = [
        ("PORT", port.as_str()),
        ("WEBINARGEEK_CLIENT_ID", &simulation.client_id),
        ("WEBINARGEEK_CLIENT_SECRET", &simulation.client_secret),
        ("WEBINARGEEK_AUTHORIZE_URL", &authorize),
        ("WEBINARGEEK_TOKEN_URL", &token),
        ("WEBINARGEEK_SCOPE", "webinars:read"),
        ("WEBINARGEEK_EXPIRES_IN", "50"),
    ];
    // The smallest possible answer of a provider.
    let bare = json!({ "answer": { "without": ["token_type", "expires_in", "scope", "created_at"] }, "times": 2 });
    simulation.faults.add(serde_json::from_value(bare).unwrap());
    let laptop = Laptop::start(BINARY, &variables).await;
    assert!(laptop.printed.iter().any(|line| line.ends_with(&simulation.redirect_uris[0])), "{:?}", laptop.printed);
    assert_eq!(laptop.connect("t").await.status(), 200);
    let answer = laptop.json("/v1/connections/t/token").await;
    assert!(is_live(&provider, answer["access_token"].as_str().unwrap()).await, "{answer}");
    assert_eq!(laptop.get("/local/provider").await.status(), 404, "there are no faults to set for a real provider");
}

#[tokio::test]
async fn every_problem_with_the_environment_is_reported_at_once() {
    let output = tokio::process::Command::new(BINARY)
        .env_clear()
        .envs([
            ("PORT", "many"),
            ("SIMULATED_ROTATION", "x"),
            ("WEBINARGEEK_CLIENT_ID", "id"),
            ("WEBINARGEEK_TOKEN_URL", "ftp://x"),
        ])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    for name in ["PORT", "SIMULATED_ROTATION", "WEBINARGEEK_CLIENT_SECRET", "WEBINARGEEK_TOKEN_URL"] {
        assert!(message.contains(name), "{name} in {message}");
    }
    assert_eq!(message.lines().count(), 1, "{message}");
}
