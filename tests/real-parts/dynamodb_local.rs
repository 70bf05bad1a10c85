//! The store's contract on AWS's own engine.

use std::net::{Ipv4Addr, SocketAddr};

use local::deployment::Services;
use tests::contracts;
use tokio::process::Command;

use crate::process::{free_address, part, serve};

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_local_holds_the_stores_contract() {
    let folder = part("DYNAMODB_LOCAL");
    let address = free_address().await;
    let mut command = Command::new("java");
    command.current_dir(&folder).arg("-Djava.library.path=./DynamoDBLocal_lib");
    command.args(["-jar", "DynamoDBLocal.jar", "-inMemory", "-disableTelemetry", "-port", &address.port().to_string()]);
    let _server = serve(command, address).await;
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    contracts::store::holds(&Services::at(address, nowhere).dynamodb).await;
}
