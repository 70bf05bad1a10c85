//! Compares openapi.yaml with every answer in the tests: an answer that is not described fails the test.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jsonschema::{Draft, Registry, Validator};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use shared::http::{Request, Response};

/// The name of the document among schemas.
const URI: &str = "urn:openapi";

const PROBLEM: &str = "application/problem+json";

pub static DESCRIPTION: LazyLock<Description> = LazyLock::new(Description::read);

pub struct Description {
    pub document: &'static Value,
    registry: Registry<'static>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// A file at the top of the repository, with the tags of CloudFormation left out.
pub fn yaml(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name);
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The parts of a request that its answer depends on.
#[derive(Clone, Debug)]
pub struct Asked {
    method: Method,
    path: String,
    body: Vec<u8>,
}

impl Asked {
    pub fn of(request: &Request) -> Self {
        let path = request.uri().path().to_owned();
        Self { method: request.method().clone(), path, body: request.body().clone() }
    }
}

impl Description {
    fn read() -> Self {
        // It lives as long as the tests run: the registry borrows it.
        let document: &'static Value = Box::leak(Box::new(yaml("openapi.yaml")));
        let registry = Registry::new().draft(Draft::Draft202012).add(URI, document).unwrap().prepare().unwrap();
        Self { document, registry, validators: Mutex::default() }
    }

    /// An answer of a function of ours.
    pub fn hold(&self, asked: &Asked, response: &Response) {
        let context = || format!("{} {}: {} {}", asked.method, asked.path, response.status(), response.body());
        let is_v1 = asked.path.starts_with("/v1/");
        let method = asked.method.as_str().to_lowercase();
        let headers = response.headers();
        match self.template(&asked.path) {
            None => {
                assert!(is_v1, "not described: {}", context());
                self.hold_response("/components/responses/NotFound", StatusCode::NOT_FOUND, response, asked, &context);
            }
            Some(template) if self.methods(template).contains(&method) => {
                let operation = format!("/paths/{}/{method}", escaped(template));
                let at = format!("{operation}/responses/{}", response.status().as_str());
                assert!(self.at(&at).is_some(), "the status is not described: {}", context());
                self.hold_response(&at, response.status(), response, asked, &context);
                let schema = format!("{operation}/requestBody/content/application~1json/schema");
                if response.status().is_success() && self.at(&schema).is_some() {
                    let body = serde_json::from_slice(&asked.body).unwrap();
                    self.validate(&schema, &body).unwrap_or_else(|error| panic!("accepted: {error}: {}", context()));
                }
            }
            Some(template) => {
                let allowed = headers.get(ALLOW).and_then(|value| value.to_str().ok()).unwrap_or_default();
                let allowed: BTreeSet<String> = allowed.split(", ").map(str::to_lowercase).collect();
                assert_eq!(allowed, self.methods(template), "Allow: {}", context());
                // On the browser's routes API Gateway answers first, with its own 404.
                if is_v1 {
                    let at = "/components/responses/MethodNotAllowed";
                    self.hold_response(at, StatusCode::METHOD_NOT_ALLOWED, response, asked, &context);
                }
            }
        }
        if is_v1 && !response.status().is_success() {
            // Described together with AWS's own answers, which no function of ours gives.
            assert_eq!(media_type(headers), PROBLEM, "{}", context());
            let is_unavailable = response.status() == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(headers.contains_key(RETRY_AFTER), is_unavailable, "Retry-After: {}", context());
        }
    }

    /// Status, headers and body of a response that is described there.
    fn hold_response(
        &self,
        at: &str,
        status: StatusCode,
        response: &Response,
        asked: &Asked,
        context: &dyn Fn() -> String,
    ) {
        assert_eq!(response.status(), status, "{}", context());
        let at = self.resolved(at);
        for (name, _) in members(self.at(&format!("{at}/headers"))) {
            let header = self.resolved(&format!("{at}/headers/{name}"));
            let value = response.headers().get(name.as_str());
            let is_required = self.at(&format!("{header}/required")) == Some(&json!(true));
            assert!(value.is_some() || !is_required, "{name} is missing: {}", context());
            if let Some(value) = value {
                self.validate(&format!("{header}/schema"), &of_header(value))
                    .unwrap_or_else(|error| panic!("{name}: {error}: {}", context()));
            }
        }
        let content = members(self.at(&format!("{at}/content")));
        if content.is_empty() || asked.method == Method::HEAD {
            assert!(response.body().is_empty(), "no body is described: {}", context());
            return;
        }
        let media_type = media_type(response.headers());
        let (_, described) = content
            .into_iter()
            .find(|(name, _)| **name == media_type)
            .unwrap_or_else(|| panic!("{media_type} is not described: {}", context()));
        if described.get("schema").is_some() {
            let body = serde_json::from_str(response.body()).unwrap_or_else(|_| panic!("no JSON: {}", context()));
            self.validate(&format!("{at}/content/{}/schema", escaped(&media_type)), &body)
                .unwrap_or_else(|error| panic!("{error}: {}", context()));
            // RFC 9457 section 3.1.2. One type of problem may come with only one status, so a schema need not repeat
            // that.
            if media_type == PROBLEM {
                assert_eq!(body["status"], response.status().as_u16(), "{}", context());
            }
        }
    }

    /// The errors of a value by the schema at this place.
    pub fn validate(&self, at: &str, value: &Value) -> Result<(), String> {
        let validator =
            self.validators.lock().unwrap().entry(at.to_owned()).or_insert_with(|| self.compile(at)).clone();
        let problems: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    fn compile(&self, at: &str) -> Arc<Validator> {
        let fragment: Vec<String> = at.split('/').map(encoded).collect();
        let schema = json!({ "$ref": format!("{URI}#{}", fragment.join("/")) });
        let options = jsonschema::options().with_draft(Draft::Draft202012).with_registry(&self.registry);
        let validator = options.should_validate_formats(true).build(&schema);
        Arc::new(validator.unwrap_or_else(|error| panic!("{at}: {error}")))
    }

    /// The described path that matches a request's path.
    fn template(&self, path: &str) -> Option<&'static str> {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            let mut pairs = template.iter().zip(&segments);
            template.len() == segments.len() && pairs.all(|(ours, theirs)| ours == theirs || ours.starts_with('{'))
        };
        members(self.at("/paths")).into_iter().map(|(template, _)| template.as_str()).find(|template| fits(template))
    }

    /// In lower case.
    pub fn methods(&self, template: &str) -> BTreeSet<String> {
        let item = members(self.at(&format!("/paths/{}", escaped(template))));
        item.into_iter().map(|(name, _)| name.clone()).filter(|name| name != "parameters").collect()
    }

    /// The pointer to the value, after all references are followed.
    fn resolved(&self, at: &str) -> String {
        let value = self.at(at).unwrap_or_else(|| panic!("there is no {at}"));
        match value["$ref"].as_str() {
            Some(reference) => self.resolved(reference.strip_prefix('#').unwrap()),
            None => at.to_owned(),
        }
    }

    pub fn at(&self, pointer: &str) -> Option<&'static Value> {
        self.document.pointer(pointer)
    }
}

/// RFC 6901 section 3.
pub fn escaped(member: &str) -> String {
    member.replace('~', "~0").replace('/', "~1")
}

/// RFC 6901 section 6.
fn encoded(token: &str) -> String {
    utf8_percent_encode(token, NON_ALPHANUMERIC).to_string().replace("%7E", "~")
}

pub fn members(object: Option<&'static Value>) -> Vec<(&'static String, &'static Value)> {
    object.and_then(Value::as_object).into_iter().flatten().collect()
}

fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_owned()
}

/// A schema sees a header of digits as a number.
fn of_header(value: &HeaderValue) -> Value {
    let text = value.to_str().unwrap();
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}
