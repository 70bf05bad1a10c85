//! What single parameters change.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::part;
use crate::stack::{FUNCTIONS, Stack, logical_id};

#[tokio::test]
async fn a_permissions_boundary_is_on_every_role_and_on_none_without_the_parameter() {
    let boundary = "arn:aws:iam::111122223333:policy/of-the-organization";
    let bounded = Stack::with(&[("PermissionsBoundaryArn", boundary)]).await;
    let roles = bounded.of_type("AWS::IAM::Role");
    assert_eq!(roles.len(), FUNCTIONS.len() + 1, "one for each function, and the schedule's");
    for (id, role) in roles {
        assert_eq!(role["Properties"]["PermissionsBoundary"], boundary, "{id}");
    }
    for (id, role) in Stack::with(&[]).await.of_type("AWS::IAM::Role") {
        assert!(role["Properties"].get("PermissionsBoundary").is_none(), "{id}");
    }
}

#[tokio::test]
async fn x_ray_is_off_and_on_where_it_is_asked_for() {
    for (tracing, mode, may_trace) in [("off", "PassThrough", false), ("on", "Active", true)] {
        let stack = Stack::with(&[("Tracing", tracing)]).await;
        for function in FUNCTIONS {
            assert_eq!(stack.properties(&logical_id(function))["TracingConfig"]["Mode"], mode, "{function}");
            let policies = Value::from(stack.policies(function)).to_string();
            assert_eq!(policies.contains("xray:"), may_trace, "{function}: {policies}");
        }
    }
    let by_default = Stack::with(&[]).await;
    assert_eq!(by_default.properties("TokenFunction")["TracingConfig"]["Mode"], "PassThrough");
}

#[tokio::test]
async fn browsers_and_integrators_are_throttled_by_their_own_parameters() {
    let stack = Stack::with(&[("BrowserRequestsPerSecond", "500"), ("IntegratorRequestsPerSecond", "2000")]).await;
    let stage = stack.properties("ApiApiGatewayDefaultStage");
    let limits = |settings: &Value| {
        let number = |member: &str| settings[member].as_str().unwrap().parse::<u32>().unwrap();
        (number("ThrottlingRateLimit"), number("ThrottlingBurstLimit"))
    };
    assert_eq!(limits(&stage["DefaultRouteSettings"]), (2000, 4000));
    let routes = stage["RouteSettings"].as_object().unwrap();
    assert_eq!(routes.len(), 5);
    for (route, settings) in routes {
        assert_eq!(limits(settings), (500, 1000), "{route}");
    }
}

#[tokio::test]
async fn a_stack_in_use_moves_to_a_domain_with_both_addresses_alive_meanwhile() {
    let mut parameters = vec![
        ("DomainName", "connect.example.com"),
        ("CertificateArn", "arn:aws:acm:eu-west-1:111122223333:certificate/1b2c"),
        ("HostedZoneId", "Z123"),
        ("DisableExecuteApiEndpoint", "false"),
    ];
    let moving = Stack::with(&parameters).await;
    // Each address sends browsers to its own callback, and the outputs name the new one.
    let is_disabled =
        |stack: &Stack| stack.properties("Api")["Body"].to_string().contains("\"disableExecuteApiEndpoint\":true");
    assert!(!is_disabled(&moving));
    for function in ["authorize", "connections"] {
        assert!(!moving.environment(function).contains_key("PUBLIC_ORIGIN"), "{function}");
    }
    assert_eq!(moving.output("RedirectUri"), "https://connect.example.com/callback");

    parameters.pop();
    let moved = Stack::with(&parameters).await;
    assert!(is_disabled(&moved));
    assert_eq!(moved.environment("authorize")["PUBLIC_ORIGIN"], "https://connect.example.com");
    let records = moved.of_type("AWS::Route53::RecordSet");
    let mut kinds: Vec<&str> =
        records.iter().map(|(_, record)| record["Properties"]["Type"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["A", "AAAA"]);
    assert_eq!(moved.properties("Domain")["DomainNameConfigurations"][0]["IpAddressType"], "dualstack");
}

/// SAM's own parser reads each list of parameters that the documents print, and `samconfig.toml`.
#[tokio::test]
async fn sam_reads_each_printed_list_of_parameters_as_it_is_meant() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let documents = ["samconfig.toml", "docs/deploying.md", "docs/operating.md", "docs/platform.md"];
    let output = Command::new(part("PYTHON"))
        .arg(format!("{root}/tests/real-parts/stack/tools/overrides.py"))
        .args(documents.iter().map(|path| format!("{root}/{path}")))
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lists: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(lists.len() >= 4, "{lists:#?}");
    for list in &lists {
        assert_eq!(list["read"], list["meant"], "{list:#}");
        // And CloudFormation knows each of the parameters.
        let given: BTreeMap<String, String> = serde_json::from_value(list["read"].clone()).unwrap();
        let mut parameters: BTreeMap<&str, &str> = BTreeMap::from([("ClientId", "id"), ("ClientSecret", "secret")]);
        parameters.extend(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if given.contains_key("ClientSecretArn") {
            parameters.insert("ClientSecret", "");
        }
        if let Err(problems) = Stack::resolve(&parameters).await {
            panic!("{list:#}: {problems}");
        }
    }
    assert_eq!(
        lists[0]["read"],
        json!({ "Architecture": "arm64" }),
        "samconfig.toml, before its two lines are filled in"
    );
}

/// A first deployment needs these two, and no others.
#[tokio::test]
async fn two_parameters_are_enough() {
    let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:webinargeek-connect-AbCdEf";
    let both = BTreeMap::from([("ClientId", "id"), ("ClientSecretArn", secret)]);
    let stack = Stack::resolve(&both).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(stack.environment("refresh")["CLIENT_SECRET_ARN"], secret);
    assert!(stack.of_type("AWS::SecretsManager::Secret").is_empty());
    for (one, names) in [("ClientId", "OneClientSecret"), ("ClientSecretArn", "ClientId")] {
        let alone = BTreeMap::from([(one, both[one])]);
        let problems = Stack::resolve(&alone).await.err().unwrap();
        assert!(problems.contains(names), "{one} alone: {problems}");
    }
}
