//! The keys' contract on moto.

use local::deployment::Services;
use tests::contracts;
use tokio::process::Command;

use crate::process::{free_address, part, serve};

#[tokio::test(flavor = "multi_thread")]
async fn moto_holds_the_keys_contract() {
    let address = free_address().await;
    let mut command = Command::new(part("MOTO_SERVER"));
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]).stderr(std::process::Stdio::null());
    let _server = serve(command, address).await;
    let client = Services::at(address, address).kms;
    let key = client.create_key().send().await.unwrap().key_metadata.unwrap();
    contracts::keys::hold(&client, &key.key_id).await;
}
