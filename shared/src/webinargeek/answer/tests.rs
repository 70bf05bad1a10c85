use super::*;

fn read(status: u16, body: impl AsRef<[u8]>) -> Result<TokenResponse, ProviderError> {
    let status = StatusCode::from_u16(status).unwrap();
    let body = Body { octets: body.as_ref().to_vec(), cut: None };
    grant(&Answer { status, retry_after: None, date: None, body })
}

#[test]
fn an_unusual_answer_that_holds_an_access_token_is_a_grant() {
    for (body, expires_in) in [
        (r#"{"access_token":"a","refresh_token":"r","expires_in":7200}"#, Some(7200)),
        (r#"{"access_token":"a","refresh_token":"r","expires_in":"7200"}"#, Some(7200)),
        (r#"{"access_token":"a","refresh_token":"r","expires_in":7199.9,"scope":["x","y"]}"#, Some(7199)),
        (r#"{"access_token":"a","refresh_token":"r","expires_in":null,"token_type":7}"#, None),
        (r#"{"access_token":"a","refresh_token":"r","expires_in":-1}"#, None),
        (r#"{"access_token":"a","refresh_token":"r","expires_in":0}"#, None),
        (r#"{"access_token":"a","refresh_token":"r","expires_in":1e300}"#, Some(LONGEST_LIFETIME)),
        (r#"{"access_token":"a","refresh_token":"r","expires_in":1e999}"#, None),
        (r#"{"access_token":"a","refresh_token":"r","note":"\ud800"}"#, None),
        ("\u{feff}{\"access_token\":\"a\",\"refresh_token\":\"r\",\"expires_in\":60}", Some(60)),
        (r#"{"access_token":"a","refresh_token":"r","expires_in":{}}"#, None),
    ] {
        let grant = read(200, body).unwrap();
        assert_eq!(grant.pair.refresh_token.unwrap().expose(), "r", "{body}");
        assert_eq!(grant.expires_in.map(|duration| duration.as_secs()), expires_in, "{body}");
    }
    assert_eq!(read(200, r#"{"access_token":"a","scope":["x","y"]}"#).unwrap().scope.unwrap(), "x y");
}

#[test]
fn an_empty_refresh_token_counts_as_missing() {
    assert!(read(200, r#"{"access_token":"a","refresh_token":""}"#).unwrap().pair.refresh_token.is_none());
}

#[test]
fn a_success_that_cannot_be_read_is_an_unknown_outcome_and_not_a_refusal() {
    for body in
        ["", "<html>", "[]", "null", "{}", r#"{"access_token":""}"#, r#"{"access_token":7}"#, "{\"access_token\":\"a\""]
    {
        assert!(matches!(read(200, body), Err(ProviderError::Unknown(_))), "{body}");
    }
}

#[test]
fn only_well_formed_json_ends_a_grant() {
    assert!(matches!(read(400, r#"{"error":"invalid_grant"}"#), Err(ProviderError::InvalidGrant)));
    assert!(matches!(read(401, r#"{"error":"invalid_client"}"#), Err(ProviderError::InvalidClient)));
    for (status, body) in [
        (400, "invalid_grant"),
        (400, r#"{"error":"invalid_grant""#),
        (400, r#"{"error":["invalid_grant"]}"#),
        (400, r#"{"error":"invalid_request"}"#),
        (302, r#"{"error":"invalid_grant"}"#),
        (404, "<html>"),
    ] {
        assert!(matches!(read(status, body), Err(ProviderError::Refused(_))), "{status} {body}");
    }
    for body in ["", r#"{"error":"invalid_grant"}"#] {
        assert!(matches!(read(500, body), Err(ProviderError::Unknown(_))), "{body}");
    }
}

#[test]
fn a_success_that_holds_an_error_and_no_tokens_is_a_refusal() {
    assert!(matches!(read(200, r#"{"error":"invalid_grant"}"#), Err(ProviderError::InvalidGrant)));
    assert!(matches!(read(200, r#"{"error":"invalid_client"}"#), Err(ProviderError::InvalidClient)));
    for body in [
        r#"{"error":"bad_refresh_token"}"#,
        r#"{"ok":false,"error":"invalid_refresh_token"}"#,
        r#"{"access_token":null,"refresh_token":"","error":"bad_refresh_token"}"#,
    ] {
        assert!(matches!(read(200, body), Err(ProviderError::Refused(_))), "{body}");
    }
}

#[test]
fn tokens_beside_an_error_are_a_grant_and_tokens_that_cannot_be_read_are_an_unknown_outcome() {
    let grant = read(200, r#"{"access_token":"a","refresh_token":"r","error":"invalid_grant"}"#).unwrap();
    assert_eq!(grant.pair.refresh_token.unwrap().expose(), "r");
    for body in [
        &br#"{"access_token":7,"error":"invalid_grant"}"#[..],
        br#"{"refresh_token":"r","error":"invalid_grant"}"#,
        br#"{"access_token":"\ud800","error":"invalid_grant"}"#,
        b"{\"access_token\":\"a\xff\",\"refresh_token\":\"r\"}",
        b"{\"access_token\":\"a\",\"refresh_token\":\"r\xff\"}",
        br#"{"access_token":"a","refresh_token":"\ud800"}"#,
        br#"{"error":["invalid_grant"]}"#,
        br#"{"error":"invalid_grant""#,
    ] {
        let answer = read(200, body);
        assert!(matches!(answer, Err(ProviderError::Unknown(_))), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_defect_in_a_member_that_is_not_needed_hides_neither_tokens_nor_an_error() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let defects: [&[u8]; 6] = [
        br#""x":"\ud800""#,
        b"\"x\":\"\xff\"",
        br#""x":1e999"#,
        br#""\ud800":1"#,
        b"\"\xff\":1",
        b"\"expires_in\":1e999",
    ];
    let defects = defects.into_iter().map(<[u8]>::to_vec).chain([format!("\"x\":{deep}").into_bytes()]);
    for defect in defects {
        let body = |members: &str| [b"\xEF\xBB\xBF{", &defect[..], b",", members.as_bytes(), b"}"].concat();
        let shown = String::from_utf8_lossy(&defect);
        let grant = read(200, body(r#""access_token":"a","refresh_token":"r""#)).unwrap();
        assert_eq!(grant.pair.refresh_token.unwrap().expose(), "r", "{shown}");
        let refusal = read(400, body(r#""error":"invalid_grant""#));
        assert!(matches!(refusal, Err(ProviderError::InvalidGrant)), "{shown}: {refusal:?}");
    }
}

#[test]
fn a_byte_that_is_not_utf_8_does_not_complete_an_object() {
    for body in [
        &b"{\"error\":\"invalid_grant\"\xff}"[..],
        b"{\"error\":\"invalid_grant\",\"error_description\":\"\xff",
        b"{\"error\":\"invalid_grant\xff\"}",
        b"\xff{\"error\":\"invalid_grant\"}",
        b"{\"error\":\"invalid_grant\"}{}",
        b"[{\"error\":\"invalid_grant\"}]",
    ] {
        assert!(matches!(read(400, body), Err(ProviderError::Refused(_))), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn the_providers_own_words_stay_out_of_our_errors() {
    let error = read(400, r#"{"error":"canary-1","error_description":"canary-2"}"#).unwrap_err();
    assert!(!error.to_string().contains("canary"), "{error}");
}

/// Such an answer does not say whether the provider has rotated. If it counted as a refusal, a pair that was rotated
/// could be lost. As an unknown outcome, the token is sent once more.
#[test]
fn a_success_without_tokens_and_without_an_error_is_an_unknown_outcome() {
    for body in [r#"{"ok":false}"#, r#"{"success":false,"message":"expired"}"#, r#"{"status":"error"}"#] {
        assert!(matches!(read(200, body), Err(ProviderError::Unknown(_))), "{body}");
    }
}
