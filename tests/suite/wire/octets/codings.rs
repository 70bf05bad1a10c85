//! Answers that are compressed although no request asked for that.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use shared::ports::ProviderError;

use super::{GRANT, Provider, REFUSAL, is_the_grant};

/// At most 64 KiB of an answer are read.
const LIMIT: usize = 65_536;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn indented(object: &[u8]) -> Vec<u8> {
    serde_json::to_vec_pretty(&serde_json::from_slice::<serde_json::Value>(object).unwrap()).unwrap()
}

/// The object, with spaces behind it up to this length.
fn padded(object: &[u8], length: usize) -> Vec<u8> {
    let mut body = object.to_vec();
    body.resize(length, b' ');
    body
}

#[tokio::test]
async fn compression_is_declined_and_a_compressed_answer_is_still_read() {
    for (coding, body) in [
        ("gzip", gzip(GRANT)),
        ("x-gzip", gzip(GRANT)),
        ("GZip", gzip(GRANT)),
        ("deflate", zlib(GRANT)),
        ("deflate", raw_deflate(GRANT)),
        ("deflate, gzip", gzip(&zlib(GRANT))),
        ("gzip,gzip", gzip(&gzip(GRANT))),
        ("identity", GRANT.to_vec()),
        // A proxy decoded the answer and left the header.
        ("gzip", GRANT.to_vec()),
        ("deflate", GRANT.to_vec()),
        // An indented object begins like a short answer in raw deflate: its pair was once lost.
        ("deflate", indented(GRANT)),
        ("utf-8", GRANT.to_vec()),
    ] {
        let provider = Provider::answering("200 OK", &format!("Content-Encoding: {coding}\r\n"), &body).await;
        let answer = provider.refreshed().await;
        assert!(is_the_grant(&answer), "{coding}: {answer:?}");
        let requests = provider.requests.lock().unwrap().clone();
        assert!(requests[0].contains("\r\naccept-encoding: identity\r\n"), "{requests:?}");
    }
    let two = "Content-Encoding: deflate\r\nContent-Encoding: gzip\r\n";
    let answer = Provider::answering("200 OK", two, &gzip(&zlib(GRANT))).await.refreshed().await;
    assert!(is_the_grant(&answer), "two headers: {answer:?}");
}

#[tokio::test]
async fn a_compressed_refusal_counts_only_if_it_is_complete() {
    for (coding, body) in [("gzip", gzip(REFUSAL)), ("deflate", zlib(REFUSAL)), ("deflate", raw_deflate(REFUSAL))] {
        let headers = format!("Content-Encoding: {coding}\r\n");
        let answer = Provider::answering("400 Bad Request", &headers, &body).await.refreshed().await;
        assert!(matches!(answer, Err(ProviderError::InvalidGrant)), "{coding}: {answer:?}");
        for status in ["400 Bad Request", "200 OK"] {
            let answer = Provider::answering(status, &headers, &body[..body.len() - 1]).await.refreshed().await;
            let is_careful = matches!(answer, Err(ProviderError::Refused(_) | ProviderError::Unknown(_)));
            assert!(is_careful, "{coding} that is cut off: {answer:?}");
        }
    }
}

#[tokio::test]
async fn the_size_limit_counts_decompressed_bytes() {
    // A bomb: a hundred megabytes in a hundred kilobytes, without an object in the part that is read.
    let bomb = gzip(&vec![b' '; 100_000_000]);
    let answer = Provider::answering("200 OK", "Content-Encoding: gzip\r\n", &bomb).await.refreshed().await;
    assert!(matches!(&answer, Err(ProviderError::Unknown(why)) if why.contains("65536")), "{answer:?}");
    for coded in [gzip as fn(&[u8]) -> Vec<u8>, zlib, raw_deflate] {
        let coding = if coded(b"")[0] == 0x1f { "gzip" } else { "deflate" };
        let headers = format!("Content-Encoding: {coding}\r\n");
        for (length, is_whole) in [(LIMIT, true), (LIMIT + 1, false), (10 * LIMIT, false)] {
            let granted = coded(&padded(GRANT, length));
            let answer = Provider::answering("200 OK", &headers, &granted).await.refreshed().await;
            assert!(is_the_grant(&answer), "{coding} {length}: the tokens are in the part that is read: {answer:?}");
            let refused = coded(&padded(REFUSAL, length));
            let answer = Provider::answering("400 Bad Request", &headers, &refused).await.refreshed().await;
            assert_eq!(matches!(answer, Err(ProviderError::InvalidGrant)), is_whole, "{coding} {length}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_that_does_not_compress_is_read() {
    let mut state = 1_u32;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (state >> 24) as u8 % 90).to_ascii_lowercase()
    })
    .map(|character| if matches!(character, '"' | '\\') { 'x' } else { character })
    .take(LIMIT - 100)
    .collect();
    let body = format!(r#"{{"access_token":"a","refresh_token":"r","expires_in":7200,"note":"{noise}"}}"#);
    assert!(body.len() <= LIMIT);
    let mut stored = GzEncoder::new(Vec::new(), Compression::none());
    stored.write_all(body.as_bytes()).unwrap();
    let coded = stored.finish().unwrap();
    let answer = Provider::answering("200 OK", "Content-Encoding: gzip\r\n", &coded).await.refreshed().await;
    assert!(is_the_grant(&answer), "{answer:?}");
}

#[tokio::test]
async fn an_account_is_found_in_the_same_answers_in_which_a_grant_is_found() {
    let digits = "900719925474099312345";
    let account = format!(r#"{{"user":{{"id":1}},"account":{{"id":{digits},"company":"Acme"}}}}"#).into_bytes();
    let warning = b"<b>Warning</b>: {main}\n";
    for (headers, body) in [
        ("", [b"\xEF\xBB\xBF", &account[..]].concat()),
        ("", [warning, &account[..], b"\n<!-- cache -->"].concat()),
        ("Content-Encoding: gzip\r\n", gzip(&account)),
        ("Content-Encoding: deflate\r\n", zlib(&account)),
        ("Content-Encoding: deflate\r\n", raw_deflate(&account)),
        ("X-Folded: a\r\n b\r\nX-Spaced : c\r\n", account.clone()),
        ("", padded(&account, 2 * LIMIT)),
    ] {
        let provider = Provider::answering("200 OK", headers, &body).await;
        let read = provider.account().await.unwrap();
        assert_eq!((read.id.as_str(), read.company.as_deref()), (digits, Some("Acme")), "{headers}");
        let requests = provider.requests.lock().unwrap().clone();
        assert!(requests[0].contains("\r\naccept-encoding: identity\r\n"), "{requests:?}");
    }
    assert!(Provider::answering("500 Oops", "", &account).await.account().await.is_err());
    assert!(Provider::answering("200 OK", "", b"[{\"id\":7},{\"id\":8}]").await.account().await.is_err());
}
