//! In every partition of AWS.

use crate::stack::Stack;

/// Principals of services have one name in all partitions.
const PRINCIPALS: [&str; 3] = ["apigateway.amazonaws.com", "lambda.amazonaws.com", "scheduler.amazonaws.com"];

#[tokio::test]
async fn in_every_partition_all_arns_and_hosts_are_its_own() {
    let email = [("AlarmEmail", "ops@example.com"), ("Tracing", "on")];
    for (region, partition, suffix, console) in [
        ("eu-central-1", "aws", "amazonaws.com", "console.aws.amazon.com"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com", "console.amazonaws-us-gov.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn", "console.amazonaws.cn"),
    ] {
        let stack = Stack::deployed("wg", region, &email).await;
        let mut text = stack.text();
        for principal in PRINCIPALS {
            text = text.replace(&format!("\"{principal}\""), "");
        }
        for arn in text.split("arn:").skip(1) {
            assert!(arn.starts_with(&format!("{partition}:")), "{region}: arn:{}", &arn[..40]);
        }
        for after in text.split(".amazonaws.com").skip(1) {
            let ends = suffix.trim_start_matches("amazonaws.com");
            assert!(after.starts_with(ends) && !after[ends.len()..].starts_with('.'), "{region}: …{}", &after[..20]);
        }
        assert!(stack.output("DashboardUrl").starts_with(&format!("https://{console}/")), "{region}");
        assert!(stack.output("ApiOrigin").ends_with(&format!(".execute-api.{region}.{suffix}")), "{region}");
        let key = stack.properties("TableKey")["KeyPolicy"].to_string();
        assert!(key.contains(&format!("dynamodb.{region}.{suffix}")), "{key}");
    }
}
