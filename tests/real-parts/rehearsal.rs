//! The deployment, rehearsed: the template's own tables, key, environment and policies, and the functions that `sam
//! build` has made, with the events that API Gateway and the Scheduler send.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use shared::ports::Clock;
use shared::system::SystemClock;
use tests::laptop::is_live;
use tokio::net::TcpListener;
use url::Url;

use crate::gateway::{Request, body};
use crate::policies;
use crate::process::built;
use crate::runtime_api::Function;
use crate::stack::{FUNCTIONS, Stack};

mod deployment;
mod integrator;
mod journey;
mod logs;

use deployment::Rehearsal;

const SECRET: &str = "canary-client-secret";

const TOKEN: &str = "/v1/connections/tenant/token";

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_connects_through_the_stack_and_its_policies_allow_just_what_that_takes() {
    let aws = Rehearsal::begin().await;
    let (connections, authorize) = (aws.function("connections").await, aws.function("authorize").await);
    let (callback, token, refresh) =
        (aws.function("callback").await, aws.function("token").await, aws.function("refresh").await);

    // Before the first customer: all checks are ok, without a warning.
    let examined = body(&aws.send(&connections, Request::new("GET", "/v1/doctor")).await);
    let is_ok = |finding: &Value| finding["status"] == "ok";
    assert!(examined["findings"].as_array().unwrap().iter().all(is_ok), "{examined}");

    let journey = aws.to_callback(&connections, &authorize, "tenant").await;

    // The browser comes back with two requests at once: the second one waits for the first.
    aws.fault(json!({ "answer": { "late": 1500 }, "grant_type": "authorization_code" }));
    let second_callback = aws.function("callback").await;
    let (first, second) =
        tokio::join!(aws.send(&callback, journey.request()), aws.send(&second_callback, journey.request()));
    assert_eq!((&first["statusCode"], &second["statusCode"]), (&json!(200), &json!(200)), "{first} {second}");
    assert_eq!(
        aws.simulation.faults.requested("authorization_code"),
        2,
        "the doctor's made-up code, and the customer's"
    );

    // The integrator gets a live token: the stored one, and after a refresh the new one.
    let read = async || body(&aws.send(&token, Request::new("GET", TOKEN)).await);
    let first = read().await;
    let first_token = first["access_token"].as_str().unwrap().to_owned();
    assert!(is_live(&aws.provider, &first_token).await, "{first}");
    aws.set("tenant", &[("expires_at", 1)]).await;
    let second = read().await;
    assert_eq!(second["version"], 2, "{second}");

    // The schedule refreshes, and reports it.
    let scheduled =
        json!({ "version": "0", "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {} });
    aws.set("tenant", &[("refresh_at", 1)]).await;
    let summary = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!((&summary["due"], &summary["refreshed"], &summary["finished"]), (&json!(1), &json!(1), &json!(true)));
    let third = read().await;
    assert_eq!(third["version"], 3, "{third}");
    assert!(is_live(&aws.provider, third["access_token"].as_str().unwrap()).await);
    assert!(!is_live(&aws.provider, &first_token).await);
    let shown = aws.send(&connections, Request::new("GET", "/v1/connections/tenant")).await;
    assert_eq!(body(&shown)["version"], 3);

    // The table is down after the provider's answer. So each pair waits in the queue, and is stored from there.
    let a_moment_ago = SystemClock.now().unix() - 60;
    let is_due = [("expires_at", a_moment_ago), ("not_before", 1), ("refresh_at", 1)];
    let granted = aws.to_callback(&connections, &authorize, "granted").await;
    let swept = aws.to_callback(&connections, &authorize, "swept").await;
    assert_eq!(aws.send(&callback, swept.request()).await["statusCode"], 200);
    aws.set("swept", &[("refresh_at", 1)]).await;
    aws.set("tenant", &[("expires_at", a_moment_ago)]).await;
    aws.calls.fail_to_store_pairs(true);
    let (callback_answer, token_answer, summary) = tokio::join!(
        aws.send(&callback, granted.request()),
        aws.send(&token, Request::new("GET", TOKEN)),
        aws.invoke(&refresh, scheduled.clone())
    );
    assert_eq!(callback_answer["statusCode"], 503, "{callback_answer}");
    assert_eq!(token_answer["statusCode"], 503, "{token_answer}");
    assert_eq!(summary["failed"], json!({ "store_unavailable": 1 }), "{summary}");
    aws.calls.fail_to_store_pairs(false);
    // A refresh token is not sent again while its successor may be in the queue.
    let refreshes = aws.simulation.faults.requested("refresh_token");
    aws.set("tenant", &is_due).await;
    aws.set("tenant", &[("lease_until", 1)]).await;
    let held = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!(held["failed"], json!({ "pair_in_escrow": 1 }), "{:#?}", refresh.log());
    aws.set("tenant", &is_due).await;
    assert_eq!(aws.send(&token, Request::new("GET", TOKEN)).await["statusCode"], 503);
    assert_eq!(aws.simulation.faults.requested("refresh_token"), refreshes);
    let escrowed = aws.messages_in_the_queue().await;
    assert_eq!(escrowed["Records"].as_array().unwrap().len(), 3, "{escrowed}");
    for secret in granted.secrets() {
        assert!(!escrowed.to_string().contains(&secret), "{escrowed}");
    }
    assert_eq!(aws.invoke(&refresh, escrowed.clone()).await, json!({ "batchItemFailures": [] }));
    assert_eq!(aws.invoke(&refresh, escrowed).await, json!({ "batchItemFailures": [] }), "delivered twice");
    let garbage = json!({ "Records": [{ "messageId": "m1", "body": "{}", "eventSource": "aws:sqs" }] });
    let failed = json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }] });
    assert_eq!(aws.invoke(&refresh, garbage).await, failed);
    for id in ["tenant", "granted", "swept"] {
        let answer = aws.send(&token, Request::new("GET", &format!("/v1/connections/{id}/token"))).await;
        assert_eq!(answer["statusCode"], 200, "{id}: {answer}");
        assert!(is_live(&aws.provider, body(&answer)["access_token"].as_str().unwrap()).await, "{id}: {answer}");
    }

    // The customer withdraws the access. After a second refusal the connection is given up, with an outcome that was
    // not known before.
    aws.simulation.grants.revoke_all();
    aws.set("tenant", &[("refresh_at", 1)]).await;
    let refused = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!(refused["failed"], json!({ "invalid_grant": 1 }), "{refused}");
    let confirmed = SystemClock.now() - Duration::from_secs(3600);
    let confirmed = [
        ("refresh_at", 1),
        ("not_before", 1),
        ("invalid_grant_at", confirmed.unix()),
        ("leases", 9),
        ("expires_at", 1),
    ];
    aws.set("tenant", &confirmed).await;
    aws.others_are_refused(true).await;
    let frozen = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!(frozen["failed"], json!({ "invalid_grant": 1 }), "{frozen}");
    aws.others_are_refused(false).await;
    aws.set("tenant", &confirmed).await;
    let given_up = aws.invoke(&refresh, scheduled.clone()).await;
    assert_eq!(given_up["reauth_required"], 1, "{given_up}");

    integrator::rehearse(&aws, &connections, &token, &refresh).await;

    // A run that cannot list the due connections reports it in the metric of an alarm.
    aws.calls.fail_to_list(true);
    let unlisted = aws.invoke(&refresh, scheduled.clone()).await;
    aws.calls.fail_to_list(false);
    assert_eq!((&unlisted["finished"], &unlisted["unfinished_runs"]), (&json!(false), &json!(1)), "{unlisted}");

    // Each of these is an event, from the table's stream.
    let events = aws.function("events").await;
    let records = aws.stream.records().await.unwrap();
    assert_eq!(aws.invoke(&events, json!({ "Records": records })).await, json!({ "batchItemFailures": [] }));
    let told = aws.published_events();
    for id in [
        "tenant/1/connection.connected",
        "granted/1/connection.connected",
        "swept/1/connection.connected",
        "tenant/4/connection.reauth_required",
        "imported/2/connection.connected",
        "imported/2/connection.disconnected",
        "imported/4/connection.connected",
        "imported/4/connection.disconnected",
    ] {
        assert_eq!(told.iter().filter(|detail| detail["id"] == id).count(), 1, "{id}: {told:#?}");
    }

    // An error of WebinarGeek that comes without a state is counted.
    let reported = aws.send(&callback, Request::new("GET", "/callback?error=invalid_scope")).await;
    assert_eq!(reported["statusCode"], 400, "{reported}");

    aws.hand_on().await;

    // With another sealing key, all pairs are sealed anew, and rows of no use are removed.
    let calls_before = aws.calls.all().len();
    let maintenance = aws.function_of(&aws.changed, "maintenance").await;
    let looked = aws.invoke(&maintenance, json!({ "task": "reseal" })).await;
    assert_eq!((&looked["would_change"], &looked["failed"]), (&json!(3), &json!({})), "{looked}");
    let resealed = aws.invoke(&maintenance, json!({ "task": "reseal", "dry_run": false })).await;
    assert_eq!((&resealed["changed"], &resealed["finished"]), (&json!(3), &json!(true)), "{resealed}");
    let again = aws.invoke(&maintenance, json!({ "task": "reseal", "dry_run": false })).await;
    assert_eq!((&again["changed"], &again["skipped"]), (&json!(0), &json!(4)), "three, and a tombstone: {again}");
    let new_token = aws.function_of(&aws.changed, "token").await;
    let answer = aws.send(&new_token, Request::new("GET", "/v1/connections/swept/token")).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    aws.set("tenant", &[("needs_customer_since", 1), ("expires_at", 1)]).await;
    let reaped = aws.invoke(&maintenance, json!({ "task": "reap", "dry_run": false })).await;
    assert_eq!((&reaped["changed"], &reaped["finished"]), (&json!(1), &json!(true)), "{reaped}");

    let mut secrets = journey.secrets();
    secrets.extend([SECRET.to_owned(), first_token]);
    for secret in &secrets {
        assert!(!Value::from(told.clone()).to_string().contains(secret), "{told:#?}");
    }
    let functions = [&connections, &authorize, &callback, &second_callback, &token, &refresh, &events, &maintenance];
    refresh.logged(|line| line["ambiguous_rotations"] == 1).await;
    logs::each_line_has_its_members_and_no_secret(&functions, &secrets);
    logs::every_metric_has_been_written(&functions);
    let (maintaining, serving): (Vec<&str>, Vec<&str>) = FUNCTIONS.into_iter().partition(|it| *it == "maintenance");
    let calls = aws.calls.all();
    let (before, after) = calls.split_at(calls_before);
    policies::allow_every_call_and_nothing_unused(&aws.stack, before, &serving).await;
    policies::allow_every_call_and_nothing_unused(&aws.changed, after, &maintaining).await;
    policies::no_function_may_do_more(&aws.stack, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_refuses_what_it_does_not_understand_and_says_why() {
    let variables = Stack::with(&[]).await.environment("maintenance");
    let variables: Vec<(&str, String)> = variables.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let maintenance = Function::start(&built("maintenance"), &variables).await;
    let refused = maintenance.invoke("r1", json!({ "task": "vacuum" })).await.unwrap_err();
    let says = refused["errorMessage"].as_str().unwrap();
    assert!(says.contains("unknown variant `vacuum`, expected `reseal` or `reap`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_without_its_secret_says_so_and_counts_it() {
    let aws = Rehearsal::begin().await;
    aws.clients
        .secrets_manager
        .delete_secret()
        .secret_id("client-secret")
        .force_delete_without_recovery(true)
        .send()
        .await
        .unwrap();
    let connections = aws.function("connections").await;
    let begin = Request::new("POST", "/v1/connect-sessions").json(json!({ "confirm_page": false }));
    let link = Url::parse(body(&aws.send(&connections, begin).await)["url"].as_str().unwrap()).unwrap();
    let target = format!("/authorize?{}", link.query().unwrap());
    let sent = aws.send(&aws.function("authorize").await, Request::new("GET", &target)).await;
    let cookie = sent["cookies"][0].as_str().unwrap().split(';').next().unwrap();
    let consent = Url::parse(sent["headers"]["location"].as_str().unwrap()).unwrap();
    let state = consent.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let target = format!("/callback?code=abc&state={state}");
    let callback = aws.function("callback").await;
    for counted in 1..=2 {
        let page = aws.send(&callback, Request::new("GET", &target).cookie(cookie)).await;
        assert_eq!(page["statusCode"], 503, "{page}");
        assert!(page["body"].as_str().unwrap().contains("Nothing is lost"), "{page}");
        let is_counted = |line: &Value| line["failures"] == 1 && line["cause"] == "configuration";
        callback.logged(|_| callback.log().iter().filter(|line| is_counted(line)).count() == counted).await;
    }
    assert_eq!(aws.simulation.faults.requested("authorization_code"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_permission_says_which_action_on_which_resource_was_refused() {
    let refusal = "User: arn:aws:sts::111122223333:assumed-role/token/token is not authorized to perform: dynamodb:GetItem on \
                   resource: arn:aws:dynamodb:eu-west-1:111122223333:table/connections because no identity-based policy allows the \
                   dynamodb:GetItem action";
    let denies = axum::Router::new().fallback(move || async move {
        let body =
            json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": refusal }).to_string();
        (http::StatusCode::BAD_REQUEST, [("content-type", "application/x-amz-json-1.0")], body)
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, denies).await });
    let stack = Stack::with(&[]).await;
    for (function, request) in [
        ("token", Request::new("GET", TOKEN)),
        ("connections", Request::new("GET", "/v1/connections/tenant")),
        ("authorize", Request::new("GET", "/authorize?session=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA")),
    ] {
        let mut variables = stack.environment(function);
        variables.insert("AWS_ENDPOINT_URL".to_owned(), at.clone());
        let variables: Vec<(&str, String)> =
            variables.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let started = Function::start(&built(function), &variables).await;
        let answer = started.invoke("r1", request.event("connect.example.com")).await.unwrap();
        assert_eq!(answer["statusCode"], 503, "{function}: {answer}");
        assert!(!answer["body"].as_str().unwrap().contains("arn:"), "no caller gets the name of a resource: {answer}");
        let line = started.logged(|line| line["failures"] == 1).await;
        let error = line["error"].as_str().unwrap();
        assert!(error.contains("dynamodb:GetItem on resource: arn:aws:dynamodb:"), "{function}: {line}");
        assert_eq!(line["cause"], "aws", "{line}");
    }
}
