//! The keys' contract on moto.

use std::net::SocketAddr;

use shared::aws::LazyClient;
use tests::contracts;
use tokio::process::{Child, Command};

use crate::engines::sdk_at;
use crate::process::{free_address, part, serve};

/// With the account that the stack is rehearsed in.
pub(crate) async fn start() -> (Child, SocketAddr) {
    let address = free_address().await;
    let mut command = Command::new(part("MOTO_SERVER"));
    command.env("MOTO_ACCOUNT_ID", "111122223333");
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]).stderr(std::process::Stdio::null());
    (serve(command, address).await, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_holds_the_keys_contract() {
    let (_server, address) = start().await;
    let client = LazyClient::new(&sdk_at(address), aws_sdk_kms::Client::new);
    let key = client.create_key().send().await.unwrap().key_metadata.unwrap();
    contracts::keys::hold(&client, &key.key_id).await;
    let another = client.create_key().send().await.unwrap().key_metadata.unwrap();
    let [key, another] = [key, another].map(|key| key.arn.unwrap());
    contracts::keys::a_wrapped_key_names_the_one_that_wrapped_it(&client, [&key, &another]).await;
}
