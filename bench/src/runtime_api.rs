//! The Lambda Runtime API for one process
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::clock;

const NEXT: &str = "/2018-06-01/runtime/invocation/next";

pub(crate) struct Event {
    pub body: String,
    /// Since 1970.
    pub deadline: Duration,
}

/// What the process has done, and when.
pub(crate) enum Step {
    /// It asks for an event.
    Next(Duration),
    Answered(Duration, Bytes),
    /// The invocation, or the start, has failed.
    Failed(Bytes),
}

pub(crate) struct RuntimeApi {
    pub address: SocketAddr,
    pub events: mpsc::UnboundedSender<Event>,
    pub steps: mpsc::UnboundedReceiver<Step>,
    listener: tokio::task::JoinHandle<()>,
}

struct Shared {
    events: Mutex<mpsc::UnboundedReceiver<Event>>,
    steps: mpsc::UnboundedSender<Step>,
}

impl RuntimeApi {
    pub(crate) async fn listen() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (events, received) = mpsc::unbounded_channel();
        let (told, steps) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { events: Mutex::new(received), steps: told });
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                // Otherwise each small answer waits for the acknowledgement of the answer before.
                let _ = stream.set_nodelay(true);
                tokio::spawn(async move {
                    let service = service_fn(|request| serve(&shared, request));
                    // A process that is ended in the middle of a request is no fault.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { address, events, steps, listener })
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(shared: &Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == NEXT {
        let _ = shared.steps.send(Step::Next(clock::now()));
        let event = match shared.events.lock().await.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        };
        let answer = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
            .header("lambda-runtime-deadline-ms", event.deadline.as_millis().to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:111122223333:function:bench")
            .body(Full::from(event.body));
        return Ok(answer.expect("constants and a number are valid headers"));
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let step = if path.ends_with("/response") { Step::Answered(clock::now(), body) } else { Step::Failed(body) };
    let _ = shared.steps.send(step);
    let mut answer = Response::new(Full::from(r#"{"status":"OK"}"#));
    *answer.status_mut() = StatusCode::ACCEPTED;
    Ok(answer)
}
