//! The contract suites on the embedded engines. `tests/real-parts` runs the same suites on the real engines.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use local::engines::Engines;
use local::webinargeek::{Faults, Grants, Rotation, Simulation};
use local::{keys, webinargeek};
use shared::aws::Clients;
use shared::ports::ReadClientSecret;
use shared::system::{SystemClock, SystemEntropy};
use tests::contracts;
use tests::proof::Proof;
use tokio::net::TcpListener;

fn services() -> Clients {
    let secret = r#"["new", "old"]"#.to_owned();
    Engines::in_memory(secret, Arc::new(SystemEntropy)).unwrap().clients()
}

#[tokio::test]
async fn the_embedded_tables_fulfil_the_contract_of_the_store() {
    contracts::store::holds(&services().dynamodb).await;
}

#[tokio::test]
async fn the_embedded_tables_hide_no_row_behind_an_unreadable_one() {
    contracts::unreadable::holds(&services().dynamodb).await;
}

#[tokio::test]
async fn the_embedded_tables_fulfil_the_contract_of_deletes_and_of_the_walk() {
    contracts::deletes::hold(&services().dynamodb).await;
}

/// `PROOF=long`: 100,000 sequences.
#[tokio::test(flavor = "multi_thread")]
async fn the_conditions_model_and_the_embedded_engine_agree_on_random_sequences() {
    let proof = Proof::asked();
    let tried = contracts::sequences::agree(&services().dynamodb, proof.seed, proof.length(400, 100_000)).await;
    tried.assert_that_all_were_tried();
    println!("{} writes, applied and refused: {:?}", tried.writes(), tried.0);
}

#[tokio::test]
async fn the_stand_in_for_kms_fulfils_the_contract_of_keys() {
    let kms = services().kms;
    for key in [keys::KEY_ARN, keys::NEXT_KEY_ARN] {
        contracts::keys::hold(&kms, key).await;
    }
    contracts::keys::a_wrapped_key_names_the_one_that_wrapped_it(&kms, [keys::KEY_ARN, keys::NEXT_KEY_ARN]).await;
}

#[tokio::test]
async fn the_stand_in_for_secrets_manager_answers_only_the_client_secret() {
    let client = services().secrets_manager;
    let secret = |arn: &str| shared::aws::secrets_manager::SecretsManagerSecret::new(client.clone(), arn.to_owned());
    let secrets = secret(keys::SECRET_ARN).read().await.unwrap();
    assert_eq!(secrets.iter().map(|secret| secret.expose()).collect::<Vec<_>>(), ["new", "old"]);
    assert!(secret("arn:aws:secretsmanager:eu-west-1:000000000000:secret:other").read().await.is_err());
}

#[tokio::test]
async fn the_simulated_provider_fulfils_the_contract_of_providers_with_each_rotation() {
    for rotation in [Rotation::Grace, Rotation::Strict, Rotation::Never, Rotation::ReuseDetection] {
        let redirect_uri = "http://127.0.0.1:7777/callback".to_owned();
        let simulation = Arc::new(Simulation {
            client_id: "client-one".to_owned(),
            client_secret: "s3cret".to_owned(),
            redirect_uris: vec![redirect_uri.clone()],
            grants: Grants::open(None, rotation, Duration::from_secs(7200)).unwrap(),
            faults: Faults::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let running = contracts::provider::Running {
            origin: format!("http://{}", webinargeek::serve(simulation, listener).unwrap()),
            client_id: "client-one".to_owned(),
            client_secret: "s3cret".to_owned(),
            redirect_uri,
            rotation,
        };
        contracts::provider::holds(&running).await;
    }
}
