//! Names that must be unique: two stacks in one account, and stacks of one name in two regions.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stack::Stack;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// Of the account, in all its regions.
    Account,
    Region,
}

/// The property that gives a resource its name, and where AWS wants the name to be unique. Without the property
/// CloudFormation makes a unique one.
const NAMED: [(&str, &str, Scope); 17] = [
    ("AWS::ApiGatewayV2::DomainName", "DomainName", Scope::Region),
    ("AWS::CloudWatch::Alarm", "AlarmName", Scope::Region),
    ("AWS::CloudWatch::CompositeAlarm", "AlarmName", Scope::Region),
    ("AWS::CloudWatch::Dashboard", "DashboardName", Scope::Account),
    ("AWS::DynamoDB::Table", "TableName", Scope::Region),
    ("AWS::Events::EventBus", "Name", Scope::Region),
    ("AWS::Events::Rule", "Name", Scope::Region),
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName", Scope::Account),
    ("AWS::IAM::Role", "RoleName", Scope::Account),
    ("AWS::KMS::Alias", "AliasName", Scope::Region),
    ("AWS::Lambda::Function", "FunctionName", Scope::Region),
    ("AWS::Logs::LogGroup", "LogGroupName", Scope::Region),
    ("AWS::Route53::RecordSet", "Name", Scope::Account),
    ("AWS::SNS::Topic", "TopicName", Scope::Region),
    ("AWS::SQS::Queue", "QueueName", Scope::Region),
    ("AWS::Scheduler::Schedule", "Name", Scope::Region),
    ("AWS::SecretsManager::Secret", "Name", Scope::Region),
];

/// Types of resources whose names AWS makes.
const UNNAMED: [&str; 9] = [
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::Stage",
    // Its name is one of its role's.
    "AWS::IAM::RolePolicy",
    "AWS::KMS::Key",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::SNS::Subscription",
];

/// The names that the stack gives, with their types.
fn given(stack: &Stack, scopes: &[Scope]) -> BTreeSet<(String, String)> {
    let named = stack.resources().filter_map(|(id, resource)| {
        let kind = resource["Type"].as_str().unwrap();
        if UNNAMED.contains(&kind) {
            return None;
        }
        let known = NAMED.iter().find(|(its, ..)| *its == kind);
        let (_, property, scope) = known.unwrap_or_else(|| panic!("{id}: where is a name of {kind} unique?"));
        let name = resource["Properties"].get(property).and_then(Value::as_str)?;
        scopes.contains(scope).then(|| (kind.to_owned(), name.to_owned()))
    });
    named.collect()
}

#[tokio::test]
async fn two_stacks_in_one_account_and_one_name_in_two_regions_do_not_collide() {
    let email = [("AlarmEmail", "ops@example.com")];
    let first = Stack::deployed("first", "eu-west-1", &email).await;
    let beside = Stack::deployed("second", "eu-west-1", &email).await;
    let abroad = Stack::deployed("first", "us-east-1", &email).await;
    let both = [Scope::Account, Scope::Region];
    assert!(given(&first, &both).len() >= 4, "some are named: {:?}", given(&first, &both));
    assert_eq!(given(&first, &both).intersection(&given(&beside, &both)).count(), 0);
    let of_the_account = given(&first, &[Scope::Account]);
    assert_eq!(of_the_account.intersection(&given(&abroad, &[Scope::Account])).count(), 0, "{of_the_account:?}");
}

#[tokio::test]
async fn nothing_that_outlives_a_stack_has_a_name_that_the_next_one_needs() {
    let stack = Stack::with(&[]).await;
    let kept: Vec<(&str, &Value)> =
        stack.resources().filter(|(_, resource)| resource.get("DeletionPolicy").is_some()).collect();
    let ids: Vec<&str> = kept.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["AttemptsTable", "ConnectionsTable", "Escrow", "SealingKey", "TableKey"]);
    for (id, resource) in kept {
        let kind = resource["Type"].as_str().unwrap();
        let property = NAMED.iter().find(|(its, ..)| *its == kind).map(|(_, property, _)| *property);
        let name = property.and_then(|property| resource["Properties"].get(property));
        assert!(name.is_none(), "{id} is kept, so the next try cannot use the name {name:?}");
        assert!(stack.text().contains(id), "{id}");
    }
}

#[tokio::test]
async fn a_first_deployment_that_fails_leaves_nothing_that_costs_money() {
    let stack = Stack::with(&[]).await;
    // These are kept when CloudFormation rolls back a creation. The tables must be: they are protected from deletion.
    let kept: Vec<&str> =
        stack.resources().filter(|(_, it)| it["DeletionPolicy"] == "Retain").map(|(id, _)| id).collect();
    assert_eq!(kept, ["AttemptsTable", "ConnectionsTable"]);
    for id in kept {
        assert_eq!(stack.properties(id)["BillingMode"], "PAY_PER_REQUEST", "{id}: an empty table costs nothing");
    }
    for (id, resource) in stack.resources() {
        let policy = resource.get("DeletionPolicy").and_then(Value::as_str).unwrap_or("Delete");
        assert!(["Retain", "RetainExceptOnCreate", "Delete"].contains(&policy), "{id}: {policy}");
    }
}
