//! Compares the calls of a rehearsal with the policies, in both directions, and checks the denials that the design
//! depends on.

use serde_json::{Value, json};

use crate::iam::{Question, decide};
use crate::recorder::{Asked, Call};
use crate::stack::{FUNCTIONS, Stack};

/// Statements about calls that the platform makes, and not our code.
const OF_THE_PLATFORM: [&str; 6] =
    ["Log", "Trace", "ReportFailedRun", "TakeFromEscrow", "FollowStream", "ReportFailedBatch"];

/// The stack allows every call, and these functions have used all their permissions.
pub(crate) async fn allow_every_call_and_nothing_unused(stack: &Stack, calls: &[Call], functions: &[&str]) {
    let asked = asked(calls);
    let questions: Vec<Question> =
        asked.iter().map(|(function, one)| Question::of(stack, function, one.clone())).collect();
    for ((function, one), allowed) in asked.iter().zip(decide(&questions).await) {
        assert!(allowed, "{function}: {one:?}");
    }

    // Every allowed action is used: each statement, with one of its actions, allows one of the calls.
    for function in functions {
        for policy in stack.policies(function) {
            for statement in policy["Statement"].as_array().unwrap() {
                if OF_THE_PLATFORM.contains(&statement["Sid"].as_str().unwrap()) {
                    continue;
                }
                let actions = match &statement["Action"] {
                    Value::Array(several) => several.clone(),
                    one => vec![one.clone()],
                };
                for action in actions {
                    let alone = json!({ "Version": "2012-10-17", "Statement": [statement] });
                    let calls = asked.iter().filter(|(its, one)| its == function && action == one.action.as_str());
                    let questions: Vec<Question> = calls
                        .map(|(_, one)| Question {
                            policies: vec![alone.clone()],
                            ..Question::of(stack, function, one.clone())
                        })
                        .collect();
                    let used = decide(&questions).await.contains(&true);
                    assert!(used, "{function} may {action} by {}, and never does", statement["Sid"]);
                }
            }
        }
    }
}

fn asked(calls: &[Call]) -> Vec<(&'static str, Asked)> {
    let mut asked: Vec<(&str, Asked)> = Vec::new();
    for call in calls {
        for one in call.asks() {
            if !asked.contains(&(call.function, one.clone())) {
                asked.push((call.function, one));
            }
        }
    }
    asked
}

/// The denials that the design depends on, by name.
pub(crate) async fn no_function_may_do_more(stack: &Stack, calls: &[Call]) {
    let asked = asked(calls);
    let one = |function: &str, action: &str| {
        let found = asked.iter().find(|(its, one)| *its == function && one.action == action);
        found.unwrap_or_else(|| panic!("{function} has not called {action}")).1.clone()
    };
    let decrypt = one("refresh", "kms:Decrypt");
    let generate = one("callback", "kms:GenerateDataKey");
    let connection = one("token", "dynamodb:GetItem");
    let session = one("authorize", "dynamodb:GetItem");
    let renamed = |asked: &Asked, action: &str| Asked { action: action.to_owned(), ..asked.clone() };
    let context = |asked: &Asked, key: &str, value: Value| {
        let mut changed = asked.clone();
        changed.context[key] = value;
        changed
    };
    let state = context(&session, "dynamodb:LeadingKeys", json!(["state#x"]));
    let order = context(&session, "dynamodb:LeadingKeys", json!(["order#x"]));
    let mut denied = vec![
        ("authorize reads a connection", "authorize", connection.clone()),
        ("authorize writes a connection", "authorize", renamed(&connection, "dynamodb:UpdateItem")),
        ("authorize reads an attempt, and with it a code verifier", "authorize", state.clone()),
        ("authorize takes a number in the order of events", "authorize", renamed(&order, "dynamodb:UpdateItem")),
        ("authorize changes a session", "authorize", renamed(&session, "dynamodb:UpdateItem")),
        ("callback reads the order of events", "callback", order.clone()),
        ("callback takes a number in the order of events", "callback", renamed(&order, "dynamodb:UpdateItem")),
        ("refresh takes a number in the order of events", "refresh", renamed(&order, "dynamodb:UpdateItem")),
        ("token takes a number in the order of events", "token", renamed(&order, "dynamodb:UpdateItem")),
        ("callback opens a data key", "callback", decrypt.clone()),
        ("callback reads a session", "callback", session.clone()),
        ("refresh makes a data key", "refresh", generate.clone()),
        ("refresh reads an attempt", "refresh", state.clone()),
        ("token makes a data key", "token", generate.clone()),
        ("token lists the due connections", "token", one("refresh", "dynamodb:Query")),
        ("maintenance reads an attempt", "maintenance", state.clone()),
        ("maintenance writes an attempt", "maintenance", renamed(&state, "dynamodb:UpdateItem")),
        (
            "maintenance opens another stack's data key",
            "maintenance",
            context(&decrypt, "kms:EncryptionContext:stack", json!("another")),
        ),
        (
            "maintenance makes another stack's data key",
            "maintenance",
            context(&generate, "kms:EncryptionContext:stack", json!("another")),
        ),
        (
            "connections opens another stack's data key",
            "connections",
            context(&decrypt, "kms:EncryptionContext:stack", json!("another")),
        ),
        ("connections reads an attempt, and with it a confirmation", "connections", state.clone()),
        ("events reads a connection", "events", connection.clone()),
        ("events writes a connection", "events", renamed(&connection, "dynamodb:UpdateItem")),
        ("events opens a data key", "events", decrypt.clone()),
        ("token publishes events", "token", one("events", "events:PutEvents")),
        ("connections begins an attempt", "connections", renamed(&state, "dynamodb:UpdateItem")),
        (
            "token opens another stack's data key",
            "token",
            context(&decrypt, "kms:EncryptionContext:stack", json!("another")),
        ),
        (
            "token opens a data key with one more context key",
            "token",
            context(&decrypt, "kms:EncryptionContextKeys", json!(["service", "stack", "connection", "more"])),
        ),
    ];
    for function in FUNCTIONS {
        denied.push(("encrypts", function, renamed(&generate, "kms:Encrypt")));
        if function == "maintenance" {
            continue;
        }
        denied.push(("deletes a connection", function, renamed(&connection, "dynamodb:DeleteItem")));
        let scan = Asked { context: json!({}), ..renamed(&connection, "dynamodb:Scan") };
        if function != "connections" {
            denied.push(("scans the connections", function, scan));
        }
        let change = Asked { context: json!({}), ..renamed(&session, "dynamodb:UpdateTimeToLive") };
        denied.push(("changes how long attempts are kept", function, change));
        if function != "connections" {
            denied.push(("describes a table", function, one("connections", "dynamodb:DescribeTable")));
        }
    }
    for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
        denied.push(("authorize uses the sealing key", "authorize", renamed(&decrypt, action)));
        denied.push(("events uses the sealing key", "events", renamed(&decrypt, action)));
    }
    let questions: Vec<Question> =
        denied.iter().map(|(_, function, one)| Question::of(stack, function, one.clone())).collect();
    for ((what, function, _), allowed) in denied.iter().zip(decide(&questions).await) {
        assert!(!allowed, "{function}: {what}");
    }

    // The key of the tables may be used by every role that may use a table, but only through DynamoDB.
    let through = |service: &str, account: &str| {
        let asked = Asked {
            action: "kms:Decrypt".to_owned(),
            resource: stack.arn("TableKey").to_owned(),
            context: json!({ "kms:ViaService": service, "kms:CallerAccount": account }),
        };
        Question::of(stack, "authorize", asked)
    };
    let questions = [
        through("dynamodb.eu-west-1.amazonaws.com", "111122223333"),
        through("dynamodb.eu-west-1.amazonaws.com", "999999999999"),
        through("secretsmanager.eu-west-1.amazonaws.com", "111122223333"),
    ];
    assert_eq!(decide(&questions).await, [true, false, false]);
}
