//! Servers that run while a test does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// A path that `.ci/run` hands over.
#[expect(clippy::disallowed_methods, reason = "the parts' places are the run's to choose")]
pub(crate) fn part(name: &str) -> PathBuf {
    PathBuf::from(std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use .ci/run")))
}

/// A function as `sam build` has made it.
pub(crate) fn built(function: &str) -> PathBuf {
    part("SAM_BUILD").join(crate::stack::logical_id(function)).join("bootstrap")
}

/// An address that is free now.
pub(crate) async fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
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
