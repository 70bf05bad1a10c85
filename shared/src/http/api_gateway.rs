//! Requests of API Gateway's HTTP APIs (payload format 2.0), read member by member.
//!
//! Any client on the internet decides most of an event. lambda_http builds a URI from it and panics if that fails,
//! drops all cookies if one is not ASCII, and refuses the whole event for one header: `docs/decisions/0019`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{COOKIE, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use super::{Request, path};

/// The ASCII characters that a query must not have (RFC 3986 section 3.4). The query arrives encoded, so a percent sign
/// stays.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// What API Gateway has received.
#[derive(Debug)]
pub struct Received {
    /// With cookies as headers, and the body decoded from base64.
    pub request: Request,
    /// `https://` and API Gateway's own domain name, never the Host header.
    pub origin: String,
    /// The ARN of the IAM principal, on routes that ask for a signature.
    pub principal: Option<String>,
}

/// Why an event is not a request. The message holds no text of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARequest {
    /// The event does not come from API Gateway, or is not JSON.
    #[error("the event is not a JSON object")]
    NotAnObject,
    /// The member that is missing or has another type.
    #[error("the event has no {0}: it is not one of an HTTP API with payload format 2.0")]
    Without(&'static str),
    /// `http::Uri` takes 65,534 bytes at most.
    #[error("path and query are too long for a URI")]
    TooLong,
}

/// Every member is parsed by itself: one that has another type counts as absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    raw_path: Member<'a>,
    #[serde(borrow)]
    raw_query_string: Member<'a>,
    #[serde(borrow)]
    cookies: Member<'a>,
    #[serde(borrow)]
    headers: Member<'a>,
    #[serde(borrow)]
    request_context: Member<'a>,
    #[serde(borrow)]
    body: Member<'a>,
    #[serde(borrow)]
    is_base64_encoded: Member<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    #[serde(borrow)]
    domain_name: Member<'a>,
    #[serde(borrow)]
    http: Member<'a>,
    #[serde(borrow)]
    authorizer: Member<'a>,
}

#[derive(Deserialize)]
struct Authorizer<'a> {
    #[serde(borrow)]
    iam: Member<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    #[serde(borrow)]
    user_arn: Member<'a>,
}

#[derive(Deserialize)]
struct Http<'a> {
    #[serde(borrow)]
    method: Member<'a>,
}

type Member<'a> = Option<&'a RawValue>;

fn part<'a, T: Deserialize<'a>>(member: Member<'a>) -> Option<T> {
    serde_json::from_str(member?.get()).ok()
}

impl Received {
    /// Reads the JSON text of an event.
    pub fn read(event: &str) -> Result<Self, NotARequest> {
        let event: Event<'_> = serde_json::from_str(event).map_err(|_| NotARequest::NotAnObject)?;
        let context: RequestContext<'_> = part(event.request_context).ok_or(NotARequest::Without("requestContext"))?;
        let http = part::<Http<'_>>(context.http);
        let method = http.and_then(|http| part::<Octets>(http.method));
        let method = method.and_then(|Octets(name)| Method::from_bytes(&name).ok());
        let domain_name = part::<String>(context.domain_name).filter(|name| is_host(name));
        let Octets(raw_path) = part(event.raw_path).ok_or(NotARequest::Without("rawPath"))?;
        let Octets(raw_query) = part(event.raw_query_string).unwrap_or_default();

        let mut request = Request::new(body(part(event.body), part(event.is_base64_encoded)));
        *request.method_mut() = method.ok_or(NotARequest::Without("requestContext.http.method"))?;
        *request.headers_mut() = headers(part(event.headers), part(event.cookies));
        let query = percent_encode(&raw_query, NOT_IN_QUERY);
        let mark = if raw_query.is_empty() { "" } else { "?" };
        let target = format!("{}{mark}{query}", path::encode(&raw_path));
        *request.uri_mut() = target.parse().map_err(|_| NotARequest::TooLong)?;
        let domain_name = domain_name.ok_or(NotARequest::Without("requestContext.domainName"))?;
        let iam = part::<Authorizer<'_>>(context.authorizer).and_then(|authorizer| part::<Iam<'_>>(authorizer.iam));
        let principal = iam.and_then(|iam| part::<String>(iam.user_arn));
        Ok(Self { request, origin: format!("https://{domain_name}"), principal })
    }
}

/// A host name, with a port in tests and on a laptop.
fn is_host(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
}

/// Cookies come beside the headers, one by one: one that is not a valid header value hides no other.
fn headers(headers: Option<BTreeMap<String, &RawValue>>, cookies: Option<Vec<&RawValue>>) -> HeaderMap {
    let mut map = HeaderMap::new();
    let headers = headers.unwrap_or_default().into_iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, value))
    });
    let cookies = cookies.unwrap_or_default().into_iter().map(|cookie| (COOKIE, cookie));
    for (name, value) in headers.chain(cookies) {
        let value = part::<Octets>(Some(value)).and_then(|Octets(value)| HeaderValue::from_bytes(&value).ok());
        // This fails only with more than 32,768 headers.
        if let Some(value) = value
            && map.try_append(name, value).is_err()
        {
            break;
        }
    }
    map
}

/// A body that is marked as base64 and is not stays as it is: no route can read it as JSON.
fn body(body: Option<Octets>, is_base64: Option<bool>) -> Vec<u8> {
    let Octets(body) = body.unwrap_or_default();
    let decoded = is_base64.unwrap_or(false).then(|| STANDARD.decode(&body).ok()).flatten();
    decoded.unwrap_or(body)
}

/// A JSON string as bytes: a JSON string may hold half of a surrogate pair, which is not UTF-8 (RFC 8259 section 8.2).
#[derive(Default)]
struct Octets(Vec<u8>);

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(OctetsVisitor)
    }
}

struct OctetsVisitor;

impl Visitor<'_> for OctetsVisitor {
    type Value = Octets;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Octets, E> {
        Ok(Octets(bytes.to_vec()))
    }
}
