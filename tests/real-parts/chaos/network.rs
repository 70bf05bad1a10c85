//! The network between the functions and the provider: a proxy that breaks requests and answers while its faults are
//! on.
//!
//! A fault after the answer of the provider is the worse one: a pair is rotated or a code is used, and the answer is
//! lost.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};
use shared::ports::Clock;
use shared::system::SystemClock;
use tests::random::Random;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::tally::Tally;

/// Of a hundred requests, this many have a fault.
const FAULTS: u64 = 40;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Before the provider gets the request.
    ResetBeforeSend,
    ResetAfterSend,
    HalfABody,
    SlowDrip,
    ThrottledForSeconds,
    ThrottledUntilADate,
    Html,
    TwoMegabytes,
    NoRefreshToken,
}

const ALL: [Fault; 9] = [
    Fault::ResetBeforeSend,
    Fault::ResetAfterSend,
    Fault::HalfABody,
    Fault::SlowDrip,
    Fault::ThrottledForSeconds,
    Fault::ThrottledUntilADate,
    Fault::Html,
    Fault::TwoMegabytes,
    Fault::NoRefreshToken,
];

pub(super) struct Network {
    pub address: SocketAddr,
    provider: SocketAddr,
    random: Mutex<Random>,
    broken: AtomicBool,
    /// Whether answers may come without their refresh token. If the access token of such an answer is used, the
    /// connection ends, and only the provider is the cause. So this fault comes only in rounds that use no token.
    withholds_refresh_tokens: AtomicBool,
    tally: Arc<Tally>,
    codes: Mutex<BTreeMap<String, u64>>,
}

impl Network {
    pub(super) async fn before(provider: SocketAddr, random: Random, tally: Arc<Tally>) -> Arc<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let network = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            provider,
            random: Mutex::new(random),
            broken: AtomicBool::new(false),
            withholds_refresh_tokens: AtomicBool::new(false),
            tally,
            codes: Mutex::default(),
        });
        let serving = network.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let network = serving.clone();
                // If a function is killed, its connection ends with an error.
                tokio::spawn(async move { network.carry(stream).await.ok() });
            }
        });
        network
    }

    pub(super) fn start_faults(&self, withholds_refresh_tokens: bool) {
        self.withholds_refresh_tokens.store(withholds_refresh_tokens, Ordering::SeqCst);
        self.broken.store(true, Ordering::SeqCst);
    }

    pub(super) fn stop_faults(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }

    /// How often the code that was sent most often was sent.
    pub(super) fn most_sends_of_a_code(&self) -> u64 {
        self.codes.lock().unwrap().values().copied().max().unwrap_or_default()
    }

    async fn carry(&self, mut function: TcpStream) -> std::io::Result<()> {
        let request = read_request(&mut function).await?;
        let text = String::from_utf8_lossy(&request).into_owned();
        let is_refresh = text.contains("grant_type=refresh_token");
        if is_refresh {
            self.tally.count("refresh_requests");
        }
        if let Some(code) = text.split(['&', '\n']).find_map(|part| part.strip_prefix("code=")) {
            *self.codes.lock().unwrap().entry(code.to_owned()).or_default() += 1;
        }
        let Some(fault) = self.fault(is_refresh) else {
            let answer = self.ask(&request).await?;
            return function.write_all(&answer).await;
        };
        self.tally.count("network_faults");
        self.tally.count(&format!("network_faults.{fault:?}"));
        let (status, body) = ("HTTP/1.1 200 OK", "<!doctype html><title>Maintenance</title>");
        match fault {
            Fault::ResetBeforeSend => function.set_zero_linger(),
            Fault::ResetAfterSend => {
                self.ask(&request).await?;
                function.set_zero_linger()
            }
            Fault::HalfABody => {
                let answer = self.ask(&request).await?;
                let (head, body) = answer.split_at(head_length(&answer));
                function.write_all(&[head, &body[..body.len() / 2]].concat()).await
            }
            Fault::SlowDrip => {
                let answer = self.ask(&request).await?;
                for drop in answer.chunks(answer.len() / 20 + 1) {
                    function.write_all(drop).await?;
                    SystemClock.sleep(Duration::from_millis(20)).await;
                }
                Ok(())
            }
            Fault::ThrottledForSeconds => function.write_all(&throttled("7")).await,
            Fault::ThrottledUntilADate => {
                let date = UNIX_EPOCH + Duration::from_secs(SystemClock.now().unix() as u64 + 7);
                function.write_all(&throttled(&httpdate::fmt_http_date(date))).await
            }
            Fault::Html => {
                self.ask(&request).await?;
                function.write_all(&answer(status, "text/html", body.as_bytes())).await
            }
            Fault::TwoMegabytes => {
                self.ask(&request).await?;
                function.write_all(&answer(status, "application/json", &vec![b' '; 2_000_000])).await
            }
            Fault::NoRefreshToken => {
                let whole = self.ask(&request).await?;
                function.write_all(&without_refresh_token(&whole).unwrap_or(whole)).await
            }
        }
    }

    fn fault(&self, is_refresh: bool) -> Option<Fault> {
        if !self.broken.load(Ordering::SeqCst) {
            return None;
        }
        let mut random = self.random.lock().unwrap();
        let fault = random.percent(FAULTS).then(|| random.pick(&ALL))?;
        let may_withhold = is_refresh && self.withholds_refresh_tokens.load(Ordering::SeqCst);
        Some(if matches!(fault, Fault::NoRefreshToken) && !may_withhold { Fault::ResetAfterSend } else { fault })
    }

    /// The provider's whole answer.
    async fn ask(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut provider = TcpStream::connect(self.provider).await?;
        let (line, rest) = request.split_at(request.iter().position(|byte| *byte == b'\n').unwrap_or_default() + 1);
        provider.write_all(&[line, b"Connection: close\r\n", rest].concat()).await?;
        let mut answer = Vec::new();
        provider.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        let head = head_length(&request);
        if head > 0 {
            let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
            let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
            if request.len() >= head + length.unwrap_or(0) {
                return Ok(request);
            }
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The length of a message's head with its empty line, or 0 if that line has not come yet.
fn head_length(message: &[u8]) -> usize {
    message.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |at| at + 4)
}

fn answer(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn throttled(retry_after: &str) -> Vec<u8> {
    answer(&format!("HTTP/1.1 429 Too Many Requests\r\nRetry-After: {retry_after}"), "text/plain", b"later")
}

/// `None` if the answer has no refresh token.
fn without_refresh_token(whole: &[u8]) -> Option<Vec<u8>> {
    let body = &whole[head_length(whole)..];
    let (first, last) = (body.iter().position(|byte| *byte == b'{')?, body.iter().rposition(|byte| *byte == b'}')?);
    let mut members: Map<String, Value> = serde_json::from_slice(&body[first..=last]).ok()?;
    members.remove("refresh_token")?;
    Some(answer("HTTP/1.1 200 OK", "application/json", Value::Object(members).to_string().as_bytes()))
}
