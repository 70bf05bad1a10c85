//! Signature Version 4, checked as AWS checks it and without the SDK: the examples must not be checked by the library
//! that they use.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write;

use aws_lc_rs::{digest, hmac};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// A request as it was received.
pub struct Received<'a> {
    pub method: &'a str,
    /// The path as it was sent, with its escapes.
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// Checks that the request is signed with the secret, for this region and service. The error is the reason why not.
pub fn verify(request: &Received<'_>, secret: &str, region: &str, service: &str) -> Result<(), String> {
    let authorization = header(request.headers, AUTHORIZATION.as_str());
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("not signed")?;
    let field = |name: &str| {
        let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| format!("no {name}"))
    };
    let moment = header(request.headers, "x-amz-date");
    let date = moment.get(..8).ok_or("no date")?;
    let scope = format!("{date}/{region}/{service}/aws4_request");
    if field("Credential")?.split_once('/').is_none_or(|(_, signed_for)| signed_for != scope) {
        return Err(format!("not signed for {scope}"));
    }
    let signed: Vec<&str> = field("SignedHeaders")?.split(';').collect();
    // A header of AWS that is not signed could be changed on the way.
    let must_be_signed = |name: &&str| *name == "host" || name.starts_with("x-amz-");
    if let Some(unsigned) =
        request.headers.keys().map(|name| name.as_str()).filter(must_be_signed).find(|name| !signed.contains(name))
    {
        return Err(format!("{unsigned} is not signed"));
    }

    let canonical = canonical_request(request, &signed);
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let key = [date, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac_sha256(&key, part).as_ref().to_vec());
    if field("Signature")? == hex(hmac_sha256(&key, &text).as_ref()) {
        Ok(())
    } else {
        Err(format!("the signature is not the one of\n{canonical}"))
    }
}

fn canonical_request(request: &Received<'_>, signed: &[&str]) -> String {
    // Every segment is escaped once more than it was sent: `:` becomes %3A, and %3A becomes %253A. Only S3 differs.
    let path = request.path.split('/').map(escape).collect::<Vec<_>>().join("/");
    let mut query: Vec<&str> = request.query.split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    let headers: String =
        signed.iter().map(|name| format!("{name}:{}\n", header(request.headers, name).trim())).collect();
    let (method, query, names) = (request.method, query.join("&"), signed.join(";"));
    format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{}", sha256(request.body))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Escapes all characters except the unreserved ones of RFC 3986.
fn escape(segment: &str) -> String {
    segment.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
            _ => write!(text, "%{byte:02X}").unwrap(),
        }
        text
    })
}

fn hmac_sha256(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
