//! The write that takes an attempt is applied, but its answer is lost: no code was sent, and none is lost.

use std::sync::Arc;

use async_trait::async_trait;
use callback::Callback;
use http::StatusCode;
use local::deployment::Deployment;
use serde_json::json;
use shared::domain::attempt::Attempt;
use shared::domain::write::{Write, WriteName, Written};
use shared::ports::{StoreError, WriteAttempts};
use tests::world::World;

use crate::confirmation::{says, session_status};
use crate::parts;

/// A table whose answer to each take is lost.
struct LosesTheAnswer(Arc<dyn WriteAttempts>);

#[async_trait]
impl WriteAttempts for LosesTheAnswer {
    async fn attempt(&self, write: &Write) -> Result<Written<Attempt>, StoreError> {
        let written = self.0.attempt(write).await;
        if write.name == WriteName::TakeAttempt {
            Err(StoreError::Unavailable("no answer".to_owned()))
        } else {
            written
        }
    }

    async fn session(&self, write: &Write) -> Result<bool, StoreError> {
        self.0.session(write).await
    }

    async fn both(&self, attempt: &Write, session: &Write) -> Result<bool, StoreError> {
        self.0.both(attempt, session).await
    }
}

#[tokio::test]
async fn if_the_answer_of_the_take_is_lost_a_reload_still_connects() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let callback = browser.to_callback(session.text("url")).await;

    let deployment = parts::deployment(&world);
    let attempts = Arc::new(LosesTheAnswer(deployment.callback.attempts.clone()));
    let uncertain = Callback { attempts, ..deployment.callback };
    let other = parts::process(&world, Deployment { callback: uncertain, ..deployment });
    let page = browser.on(&other).get(&callback).await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.simulation.faults.requested("authorization_code"), 0);
    let expected = says("failed", json!("not_stored"));
    assert_eq!(session_status(&world, &session).await, expected, "the session says what the page says");

    let page = browser.get(&callback).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", page.body());
    assert_eq!(world.token("t").await.status, 200);
    assert_eq!(session_status(&world, &session).await.0, "completed");
}
