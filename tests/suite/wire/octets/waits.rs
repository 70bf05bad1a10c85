//! `Retry-After` (RFC 9110 section 10.2.3).

use std::time::Duration;

use shared::ports::{Clock, ProviderError};
use tests::clock::TestClock;

use super::{GRANT, Provider, REFUSAL, is_the_grant};

/// The wait that an answer with this header asks for.
async fn asked(provider: &Provider) -> Option<u64> {
    match provider.refreshed().await.unwrap_err() {
        ProviderError::Throttled { retry_after, .. } => Some(retry_after.unwrap().as_secs()),
        _ => None,
    }
}

#[tokio::test]
async fn retry_after_is_read_with_every_status_that_refuses() {
    for status in [
        "301 Moved",
        "400 No",
        "401 No",
        "403 No",
        "404 No",
        "429 Wait",
        "500 Oops",
        "502 Oops",
        "503 Oops",
        "504 Oops",
    ] {
        for body in [&b""[..], b"<html>", br#"{"error":"rate_limited"}"#] {
            let provider = Provider::answering(status, "Retry-After: 30\r\n", body).await;
            assert_eq!(asked(&provider).await, Some(30), "{status}");
        }
    }
    // What a whole answer says about the grant or the client has precedence.
    let answer = Provider::answering("400 No", "Retry-After: 30\r\n", REFUSAL).await.refreshed().await;
    assert!(matches!(answer, Err(ProviderError::InvalidGrant)), "{answer:?}");
    let client = br#"{"error":"invalid_client"}"#;
    let answer = Provider::answering("401 No", "Retry-After: 30\r\n", client).await.refreshed().await;
    assert!(matches!(answer, Err(ProviderError::InvalidClient)), "{answer:?}");
    assert!(is_the_grant(&Provider::answering("200 OK", "Retry-After: 30\r\n", GRANT).await.refreshed().await));
}

#[tokio::test]
async fn retry_after_is_seconds_a_fraction_or_a_date_and_nonsense_is_ignored() {
    let clock = TestClock::default();
    let at = |seconds: i64| std::time::UNIX_EPOCH + Duration::from_secs((clock.now().unix() + seconds) as u64);
    let in_a_minute = httpdate::fmt_http_date(at(60));
    let a_minute_ago = httpdate::fmt_http_date(at(-60));
    for (text, seconds) in [
        ("0", Some(0)),
        ("30", Some(30)),
        ("  30\t", Some(30)),
        ("29.2", Some(30)),
        ("0.5", Some(1)),
        (&in_a_minute, Some(60)),
        (&a_minute_ago, Some(0)),
        ("-1", None),
        ("-0.5", None),
        ("", None),
        (".", None),
        ("soon", None),
        ("30 s", None),
        ("1e3", None),
        ("inf", None),
        ("NaN", None),
        ("30, 60", None),
        ("1.2.3", None),
        ("0x1e", None),
    ] {
        let provider = Provider::answering("403 No", &format!("Retry-After: {text}\r\n"), b"").await;
        assert_eq!(asked(&provider).await, seconds, "{text}");
    }
    for endless in ["99999999999", "99999999999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let provider = Provider::answering("403 No", &format!("Retry-After: {endless}\r\n"), b"").await;
        assert!(asked(&provider).await.unwrap() > 1_000_000, "{endless}");
    }
    let two = Provider::answering("403 No", "Retry-After: soon\r\nRetry-After: 30\r\n", b"").await;
    assert_eq!(asked(&two).await, Some(30));
}
