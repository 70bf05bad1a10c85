//! Decides requests by the stack's policies, with the semantics of IAM.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::process::part;
use crate::recorder::Asked;
use crate::stack::{Stack, logical_id};

pub(crate) struct Question {
    pub principal: String,
    pub asked: Asked,
    pub policies: Vec<Value>,
    /// The policy of a key.
    pub resource_policy: Option<Value>,
}

impl Question {
    /// A question about a function.
    pub(crate) fn of(stack: &Stack, function: &str, asked: Asked) -> Self {
        let principal = stack.properties(&logical_id(function))["Role"].as_str().unwrap().to_owned();
        let key = asked.action.starts_with("kms:").then(|| {
            let keys = stack.of_type("AWS::KMS::Key");
            let key = keys.into_iter().find(|(_, key)| key["arn"] == asked.resource.as_str());
            // A key of an operator has KMS's default key policy, which is the sealing key's too.
            let key = key.map_or_else(|| stack.properties("SealingKey"), |(_, key)| &key["Properties"]);
            key["KeyPolicy"].clone()
        });
        Self { principal, asked, policies: stack.policies(function), resource_policy: key }
    }
}

/// Whether IAM allows each request. A request or a policy that AWS does not know fails the test.
pub(crate) async fn decide(questions: &[Question]) -> Vec<bool> {
    let requests: Vec<Value> = questions
        .iter()
        .map(|question| {
            json!({
                "principal": question.principal,
                "action": question.asked.action,
                "resource": question.asked.resource,
                "context": question.asked.context,
                "policies": question.policies,
                "resource_policy": question.resource_policy,
            })
        })
        .collect();
    let mut node = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/real-parts/stack/tools/simulate.mjs"))
        .env("NODE_MODULES_PARENT", part("NODE_MODULES_PARENT"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(Value::from(requests).to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = node.wait_with_output().await.unwrap();
    let decisions: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(decisions.len(), questions.len());
    let decided = decisions.iter().zip(questions).map(|(decision, question)| {
        let errors = decision["errors"].as_array().unwrap();
        assert!(errors.is_empty(), "{:?}: {errors:?}", question.asked);
        decision["decision"] == "allowed"
    });
    decided.collect()
}
