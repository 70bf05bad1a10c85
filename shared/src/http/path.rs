//! Paths, matched as they arrived: with a parser that collapses dot segments, one connection could be reached under
//! another's name.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::Request;

/// Characters that may not stand in a path (RFC 3986 section 3.3), beside everything that is not ASCII.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
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

/// Encodes a path that API Gateway has decoded, so that it is valid in a URI.
pub fn encode(path: &str) -> String {
    utf8_percent_encode(path, NOT_IN_PATH).to_string()
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
        assert_eq!(of(&encode("/v1/connections/a b?é#")), ["v1", "connections", "a b?é#"]);
    }
}
