//! Answers as octets: also what servers, proxies and compressing front ends send outside the specifications.
//!
//! An answer that grants holds a pair that exists nowhere else, so it is read if that is possible. An answer that ends
//! a grant is believed only if it is whole.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared::domain::account::Account;
use shared::domain::secret::{AccessToken, ClientSecret, RefreshToken};
use shared::domain::token_pair::TokenResponse;
use shared::ports::{ProviderError, ReadAccount, RefreshPair};
use shared::tls::Tls;
use shared::webinargeek::{AccountEndpoint, HttpClient, WebinarGeek};
use tests::clock::TestClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::endpoint;

mod codings;
mod waits;

const GRANT: &[u8] = br#"{"access_token":"a","token_type":"Bearer","expires_in":7200,"refresh_token":"r"}"#;
const REFUSAL: &[u8] = br#"{"error":"invalid_grant"}"#;

/// A provider that answers every request with these octets, and closes the connection.
struct Provider {
    origin: String,
    requests: Arc<Mutex<Vec<String>>>,
    clock: Arc<TestClock>,
}

impl Provider {
    async fn sending(octets: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (octets, requests) = (octets.into(), Arc::new(Mutex::new(Vec::new())));
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = request(&mut stream).await;
                seen.lock().unwrap().push(request);
                stream.write_all(&octets).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self { origin, requests, clock: Arc::default() }
    }

    async fn answering(status: &str, headers: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        Self::sending([head.as_bytes(), body].concat()).await
    }

    async fn refreshed(&self) -> Result<TokenResponse, ProviderError> {
        let adapter = WebinarGeek::new(HttpClient::new(&Tls::default()), endpoint(&self.origin), self.clock.clone());
        adapter.refresh(&RefreshToken::new("r"), &ClientSecret::new("secret")).await
    }

    async fn account(&self) -> Result<Account, ProviderError> {
        let url = Url::parse(&self.origin).unwrap();
        AccountEndpoint::new(HttpClient::new(&Tls::default()), url).read(&AccessToken::new("a")).await
    }
}

/// The head of a request in lower case, and its body.
async fn request(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    loop {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.unwrap();
        octets.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&octets).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let expected = head
            .split_once("content-length: ")
            .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
        if body.len() >= expected {
            return text;
        }
    }
}

fn is_the_grant(answer: &Result<TokenResponse, ProviderError>) -> bool {
    answer.as_ref().is_ok_and(|response| {
        response.pair.access_token.expose() == "a"
            && response.pair.refresh_token.as_ref().is_some_and(|token| token.expose() == "r")
            && response.expires_in == Some(Duration::from_secs(7200))
    })
}

#[tokio::test]
async fn a_grant_is_found_between_a_php_warning_and_the_comment_of_a_proxy() {
    let warning = b"<br />\n<b>Warning</b>: foreach() {main} in <b>/srv/{app}/token.php</b> on line <b>7</b><br />\n";
    let object = br#"{"request":"of ours"}"#;
    for (before, behind) in [
        (&b"\xEF\xBB\xBF"[..], &b""[..]),
        (warning, b""),
        (b"\xEF\xBB\xBF\r\n\r\n", b"\0\0\0"),
        (b"", b"\n<!-- served by cache 7 in 12 ms -->"),
        (b"", b"{\"error\":\"invalid_grant\"}"),
        (object, b"}}"),
        (b")]}',\n", b""),
        (b"\xff\xfe", b"\xff"),
    ] {
        let body = [before, GRANT, behind].concat();
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = Provider::answering("200 OK", "", &body).await.refreshed().await;
        assert!(is_the_grant(&answer), "{shown}: {answer:?}");

        // Around a refusal the same bytes prove nothing, except the byte order mark (RFC 8259 section 8.1).
        if before != b"\xEF\xBB\xBF" {
            let body = [before, REFUSAL, behind].concat();
            for (status, shown) in [("400 Bad Request", &shown), ("200 OK", &shown)] {
                let answer = Provider::answering(status, "", &body).await.refreshed().await;
                let is_careful = matches!(answer, Err(ProviderError::Refused(_) | ProviderError::Unknown(_)));
                assert!(is_careful, "{status} {shown}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn tokens_inside_another_object_or_list_are_no_grant() {
    let inner = std::str::from_utf8(GRANT).unwrap();
    for body in [
        format!(r#"{{"authed_user":{inner},"access_to"#),
        format!(r#"{{"authed_user":{inner},"access_token":"b",}}"#),
        format!(r#"{{"data":{inner}}}"#),
        format!("[{inner},{inner}]"),
        inner[..inner.len() - 1].to_owned(),
    ] {
        let answer = Provider::answering("200 OK", "", body.as_bytes()).await.refreshed().await;
        assert!(matches!(answer, Err(ProviderError::Unknown(_))), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn a_form_encoded_answer_can_grant_but_not_refuse() {
    for body in [
        "access_token=a&token_type=bearer&expires_in=7200&refresh_token=r",
        "\u{feff}access_token=%61&refresh_token=r&expires_in=7200&scope=read+write\r\n",
    ] {
        for media_type in ["application/x-www-form-urlencoded", "text/plain; charset=utf-8", "text/html"] {
            let headers = format!("Content-Type: {media_type}\r\n");
            let answer = Provider::answering("200 OK", &headers, body.as_bytes()).await.refreshed().await;
            assert!(is_the_grant(&answer), "{body}: {answer:?}");
        }
    }
    // A page with a link holds no grant. Nor does a form that is cut off: its token may be incomplete.
    for body in [
        "<a href='/x?y=1&access_token=a&refresh_token=r'>",
        "access_token=&refresh_token=r",
        "error=invalid_grant",
        "access_token",
    ] {
        let answer = Provider::answering("200 OK", "", body.as_bytes()).await.refreshed().await;
        assert!(matches!(answer, Err(ProviderError::Unknown(_))), "{body}: {answer:?}");
    }
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\naccess_token=a&refresh_token=r";
    assert!(matches!(Provider::sending(cut).await.refreshed().await, Err(ProviderError::Unknown(_))));
    let answer = Provider::answering("400 Bad Request", "", b"error=invalid_grant").await.refreshed().await;
    assert!(matches!(answer, Err(ProviderError::Refused(_))), "{answer:?}");
}

#[tokio::test]
async fn if_the_connection_breaks_after_the_object_a_grant_counts_and_a_refusal_does_not() {
    let cut = |status: &str, header: &str, object: &[u8]| {
        [format!("HTTP/1.1 {status}\r\n{header}\r\n\r\n").as_bytes(), object].concat()
    };
    let chunk = |object: &[u8]| [format!("{:x}\r\n", object.len()).as_bytes(), object, b"\r\n"].concat();
    for (octets, refusal) in [
        (cut("200 OK", "Content-Length: 9000", GRANT), cut("400 No", "Content-Length: 9000", REFUSAL)),
        (
            cut("200 OK", "Transfer-Encoding: chunked", &chunk(GRANT)),
            cut("400 No", "Transfer-Encoding: chunked", &chunk(REFUSAL)),
        ),
    ] {
        let answer = Provider::sending(octets).await.refreshed().await;
        assert!(is_the_grant(&answer), "{answer:?}");
        let answer = Provider::sending(refusal).await.refreshed().await;
        assert!(matches!(answer, Err(ProviderError::Unknown(_))), "{answer:?}");
    }
    // An answer without a length ends when the connection closes (RFC 9112 section 6.3): this one is whole.
    let answer = Provider::sending(cut("400 No", "Connection: close", REFUSAL)).await.refreshed().await;
    assert!(matches!(answer, Err(ProviderError::InvalidGrant)), "{answer:?}");
}

#[tokio::test]
async fn many_folded_or_malformed_headers_do_no_harm() {
    let many: String = (0..2000).map(|number| format!("X-Trace-{number}: {number}\r\n")).collect();
    for headers in [
        many.as_str(),
        "X-Policy: first,\r\n second,\r\n\tthird\r\n",
        "X-Spaced : value\r\nContent-Type\t: application/json\r\n",
        "X Odd Name: value\r\nno colon at all\r\n",
        "X-Latin: caf\u{e9}\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n",
    ] {
        let answer = Provider::answering("200 OK", headers, GRANT).await.refreshed().await;
        assert!(is_the_grant(&answer), "{}: {answer:?}", &headers[..headers.len().min(60)]);
        let answer = Provider::answering("400 Bad Request", headers, REFUSAL).await.refreshed().await;
        assert!(matches!(answer, Err(ProviderError::InvalidGrant)), "{answer:?}");
    }
    let bare = [b"HTTP/1.0 200\nContent-Type: application/json\n\n", GRANT].concat();
    assert!(is_the_grant(&Provider::sending(bare).await.refreshed().await));
    let hints = [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", GRANT].concat();
    assert!(is_the_grant(&Provider::sending(hints).await.refreshed().await));
}
