//! The access log: who called, and nothing that a caller could forge or that must not be kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::stack::Stack;

#[tokio::test]
async fn the_access_log_names_the_principal_and_holds_no_query_string() {
    let stack = Stack::with(&[]).await;
    let format =
        stack.properties("ApiApiGatewayDefaultStage")["AccessLogSettings"]["Format"].as_str().unwrap().to_owned();
    let line: BTreeMap<String, String> = serde_json::from_str(&format).expect("one JSON object a line");
    let logged: BTreeSet<&str> = line.values().map(String::as_str).collect();
    // API Gateway puts values into the format as they are. So each is a number, a name from a list of AWS, an address,
    // or an ARN, whose syntax has no quote: no text of a caller or of an error message, which could end the JSON.
    let without_quotes = BTreeSet::from([
        "$context.requestTimeEpoch",
        "$context.routeKey",
        "$context.status",
        "$context.identity.sourceIp",
        "$context.identity.accountId",
        "$context.identity.userArn",
        "$context.responseLatency",
        "$context.requestId",
        "$context.integration.requestId",
        "$context.error.responseType",
        "$context.integration.status",
        "$context.integration.integrationStatus",
    ]);
    assert_eq!(logged, without_quotes);
    assert_eq!(
        (line["principal"].as_str(), line["account"].as_str()),
        ("$context.identity.userArn", "$context.identity.accountId")
    );
}
