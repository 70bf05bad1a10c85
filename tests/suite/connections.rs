//! `/v1/connect-sessions` and `/v1/connections/{id}`.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::http::Request;
use tests::world::{ORIGIN, World};

use crate::faults;

#[tokio::test]
async fn the_id_of_a_session_does_not_reveal_the_token_of_its_link() {
    let world = World::new().await;
    let body = json!({ "connection_id": "tenant.1:a_b-c", "return_to": "https://app.example.com/x", "expires_in": 60 });
    let session = world.session(body).await;
    assert_eq!(session.text("connection_id"), "tenant.1:a_b-c");
    let token = session.text("url").strip_prefix(&format!("{ORIGIN}/authorize?session=")).unwrap();
    assert_eq!(session.text("session_id"), shared::domain::digest::sha256(token));
    assert_eq!(session.text("expires_at"), "2027-01-15T08:01:00Z");
    assert_eq!(session.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn every_member_of_a_session_has_a_default() {
    let world = World::new().await;
    let session = world.session(json!({})).await;
    assert!(session.text("connection_id").starts_with("c_"));
    assert_eq!(session.text("expires_at"), "2027-01-15T09:00:00Z");
    let nulls =
        json!({ "connection_id": null, "return_to": null, "expires_in": null, "confirm_page": null, "confirm": false });
    world.session(nulls).await;
}

#[tokio::test]
async fn bad_input_names_its_field_and_stores_nothing() {
    let world = World::new().await;
    for (body, field) in [
        (json!({ "connection_id": "a/b" }), "connection_id"),
        (json!({ "connection_id": "" }), "connection_id"),
        (json!({ "connection_id": ".." }), "connection_id"),
        (json!({ "connection_id": "x".repeat(129) }), "connection_id"),
        (json!({ "connection_id": 7 }), "connection_id"),
        (json!({ "return_to": "https://evil.example/" }), "return_to"),
        (json!({ "return_to": "https://app.example.com@evil.example/" }), "return_to"),
        (json!({ "return_to": "javascript:alert(1)" }), "return_to"),
        (json!({ "return_to": "/relative" }), "return_to"),
        (json!({ "expires_in": 59 }), "expires_in"),
        (json!({ "expires_in": 86401 }), "expires_in"),
        (json!({ "expires_in": "60" }), "expires_in"),
        (json!({ "expires_in": 60.5 }), "expires_in"),
        (json!({ "confirm_page": "no" }), "confirm_page"),
        (json!({ "confirm": "yes" }), "confirm"),
        (json!({ "confirm": true }), "return_to"),
        (json!({ "same_account": true }), "same_account"),
        (json!({ "same_account": "yes" }), "same_account"),
        (json!({ "tenant": "x" }), "tenant"),
    ] {
        let answer = world.json(Method::POST, "/v1/connect-sessions", Some(body.clone())).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
        assert_eq!(answer.body["field"], field, "{body}");
    }
    assert!(world.calls.take().is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_valid_is_answered_with_the_reason() {
    let world = World::new().await;
    for (media_type, body, status, code) in [
        ("text/plain", "{}".to_owned(), 415, "unsupported_media_type"),
        ("", "{}".to_owned(), 415, "unsupported_media_type"),
        ("application/json", "".to_owned(), 400, "invalid_request"),
        ("application/json", "[]".to_owned(), 400, "invalid_request"),
        ("application/json", "{\"connection_id\":".to_owned(), 400, "invalid_request"),
        ("application/json; charset=utf-8", " ".repeat(17_000), 413, "payload_too_large"),
    ] {
        let mut request = Request::new(body.into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = "/v1/connect-sessions".parse().unwrap();
        if !media_type.is_empty() {
            request.headers_mut().insert("content-type", media_type.parse().unwrap());
        }
        let answer = world.answer(request).await;
        assert_problem(&answer.body, &answer.headers, status, code);
    }
}

#[tokio::test]
async fn a_connection_shows_its_status_and_no_secret() {
    let world = World::new().await;
    world.connect("t").await;
    let answer = world.get("/v1/connections/t").await;
    assert_eq!(answer.status, StatusCode::OK);
    let mut names: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "account",
            "account_changed_from",
            "created_at",
            "expires_at",
            "failures",
            "id",
            "next_refresh_at",
            "reason",
            "refreshed_at",
            "scope",
            "status",
            "version"
        ]
    );
    assert_eq!(answer.body["status"], "active");
    assert_eq!(answer.body["version"], 1);
    assert_eq!(answer.body["expires_at"], "2027-01-15T10:00:00Z");
    assert_eq!(answer.body["created_at"], "2027-01-15T08:00:00Z");
    assert_eq!(answer.body["account"], Value::Null);
    let token = world.token("t").await;
    assert!(!answer.body.to_string().contains(token.text("access_token")));
}

#[tokio::test]
async fn unknown_ids_routes_and_methods_have_their_own_answers() {
    let world = World::new().await;
    for (method, target, status, code) in [
        (Method::GET, "/v1/connections/unknown", 404, "not_found"),
        (Method::GET, "/v1/connections/unknown/token", 404, "not_found"),
        (Method::GET, "/v1/connections/a%20b", 400, "invalid_request"),
        (Method::GET, "/v1/connections/a%2Fb/token", 400, "invalid_request"),
        (Method::GET, "/v1/connections/..", 400, "invalid_request"),
        (Method::GET, "/v1/connections/%2E%2E/token", 400, "invalid_request"),
        (Method::GET, "/v1/connections/unknown/tokens", 404, "not_found"),
        (Method::POST, "/v1/connections", 405, "method_not_allowed"),
        (Method::PUT, "/v1/connect-sessions/abc", 405, "method_not_allowed"),
        (Method::GET, "/v1/connect-sessions/abc", 404, "not_found"),
        (Method::GET, "/v1/connect-sessions", 405, "method_not_allowed"),
        (Method::PATCH, "/v1/connections/t", 405, "method_not_allowed"),
        (Method::DELETE, "/v1/connections/t/token", 405, "method_not_allowed"),
        (Method::DELETE, "/v1/connections/t", 404, "not_found"),
        (Method::DELETE, "/v1/connections/", 400, "invalid_request"),
        (Method::GET, "/v1/nothing", 404, "not_found"),
    ] {
        let answer = world.json(method.clone(), target, None).await;
        assert_problem(&answer.body, &answer.headers, status, code);
        assert_eq!(answer.headers.contains_key("allow"), status == 405, "{method} {target}");
    }
}

#[tokio::test]
async fn a_session_says_how_its_journey_went() {
    let world = World::new().await;
    for (decision, status) in [("approve", "completed"), ("deny", "denied")] {
        let session = world.session(json!({ "connection_id": "t", "expires_in": 60 })).await;
        let path = format!("/v1/connect-sessions/{}", session.text("session_id"));
        assert_eq!(world.get(&path).await.text("status"), "pending");
        world.browser().journey(session.text("url"), decision).await;
        let answer = world.get(&path).await;
        assert_eq!((answer.text("status"), answer.text("connection_id")), (status, "t"));
        world.clock.advance(61);
        assert_eq!(world.get(&path).await.text("status"), status, "also after the link has expired");
    }
    let session = world.session(json!({ "expires_in": 60 })).await;
    world.clock.advance(60);
    let path = format!("/v1/connect-sessions/{}", session.text("session_id"));
    assert_eq!(world.get(&path).await.text("status"), "expired");
}

#[tokio::test]
async fn delete_revokes_and_a_second_delete_gets_the_same_answer() {
    let world = World::new().await;
    world.connect("t").await;
    let pair = world.deployment.token.refreshing.open(&world.stored("t").await.unwrap()).await.unwrap();
    let (token, refresh_token) = (pair.access_token.expose(), pair.refresh_token.as_ref().unwrap().expose());
    for _ in 0..2 {
        let answer = world.json(Method::DELETE, "/v1/connections/t", None).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &json!({ "revocation": "done" })));
    }
    assert!(!world.is_live(token) && !world.honours(refresh_token).await);
    assert_eq!(world.get("/v1/connections/t").await.status, 404);
}

#[tokio::test]
async fn a_delete_that_cannot_revoke_yet_is_pending_and_the_schedule_revokes_later() {
    let world = World::new().await;
    world.connect("t").await;
    world.fault(json!({ "answer": faults::status(500), "grant_type": "revoke" }));
    let answer = world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!((answer.status, &answer.body), (StatusCode::ACCEPTED, &json!({ "revocation": "pending" })));
    assert_eq!(world.get("/v1/connections/t").await.text("status"), "disconnecting");
    assert_eq!(world.token("t").await.status, 404);
    world.clock.advance(300);
    world.sweep().await;
    let answer = world.json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!(answer.body, json!({ "revocation": "done" }));
}

#[tokio::test]
async fn two_deletes_at_once_revoke_once() {
    let world = World::new().await;
    world.connect("t").await;
    let delete = || world.json(Method::DELETE, "/v1/connections/t", None);
    let (first, second) = tokio::join!(delete(), delete());
    for answer in [first, second] {
        let revocation = answer.text("revocation");
        assert!(["done", "pending"].contains(&revocation), "{answer:?}");
    }
    assert_eq!(delete().await.body, json!({ "revocation": "done" }));
    assert_eq!(world.simulation.faults.requested("revoke"), 1);
}

pub(crate) fn assert_problem(body: &Value, headers: &http::HeaderMap, status: u16, code: &str) {
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["type"], "about:blank");
    for member in ["title", "detail", "request_id"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {body}");
    }
}
