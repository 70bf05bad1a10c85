//! Paths, matched as they arrived: with a parser that collapses dot segments, one connection could be reached under
//! another's name.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use super::Request;

/// What may not stand in a path (RFC 3986 section 3.3), beside everything that is not ASCII. A percent sign is one
/// that was decoded: left alone, it would be decoded once more.
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

/// The segments of a request's path, decoded one by one: an encoded slash does not separate.
pub fn segments(request: &Request) -> Vec<String> {
    let path = request.uri().path();
    let segments = path.strip_prefix('/').unwrap_or(path).split('/');
    segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

/// A path that API Gateway has decoded (`docs/decisions/0019`), as one that a URI can hold: [`segments`] gives back what
/// it was.
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
