//! Servers that run while a test does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// A path that `.ci/run` hands over.
#[expect(clippy::disallowed_methods, reason = "the run chooses where the parts are")]
pub(crate) fn part(name: &str) -> PathBuf {
    PathBuf::from(std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use .ci/run")))
}

/// A function as `sam build` has made it.
pub(crate) fn built(function: &str) -> PathBuf {
    part("SAM_BUILD").join(crate::stack::logical_id(function)).join("bootstrap")
}

/// An address that is free, and stays so until its server is up: each is given once, below the ports that a system
/// assigns by default. Otherwise another test's listener could get it while the server starts, and the test would speak
/// with the wrong one.
pub(crate) async fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    loop {
        let address = (Ipv4Addr::LOCALHOST, NEXT.fetch_add(1, Ordering::Relaxed)).into();
        if TcpListener::bind::<SocketAddr>(address).await.is_ok() {
            return address;
        }
    }
}

/// Starts a server and waits until it accepts connections. It ends with the value.
pub(crate) async fn serve(mut command: Command, address: SocketAddr) -> Child {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    while TcpStream::connect(address).await.is_err() {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("{command:?} has ended: {status}");
        }
        tokio::task::yield_now().await;
    }
    child
}
