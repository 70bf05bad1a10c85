//! `same_account: true`: only the account that is connected can be connected again.

use std::sync::Arc;

use async_trait::async_trait;
use callback::Callback;
use http::StatusCode;
use http::header::LOCATION;
use local::deployment::Deployment;
use serde_json::{Value, json};
use shared::domain::connection::Row;
use shared::domain::connection_id::ConnectionId;
use shared::domain::write::{Write, Written};
use shared::ports::{ReadConnections, StoreError, WriteConnections};
use shared::protocol::composition::Grants;
use shared::protocol::same_account::SameAccount;
use tests::tokens;
use tests::world::{Answer, Setup, World};
use url::Url;

use crate::confirmation::{confirm, parameter, says, session_status};
use crate::connections::assert_problem;
use crate::parts;
use crate::reported::event_ids;

struct Down;

#[async_trait]
impl ReadConnections for Down {
    async fn row(&self, _: &ConnectionId) -> Result<Option<Row>, StoreError> {
        Err(StoreError::Unavailable("it is down".to_owned()))
    }
}

/// A table whose write takes effect while its answer is lost. The SDK repeats the write.
struct Repeats(Arc<dyn WriteConnections>);

#[async_trait]
impl WriteConnections for Repeats {
    async fn write(&self, write: &Write) -> Result<Written<Row>, StoreError> {
        self.0.write(write).await?;
        self.0.write(write).await
    }
}

async fn world() -> World {
    World::with(Setup::default().asking_for_accounts()).await
}

/// A link for `t` whose journey ends on our own page.
async fn link(world: &World) -> Answer {
    world.session(json!({ "connection_id": "t", "same_account": true })).await
}

async fn account(world: &World) -> Value {
    world.get("/v1/connections/t").await.body["account"]["id"].clone()
}

#[tokio::test]
async fn another_account_is_refused_with_its_own_page_and_its_grant_is_revoked() {
    let world = world().await;
    world.connect("t").await;
    let live = world.token("t").await.body;
    world.simulation.grants.sign_in("2");
    let session = link(&world).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;
    let asked = world.simulation.faults.requests();
    let pages = [browser.get(&callback).await, browser.get(&callback).await];
    for page in &pages {
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert!(page.body().contains("another WebinarGeek account"), "{}", page.body());
    }
    let asked_since = |kind: &str| world.simulation.faults.requested(kind) - asked.get(kind).copied().unwrap_or(0);
    assert_eq!((asked_since("authorization_code"), asked_since("account")), (1, 1));
    assert_eq!(session_status(&world, &session).await, says("failed", json!("other_account")));
    let refused = tokens::to_revoke(&world, "t").await.remove(0);
    assert_eq!(world.token("t").await.body, live, "the token is unchanged");
    assert_eq!(world.get("/v1/connections/t").await.body["account_changed_from"], Value::Null);

    world.clock.advance(6000);
    world.sweep().await;
    assert!(!world.is_live(refused.access_token.expose()), "revoked");
    assert!(world.is_live(world.token("t").await.text("access_token")));
    assert_eq!(session_status(&world, &session).await, says("failed", json!("other_account")));
    assert_eq!(event_ids(&world).await, ["t/1/connection.connected"]);
}

#[tokio::test]
async fn a_link_that_another_account_has_used_stays_used_and_its_session_says_why() {
    let world = world().await;
    world.connect("t").await;
    let session = link(&world).await;
    for (account, text) in [("2", "another WebinarGeek account"), ("1", "This link has been used")] {
        world.simulation.grants.sign_in(account);
        let page = world.browser().journey(session.text("url"), "approve").await;
        assert!(page.body().contains(text), "{}", page.body());
        assert_eq!(session_status(&world, &session).await, says("failed", json!("other_account")));
        assert_eq!(world.token("t").await.body["version"], 1);
    }
}

#[tokio::test]
async fn the_same_account_is_connected_at_once_and_so_is_any_first_account() {
    let world = world().await;
    for version in [1, 2] {
        let session = link(&world).await;
        let page = world.browser().journey(session.text("url"), "approve").await;
        assert_eq!(page.status(), StatusCode::OK, "{}", page.body());
        assert_eq!(session_status(&world, &session).await, says("completed", Value::Null));
        let token = world.token("t").await;
        assert_eq!(token.body["version"], version);
        assert!(world.is_live(token.text("access_token")));
        assert_eq!(account(&world).await, "1");
    }
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    assert_eq!(world.simulation.faults.requested("revoke"), 0);
}

#[tokio::test]
async fn another_account_ends_at_return_to_as_failed_with_nothing_to_confirm() {
    let world = world().await;
    world.connect("t").await;
    for (who, status) in [("2", "failed"), ("1", "connected")] {
        world.simulation.grants.sign_in(who);
        let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/", "same_account": true });
        let session = world.session(body).await;
        let ended = world.browser().journey(session.text("url"), "approve").await;
        let back = Url::parse(ended.headers()[LOCATION].to_str().unwrap()).unwrap();
        assert_eq!(parameter(&back, "status").as_deref(), Some(status));
        let confirmation = parameter(&back, "confirmation");
        assert_eq!(confirmation.is_some(), status == "connected");
        if let Some(confirmation) = confirmation {
            assert_eq!(session_status(&world, &session).await, says("awaiting_confirmation", Value::Null));
            assert_eq!(confirm(&world, &session, &confirmation).await.status, StatusCode::OK);
            assert_eq!(session_status(&world, &session).await, says("completed", Value::Null));
        } else {
            assert_eq!(session_status(&world, &session).await, says("failed", json!("other_account")));
        }
    }
    assert_eq!(world.token("t").await.body["version"], 2);
}

#[tokio::test]
async fn the_account_is_compared_again_at_the_confirm_call() {
    let world = world().await;
    world.connect("t").await;
    let body = json!({ "connection_id": "t", "return_to": "https://app.example.com/", "same_account": true });
    let session = world.session(body).await;
    let ended = world.browser().journey(session.text("url"), "approve").await;
    let back = Url::parse(ended.headers()[LOCATION].to_str().unwrap()).unwrap();
    // The connection has another account now, and the row says so.
    world.set("t", "account_id", aws_sdk_dynamodb::types::AttributeValue::S("2".to_owned())).await;
    let refused = confirm(&world, &session, &parameter(&back, "confirmation").unwrap()).await;
    assert_problem(&refused.body, &refused.headers, 400, "invalid_request");
    assert_eq!(world.token("t").await.body["version"], 1);
}

#[tokio::test]
async fn without_an_answer_from_the_account_endpoint_nothing_is_connected() {
    let world = world().await;
    world.connect("t").await;
    let without_accounts = world.redeployed(&[("WEBINARGEEK_ACCOUNT_URL", "http://127.0.0.1:9/account")]);
    let session = link(&without_accounts).await;
    let page = without_accounts.browser().journey(session.text("url"), "approve").await;
    assert_eq!(page.status(), StatusCode::BAD_GATEWAY, "{}", page.body());
    assert_eq!(session_status(&without_accounts, &session).await, says("failed", json!("provider")));
    assert_eq!(world.token("t").await.body["version"], 1);
    assert_eq!(tokens::to_revoke(&world, "t").await.len(), 1);
}

#[tokio::test]
async fn if_the_process_dies_before_the_account_is_known_nothing_is_connected_and_the_session_failed() {
    dies_before_the_account_is_known(json!({ "connection_id": "t", "same_account": true })).await;
}

#[tokio::test]
async fn if_the_process_dies_before_the_account_is_known_a_session_to_be_confirmed_failed_too() {
    let body = json!({ "connection_id": "t", "same_account": true, "return_to": "https://app.example.com/" });
    dies_before_the_account_is_known(body).await;
}

/// Another process of the deployment. Its callback uses these reads and writes to find the account.
fn with(world: &World, changed: impl FnOnce(SameAccount) -> SameAccount) -> World {
    let deployment = parts::deployment(world);
    let Ok(same_account) = Arc::try_unwrap(deployment.callback.grants.same_account) else { panic!("it is shared") };
    let grants = Grants { same_account: Arc::new(changed(same_account)), ..deployment.callback.grants };
    let callback = Callback { grants, ..deployment.callback };
    parts::process(world, Deployment { callback, ..deployment })
}

#[tokio::test]
async fn another_account_is_refused_as_such_although_the_write_that_ended_its_wait_was_repeated() {
    let world = world().await;
    world.connect("t").await;
    world.simulation.grants.sign_in("2");
    let session = link(&world).await;
    let repeats = with(&world, |it| SameAccount { writes: Arc::new(Repeats(it.writes.clone())), ..it });
    let page = repeats.browser().journey(session.text("url"), "approve").await;
    assert_eq!(page.status(), StatusCode::BAD_REQUEST, "{}", page.body());
    assert_eq!(session_status(&world, &session).await, says("failed", json!("other_account")));
}

async fn dies_before_the_account_is_known(session: Value) {
    let world = world().await;
    world.connect("t").await;
    let session = world.session(session).await;
    let dies = with(&world, |it| SameAccount { connections: Arc::new(Down), ..it });
    let browser = dies.browser();
    let callback = browser.to_callback(session.text("url")).await;
    for _ in 0..2 {
        let page = browser.get(&callback).await;
        let leads_to = page.headers().get(LOCATION).map(|target| target.to_str().unwrap().to_owned());
        assert!(leads_to.is_none_or(|target| target.contains("status=failed")), "{}", page.body());
        assert!(!page.body().contains("is connected"), "{}", page.body());
    }
    assert!(world.parsed("t").await.unwrap().waiting().is_some());
    for seconds in [0, 900, 6000] {
        world.clock.advance(seconds);
        assert_eq!(session_status(&world, &session).await, says("failed", json!("not_stored")));
        world.sweep().await;
    }
    assert!(world.parsed("t").await.unwrap().waiting().is_none());
    assert!(world.is_live(world.token("t").await.text("access_token")));
}

#[tokio::test]
async fn without_an_account_url_same_account_is_refused_with_the_name_of_the_parameter() {
    let world = World::new().await;
    let body = json!({ "connection_id": "t", "same_account": true });
    let refused = world.json(http::Method::POST, "/v1/connect-sessions", Some(body)).await;
    assert_problem(&refused.body, &refused.headers, 400, "invalid_request");
    assert_eq!(refused.body["field"], "same_account");
    assert!(refused.text("detail").contains("AccountUrl"), "{refused:?}");
}
