//! The checks of the client secret and the client id.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
use tests::world::{CLIENT_SECRET, Setup, World};

use super::{finding, finds};
use crate::log::{capture, captured};

const WITHOUT_A_SECRET: [(&str, &str); 4] =
    [("client_secret", "failed"), ("client_credentials", "skipped"), ("clock", "skipped"), ("revocation", "skipped")];

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_found_and_nothing_is_sent() {
    let unknown = World::with(Setup::default().variable("CLIENT_SECRET_ARN", "arn:of:nothing")).await;
    let answer = finds(&unknown, &WITHOUT_A_SECRET).await;
    assert!(finding(&answer, "client_secret")["remedy"].as_str().unwrap().contains("policies"), "{}", answer.body);
    assert_eq!(unknown.simulation.faults.requests(), BTreeMap::new());
}

#[tokio::test]
async fn a_secret_as_the_console_of_secrets_manager_stores_it_is_understood() {
    for stored in [json!({ "client_secret": CLIENT_SECRET }), json!({ "secret": CLIENT_SECRET, "since": 2024 })] {
        let world = World::with(Setup { client_secret: stored.to_string(), ..Setup::default() }).await;
        world.connect("t").await;
        finds(&world, &[]).await;
    }
}

#[tokio::test]
async fn a_secret_in_an_unknown_form_is_never_sent_and_log_and_doctor_name_the_known_forms() {
    for stored in
        [json!([]), json!({ "user": "canary-1", "password": "canary-2" }), json!({ "client_secret": ["canary"] })]
    {
        let world = World::with(Setup { client_secret: stored.to_string(), ..Setup::default() }).await;
        let answer = finds(&world, &WITHOUT_A_SECRET).await;
        let shown = finding(&answer, "client_secret").to_string();
        let session = world.session(json!({ "connection_id": "t" })).await;
        capture();
        let ended = world.browser().journey(session.text("url"), "approve").await;
        let log = captured();
        assert_eq!(ended.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(log.contains("configuration"), "{log}");
        for text in [shown, log] {
            assert!(text.contains("JSON object") && text.contains("JSON list"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
        assert_eq!(world.simulation.faults.requests(), BTreeMap::new(), "nothing was sent");
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_client_id_are_found() {
    let world = World::with(Setup { client_secret: "canary-of-another-app".to_owned(), ..Setup::default() }).await;
    let answer = finds(&world, &[("client_credentials", "failed"), ("revocation", "skipped")]).await;
    let credentials = finding(&answer, "client_credentials");
    assert!(credentials["detail"].as_str().unwrap().contains("invalid_client"), "{credentials}");
    assert!(credentials["remedy"].as_str().unwrap().contains("ClientId"), "{credentials}");

    let wrong_id = World::with(Setup::default().variable("WEBINARGEEK_CLIENT_ID", "another-app")).await;
    finds(&wrong_id, &[("client_credentials", "failed"), ("revocation", "skipped")]).await;
}

#[tokio::test]
async fn a_list_whose_first_secret_is_refused_is_a_warning() {
    let list = |secrets: Value| Setup { client_secret: secrets.to_string(), ..Setup::default() };
    let world = World::with(list(json!(["canary-new", CLIENT_SECRET]))).await;
    let answer = finds(&world, &[("client_credentials", "warning")]).await;
    let detail = finding(&answer, "client_credentials")["detail"].as_str().unwrap();
    assert!(detail.contains("place 2"), "{detail}");
    finds(&World::with(list(json!([CLIENT_SECRET, "canary-old"]))).await, &[]).await;
    let refused = [("client_credentials", "failed"), ("revocation", "skipped")];
    finds(&World::with(list(json!(["canary-new", "canary-old"]))).await, &refused).await;
}
