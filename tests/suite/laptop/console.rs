//! The console, over HTTP. tests/browser/console.test.mjs uses it in a browser.

use std::collections::BTreeSet;

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use local::console::try_it::CALLS;
use serde_json::{Value, json};
use tests::description::{DESCRIPTION, escaped, members};
use tests::laptop::Laptop;

use super::BINARY;

/// Sends a form of the console as its own page does. Returns the status and the page.
async fn press(laptop: &Laptop, verb: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let form = laptop.http.post(format!("{}/local/console/{verb}", laptop.origin)).header("origin", &laptop.origin);
    let answer = form.form(fields).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The JSON that the page shows as the answer to a form.
fn answered(page: &str, panel: &str) -> Value {
    let begin = format!("<code id=\"{panel}-body\">");
    let text =
        page.split(&begin).nth(1).unwrap_or_else(|| panic!("{panel} in {page}")).split("</code>").next().unwrap();
    serde_json::from_str(&text.replace("&quot;", "\"")).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn it_shows_each_connection_and_no_tombstone() {
    let laptop = Laptop::start(BINARY, &[]).await;
    laptop.connect("acme").await;
    let home = laptop.get("/").await.text().await.unwrap();
    assert!(home.contains("id=\"row-acme\"") && home.contains("/v1/connections/acme/token"), "{home}");
    assert!(home.contains("connection.connected"), "its event: {home}");
    laptop.http.delete(format!("{}/v1/connections/acme", laptop.origin)).send().await.unwrap();
    let home = laptop.get("/").await.text().await.unwrap();
    assert!(!home.contains("id=\"row-acme\""), "{home}");
}

#[tokio::test]
async fn a_token_is_masked_until_it_is_asked_for_and_is_in_no_other_page_or_line() {
    let mut laptop = Laptop::start(BINARY, &[]).await;
    laptop.connect("acme").await;
    let token = laptop.json("/v1/connections/acme/token").await["access_token"].as_str().unwrap().to_owned();
    let (status, page) = press(&laptop, "token", &[("connection", "acme")]).await;
    assert_eq!((status, &answered(&page, "answer")["version"]), (200, &json!(1)));
    assert!(!page.contains(&token), "it is masked");
    let (_, page) = press(&laptop, "reveal", &[("connection", "acme")]).await;
    assert_eq!(answered(&page, "answer")["access_token"], token.as_str());
    assert!(!laptop.get("/").await.text().await.unwrap().contains(&token), "the next page does not show the token");
    laptop.get("/local/no-such").await;
    let log = laptop.log_until("GET /local/no-such").await;
    assert!(!log.iter().any(|line| line.contains(&token)), "{log:?}");
}

#[tokio::test]
async fn each_form_does_what_its_route_does() {
    let laptop = Laptop::start(BINARY, &[]).await;
    let (_, page) = press(&laptop, "begin", &[("new", "acme")]).await;
    let link = answered(&page, "answer")["url"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("{}/authorize?session=", laptop.origin)), "{link}");
    laptop.connect("acme").await;

    let (_, page) = press(&laptop, "refresh", &[("connection", "acme")]).await;
    assert_eq!(answered(&page, "answer"), json!({ "refresh": "refreshed", "version": 2 }));
    assert!(page.contains("<b>Refreshed</b>"), "the history: {page}");
    assert_eq!(laptop.json("/v1/connections/acme").await["version"], 2);

    let (_, page) = press(&laptop, "reject", &[("connection", "acme"), ("version", "2")]).await;
    assert_eq!(answered(&page, "answer")["code"], "unavailable", "the token is younger than a minute");
    let (_, page) = press(&laptop, "grant", &[]).await;
    let granted = answered(&page, "answer")["refresh_token"].as_str().unwrap().to_owned();
    let (_, page) = press(&laptop, "import", &[("new", "zoo"), ("refresh_token", &granted)]).await;
    assert_eq!(answered(&page, "answer")["status"], "active");
    let (_, page) = press(&laptop, "sweep", &[]).await;
    assert_eq!(answered(&page, "provider-answer")["finished"], true);
    let (_, page) = press(&laptop, "doctor", &[]).await;
    assert!(page.contains("Nothing keeps a customer from connecting."), "{page}");
    let (_, page) = press(&laptop, "disconnect", &[("connection", "acme")]).await;
    assert_eq!(answered(&page, "answer"), json!({ "revocation": "done" }));
    assert_eq!(laptop.get("/v1/connections/acme").await.status(), 404);
    assert_eq!(press(&laptop, "no-such-form", &[]).await.0, 404);
}

#[tokio::test]
async fn faults_of_the_simulated_provider_are_set_and_removed_while_it_runs() {
    let laptop = Laptop::start(BINARY, &[]).await;
    laptop.connect("acme").await;
    let outage = r#"{"answer":{"status":{"status":503,"error":null,"retry_after":null}},"times":9}"#;
    let (_, page) = press(&laptop, "provider", &[("order", r#"{"heal":true}"#), ("order", outage)]).await;
    assert!(page.contains("Broken: outage"), "{page}");
    let (_, page) = press(&laptop, "refresh", &[("connection", "acme")]).await;
    assert_eq!(answered(&page, "answer")["class"], "unknown_outcome");
    assert!(
        page.contains("<b>Refresh failed</b>") && page.contains("class=unknown_outcome"),
        "with its log line: {page}"
    );
    let (_, page) = press(&laptop, "provider", &[("order", r#"{"heal":true}"#)]).await;
    assert!(page.contains("Healthy."), "{page}");
    for order in [json!({ "rotation": "strict" }), json!({ "expires_in": 60 })] {
        press(&laptop, "provider", &[("order", &order.to_string())]).await;
    }
    let provider = laptop.json("/local/provider").await;
    assert_eq!((&provider["rotation"], &provider["expires_in"]), (&json!("strict"), &json!(60)));
    assert_eq!(provider["faults"], json!([]));
    let (_, page) = press(&laptop, "provider", &[("order", "{\"breed\":1}")]).await;
    assert!(page.contains("POST /local/provider</code> <b>400</b>"), "{page}");
}

#[tokio::test]
async fn after_a_rotation_of_the_secret_refreshes_fail_until_the_new_one_is_stored() {
    let laptop = Laptop::start(BINARY, &[]).await;
    for id in ["acme", "zoo"] {
        assert_eq!(laptop.connect(id).await.status(), 200);
    }
    laptop.post("/local/provider", json!({ "client_secret": "rotated" })).await;
    let (_, page) = press(&laptop, "refresh", &[("connection", "acme")]).await;
    assert_eq!(answered(&page, "answer")["class"], "invalid_client");
    laptop.post("/local/provider", json!({ "client_secret": "stored" })).await;
    let (_, page) = press(&laptop, "refresh", &[("connection", "zoo")]).await;
    assert_eq!(answered(&page, "answer"), json!({ "refresh": "refreshed", "version": 2 }));
}

/// A page on another port of this machine belongs to the same site, but to another origin.
#[tokio::test]
async fn a_page_of_another_origin_cannot_post_a_form() {
    let laptop = Laptop::start(BINARY, &[]).await;
    laptop.connect("acme").await;
    let port = laptop.origin.rsplit(':').next().unwrap();
    let foreign = [
        vec![],
        vec![("origin", "null")],
        vec![("origin", "http://127.0.0.1:1")],
        vec![("origin", "https://evil.example")],
        vec![("sec-fetch-site", "same-site")],
        vec![("host", "evil.example"), ("origin", "http://evil.example")],
        vec![("origin", laptop.origin.as_str()), ("x-forwarded-for", "203.0.113.9")],
    ];
    for headers in foreign {
        let mut form = laptop.http.post(format!("{}/local/console/disconnect", laptop.origin));
        for (name, value) in &headers {
            form = form.header(*name, *value);
        }
        assert_eq!(form.form(&[("connection", "acme")]).send().await.unwrap().status(), 403, "{headers:?}");
    }
    assert_eq!(laptop.json("/v1/connections/acme").await["status"], "active");
    let by_name = laptop.http.post(format!("{}/local/console/refresh", laptop.origin));
    let by_name =
        by_name.header("host", format!("localhost:{port}")).header("origin", format!("http://localhost:{port}"));
    assert_eq!(by_name.form(&[("connection", "acme")]).send().await.unwrap().status(), 200, "another loopback name");
}

#[tokio::test]
async fn another_host_and_a_tunnel_get_a_page_without_data() {
    let laptop = Laptop::start(BINARY, &[("PUBLIC_ORIGIN", "https://connect.example.com")]).await;
    let session = json!({ "connection_id": "acme" });
    laptop.post("/v1/connect-sessions", session).await;
    let leads_to = laptop.printed.iter().find(|line| line.contains("its tunnel must lead to")).unwrap();
    let tunnel = leads_to.split("must lead to ").nth(1).unwrap().split(',').next().unwrap();
    let home = laptop.http.get(format!("{tunnel}/")).send().await.unwrap().text().await.unwrap();
    assert!(home.contains("Connect a WebinarGeek account") && !home.contains("/local/"), "{home}");
    for path in ["/local/live", "/local/console/token"] {
        assert_eq!(laptop.http.get(format!("{tunnel}{path}")).send().await.unwrap().status(), 404, "{path}");
        assert_eq!(laptop.http.post(format!("{tunnel}{path}")).send().await.unwrap().status(), 404, "{path}");
    }
    let rebound = laptop.http.get(format!("{}/", laptop.origin)).header("host", "evil.example");
    assert!(!rebound.send().await.unwrap().text().await.unwrap().contains("/local/"));
    assert!(
        laptop.get("/").await.text().await.unwrap().contains("/local/live"),
        "the port for this machine serves the console"
    );
}

#[tokio::test]
async fn with_a_real_provider_it_shows_the_redirect_uri_and_no_buttons_for_faults() {
    let real = [
        ("WEBINARGEEK_CLIENT_ID", "a-real-one"),
        ("WEBINARGEEK_CLIENT_SECRET", "a secret"),
        ("WEBINARGEEK_TOKEN_URL", "http://127.0.0.1:9/oauth/token"),
    ];
    let laptop = Laptop::start(BINARY, &real).await;
    let home = laptop.get("/").await.text().await.unwrap();
    assert!(home.contains("It is a real provider") && home.contains("http://127.0.0.1:9/oauth/token"), "{home}");
    assert!(
        home.contains(&format!("Redirect URI to register there: <code>{}/callback</code>", laptop.origin)),
        "{home}"
    );
    assert!(!home.contains("/local/console/provider"), "{home}");
    assert_eq!(press(&laptop, "provider", &[("order", r#"{"heal":true}"#)]).await.0, 404);
    assert_eq!(press(&laptop, "grant", &[]).await.0, 404);
}

#[tokio::test]
async fn the_page_allows_no_other_origin_and_receives_every_change() {
    let laptop = Laptop::start(BINARY, &[]).await;
    let home = laptop.get("/").await;
    let policy = home.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let script = home.text().await.unwrap().split("<script>").nth(1).unwrap().split("</script>").next().unwrap().len();
    assert!(script < 6 * 1024, "{script} bytes");

    let mut live = laptop.get("/local/live").await;
    assert_eq!(live.headers()[CONTENT_TYPE], "text/event-stream");
    laptop.connect("acme").await;
    let mut page = String::new();
    while !page.contains("row-acme") {
        page.push_str(&String::from_utf8_lossy(&live.chunk().await.unwrap().expect("it goes on")));
    }
}

#[test]
fn the_calls_to_try_are_the_ones_of_openapi_yaml() {
    let mut described = BTreeSet::new();
    for (path, _) in members(DESCRIPTION.at("/paths")).into_iter().filter(|(path, _)| path.starts_with("/v1/")) {
        for method in DESCRIPTION.methods(path) {
            let at = |part: &str| DESCRIPTION.at(&format!("/paths/{}/{method}{part}", escaped(path)));
            let text = |part: &str| at(part).and_then(Value::as_str).unwrap().to_owned();
            let takes_a_body = at("/requestBody").is_some();
            described.insert((
                text("/operationId"),
                method.to_uppercase(),
                path.to_owned(),
                text("/summary"),
                takes_a_body,
            ));
        }
    }
    let offered: BTreeSet<_> = CALLS
        .iter()
        .map(|call| {
            let [operation, method, path, summary] =
                [call.operation, call.method, call.path, call.summary].map(str::to_owned);
            (operation, method, path, summary, call.body("acme", 1).is_some())
        })
        .collect();
    assert_eq!(offered, described);
    for call in &CALLS {
        let Some(mut body) = call.body("acme", 1) else { continue };
        if body["confirmation"] == "CONFIRMATION" {
            // A placeholder for the reader's own value.
            body["confirmation"] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
        }
        let (path, method) = (escaped(call.path), call.method.to_lowercase());
        let schema = format!("/paths/{path}/{method}/requestBody/content/application~1json/schema");
        DESCRIPTION.validate(&schema, &body).unwrap_or_else(|error| panic!("{}: {error}", call.operation));
    }
}
