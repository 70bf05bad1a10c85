//! HTTP on a port of this machine. A request that does not arrive completely is dropped.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::Listener;
use http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// The time limit for a request's head, and for its body. An idle connection is closed after the same time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// API Gateway's own limit.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// Serves until the process ends.
pub(crate) async fn serve(mut listener: TcpListener, router: Router) {
    loop {
        // axum's own loop: an error of one connection does not end the listener.
        let (connection, _) = Listener::accept(&mut listener).await;
        tokio::spawn(serve_connection(connection, router.clone()));
    }
}

/// A request's body, or the status that says why it cannot be read.
pub(crate) async fn read_body(body: Body) -> Result<Bytes, StatusCode> {
    match tokio::time::timeout(REQUEST_TIMEOUT, to_bytes(body, BODY_LIMIT)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// A layer, for handlers that read the body themselves.
pub(crate) async fn read_body_first(request: Request, next: Next) -> Result<Response, StatusCode> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    Ok(next.run(Request::from_parts(parts, body.into())).await)
}

async fn serve_connection(connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection ended early: {error}");
    }
}

#[cfg(test)]
mod tests {
    use axum::middleware::from_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the time of the test's own runtime, which is virtual")]
    fn now() -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    /// The answer to this text, and the seconds until the connection is closed.
    async fn sent(text: &str) -> (String, u64) {
        let (mut browser, connection) = tokio::io::duplex(1024);
        let router = Router::new().fallback(async || "answered").layer(from_fn(read_body_first));
        tokio::spawn(serve_connection(connection, router));
        let begun = now();
        browser.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let closed = tokio::time::timeout(Duration::from_secs(3600), browser.read_to_string(&mut answer)).await;
        closed.expect("open after an hour").unwrap();
        (answer, (now() - begun).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_half_sent_is_dropped_after_ten_seconds() {
        for head in ["", "G", "GET / HTTP/1.1\r\nHost: 127."] {
            assert_eq!(sent(head).await, (String::new(), 10), "{head}");
        }
        let (answer, seconds) = sent("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n{").await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(seconds, 10);
        let (answer, _) = sent("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
