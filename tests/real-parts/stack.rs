//! The deployed stack: the template, transformed and resolved as CloudFormation would.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::process::Command;

use crate::process::part;

pub(crate) const FUNCTIONS: [&str; 7] =
    ["authorize", "callback", "refresh", "token", "connections", "events", "maintenance"];

#[derive(Clone)]
pub(crate) struct Stack(Value);

impl Stack {
    /// With the two parameters that are required, and these.
    pub(crate) async fn with(parameters: &[(&str, &str)]) -> Self {
        let mut given = BTreeMap::from([("ClientId", "client-one"), ("ClientSecret", "canary-client-secret")]);
        given.extend(parameters.iter().copied());
        Self::resolve(&given).await.unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The same for a stack of this name, in this region.
    pub(crate) async fn deployed(name: &str, region: &str, parameters: &[(&str, &str)]) -> Self {
        let mut given = BTreeMap::from([("ClientId", "client-one"), ("ClientSecret", "canary-client-secret")]);
        given.extend(parameters.iter().copied());
        let place = [("STACK_NAME", name), ("STACK_REGION", region)];
        Self::resolve_at(&place, &given).await.unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// With YAML that a platform team has merged into the template.
    pub(crate) async fn with_addition(addition: &str, parameters: &[(&str, &str)]) -> Self {
        let mut given = BTreeMap::from([("ClientId", "client-one"), ("ClientSecret", "canary-client-secret")]);
        given.extend(parameters.iter().copied());
        let resolved = Self::resolve_at(&[("ADDITION", addition)], &given).await;
        resolved.unwrap_or_else(|problems| panic!("{problems}: {addition}"))
    }

    /// With these parameters only. The error is the one that CloudFormation would give before it creates anything.
    pub(crate) async fn resolve(parameters: &BTreeMap<&str, &str>) -> Result<Self, String> {
        Self::resolve_at(&[], parameters).await
    }

    async fn resolve_at(place: &[(&str, &str)], parameters: &BTreeMap<&str, &str>) -> Result<Self, String> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let output = Command::new(part("PYTHON"))
            .arg(format!("{root}/tests/real-parts/stack/tools/resolve.py"))
            .arg(format!("{root}/template.yaml"))
            .arg(serde_json::to_string(parameters).unwrap())
            .envs(place.iter().copied())
            .output()
            .await
            .unwrap();
        if output.status.success() {
            Ok(Self(serde_json::from_slice(&output.stdout).unwrap()))
        } else {
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }

    pub(crate) fn resource(&self, id: &str) -> &Value {
        self.0["resources"].get(id).unwrap_or_else(|| panic!("the stack has no resource {id}"))
    }

    pub(crate) fn properties(&self, id: &str) -> &Value {
        &self.resource(id)["Properties"]
    }

    pub(crate) fn arn(&self, id: &str) -> &str {
        self.resource(id)["arn"].as_str().unwrap()
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0["resources"].as_object().unwrap().iter().map(|(id, resource)| (id.as_str(), resource))
    }

    /// The whole stack as text.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }

    pub(crate) fn output(&self, name: &str) -> &str {
        self.0["outputs"][name].as_str().unwrap_or_else(|| panic!("no output {name}"))
    }

    pub(crate) fn of_type(&self, kind: &str) -> Vec<(&str, &Value)> {
        let resources = self.0["resources"].as_object().unwrap().iter();
        resources.filter(|(_, resource)| resource["Type"] == kind).map(|(id, it)| (id.as_str(), it)).collect()
    }

    /// The stack with another name for a resource, since an engine has given it that name.
    pub(crate) fn renamed(self, from: &str, to: &str) -> Self {
        Self(serde_json::from_str(&self.0.to_string().replace(from, to)).unwrap())
    }

    pub(crate) fn environment(&self, function: &str) -> BTreeMap<String, String> {
        let variables = &self.properties(&logical_id(function))["Environment"]["Variables"];
        serde_json::from_value(variables.clone()).unwrap()
    }

    pub(crate) fn policies(&self, function: &str) -> Vec<Value> {
        let role = &self.properties(&logical_id(function))["Role"];
        let (_, role) = self.of_type("AWS::IAM::Role").into_iter().find(|(_, it)| it["arn"] == *role).unwrap();
        let policies = role["Properties"]["Policies"].as_array().unwrap();
        let own_policies = self.of_type("AWS::IAM::RolePolicy").into_iter().map(|(_, policy)| &policy["Properties"]);
        let own_policies = own_policies.filter(|policy| policy["RoleName"] == role["physical_id"]);
        policies.iter().chain(own_policies).map(|policy| policy["PolicyDocument"].clone()).collect()
    }

    /// Method (`ANY` for any), path with its variables, function, and whether it must be signed.
    pub(crate) fn routes(&self) -> Vec<(String, String, &'static str, bool)> {
        let mut routes = Vec::new();
        for (path, methods) in self.properties("Api")["Body"]["paths"].as_object().unwrap() {
            for (method, route) in methods.as_object().unwrap() {
                let uri = route["x-amazon-apigateway-integration"]["uri"].as_str().unwrap();
                let function = FUNCTIONS.into_iter().find(|name| uri.contains(self.arn(&logical_id(name)))).unwrap();
                let method = method.trim_start_matches("x-amazon-apigateway-").trim_end_matches("-method");
                let is_signed = route["security"] == serde_json::json!([{ "AWS_IAM": [] }]);
                routes.push((method.to_uppercase(), path.clone(), function, is_signed));
            }
        }
        routes
    }

    /// The function for a request, chosen as API Gateway does: an exact path before a variable, a method before any,
    /// both before a greedy variable.
    pub(crate) fn route(&self, method: &str, path: &str) -> Option<&'static str> {
        let mut fitting: Vec<_> = self.routes();
        fitting.retain(|(its, template, ..)| (its == method || its == "ANY") && fits(template, path));
        fitting.sort_by_key(|(its, template, ..)| (template.contains('+'), template.contains('{'), its == "ANY"));
        fitting.first().map(|(_, _, function, _)| *function)
    }
}

pub(crate) fn logical_id(function: &str) -> String {
    let (first, rest) = function.split_at(1);
    format!("{}{rest}Function", first.to_uppercase())
}

fn fits(template: &str, path: &str) -> bool {
    if let Some(start) = template.strip_suffix("{proxy+}") {
        return path.len() > start.len() && path.starts_with(start);
    }
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let same = |(ours, theirs): (&&str, &&str)| ours == theirs || (ours.starts_with('{') && !theirs.is_empty());
    template.len() == path.len() && template.iter().zip(&path).all(same)
}
