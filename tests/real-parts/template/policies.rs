//! What the stack's managed policies allow the code that calls it, decided as IAM does.

use serde_json::{Value, json};

use crate::iam::{Question, decide};
use crate::recorder::Asked;
use crate::stack::Stack;

const READER: &str = "TokenReaderPolicy";
const CONNECTOR: &str = "ConnectorPolicy";
const OPERATOR: &str = "OperatorPolicy";

fn question(stack: &Stack, policy: &Value, action: &str, resource: &str) -> Question {
    let api = stack.resource("Api")["physical_id"].as_str().unwrap();
    let resource = match action {
        "execute-api:Invoke" => format!("arn:aws:execute-api:eu-west-1:111122223333:{api}/$default/{resource}"),
        _ => resource.to_owned(),
    };
    Question {
        principal: "arn:aws:iam::111122223333:role/integrator".to_owned(),
        asked: Asked { action: action.to_owned(), resource, context: json!({}) },
        policies: vec![policy.clone()],
        resource_policy: None,
    }
}

#[tokio::test]
async fn a_token_reader_connects_no_customer_and_a_connector_gets_no_token() {
    let stack = Stack::with(&[]).await;
    let expected: [(&str, &[&str]); 16] = [
        ("GET/v1/connections/tenant/token", &[READER, OPERATOR]),
        ("POST/v1/connections/tenant/token", &[READER, OPERATOR]),
        ("POST/v1/connect-sessions", &[CONNECTOR, OPERATOR]),
        ("GET/v1/connect-sessions/abc", &[CONNECTOR, OPERATOR]),
        ("POST/v1/connect-sessions/abc/confirm", &[CONNECTOR, OPERATOR]),
        ("GET/v1/connections", &[CONNECTOR, OPERATOR]),
        ("GET/v1/connections/tenant", &[OPERATOR]),
        ("PUT/v1/connections/tenant", &[OPERATOR]),
        ("DELETE/v1/connections/tenant", &[OPERATOR]),
        ("DELETE/v1/connections/tenant/token", &[OPERATOR]),
        ("PUT/v1/connections/x/token", &[OPERATOR]),
        ("GET/v1/doctor", &[OPERATOR]),
        ("POST/v1/doctor", &[OPERATOR]),
        ("GET/v1/connect-sessions", &[OPERATOR]),
        ("GET/authorize", &[]),
        ("GET/callback", &[]),
    ];
    let mut questions = Vec::new();
    for (path, _) in expected {
        for policy in [READER, CONNECTOR, OPERATOR] {
            let document = &stack.properties(policy)["PolicyDocument"];
            questions.push(question(&stack, document, "execute-api:Invoke", path));
        }
    }
    let mut decisions = decide(&questions).await.into_iter();
    for (path, allowed) in expected {
        for policy in [READER, CONNECTOR, OPERATOR] {
            assert_eq!(decisions.next().unwrap(), allowed.contains(&policy), "{policy}: {path}");
        }
    }
    for policy in [READER, CONNECTOR, OPERATOR] {
        assert_eq!(stack.output(&format!("{policy}Arn")), stack.arn(policy));
    }
}

#[tokio::test]
async fn only_an_operator_invokes_a_function_and_only_the_maintenance() {
    let stack = Stack::with(&[]).await;
    let mut questions = Vec::new();
    for policy in [READER, CONNECTOR, OPERATOR] {
        let document = &stack.properties(policy)["PolicyDocument"];
        for function in ["MaintenanceFunction", "TokenFunction", "RefreshFunction"] {
            questions.push(question(&stack, document, "lambda:InvokeFunction", stack.arn(function)));
        }
    }
    let allowed = decide(&questions).await;
    assert_eq!(allowed, [false, false, false, false, false, false, true, false, false]);
}

/// The policies that docs/operating.md prints, with the placeholders of a reader replaced.
fn printed(stack: &Stack) -> Vec<Value> {
    let document = include_str!("../../../docs/operating.md");
    let blocks = document.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    let api = stack.resource("Api")["physical_id"].as_str().unwrap();
    let policies = blocks.filter(|block| block.contains("\"Statement\"")).map(|block| {
        let block = block.replace("REGION", "eu-west-1").replace("ACCOUNT", "111122223333").replace("API", api);
        serde_json::from_str(&block).unwrap_or_else(|error| panic!("{error}: {block}"))
    });
    policies.collect()
}

#[tokio::test]
async fn the_printed_policy_for_some_ids_reaches_these_and_no_others() {
    let stack = Stack::with(&[]).await;
    let policies = printed(&stack);
    assert_eq!(policies.len(), 1);
    let paths = [
        ("GET/v1/connections/acme/token", true),
        ("GET/v1/connections/acme", true),
        ("GET/v1/connections/eu.first/token", true),
        ("POST/v1/connections/eu.first/token", true),
        ("GET/v1/connections/other/token", false),
        ("GET/v1/connections/us.eu.first/token", false),
        ("DELETE/v1/connections/acme", false),
        ("GET/v1/connections", false),
    ];
    let questions = paths.map(|(path, _)| question(&stack, &policies[0], "execute-api:Invoke", path));
    assert_eq!(decide(&questions).await, paths.map(|(_, allowed)| allowed));
}

#[tokio::test]
async fn a_secrets_own_key_opens_this_secret_for_these_functions_and_nothing_else() {
    let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:wg-AbCdEf";
    let stack = Stack::with(&[("ClientSecret", ""), ("ClientSecretArn", secret)]).await;
    let ask = |function: &str, service: &str, of: &str| {
        let asked = Asked {
            action: "kms:Decrypt".to_owned(),
            resource: "arn:aws:kms:eu-west-1:111122223333:key/of-the-secret".to_owned(),
            context: json!({
                "kms:ViaService": format!("{service}.eu-west-1.amazonaws.com"),
                "kms:EncryptionContext:SecretARN": of,
            }),
        };
        Question::of(&stack, function, asked)
    };
    let mut questions = Vec::new();
    let mut expected = Vec::new();
    for function in ["callback", "refresh", "token", "connections", "authorize", "events", "maintenance"] {
        let reads_it = ["callback", "refresh", "token", "connections"].contains(&function);
        questions.push(ask(function, "secretsmanager", secret));
        questions.push(ask(function, "secretsmanager", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:another"));
        questions.push(ask(function, "dynamodb", secret));
        expected.extend([reads_it, false, false]);
    }
    assert_eq!(decide(&questions).await, expected);
}
