//! `wgc` with a stack: its outputs and log groups from CloudFormation, its API behind IAM authorization.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use tests::api_gateway::{ApiGateway, REGION, SECRET, SESSION_TOKEN};
use tests::laptop::Laptop;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::{LAPTOP, fails, json_of, stdout_of, wgc};

/// A stand-in for the calls to AWS that `wgc` makes.
#[derive(Default)]
struct Aws {
    api_origin: String,
    /// The answers of the maintenance function, in their order.
    maintenance: Mutex<Vec<Value>>,
    asked: Mutex<Vec<Value>>,
}

impl Aws {
    async fn listen(api_origin: &str, maintenance: Vec<Value>) -> (String, Arc<Self>) {
        let aws = Self { api_origin: api_origin.to_owned(), maintenance: Mutex::new(maintenance), ..Self::default() };
        let (aws, listener) = (Arc::new(aws), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(aws.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (origin, aws)
    }

    fn outputs(&self) -> String {
        let outputs = [("ApiOrigin", self.api_origin.as_str()), ("MaintenanceFunctionName", "stack-maintenance")];
        let outputs = outputs.map(|(key, value)| {
            format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
        });
        format!(
            "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
             <Stacks><member><StackName>ours</StackName><CreationTime>2026-11-24T16:00:00Z</CreationTime>\
             <StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{}</Outputs></member></Stacks></DescribeStacksResult>\
             </DescribeStacksResponse>",
            outputs.concat()
        )
    }
}

const RESOURCES: [(&str, &str, &str); 4] = [
    ("EventsLogGroup", "AWS::Logs::LogGroup", "ours-EventsLogGroup-1"),
    ("RefreshLogGroup", "AWS::Logs::LogGroup", "ours-RefreshLogGroup-2"),
    ("ApiLogGroup", "AWS::Logs::LogGroup", "/aws/vendedlogs/apis/ours"),
    ("ConnectionsTable", "AWS::DynamoDB::Table", "ours-ConnectionsTable-3"),
];

fn resources() -> String {
    let summaries = RESOURCES.map(|(id, kind, physical)| {
        format!(
            "<member><LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId>\
             <ResourceType>{kind}</ResourceType><LastUpdatedTimestamp>2026-11-24T16:00:00Z</LastUpdatedTimestamp>\
             <ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>"
        )
    });
    format!(
        "<ListStackResourcesResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
         <ListStackResourcesResult><StackResourceSummaries>{}</StackResourceSummaries></ListStackResourcesResult>\
         </ListStackResourcesResponse>",
        summaries.concat()
    )
}

const NO_STACK: &str = "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error><Type>Sender</Type>\
    <Code>ValidationError</Code><Message>Stack with id other does not exist</Message></Error></ErrorResponse>";

async fn answer(State(aws): State<Arc<Aws>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    let xml = |text: String| ([("content-type", "text/xml")], text).into_response();
    if parts.uri.path() == "/2015-03-31/functions/stack-maintenance/invocations" {
        aws.asked.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        return axum::Json(aws.maintenance.lock().unwrap().remove(0)).into_response();
    }
    match parts.headers.get("x-amz-target").map(|target| target.to_str().unwrap()) {
        Some("Logs_20140328.FilterLogEvents") => axum::Json(log(&serde_json::from_str(&body).unwrap())).into_response(),
        None if body.contains("Action=DescribeStacks") && body.contains("StackName=ours") => xml(aws.outputs()),
        None if body.contains("Action=DescribeStacks") => (StatusCode::BAD_REQUEST, NO_STACK).into_response(),
        None if body.contains("Action=ListStackResources") => xml(resources()),
        other => panic!("{other:?} {} {body}", parts.uri),
    }
}

/// Two pages, each with one line.
fn log(request: &Value) -> Value {
    assert!(request["startTime"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds: {request}");
    let failed = |connection: &str| json!({ "failures": 1, "class": "unreachable", "error": "connection refused", "connection": connection, "request_id": "r1" });
    let (group, pattern) = (request["logGroupName"].as_str().unwrap(), request["filterPattern"].as_str().unwrap());
    let second_page = request.get("nextToken").is_some();
    let message = match group {
        "ours-RefreshLogGroup-2" if pattern.contains("$.failures = 1") => failed(if second_page { "b" } else { "a" }),
        "ours-EventsLogGroup-1" if pattern.contains("delivered") => {
            let version = if second_page { 18 } else { 17 };
            json!({ "message": "delivered", "event": format!("acme/{version}/connection.degraded"), "connection": "acme" })
        }
        "ours-EventsLogGroup-1" | "ours-RefreshLogGroup-2" => return json!({ "events": [] }),
        other => panic!("{other} is not a function's"),
    };
    let line = json!({
        "logStreamName": "s", "timestamp": 1_795_495_962_000_i64 + i64::from(second_page), "message": message.to_string(),
        "ingestionTime": 0, "eventId": if second_page { "2" } else { "1" },
    });
    let mut page = json!({ "events": [line] });
    if !second_page {
        page["nextToken"] = "more".into();
    }
    page
}

fn with_stack(aws: &str, arguments: &[&str]) -> Command {
    let mut command = wgc(arguments);
    command.args(["--stack", "ours", "--region", REGION]).env("AWS_ENDPOINT_URL", aws);
    command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.env("AWS_SESSION_TOKEN", SESSION_TOKEN);
    command
}

#[tokio::test]
async fn the_api_is_found_by_the_stacks_outputs_and_every_call_is_signed() {
    let laptop = Laptop::start(LAPTOP, &[]).await;
    let id = "acme:eu-1.a_b-c";
    assert_eq!(laptop.connect(id).await.status(), 200);
    let gateway = ApiGateway::before(&laptop.origin).await;
    let (aws, _) = Aws::listen(&gateway.origin, Vec::new()).await;
    assert_eq!(json_of(with_stack(&aws, &["show", id])).await["status"], "active");
    assert_eq!(json_of(with_stack(&aws, &["list", "--status", "active"])).await["id"], id);
    assert_eq!(json_of(with_stack(&aws, &["link", "other"])).await["connection_id"], "other");
    assert_eq!(
        gateway.requests(),
        [
            format!("GET /v1/connections/{id} -> 503"),
            format!("GET /v1/connections/{id} -> 200"),
            "GET /v1/connections -> 200".to_owned(),
            "POST /v1/connect-sessions {\"connection_id\":\"other\"} -> 201".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_missing_stack_a_missing_region_and_missing_credentials_are_reported() {
    let (aws, _) = Aws::listen("https://unused.example", Vec::new()).await;
    let mut other = wgc(&["list", "--stack", "other", "--region", REGION]);
    other.env("AWS_ENDPOINT_URL", &aws).env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", SECRET);
    let (code, error) = fails(other).await;
    assert_eq!(code, 3, "{error}");
    assert!(error["detail"].as_str().unwrap().contains("no stack other in eu-central-1"), "{error}");
    let (code, error) = fails(wgc(&["list"])).await;
    assert_eq!(code, 2, "{error}");
    assert!(error["detail"].as_str().unwrap().contains("--region"), "{error}");
    let mut without_keys = wgc(&["list", "--stack", "ours", "--region", REGION]);
    without_keys.env("AWS_ENDPOINT_URL", &aws);
    assert_eq!(fails(without_keys).await.0, 6);
    let mut unreachable = with_stack("http://127.0.0.1:1", &["list"]);
    unreachable.env("AWS_MAX_ATTEMPTS", "1");
    assert_eq!(fails(unreachable).await.0, 5);
}

#[tokio::test]
async fn maintain_begins_with_a_dry_run_and_continues_from_each_cursor_until_it_is_finished() {
    let at = |key: &str| json!({ "segments": 8, "open": [{ "segment": 7, "after": key }] });
    let report = |dry_run: bool, scanned: u64, cursor: Option<&str>| {
        let changes = if dry_run { "would_change" } else { "changed" };
        json!({
            "task": "reap", "dry_run": dry_run, "scanned": scanned, changes: 2, "skipped": scanned - 2, "failed": {},
            "finished": cursor.is_none(), "cursor": cursor.map(at),
        })
    };
    let answers = vec![
        report(true, 500, Some("c_1")),
        report(true, 4, None),
        report(false, 300, Some("c_2")),
        report(false, 200, Some("c_3")),
        report(false, 4, None),
    ];
    let (aws, seen) = Aws::listen("https://unused.example", answers).await;
    let output = stdout_of(with_stack(&aws, &["maintain", "reap", "--yes", "--json"])).await;
    let reports: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&reports[0]["scanned"], &reports[0]["would_change"]), (&json!(504), &json!(4)));
    assert_eq!((&reports[1]["scanned"], &reports[1]["changed"]), (&json!(504), &json!(6)));
    let event = |dry_run: bool| json!({ "task": "reap", "dry_run": dry_run, "days": 90 });
    let from =
        |dry_run: bool, cursor: &str| json!({ "task": "reap", "dry_run": dry_run, "days": 90, "cursor": at(cursor) });
    assert_eq!(
        *seen.asked.lock().unwrap(),
        [event(true), from(true, "c_1"), event(false), from(false, "c_2"), from(false, "c_3")]
    );
}

#[tokio::test]
async fn nothing_is_resealed_while_a_row_does_not_open_and_a_run_without_progress_is_not_repeated() {
    let mut does_not_open = json!({
        "task": "reseal", "dry_run": true, "scanned": 3, "would_change": 2, "skipped": 0, "failed": { "unopenable": 1 },
        "finished": true, "cursor": null,
    });
    let (aws, seen) = Aws::listen("https://unused.example", vec![does_not_open.clone()]).await;
    let output = with_stack(&aws, &["maintain", "reseal", "--yes"]).output().await.unwrap();
    assert_eq!((output.status.code(), seen.asked.lock().unwrap().len()), (Some(1), 1), "{output:?}");

    does_not_open["finished"] = false.into();
    let (aws, seen) = Aws::listen("https://unused.example", vec![does_not_open]).await;
    let output = with_stack(&aws, &["maintain", "reseal", "--yes"]).output().await.unwrap();
    assert_eq!((output.status.code(), seen.asked.lock().unwrap().len()), (Some(1), 1), "{output:?}");
}

#[tokio::test]
async fn logs_shows_failures_with_their_remedies_and_events_shows_the_events() {
    let (aws, _) = Aws::listen("https://unused.example", Vec::new()).await;
    let groups = json_of(with_stack(&aws, &["logs", "--since", "2d"])).await;
    assert_eq!(groups.as_array().unwrap().len(), 1, "{groups}");
    let group = &groups[0];
    assert_eq!((&group["kind"], &group["count"]), (&json!("unreachable"), &json!(2)), "both pages: {group}");
    assert_eq!(group["connections"], json!(["a", "b"]));
    assert!(group["remedy"].as_str().unwrap().contains("WebinarGeek's status"), "{group}");
    assert_eq!(json_of(with_stack(&aws, &["logs", "--connection", "b"])).await[0]["count"], 1);
    let table = stdout_of(with_stack(&aws, &["logs"])).await;
    assert!(table.contains("unreachable\t2\t"), "{table}");

    let events = stdout_of(with_stack(&aws, &["events"])).await;
    let expected = "2026-11-24T04:52:42Z  connection.degraded  acme  version 17";
    assert_eq!(events.lines().next(), Some(expected), "{events}");
    assert_eq!(events.lines().count(), 2, "{events}");
}

#[tokio::test]
async fn with_an_address_alone_logs_events_and_maintain_ask_for_the_stack() {
    let at_address = |arguments: &[&str]| {
        let mut command = wgc(arguments);
        command.args(["--url", "https://api.example.com", "--region", REGION]);
        command
    };
    for command in [&["logs"][..], &["events"], &["maintain", "reap"]] {
        let (code, error) = fails(at_address(command)).await;
        assert_eq!(code, 2, "{command:?}");
        assert!(error["detail"].as_str().unwrap().contains("--stack"), "{error}");
    }
}
