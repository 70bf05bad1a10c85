//! The integrator's calls, through the stack.

use std::time::Duration;

use local::webinargeek::grants::Pair;
use serde_json::{Value, json};
use shared::domain::digest;
use shared::ports::{Clock, Entropy};
use shared::system::{SystemClock, SystemEntropy};
use tests::laptop::is_live;

use super::Rehearsal;
use crate::gateway::{Request, body};
use crate::runtime_api::Function;

/// Another system's: a grant of the same app.
fn foreign_grant(aws: &Rehearsal) -> Pair {
    let random = || digest::base64url((&SystemEntropy as &dyn Entropy).bytes::<32>());
    let (code, redirect_uri, now) = (random(), aws.stack.output("RedirectUri"), SystemClock.now());
    let request = [("client_id", "client-one"), ("redirect_uri", redirect_uri)];
    let request = request.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    aws.simulation.grants.issue_code(&code, &request, now);
    aws.simulation.grants.redeem(&code, redirect_uri, None, "client-one", (random(), random()), now).unwrap()
}

/// One connection needs its customer already.
pub(super) async fn rehearse(aws: &Rehearsal, connections: &Function, token: &Function, refresh: &Function) {
    let listed = async |query: &str| {
        let answer = aws.send(connections, Request::new("GET", &format!("/v1/connections{query}"))).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
        let mut ids: Vec<String> = (body(&answer)["connections"].as_array().unwrap().iter())
            .map(|connection| connection["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(listed("?limit=100").await, ["granted", "swept", "tenant"]);
    assert_eq!(listed("?status=reauth_required").await, ["tenant"]);

    let session = aws.send(connections, Request::new("POST", "/v1/connect-sessions").json(json!({}))).await;
    let path = format!("/v1/connect-sessions/{}", body(&session)["session_id"].as_str().unwrap());
    assert_eq!(body(&aws.send(connections, Request::new("GET", &path)).await)["status"], "pending");

    // An import whose new pair the table does not accept: it waits in the queue, and is stored from there.
    let import = |pair: &Pair| Request::new("PUT", IMPORTED).json(json!({ "refresh_token": pair.refresh_token }));
    let pair = foreign_grant(aws);
    let asked = aws.simulation.faults.requested("refresh_token");
    aws.fault(json!({ "answer": { "late": 1500 }, "grant_type": "refresh_token" }));
    let (imported, ()) = tokio::join!(aws.send(connections, import(&pair)), async {
        while aws.simulation.faults.requested("refresh_token") == asked {
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
        aws.calls.fail_to_store_pairs(true);
    });
    aws.calls.fail_to_store_pairs(false);
    assert_eq!(imported["statusCode"], 202, "{imported}");
    let escrowed = aws.messages_in_the_queue().await;
    assert_eq!(escrowed["Records"].as_array().unwrap().len(), 1, "{escrowed}");
    assert_eq!(aws.invoke(refresh, escrowed).await, json!({ "batchItemFailures": [] }));

    // It was not made to be lost, so the doctor does not try on it how this provider rotates.
    let throw_away = Request::new("POST", "/v1/doctor").json(json!({ "throw_away": "imported" }));
    let refused = aws.send(connections, throw_away).await;
    assert_eq!((&refused["statusCode"], &body(&refused)["field"]), (&json!(400), &json!("throw_away")), "{refused}");

    let read = async || aws.send(token, Request::new("GET", "/v1/connections/imported/token")).await;
    let access_token = body(&read().await)["access_token"].as_str().unwrap().to_owned();
    assert!(is_live(&aws.provider, &access_token).await);
    let refused = aws.send(connections, import(&foreign_grant(aws))).await;
    assert_eq!((&refused["statusCode"], &body(&refused)["code"]), (&json!(409), &json!("connection_exists")));

    // And it is deleted.
    let ended = aws.send(connections, Request::new("DELETE", IMPORTED)).await;
    assert_eq!((&ended["statusCode"], body(&ended)), (&json!(200), json!({ "revocation": "done" })));
    assert!(!is_live(&aws.provider, &access_token).await);
    assert_eq!(read().await["statusCode"], 404);
    assert_eq!(body(&aws.send(connections, Request::new("GET", IMPORTED)).await)["code"], Value::from("not_found"));

    // It comes back at once, and is deleted once more. No caller waits for a revocation endpoint that refuses.
    let again = aws.send(connections, import(&foreign_grant(aws))).await;
    assert_eq!((&again["statusCode"], &body(&again)["version"]), (&json!(201), &json!(4)), "{again}");
    let refuses = json!({ "status": { "status": 404, "error": null, "retry_after": null } });
    aws.fault(json!({ "answer": refuses, "grant_type": "revoke", "times": 2 }));
    let ended = aws.send(connections, Request::new("DELETE", IMPORTED)).await;
    assert_eq!((&ended["statusCode"], body(&ended)), (&json!(200), json!({ "revocation": "failed" })));
    aws.simulation.faults.clear();
}

const IMPORTED: &str = "/v1/connections/imported";
