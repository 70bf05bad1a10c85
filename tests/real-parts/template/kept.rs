//! What outlives a stack, and what another stack adopts.

use serde_json::{Value, json};

use crate::stack::{FUNCTIONS, Stack};

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
            (&key["DeletionPolicy"], &key["UpdateReplacePolicy"], &key["Properties"]["EnableKeyRotation"]),
            (&json!("RetainExceptOnCreate"), &json!("Retain"), &json!(true)),
            "{id}"
        );
    }
    // Each message is the only live pair of a connection.
    let escrow = stack.resource("Escrow");
    assert_eq!(
        (&escrow["DeletionPolicy"], &escrow["UpdateReplacePolicy"]),
        (&json!("RetainExceptOnCreate"), &json!("Retain"))
    );
    assert_eq!(stack.output("EscrowQueueUrl"), escrow["physical_id"]);
    let replay = stack.properties("RefreshFunctionReplay");
    assert_eq!(
        replay["ScalingConfig"]["MaximumConcurrency"], 2,
        "a new account has only ten concurrent executions, for all functions together"
    );
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
