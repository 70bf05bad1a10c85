//! The additions of docs/platform.md fit the template.

use serde_json::{Value, json};

use crate::stack::Stack;

const ORIGIN_SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn each_addition_of_the_platform_page_fits_the_template() {
    let blocks = include_str!("../../../docs/platform.md").split("```yaml\n").skip(1);
    let mut added = Vec::new();
    for block in blocks.map(|block| block.split("```").next().unwrap()) {
        let secret = block.contains("OriginSecret:").then_some(("OriginSecret", ORIGIN_SECRET));
        added.push(Stack::with_addition(block, secret.as_slice()).await);
    }
    let [network, keys, gradual, closed, backup] = &added[..] else { panic!("{} blocks", added.len()) };
    let plain = Stack::with(&[]).await;
    let ids = |stack: &Stack| stack.resources().map(|(id, _)| id.to_owned()).collect::<Vec<_>>();

    // The functions that call the provider have the fixed address, and no others.
    for (id, function) in network.of_type("AWS::Lambda::Function") {
        let talks = function["Properties"]["Environment"]["Variables"].get("WEBINARGEEK_TOKEN_URL").is_some();
        assert_eq!(function["Properties"].get("VpcConfig").is_some(), talks, "{id}");
        let (_, role) = network
            .of_type("AWS::IAM::Role")
            .into_iter()
            .find(|(_, it)| it["arn"] == function["Properties"]["Role"])
            .unwrap();
        assert_eq!(role["Properties"].get("ManagedPolicyArns").is_some(), talks, "{id}");
        assert!(role["Properties"]["Policies"].is_array(), "{id}: it keeps its own policy");
    }
    let key = &keys.properties("TokenLogGroup")["KmsKeyId"];
    assert!(key.as_str().unwrap().starts_with("arn:aws:kms:eu-west-1:111122223333:key/"), "{key}");
    assert_eq!(&keys.properties("AlarmTopic")["KmsMasterKeyId"], key);
    assert_eq!(keys.properties("TokenLogGroup")["RetentionInDays"], "30");

    // No cycle between alarms and functions; the API calls the alias, and the deployment is undone by the alarms.
    let (_, group) = gradual.of_type("AWS::CodeDeploy::DeploymentGroup")[0];
    let alarms = group["Properties"]["AlarmConfiguration"]["Alarms"].as_array().unwrap();
    let names: Vec<&Value> = alarms.iter().map(|alarm| &alarm["Name"]).collect();
    assert_eq!(
        names,
        [&gradual.resource("ApiFailuresAlarm")["physical_id"], &gradual.resource("FunctionErrorsAlarm")["physical_id"]]
    );
    let paths = gradual.properties("Api")["Body"]["paths"].to_string();
    assert!(paths.contains("TokenFunction:live/invocations"), "{paths}");

    // Browsers come through CloudFront, integrators sign, and no route is open.
    for (path, methods) in closed.properties("Api")["Body"]["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            let guard = if path.starts_with("/v1/") { "AWS_IAM" } else { "FromCloudFront" };
            assert_eq!(route["security"], json!([{ guard: [] }]), "{method} {path}");
        }
    }
    let guard = &closed.properties("Api")["Body"]["components"]["securitySchemes"]["FromCloudFront"];
    let authorizer = &guard["x-amazon-apigateway-authorizer"];
    assert_eq!(authorizer["identitySource"], json!(["$request.header.x-origin-secret"]), "{guard}");
    assert_eq!(authorizer["enableSimpleResponses"], true);
    let of_the_guard = &closed.properties("FromCloudFrontFunction")["Environment"]["Variables"];
    assert_eq!(of_the_guard, &json!({ "ORIGIN_SECRET": ORIGIN_SECRET }));

    assert_eq!(backup.properties("ConnectionsTable")["Tags"], json!([{ "Key": "backup", "Value": "cross-account" }]));
    for stack in [network, keys, backup] {
        assert_eq!(ids(stack), ids(&plain));
    }
}
