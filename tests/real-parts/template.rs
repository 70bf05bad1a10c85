//! The template's promises, compared with the code and with what AWS documents.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use local::deployment::function_of;
use serde_json::{Value, json};
use shared::config::{Environment, RefreshSettings};
use shared::domain::connection::refresh::LONGEST_INVOCATION;

use crate::stack::{FUNCTIONS, Stack, logical_id};

mod access_log;
mod alarms;
mod away;
mod deploying;
mod elsewhere;
mod kept;
mod names;
mod parameters;
mod platform;
mod policies;

#[tokio::test]
async fn a_wrong_parameter_is_refused_before_anything_is_created() {
    let right = [("ClientId", "id"), ("ClientSecret", "secret")];
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:wg-AbCdEf";
    let certificate = "arn:aws:acm:eu-west-1:111122223333:certificate/1b2c";
    let key = "arn:aws:kms:eu-west-1:111122223333:key/1b2c";
    let stream = "arn:aws:dynamodb:eu-west-1:111122223333:table/connections/stream/2026-11-24T16:00:00.000";
    let refused: &[(&[(&str, &str)], &str)] = &[
        (&[("ClientId", "")], "ClientId"),
        (&[("ClientId", "an id\n")], "ClientId"),
        (&[("ClientSecret", "")], "OneClientSecret"),
        (&[("ClientSecretArn", arn)], "OneClientSecret"),
        (&[("ClientSecret", ""), ("ClientSecretArn", "wg")], "ClientSecretArn"),
        (&[("PermissionsBoundaryArn", "boundary")], "PermissionsBoundaryArn"),
        (&[("Tracing", "Active")], "Tracing"),
        (&[("BrowserRequestsPerSecond", "21")], "BrowserRequestsPerSecond"),
        (&[("IntegratorRequestsPerSecond", "10000")], "IntegratorRequestsPerSecond"),
        (&[("DisableExecuteApiEndpoint", "no")], "DisableExecuteApiEndpoint"),
        (&[("TokenUrl", "http://provider.example/token")], "TokenUrl"),
        (&[("TokenUrl", "https://provider.example/token")], "RevocationAtTheSameProvider"),
        (&[("AuthorizeUrl", "https://user@provider.example/")], "AuthorizeUrl"),
        (&[("RevokeUrl", "off")], "RevokeUrl"),
        (&[("Scope", "read  write")], "Scope"),
        (&[("Pkce", "yes")], "Pkce"),
        (&[("ClientAuthentication", "none")], "ClientAuthentication"),
        (&[("AccessTokenLifetime", "0")], "AccessTokenLifetime"),
        (&[("AccessTokenLifetime", "2h")], "AccessTokenLifetime"),
        (&[("ReturnToOrigins", "https://app.example.com/done")], "ReturnToOrigins"),
        (&[("ReturnToOrigins", "http://app.example.com")], "ReturnToOrigins"),
        (&[("ReturnToOrigins", "*")], "ReturnToOrigins"),
        (&[("InstallLink", "true")], "InstallLink"),
        (&[("DisplayName", "Acme\nWebinars")], "DisplayName"),
        (&[("LogoUrl", "http://cdn.example.com/logo.svg")], "LogoUrl"),
        (&[("LogoUrl", "data:text/html,a")], "LogoUrl"),
        (&[("AccentColor", "blue")], "AccentColor"),
        (&[("SupportUrl", "help@example.com")], "SupportUrl"),
        (&[("PrivacyUrl", "mailto:help@example.com")], "PrivacyUrl"),
        (&[("DeploymentName", "a b")], "DeploymentName"),
        (&[("ExistingConnectionsTable", "connections")], "TableWithItsKey"),
        (&[("ExistingSealingKeyArn", key)], "TableWithItsKey"),
        (&[("ExistingConnectionsTable", "connections"), ("ExistingSealingKeyArn", key)], "TableWithItsKey"),
        (&[("ExistingConnectionsStreamArn", stream)], "StreamOfTheTable"),
        (&[("ExistingConnectionsStreamArn", "2026-11-24T16:00:00.000")], "ExistingConnectionsStreamArn"),
        (&[("EventBusName", "a bus")], "EventBusName"),
        (&[("NewSealingKeyArn", "alias/sealing")], "NewSealingKeyArn"),
        (&[("PreviousSealingKeyArn", key)], "PreviousSealingKeyWithANewOne"),
        (&[("DomainName", "connect.example.com")], "DomainWithCertificate"),
        (&[("CertificateArn", certificate)], "DomainWithCertificate"),
        (&[("HostedZoneId", "Z123")], "DomainWithCertificate"),
        (&[("DomainName", "https://connect.example.com"), ("CertificateArn", certificate)], "DomainName"),
        (&[("LogRetentionDays", "31")], "LogRetentionDays"),
        (&[("AlarmEmail", "ops")], "AlarmEmail"),
        (&[("Architecture", "riscv")], "Architecture"),
        (&[("RefreshIntervalMinutes", "2")], "RefreshIntervalMinutes"),
    ];
    for (wrong, names) in refused {
        let mut parameters = BTreeMap::from(right);
        parameters.extend(wrong.iter().copied());
        match Stack::resolve(&parameters).await {
            Ok(_) => panic!("{wrong:?} is accepted"),
            Err(problems) => assert!(problems.contains(&format!("{names}: ")), "{wrong:?}: {problems}"),
        }
    }
    for accepted in [
        &[("ClientSecret", ""), ("ClientSecretArn", arn)][..],
        &[("ReturnToOrigins", "https://app.example.com, https://b.example:8443,http://localhost:3000")],
        &[("TokenUrl", "https://provider.example/token"), ("RevokeUrl", "")],
        &[("DomainName", "connect.example.com"), ("CertificateArn", certificate), ("HostedZoneId", "Z123")],
        &[
            ("ExistingConnectionsTable", "connections"),
            ("ExistingSealingKeyArn", key),
            ("ExistingConnectionsStreamArn", stream),
            ("ExistingAttemptsTable", "attempts"),
            ("DeploymentName", "first"),
        ],
        &[("EventBusName", "default")],
        &[("LogoUrl", "https://cdn.example.com/logo.svg"), ("AccentColor", "#FFd000")],
        &[("LogoUrl", "data:image/svg+xml;base64,PHN2Zy8+"), ("SupportUrl", "mailto:help@example.com")],
        &[("SupportUrl", "https://example.com/help"), ("PrivacyUrl", "https://example.com/privacy")],
        &[("RefreshIntervalMinutes", "1"), ("Architecture", "x86_64"), ("AlarmEmail", "ops@example.com")],
    ] {
        Stack::with(accepted).await;
    }
}

fn read_settings(function: &str, env: &mut Environment<'_>) {
    match function {
        "authorize" => drop(authorize::Settings::read(env)),
        "callback" => drop(callback::Settings::read(env)),
        "connections" => drop(connections::Settings::read(env)),
        "events" => drop(events::Settings::read(env)),
        "maintenance" => drop(maintenance::Settings::read(env)),
        "refresh" => drop((RefreshSettings::read(env), refresh::Settings::read(env))),
        "token" => drop(RefreshSettings::read(env)),
        other => panic!("{other} is no function"),
    }
}

/// The variables that a function asks for when it starts.
fn read_by(function: &str) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    let mut env = Environment::new(&lookup);
    read_settings(function, &mut env);
    drop(env);
    asked.into_inner()
}

#[tokio::test]
async fn a_function_is_given_every_variable_that_it_reads_and_no_other() {
    let certificate = "arn:aws:acm:eu-west-1:111122223333:certificate/1b2c";
    let stack = Stack::with(&[("DomainName", "connect.example.com"), ("CertificateArn", certificate)]).await;
    for function in FUNCTIONS {
        let given: BTreeSet<String> = stack.environment(function).into_keys().collect();
        assert_eq!(given, read_by(function), "{function}");
    }
}

#[tokio::test]
async fn every_route_leads_to_the_function_that_answers_it_and_the_integrators_are_signed() {
    let stack = Stack::with(&[]).await;
    for (method, path, function, is_signed) in stack.routes() {
        let sample = path.replace("{id}", "tenant").replace("{proxy+}", "any/path");
        let methods = if method == "ANY" { vec!["PUT", "DELETE", "HEAD"] } else { vec![method.as_str()] };
        for method in methods {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(function_of(&method, &sample), Some(function), "{method} {sample}");
        }
        assert_eq!(is_signed, path.starts_with("/v1/"), "{method} {path}");
    }
    // And the other direction: every path that the handlers answer has a route. API Gateway itself answers a wrong
    // method.
    for path in [
        "/v1/connect-sessions",
        "/v1/connections/t",
        "/v1/connections/t/token",
        "/v1/doctor",
        "/v1/x",
        "/authorize",
        "/callback",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            let ours = function_of(&Method::from_bytes(method.as_bytes()).unwrap(), path);
            let theirs = stack.route(method, path);
            let is_wrong = theirs.is_none() && !path.starts_with("/v1/");
            assert!(ours == theirs || is_wrong, "{method} {path}: {ours:?}, and {theirs:?} by the template");
        }
    }
    for (method, path) in [
        ("GET", "/authorize"),
        ("HEAD", "/authorize"),
        ("POST", "/authorize"),
        ("GET", "/callback"),
        ("HEAD", "/callback"),
    ] {
        assert!(stack.route(method, path).is_some());
        let throttle = &stack.properties("ApiApiGatewayDefaultStage")["RouteSettings"][format!("{method} {path}")];
        assert_eq!(throttle["ThrottlingRateLimit"], "20", "{method} {path} is not throttled");
    }
}

#[tokio::test]
async fn the_events_function_follows_the_tables_stream_and_loses_no_record_of_it() {
    let stream = "arn:aws:dynamodb:eu-west-1:111122223333:table/their-connections/stream/2026-11-24T16:00:00.000";
    let adopting = [
        ("ExistingConnectionsTable", "their-connections"),
        ("ExistingSealingKeyArn", "arn:aws:kms:eu-west-1:111122223333:key/1b2c"),
        ("DeploymentName", "first"),
        ("EventBusName", "theirs"),
        ("ExistingConnectionsStreamArn", stream),
    ];
    let own = Stack::with(&[]).await;
    let its = format!("{}/stream/", own.arn("ConnectionsTable"));
    for (stack, stream) in [(&own, its.as_str()), (&Stack::with(&adopting).await, stream)] {
        let mapping = stack.properties("EventsFromStream");
        assert!(mapping["EventSourceArn"].as_str().unwrap().starts_with(stream), "{mapping}");
        assert_eq!(mapping["StartingPosition"], "TRIM_HORIZON");
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert_eq!(mapping["MaximumRetryAttempts"], -1);
        let age = mapping["MaximumRecordAgeInSeconds"].as_u64().unwrap();
        assert!((3600 * 20..3600 * 24).contains(&age), "the stream keeps a record for a day");
        assert_eq!(mapping["DestinationConfig"]["OnFailure"]["Destination"], stack.arn("DeadLetters"));
        let policies = Value::from(stack.policies("events")).to_string();
        assert!(policies.contains(mapping["EventSourceArn"].as_str().unwrap()), "{policies}");
    }
    assert_eq!(own.properties("ConnectionsTable")["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(own.output("EventBusName"), own.environment("events")["EVENT_BUS_NAME"]);

    // A table without a stream can be adopted too.
    let without = Stack::with(&adopting[..4]).await;
    assert!(without.of_type("AWS::Lambda::EventSourceMapping").iter().all(|(id, _)| *id != "EventsFromStream"));
    assert!(without.of_type("AWS::Events::EventBus").is_empty());
    assert_eq!(without.environment("events")["EVENT_BUS_NAME"], "theirs");
    let policies = Value::from(without.policies("events")).to_string();
    assert!(policies.contains("event-bus/theirs") && !policies.contains("dynamodb:"), "{policies}");
}

#[tokio::test]
async fn a_new_sealing_key_makes_the_data_keys_and_every_earlier_one_still_opens() {
    let [new, newer] = ["1b2c", "3d4e"].map(|id| format!("arn:aws:kms:eu-west-1:111122223333:key/{id}"));
    let changed = Stack::with(&[("NewSealingKeyArn", &new)]).await;
    let again = Stack::with(&[("NewSealingKeyArn", &newer), ("PreviousSealingKeyArn", &new)]).await;
    for (stack, current, earlier) in [(&changed, &new, vec![]), (&again, &newer, vec![&*new])] {
        let mut all = vec![stack.arn("SealingKey"), current];
        all.extend(earlier);
        assert_eq!(stack.output("SealingKeyArn"), current);
        for function in FUNCTIONS {
            for policy in stack.policies(function) {
                for statement in policy["Statement"].as_array().unwrap() {
                    match statement["Sid"].as_str().unwrap() {
                        "OpenDataKey" => assert_eq!(statement["Resource"], json!(all), "{function}"),
                        "MakeDataKey" => assert_eq!(statement["Resource"], json!(current), "{function}"),
                        _ => {}
                    }
                }
            }
        }
        for function in ["callback", "maintenance"] {
            assert_eq!(&stack.environment(function)["KMS_KEY_ID"], current, "{function}");
        }
    }
}

#[tokio::test]
async fn only_a_person_invokes_maintenance() {
    let stack = Stack::with(&[]).await;
    let arn = stack.arn("MaintenanceFunction");
    for kind in ["AWS::Lambda::Permission", "AWS::Scheduler::Schedule", "AWS::Lambda::EventSourceMapping"] {
        for (id, resource) in stack.of_type(kind) {
            assert!(!resource.to_string().contains(arn), "{id}");
        }
    }
    assert!(stack.routes().iter().all(|(_, _, function, _)| *function != "maintenance"));
    assert_eq!(stack.output("MaintenanceFunctionName"), stack.resource("MaintenanceFunction")["physical_id"]);
}

#[tokio::test]
async fn a_function_has_its_own_role_and_log_and_the_time_that_the_protocol_needs() {
    let stack = Stack::with(&[]).await;
    let mut roles = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for function in FUNCTIONS {
        let properties = stack.properties(&logical_id(function));
        roles.insert(properties["Role"].to_string());
        groups.insert(properties["LoggingConfig"]["LogGroup"].to_string());
        assert_eq!(properties["Runtime"], "provided.al2023", "{function}");
        assert!(properties.get("ReservedConcurrentExecutions").is_none(), "a new account refuses it: {function}");
        assert!(properties.get("FunctionName").is_none(), "a second stack would collide: {function}");
    }
    assert_eq!((roles.len(), groups.len()), (FUNCTIONS.len(), FUNCTIONS.len()));
    for (id, group) in stack.of_type("AWS::Logs::LogGroup") {
        assert_eq!(group["Properties"]["RetentionInDays"], "30", "{id}");
    }
    let timeout = |function: &str| stack.properties(&logical_id(function))["Timeout"].as_u64().unwrap();
    let longest = FUNCTIONS.into_iter().map(timeout).max().unwrap();
    assert_eq!(longest, LONGEST_INVOCATION.as_secs(), "an ambiguous refusal is confirmed after the longest invocation");
    assert!(timeout("token") >= 60);
}
