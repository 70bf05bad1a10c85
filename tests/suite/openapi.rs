//! openapi.yaml itself. In every test, [`tests::world::World`] checks that each answer is described.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::failure::FailureClass;
use shared::http::{Request, Response};
use tests::description::{Asked, DESCRIPTION, escaped, members, yaml};
use tests::laptop::Laptop;
use tests::world::World;

use crate::connections::assert_problem;

/// The method, the path without the names of its variables, and whether requests must be signed.
type Route = (String, String, bool);

/// `{id}` of openapi.yaml may have a longer name in template.yaml.
fn unnamed(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

fn described() -> BTreeSet<Route> {
    let mut routes = BTreeSet::new();
    for (path, _) in members(DESCRIPTION.at("/paths")) {
        for method in DESCRIPTION.methods(path) {
            let operation = DESCRIPTION.at(&format!("/paths/{}/{method}", escaped(path))).unwrap();
            let security = operation.get("security").unwrap_or(&DESCRIPTION.document["security"]);
            routes.insert((method.to_uppercase(), unnamed(path), *security != json!([])));
        }
    }
    routes
}

/// The catch-all route is not counted: it gives 404 and 405.
fn deployed() -> BTreeSet<Route> {
    let template = yaml("template.yaml");
    let mut routes = BTreeSet::new();
    for resource in template["Resources"].as_object().unwrap().values() {
        let events = resource["Properties"]["Events"].as_object();
        for event in events.into_iter().flat_map(|events| events.values()).filter(|event| event["Type"] == "HttpApi") {
            let route = &event["Properties"];
            if route["Method"] != "ANY" {
                let text = |name: &str| route[name].as_str().unwrap();
                let is_signed = route["Auth"]["Authorizer"] == "AWS_IAM";
                routes.insert((text("Method").to_owned(), unnamed(text("Path")), is_signed));
            }
        }
    }
    routes
}

#[test]
fn the_described_routes_are_the_deployed_ones() {
    let (described, deployed) = (described(), deployed());
    let only = |these: &BTreeSet<Route>, those: &BTreeSet<Route>| these - those;
    assert_eq!(only(&described, &deployed), BTreeSet::new(), "described and not deployed");
    assert_eq!(only(&deployed, &described), BTreeSet::new(), "deployed and not described");
}

#[test]
fn every_example_fits_its_schema() {
    let mut examined = 0;
    examine("", DESCRIPTION.document, &mut examined);
    assert!(examined > 30, "{examined} examples were found");
}

/// Examples are beside a `schema`, or in one as a list.
fn examine(at: &str, node: &Value, examined: &mut usize) {
    let mut check = |schema: &str, example: &Value| {
        DESCRIPTION.validate(schema, example).unwrap_or_else(|error| panic!("{at}: {error}"));
        *examined += 1;
    };
    match node {
        Value::Object(object) => {
            if object.contains_key("schema") {
                let schema = format!("{at}/schema");
                object.get("example").into_iter().for_each(|example| check(&schema, example));
                let named = object.get("examples").and_then(Value::as_object);
                named.into_iter().flatten().for_each(|(_, example)| check(&schema, &example["value"]));
            }
            let listed = object.get("examples").and_then(Value::as_array);
            listed.into_iter().flatten().for_each(|example| check(at, example));
            for (name, inner) in object.iter().filter(|(name, _)| !name.starts_with("example")) {
                examine(&format!("{at}/{}", escaped(name)), inner, examined);
            }
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, inner)| examine(&format!("{at}/{index}"), inner, examined));
        }
        _ => {}
    }
}

#[test]
fn every_reason_is_described() {
    let described = DESCRIPTION.at("/components/schemas/ConnectionReason/enum").unwrap();
    let described: BTreeSet<&str> = described.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    // These are no failures of a connection: its events could not be published, or the run had no time left.
    let is_of_a_connection =
        |class: &&FailureClass| !matches!(class, FailureClass::BusUnavailable | FailureClass::OutOfTime);
    let classes = FailureClass::ALL.iter().filter(is_of_a_connection);
    let reasons = classes.map(|class| class.as_str());
    assert_eq!(described, reasons.chain(["not_refreshed"]).collect());
}

#[test]
fn its_version_is_that_of_the_program() {
    assert_eq!(DESCRIPTION.document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn cargo_dev_serves_it_without_signatures() {
    let laptop = Laptop::start(env!("CARGO_BIN_EXE_laptop"), &[]).await;
    let answer = laptop.get("/openapi.yaml").await;
    assert_eq!(answer.headers()["content-type"], "application/yaml");
    let served: Value = serde_saphyr::from_str(&answer.text().await.unwrap()).unwrap();
    let mut expected = DESCRIPTION.document.clone();
    expected["security"] = json!([]);
    assert_eq!(served, expected);
}

#[test]
fn an_answer_that_is_not_described_fails() {
    let path = "/v1/connect-sessions/x";
    let id = "mVmNr5xYdJ0m1cQyqPzv0t6sN0X2Vb6m4j7oYw1aKcE";
    let session = |status: &str| {
        let body = json!({
            "session_id": id, "connection_id": "t", "status": status, "reason": null, "reference": null,
            "expires_at": "2027-01-15T08:01:00Z",
        });
        let mut response = Response::new(body.to_string());
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        response.headers_mut().insert("cache-control", "no-store".parse().unwrap());
        response
    };
    let described = |method: Method, response: Response| {
        let mut request = Request::default();
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        std::panic::catch_unwind(AssertUnwindSafe(|| DESCRIPTION.hold(&Asked::of(&request), &response))).is_ok()
    };
    assert!(described(Method::GET, session("pending")));
    assert!(!described(Method::GET, session("unheard of")), "the body");
    assert!(!described(Method::POST, session("pending")), "the method");
    let mut tampered = session("pending");
    *tampered.status_mut() = StatusCode::ACCEPTED;
    assert!(!described(Method::GET, tampered), "the status");
    for name in ["content-type", "cache-control"] {
        let mut tampered = session("pending");
        tampered.headers_mut().remove(name);
        assert!(!described(Method::GET, tampered), "{name}");
    }
}

/// Found by Schemathesis.
#[tokio::test]
async fn a_whole_number_with_a_decimal_point_was_not_an_integer() {
    let world = World::new().await;
    assert_eq!(world.session(json!({ "expires_in": 60.0 })).await.text("expires_at"), "2027-01-15T08:01:00Z");
    for expires_in in [json!(60.5), json!(1e300), json!(-1e300)] {
        let body = json!({ "expires_in": expires_in });
        let answer = world.json(Method::POST, "/v1/connect-sessions", Some(body)).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
    }
}

/// Found by Schemathesis.
#[tokio::test]
async fn a_confirm_call_before_the_end_of_the_journey_was_answered_not_found() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let path = format!("/v1/connect-sessions/{}/confirm", session.text("session_id"));
    let body = json!({ "confirmation": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" });
    let answer = world.json(Method::POST, &path, Some(body)).await;
    assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
    assert_eq!(answer.body["field"], "confirmation");
}

/// Found by Schemathesis.
#[tokio::test]
async fn an_import_accepted_a_refresh_token_that_rfc_6749_does_not_allow() {
    let world = World::new().await;
    for refresh_token in ["", "\u{e9}", "a\nb", "\u{7f}"] {
        let body = json!({ "refresh_token": refresh_token });
        let answer = world.json(Method::PUT, "/v1/connections/t", Some(body)).await;
        assert_problem(&answer.body, &answer.headers, 400, "invalid_request");
        assert_eq!(answer.body["field"], "refresh_token");
    }
}
