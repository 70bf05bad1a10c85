//! Paths are matched as they arrive. A parser that collapses dot segments would let one connection be reached under the
//! id of another.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use super::Request;

/// The ASCII characters that a path must not have (RFC 3986 section 3.3). A percent sign was decoded already: if it
/// stayed, it would be decoded again.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The segments of a request's path, each decoded by itself: an encoded slash does not separate segments.
pub fn segments(request: &Request) -> Vec<String> {
    let path = request.uri().path();
    let segments = path.strip_prefix('/').unwrap_or(path).split('/');
    segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

/// Encodes a path that API Gateway has decoded (`docs/decisions/0019`), so that a URI can hold it. [`segments`] decodes
/// it again.
pub fn encode(path: &[u8]) -> String {
    let root = if path.starts_with(b"/") { "" } else { "/" };
    format!("{root}{}", percent_encode(path, NOT_IN_PATH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Vec<String> {
        let mut request = Request::default();
        *request.uri_mut() = uri.parse().unwrap();
        segments(&request)
    }

    #[test]
    fn segments_are_decoded_after_they_are_separated() {
        assert_eq!(of("/v1/connections/a%3Ab?x=/"), ["v1", "connections", "a:b"]);
        assert_eq!(of("/v1/connections/a%2Fb"), ["v1", "connections", "a/b"]);
        assert_eq!(of("/v1/connections/../token"), ["v1", "connections", "..", "token"]);
        assert_eq!(of("/"), [""]);
    }

    #[test]
    fn a_decoded_path_survives() {
        assert_eq!(of(&encode("/v1/connections/a b?é#".as_bytes())), ["v1", "connections", "a b?é#"]);
        assert_eq!(of(&encode(b"*")), ["*"]);
    }

    #[test]
    fn a_path_that_was_decoded_is_not_decoded_again() {
        assert_eq!(of(&encode(b"/v1/connections/%61cme")), ["v1", "connections", "%61cme"]);
        assert_eq!(of(&encode(b"/%25%2F%")), ["%25%2F%"]);
    }
}
