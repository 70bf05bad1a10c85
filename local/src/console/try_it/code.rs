//! A request as code: with curl, requests, fetch and reqwest.

use serde_json::Value;

use super::Language;

pub(super) fn of(language: Language, method: &str, url: &str, body: Option<&Value>) -> String {
    match language {
        Language::Curl => curl(method, url, body),
        Language::Python => python(method, url, body),
        Language::Node => node(method, url, body),
        Language::Rust => rust(method, url, body),
    }
}

/// Ids and our own bodies contain no single quote: their grammars exclude it.
fn curl(method: &str, url: &str, body: Option<&Value>) -> String {
    let method = match (method, body) {
        ("GET", _) | ("POST", Some(_)) => String::new(),
        _ => format!(" -X {method}"),
    };
    match body {
        None => format!("curl{method} '{url}'"),
        Some(body) => format!("curl{method} '{url}' \\\n  -H 'content-type: application/json' \\\n  -d '{body}'"),
    }
}

fn python(method: &str, url: &str, body: Option<&Value>) -> String {
    let function = method.to_lowercase();
    let body = body.map(|body| format!(", json={}", literal(body))).unwrap_or_default();
    format!(
        "import requests\n\nanswer = requests.{function}(\"{url}\"{body}, timeout=35)\nanswer.raise_for_status()\nprint(answer.json())"
    )
}

/// JSON as a literal of Python.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("\"{name}\": {}", literal(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn node(method: &str, url: &str, body: Option<&Value>) -> String {
    let options = match (method, body) {
        ("GET", None) => String::new(),
        (_, None) => format!(", {{ method: \"{method}\" }}"),
        (_, Some(body)) => format!(
            ", {{\n  method: \"{method}\",\n  headers: {{ \"content-type\": \"application/json\" }},\n  \
             body: JSON.stringify({body}),\n}}"
        ),
    };
    format!(
        "const answer = await fetch(\"{url}\"{options});\nif (!answer.ok) throw new Error(await answer.text());\n\
         console.log(await answer.json());"
    )
}

fn rust(method: &str, url: &str, body: Option<&Value>) -> String {
    let function = method.to_lowercase();
    let send = match body {
        None => String::new(),
        Some(body) => {
            format!("\n        .header(\"content-type\", \"application/json\")\n        .body(r#\"{body}\"#)")
        }
    };
    format!(
        "#[tokio::main]\nasync fn main() -> Result<(), reqwest::Error> {{\n    let answer = reqwest::Client::new()\n        \
         .{function}(\"{url}\"){send}\n        .send()\n        .await?\n        .error_for_status()?;\n    \
         println!(\"{{}}\", answer.text().await?);\n    Ok(())\n}}"
    )
}
