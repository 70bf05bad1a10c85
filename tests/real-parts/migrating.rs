//! docs/migrating.md, tried: the customers of a home-made integration are taken over while they use it.

use std::path::Path;
use std::process::Stdio;

use http::StatusCode;
use http::header::LOCATION;
use serde_json::{Value, json};
use tests::browser::provider_client;
use tests::laptop::{Folder, Laptop};
use tokio::process::{Child, Command};

use crate::process::{free_address, serve};

const LAPTOP: &str = env!("CARGO_BIN_EXE_laptop");
const CUSTOMERS: [&str; 3] = ["acme", "beta", "gamma"];

/// The integration in `examples/home-made`, with its database, at the simulated provider of a laptop.
struct HomeMade {
    address: std::net::SocketAddr,
    provider: String,
    api_origin: String,
    folder: Folder,
}

impl HomeMade {
    fn command(&self, program: &str, variables: &[(&str, &str)]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the path of the programs is read from the machine")]
        let path = std::env::var("PATH").unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut command = Command::new("node");
        command.arg(root.join("examples/home-made").join(program)).env_clear().env("PATH", path);
        command.env("PORT", self.address.port().to_string()).env("DATABASE", self.folder.0.join("tokens.json"));
        command.env("CLIENT_ID", "local-client").env("CLIENT_SECRET", "local-client-secret");
        command.env("AUTHORIZE_URL", format!("{}/oauth/authorize", self.provider));
        command.env("TOKEN_URL", format!("{}/oauth/token", self.provider));
        command.env("WEBINARS", format!("{}/api/me", self.provider));
        command.envs(variables.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn before(&self) -> Child {
        serve(self.command("app.mjs", &[]), self.address).await
    }

    async fn during(&self) -> Child {
        let variables = [("API_ORIGIN", self.api_origin.as_str()), ("REFRESHING", "off")];
        serve(self.command("app.mjs", &variables), self.address).await
    }

    async fn afterwards(&self) -> Child {
        std::fs::remove_file(self.folder.0.join("tokens.json")).unwrap();
        self.during().await
    }

    /// A customer connects an account by the home-made `/callback`.
    async fn connect(&self, customer: &str) {
        let http = provider_client();
        let sent = http.get(format!("http://{}/connect/{customer}", self.address)).send().await.unwrap();
        let consent = url::Url::parse(sent.headers()[LOCATION].to_str().unwrap()).unwrap();
        let mut form: Vec<(String, String)> = consent.query_pairs().into_owned().collect();
        form.push(("decision".to_owned(), "approve".to_owned()));
        let decided = http.post(format!("{}/oauth/authorize", self.provider)).form(&form).send().await.unwrap();
        let back = decided.headers()[LOCATION].to_str().unwrap();
        assert_eq!(http.get(back).send().await.unwrap().status(), StatusCode::OK);
    }

    async fn refresh(&self, customers: &[&str]) {
        let output = self.command("refresh.mjs", &[]).args(customers).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// The lines of `tokens.jsonl`.
    async fn export(&self, customers: &[&str]) -> Vec<Value> {
        let output = self.command("export.mjs", &[]).args(customers).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    async fn every_customer_is_served(&self, step: &str) {
        for customer in CUSTOMERS {
            let answer = provider_client().get(format!("http://{}/webinars/{customer}", self.address)).send().await;
            assert_eq!(answer.unwrap().status(), StatusCode::OK, "{customer} {step}");
        }
    }
}

/// As `wgc import` does with a line.
async fn import(laptop: &Laptop, line: &Value, replace: bool) -> (StatusCode, Value) {
    let url = format!("{}/v1/connections/{}", laptop.origin, line["connection_id"].as_str().unwrap());
    let body = json!({ "refresh_token": line["refresh_token"], "replace": replace });
    let request = laptop.http.put(url).header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap();
    (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

async fn customers_notice_nothing(rotation: &str) {
    let address = free_address().await;
    let redirect_uri = format!("http://{address}/callback");
    let variables = [("SIMULATED_REDIRECT_URI", redirect_uri.as_str()), ("SIMULATED_ROTATION", rotation)];
    let laptop = Laptop::start(LAPTOP, &variables).await;
    let home_made = HomeMade {
        address,
        provider: laptop.provider().await,
        api_origin: laptop.origin.clone(),
        folder: Folder::new(&format!("home-made-{rotation}")),
    };

    let mut app = home_made.before().await;
    for customer in CUSTOMERS {
        home_made.connect(customer).await;
    }
    home_made.every_customer_is_served("before").await;

    home_made.refresh(&[]).await;
    app.kill().await.unwrap();
    let mut app = home_made.during().await;
    home_made.every_customer_is_served("with refreshing off").await;

    let lines = home_made.export(&[]).await;
    assert_eq!(lines.len(), CUSTOMERS.len());
    // A forgotten job has refreshed one of them after the export.
    home_made.refresh(&["gamma"]).await;
    home_made.every_customer_is_served("with a token that has rotated meanwhile").await;
    for line in &lines {
        let (status, connection) = import(&laptop, line, false).await;
        let expected = if line["connection_id"] == "gamma" { (202, "pending") } else { (201, "active") };
        assert_eq!((status.as_u16(), connection["status"].as_str().unwrap()), expected, "{connection}");
        home_made.every_customer_is_served("while others are imported").await;
    }
    let gamma = laptop.json("/v1/connections/gamma").await;
    assert_eq!(gamma["reason"], "invalid_grant");

    let lines = home_made.export(&["gamma"]).await;
    let (status, connection) = import(&laptop, &lines[0], true).await;
    assert_eq!((status, &connection["status"]), (StatusCode::OK, &json!("active")), "{connection}");
    home_made.every_customer_is_served("imported").await;

    app.kill().await.unwrap();
    let before = laptop.json("/local/provider").await;
    let mut app = home_made.afterwards().await;
    home_made.every_customer_is_served("without the old tokens").await;
    assert_eq!(laptop.json("/local/provider").await, before, "nothing was refreshed for it");

    // Back to the home-made integration: its customers connect by its own `/callback`.
    app.kill().await.unwrap();
    let _app = home_made.before().await;
    for customer in CUSTOMERS {
        home_made.connect(customer).await;
    }
    home_made.every_customer_is_served("after going back").await;
}

#[tokio::test]
async fn customers_notice_nothing_where_an_old_pair_has_a_grace() {
    customers_notice_nothing("grace").await;
}

#[tokio::test]
async fn customers_notice_nothing_where_an_old_pair_ends_at_once() {
    customers_notice_nothing("strict").await;
}
