//! The store's contract, and the model against the engine, on AWS's own engine.

use aws_sdk_dynamodb::Client;
use tests::contracts;
use tests::proof::Proof;
use tokio::process::{Child, Command};

use crate::engines::sdk_at;
use crate::process::{free_address, part, serve};

async fn start() -> (Child, Client) {
    let folder = part("DYNAMODB_LOCAL");
    let address = free_address().await;
    let mut command = Command::new("java");
    command.current_dir(&folder).arg("-Djava.library.path=./DynamoDBLocal_lib");
    command.args(["-jar", "DynamoDBLocal.jar", "-inMemory", "-disableTelemetry", "-port", &address.port().to_string()]);
    let server = serve(command, address).await;
    (server, Client::new(&sdk_at(address)))
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_local_holds_the_stores_contract() {
    let (_server, client) = start().await;
    contracts::store::holds(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_local_hides_no_row_behind_one_that_cannot_be_read() {
    let (_server, client) = start().await;
    contracts::unreadable::holds(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_local_holds_the_contract_of_deletes_and_of_the_walk() {
    let (_server, client) = start().await;
    contracts::deletes::hold(&client).await;
}

/// `PROOF=long`: 10,000 sequences.
#[tokio::test(flavor = "multi_thread")]
async fn the_conditions_model_and_dynamodb_local_agree_on_random_sequences() {
    let (_server, client) = start().await;
    let proof = Proof::asked();
    let tried = contracts::sequences::agree(&client, proof.seed, proof.length(400, 10_000)).await;
    tried.assert_that_all_were_tried();
    println!("{} writes, applied and refused: {:?}", tried.writes(), tried.0);
}
