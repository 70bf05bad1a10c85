//! The template's promises, compared with the code and with what AWS documents.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use local::deployment::function_of;
use serde_json::{Value, json};
use shared::config::{Environment, RefreshSettings};
use shared::domain::connection::refresh::LONGEST_INVOCATION;
use shared::failure::FailureClass;
use shared::metrics::{METRICS, NAMESPACE};

use crate::stack::{FUNCTIONS, Stack, logical_id};

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
        (&[("ClientSecretKeyArn", key)], "OneClientSecret"),
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
        (&[("AlarmEmail", "nobody")], "AlarmEmail"),
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
        &[("ClientSecret", ""), ("ClientSecretArn", arn), ("ClientSecretKeyArn", key)][..],
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

/// The variables that a function asks for when it starts.
fn read_by(function: &str) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    let mut env = Environment::new(&lookup);
    match function {
        "authorize" => drop(authorize::Settings::read(&mut env)),
        "callback" => drop(callback::Settings::read(&mut env)),
        "connections" => drop(connections::Settings::read(&mut env)),
        "events" => drop(events::Settings::read(&mut env)),
        "maintenance" => drop(maintenance::Settings::read(&mut env)),
        "refresh" | "token" => drop(RefreshSettings::read(&mut env)),
        other => panic!("{other} is no function"),
    }
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
        let sample = path.replace("{id}", "tenant").replace("{proxy+}", "what/ever");
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
        assert!(throttle["ThrottlingRateLimit"].is_number(), "{method} {path} is not throttled");
    }
}

/// What AWS documents: namespace, metric, and the dimensions that it reports by.
const OF_AWS: [(&str, &str, &[&str]); 6] = [
    ("AWS/ApiGateway", "5xx", &["ApiId"]),
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "IteratorAge", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &["FunctionName"]),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", &["QueueName"]),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", &["QueueName"]),
];

#[tokio::test]
async fn every_alarm_watches_a_metric_that_reports_under_its_dimensions() {
    let stack = Stack::with(&[]).await;
    let name_of = |value: &Value| value.as_str().unwrap().to_owned();
    let mut watched = BTreeSet::new();
    for (id, alarm) in stack.of_type("AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        assert_eq!(alarm["AlarmActions"], json!([stack.resource("AlarmTopic")["physical_id"]]), "{id}");
        let metrics: Vec<&Value> = match alarm["Metrics"].as_array() {
            Some(several) => several.iter().filter_map(|one| one["MetricStat"].get("Metric")).collect(),
            None => vec![alarm],
        };
        assert!(!metrics.is_empty(), "{id}");
        for metric in metrics {
            let (namespace, name) = (name_of(&metric["Namespace"]), name_of(&metric["MetricName"]));
            let dimensions: BTreeMap<String, String> = metric["Dimensions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| (name_of(&one["Name"]), name_of(&one["Value"])))
                .collect();
            let names: BTreeSet<&str> = dimensions.keys().map(String::as_str).collect();
            let reports = if namespace == NAMESPACE {
                let ours = METRICS.iter().find(|metric| metric.name == name);
                let sets = ours.unwrap_or_else(|| panic!("{id}: the code writes no {name}")).dimensions();
                sets.into_iter().any(|set| names == set.into_iter().collect())
            } else {
                let same = |(space, metric, set): &(&str, &str, &[&str])| {
                    *space == namespace && *metric == name && names == set.iter().copied().collect()
                };
                OF_AWS.iter().any(same)
            };
            assert!(reports, "{id}: {namespace} {name} does not report by {names:?}");
            for (dimension, value) in dimensions {
                let is_there = match dimension.as_str() {
                    "stack" => stack.environment("refresh")["STACK"] == value,
                    "cause" => FailureClass::ALL.iter().any(|class| class.cause() == value),
                    "ApiId" => stack.resource("Api")["physical_id"] == value.as_str(),
                    "FunctionName" => {
                        FUNCTIONS.iter().any(|it| stack.resource(&logical_id(it))["physical_id"] == value.as_str())
                    }
                    "QueueName" => {
                        ["DeadLetters", "Escrow"].iter().any(|it| stack.arn(it).ends_with(&format!(":{value}")))
                    }
                    other => panic!("{id}: an unknown dimension: {other}"),
                };
                assert!(is_there, "{id}: nothing reports as {dimension} {value}");
            }
            watched.insert(name);
        }
    }
    for name in [
        "least_remaining_seconds",
        "unfinished_runs",
        "reauthorizations_needed",
        "ambiguous_rotations",
        "failures",
        "5xx",
        "Throttles",
    ] {
        assert!(watched.contains(name), "no alarm watches {name}");
    }
    // Each cause but the customer's own acts has its alarm.
    let causes: BTreeSet<&str> = FailureClass::ALL.iter().map(|class| class.cause()).collect();
    for cause in causes.into_iter().filter(|cause| *cause != "customer") {
        let alarms = stack.of_type("AWS::CloudWatch::Alarm");
        let watches = |alarm: &Value| alarm["Properties"]["Dimensions"].to_string().contains(&format!("\"{cause}\""));
        assert!(alarms.iter().any(|(_, alarm)| watches(alarm)), "no alarm watches {cause}");
    }
    let dead_man = stack.properties("NoSweepAlarm");
    assert_eq!((&dead_man["EvaluationPeriods"], &dead_man["TreatMissingData"]), (&json!(3), &json!("breaching")));
    // A sweep that lists nothing still ends: the dead man's alarm stays silent, and this one rings.
    let unfinished = stack.properties("UnfinishedRunsAlarm");
    assert_eq!((&unfinished["Statistic"], &unfinished["Threshold"]), (&json!("Sum"), &json!(1)));
    assert_eq!((&unfinished["EvaluationPeriods"], &unfinished["DatapointsToAlarm"]), (&json!(2), &json!(2)));
    assert_eq!(unfinished["Period"], dead_man["Period"]);
    let schedule = stack.properties("RefreshFunctionSchedule")["ScheduleExpression"].as_str().unwrap();
    assert_eq!((schedule, &dead_man["Period"]), ("rate(5 minutes)", &json!("300")));
}

#[tokio::test]
async fn each_of_our_metrics_has_an_alarm_or_a_line_on_the_dashboard() {
    let stack = Stack::with(&[]).await;
    let (_, dashboard) = stack.of_type("AWS::CloudWatch::Dashboard")[0];
    let shown = dashboard["Properties"]["DashboardBody"].as_str().unwrap();
    let is_watched = |name: &str| {
        let alarms = stack.of_type("AWS::CloudWatch::Alarm");
        alarms.iter().any(|(_, alarm)| alarm["Properties"]["MetricName"] == name)
    };
    for metric in METRICS {
        let is_seen = shown.contains(&format!("\"{}\"", metric.name)) || is_watched(metric.name);
        assert!(is_seen, "neither alarm nor dashboard has {}", metric.name);
    }
}

#[tokio::test]
async fn what_holds_connections_outlives_the_stack() {
    let stack = Stack::with(&[]).await;
    let tables = stack.of_type("AWS::DynamoDB::Table");
    assert_eq!(tables.len(), 2);
    for (id, table) in &tables {
        let properties = &table["Properties"];
        assert_eq!(
            (&table["DeletionPolicy"], &table["UpdateReplacePolicy"]),
            (&json!("Retain"), &json!("Retain")),
            "{id}"
        );
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
        assert_eq!(properties["DeletionProtectionEnabled"], true, "{id}");
        assert_eq!(properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true, "{id}");
        assert_eq!(properties["SSESpecification"]["KMSMasterKeyId"], stack.arn("TableKey"), "{id}");
    }
    assert_eq!(
        stack.properties("AttemptsTable")["TimeToLiveSpecification"],
        json!({ "AttributeName": "ttl", "Enabled": true })
    );
    assert!(
        stack.properties("ConnectionsTable").get("TimeToLiveSpecification").is_none(),
        "never on a live connection"
    );
    for (id, key) in stack.of_type("AWS::KMS::Key") {
        assert_eq!(
            (&key["DeletionPolicy"], &key["Properties"]["EnableKeyRotation"]),
            (&json!("Retain"), &json!(true)),
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_stack_that_adopts_makes_nothing_that_it_adopts() {
    let key = "arn:aws:kms:eu-west-1:111122223333:key/1b2c";
    let stack = Stack::with(&[
        ("ExistingConnectionsTable", "their-connections"),
        ("ExistingAttemptsTable", "their-attempts"),
        ("ExistingSealingKeyArn", key),
        ("DeploymentName", "first"),
    ])
    .await;
    assert!(stack.of_type("AWS::DynamoDB::Table").is_empty() && stack.of_type("AWS::KMS::Key").is_empty());
    let environment = stack.environment("callback");
    assert_eq!(environment["CONNECTIONS_TABLE"], "their-connections");
    assert_eq!(environment["ATTEMPTS_TABLE"], "their-attempts");
    assert_eq!(environment["KMS_KEY_ID"], key);
    for function in FUNCTIONS {
        assert_eq!(stack.environment(function)["STACK"], "first", "{function}");
        let policies = Value::from(stack.policies(function)).to_string();
        assert!(!policies.contains("wg-rehearsal-ConnectionsTable"), "{function}");
    }
    assert!(Value::from(stack.policies("token")).to_string().contains("table/their-connections"));
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

    // A table without a stream can be adopted all the same.
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
async fn nothing_invokes_maintenance_but_a_person() {
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
        assert_eq!(properties["TracingConfig"]["Mode"], "Active", "{function}");
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

#[tokio::test]
async fn the_access_log_holds_no_query_string() {
    let stack = Stack::with(&[]).await;
    let format =
        stack.properties("ApiApiGatewayDefaultStage")["AccessLogSettings"]["Format"].as_str().unwrap().to_owned();
    let line: BTreeMap<String, String> = serde_json::from_str(&format).expect("one JSON object a line");
    let logged: BTreeSet<&str> = line.values().map(String::as_str).collect();
    let harmless = BTreeSet::from([
        "$context.requestTimeEpoch",
        "$context.routeKey",
        "$context.status",
        "$context.identity.sourceIp",
        "$context.responseLatency",
        "$context.requestId",
        "$context.integration.requestId",
        "$context.error.message",
        "$context.integrationErrorMessage",
    ]);
    assert_eq!(logged, harmless);
}

#[tokio::test]
async fn the_integrators_policy_reaches_the_integrators_routes_and_nothing_else() {
    let stack = Stack::with(&[]).await;
    let policy = stack.properties("IntegratorPolicy")["PolicyDocument"].clone();
    let api = stack.resource("Api")["physical_id"].as_str().unwrap();
    let ask = |path: &str| crate::iam::Question {
        principal: "arn:aws:iam::111122223333:role/integrator".to_owned(),
        asked: crate::recorder::Asked {
            action: "execute-api:Invoke".to_owned(),
            resource: format!("arn:aws:execute-api:eu-west-1:111122223333:{api}/$default/{path}"),
            context: json!({}),
        },
        policies: vec![policy.clone()],
        resource_policy: None,
    };
    let paths = ["GET/v1/connections/tenant/token", "POST/v1/connect-sessions", "GET/authorize"];
    assert_eq!(crate::iam::decide(&paths.map(ask)).await, [true, true, false]);
}
