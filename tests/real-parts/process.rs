//! Servers that run while a test does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// A path that `.ci/run` gives in a variable.
#[expect(clippy::disallowed_methods, reason = "the run chooses where the parts are")]
pub(crate) fn part(name: &str) -> PathBuf {
    PathBuf::from(std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use .ci/run")))
}

/// A function as `sam build` has made it.
pub(crate) fn built(function: &str) -> PathBuf {
    part("SAM_BUILD").join(crate::stack::logical_id(function)).join("bootstrap")
}

/// An address that stays free until its server listens. Each is given once, and its port is below those that a system
/// assigns by default. Otherwise another test could get the port while the server starts, and the test would talk to
/// the wrong server.
pub(crate) async fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    loop {
        let address = (Ipv4Addr::LOCALHOST, NEXT.fetch_add(1, Ordering::Relaxed)).into();
        if TcpListener::bind::<SocketAddr>(address).await.is_ok() {
            return address;
        }
    }
}

/// Starts a server and waits until it accepts connections. The server ends when the value is dropped.
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
