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
