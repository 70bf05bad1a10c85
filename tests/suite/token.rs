//! `/v1/connections/{id}/token`: a live access token, or the reason why there is none.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;
use shared::domain::connection::State;
use tests::world::{Setup, World};

use crate::faults;
use crate::log::{capture, captured};

#[tokio::test]
async fn a_fresh_token_is_answered_as_it_is_stored() {
    let world = World::new().await;
    world.connect("t").await;
    let first = world.token("t").await;
    world.clock.advance(60);
    let second = world.token("t").await;
    assert_eq!(first.body, second.body);
    assert_eq!(world.refreshes(), 0);
    let mut members: Vec<&String> = first.body.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["access_token", "cache_until", "expires_at", "token_type", "version"]);
    assert_eq!(first.text("expires_at"), "2027-01-15T10:00:00Z");
    assert!(first.text("cache_until") < first.text("expires_at"));
}

#[tokio::test]
async fn sixty_four_reads_of_an_expired_token_cause_one_refresh_and_all_get_a_live_token() {
    for setup in [Setup::default(), Setup::strict()] {
        let world = Arc::new(World::with(setup).await);
        world.connect("t").await;
        world.clock.advance(8000);
        let reads: Vec<_> = (0..64)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.token("t").await })
            })
            .collect();
        for read in reads {
            let answer = read.await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert_eq!(answer.body["version"], 2);
            assert!(world.is_live(answer.text("access_token")));
        }
        assert_eq!(world.refreshes(), 1);
    }
}

#[tokio::test]
async fn min_ttl_causes_a_refresh_and_never_a_second_one() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(4000);
    assert_eq!(world.get("/v1/connections/t/token?min_ttl=3000").await.body["version"], 1);
    assert_eq!(world.get("/v1/connections/t/token?min_ttl=3500").await.body["version"], 2);
    for _ in 0..3 {
        let longer_than_any = world.get("/v1/connections/t/token?min_ttl=86400").await;
        assert_eq!(longer_than_any.body["version"], 2, "{longer_than_any:?}");
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let world = World::new().await;
    world.connect("t").await;
    for query in [
        "min_ttl=abc",
        "min_ttl=-1",
        "min_ttl=86401",
        "min_ttl=1.5",
        "min_ttl=",
        "min_ttl=%2B5",
        "min_ttl=1&min_ttl=2",
        "min_ttl=99999999999999999999",
    ] {
        let answer = world.get(&format!("/v1/connections/t/token?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.body["field"], "min_ttl", "{query}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let unknown = world.get("/v1/connections/t/token?min-ttl=5").await;
    assert_eq!((unknown.status, &unknown.body["field"]), (StatusCode::BAD_REQUEST, &json!("min-ttl")));
    for body in [
        json!({}),
        json!({ "rejected_version": 0 }),
        json!({ "rejected_version": "1" }),
        json!({ "rejected_version": 1.5 }),
        json!({ "rejected_version": 2 }),
        json!({ "rejected_version": null }),
    ] {
        let answer = world.json(Method::POST, "/v1/connections/t/token", Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.body["field"], "rejected_version", "{body}");
    }
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn ten_workers_with_a_401_cause_one_refresh() {
    let world = Arc::new(World::new().await);
    world.connect("t").await;
    world.clock.advance(120);
    let reports: Vec<_> = (0..10)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.reject("t", 1).await })
        })
        .collect();
    for report in reports {
        let answer = report.await.unwrap();
        assert_eq!(answer.body["version"], 2, "{answer:?}");
    }
    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.reject("t", 1).await.body["version"], 2, "a late report gets the newer token");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_rejected_token_is_never_answered_again() {
    let world = World::new().await;
    world.connect("t").await;
    capture();
    let young = world.reject("t", 1).await;
    assert_eq!(young.status, StatusCode::SERVICE_UNAVAILABLE, "the report passed the refresh on its way: {young:?}");
    assert_eq!(young.headers["retry-after"], "60");
    // Both said that another refresh was under way, and there was none.
    assert_eq!(young.body["detail"], "this token was granted less than a minute ago: report it again after that");
    assert!(captured().contains("the rejected token was granted less than a minute ago"));
    assert_eq!(world.refreshes(), 0);

    world.clock.advance(120);
    world.fault(json!({ "answer": "html", "times": 2 }));
    let failed = world.reject("t", 1).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE, "{failed:?}");
    assert_eq!(failed.body["code"], "provider_unavailable");
    assert_eq!(failed.body["detail"], "there is no valid token: WebinarGeek has given no new one yet", "it lives");
    let backing_off = world.reject("t", 1).await;
    assert_eq!(backing_off.status, StatusCode::SERVICE_UNAVAILABLE, "{backing_off:?}");

    world.clock.advance(120);
    assert_eq!(world.reject("t", 1).await.body["version"], 2);
}

#[tokio::test]
async fn while_the_provider_is_down_a_live_token_is_answered_and_later_a_503_with_retry_after() {
    let world = World::new().await;
    world.connect("t").await;
    world.fault(json!({ "answer": faults::status(500), "times": 1000 }));
    world.clock.advance(7150);
    let living = world.token("t").await;
    assert_eq!((living.status, &living.body["version"]), (StatusCode::OK, &json!(1)), "{living:?}");

    world.clock.advance(60);
    let expired = world.token("t").await;
    assert_eq!(expired.status, StatusCode::SERVICE_UNAVAILABLE, "{expired:?}");
    let seconds: i64 = expired.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=900).contains(&seconds));
    assert_eq!(world.stored("t").await.unwrap().state, State::Active);
}

#[tokio::test]
async fn after_a_lost_answer_the_refresh_token_is_sent_again_and_the_connection_lives() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(8000);
    world.fault(json!({ "answer": "break", "carried_out": true, "grant_type": "refresh_token" }));
    let token = world.token("t").await;
    assert_eq!(token.status, StatusCode::OK, "{token:?}");
    assert!(world.is_live(token.text("access_token")));
    assert_eq!(world.refreshes(), 2);
}

#[tokio::test]
async fn an_answer_without_refresh_token_keeps_the_stored_one() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(8000);
    world.fault(json!({ "answer": { "without": ["refresh_token", "scope"] }, "grant_type": "refresh_token" }));
    assert_eq!(world.token("t").await.body["version"], 2);
    world.clock.advance(8000);
    let token = world.token("t").await;
    assert_eq!(token.body["version"], 3, "{token:?}");
    assert_eq!(world.stored("t").await.unwrap().scope.as_deref(), Some("read"));
}

#[tokio::test]
async fn only_a_second_invalid_grant_says_that_the_customer_must_connect_again() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(8000);
    world.simulation.grants.revoke_all();
    let first = world.token("t").await;
    assert_eq!(first.status, StatusCode::SERVICE_UNAVAILABLE, "{first:?}");
    assert_eq!(world.stored("t").await.unwrap().state, State::Active, "one refusal does not end a connection");

    world.clock.advance(61);
    let second = world.token("t").await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{second:?}");
    assert_eq!(second.body["code"], "reauth_required");
    assert!(second.text("detail").contains("POST /v1/connect-sessions"), "{second:?}");
    let shown = world.get("/v1/connections/t").await;
    assert_eq!(shown.body["status"], "reauth_required");
    assert_eq!(shown.body["reason"], "invalid_grant");

    let refreshes = world.refreshes();
    assert_eq!(world.token("t").await.status, StatusCode::CONFLICT);
    assert_eq!(world.refreshes(), refreshes, "no request is sent to the provider");

    world.connect("t").await;
    assert!(world.is_live(world.token("t").await.text("access_token")));
    assert_eq!(world.get("/v1/connections/t").await.body["reason"], json!(null));
}

#[tokio::test]
async fn the_second_secret_of_the_list_is_tried_if_the_first_is_not_accepted() {
    let list = json!(["not-yet-known-to-the-provider", tests::world::CLIENT_SECRET]).to_string();
    let world = World::with(Setup { client_secret: list, ..Setup::default() }).await;
    world.connect("t").await;
    assert_eq!(world.simulation.faults.requested("authorization_code"), 2);
    // A process that knows the accepted secret sends it first. Another process has to find it.
    for (process, version, refreshes) in [(&world, 2, 1), (&world.another(), 3, 3), (&world, 4, 4)] {
        world.clock.advance(8000);
        assert_eq!(process.token("t").await.body["version"], version);
        assert_eq!(world.refreshes(), refreshes);
    }
    let deleted = world.another().json(Method::DELETE, "/v1/connections/t", None).await;
    assert_eq!(deleted.body, json!({ "revocation": "done" }));
}

#[tokio::test]
async fn a_wrong_client_secret_is_answered_as_misconfigured_and_changes_no_status() {
    let world = World::new().await;
    world.connect("t").await;
    world.clock.advance(8000);
    for _ in 0..4 {
        world.fault(json!({ "answer": faults::error(401, "invalid_client") }));
        let answer = world.token("t").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert_eq!(answer.body["code"], "misconfigured");
        let backing_off = world.token("t").await;
        assert_eq!(backing_off.body["code"], "misconfigured", "{backing_off:?}");
        assert_eq!(world.stored("t").await.unwrap().state, State::Active);
        world.clock.advance(400);
    }
    assert_eq!(world.token("t").await.body["version"], 2);
}

#[tokio::test]
async fn a_refresh_token_of_another_client_id_is_never_sent() {
    let world = World::new().await;
    world.connect("t").await;
    let other = World::with(Setup::default().variable("WEBINARGEEK_CLIENT_ID", "client-two")).await;
    copy(&world, &other, "t").await;
    other.clock.advance(8000);
    let answer = other.token("t").await;
    assert_eq!((answer.status, &answer.body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("misconfigured")));
    assert_eq!(other.refreshes(), 0);
}

#[tokio::test]
async fn a_row_of_another_stack_does_not_open() {
    let world = World::new().await;
    world.connect("t").await;
    let other = World::new().await;
    copy(&world, &other, "t").await;
    let answer = other.token("t").await;
    assert_eq!((answer.status, &answer.body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("misconfigured")));
}

#[tokio::test]
async fn a_row_under_another_id_does_not_open() {
    let world = World::new().await;
    world.connect("a").await;
    world.connect("b").await;
    let mut row = row(&world, "a").await;
    row.insert("id".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S("b".to_owned()));
    put(&world, row).await;
    let answer = world.token("b").await;
    assert_eq!((answer.status, &answer.body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("misconfigured")));
}

type Row = std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>;

async fn row(world: &World, id: &str) -> Row {
    world.row(id).await.unwrap()
}

async fn put(world: &World, row: Row) {
    let request = world.clients.dynamodb.put_item().table_name(tests::world::TABLE);
    request.set_item(Some(row)).send().await.unwrap();
}

async fn copy(from: &World, to: &World, id: &str) {
    put(to, row(from, id).await).await;
}
