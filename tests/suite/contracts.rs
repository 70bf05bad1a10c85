//! The contract suites on the embedded engines. `tests/real-parts` runs the same ones on the real ones.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use local::deployment::Services;
use local::webinargeek::{Faults, Grants, Rotation, Simulation};
use local::{keys, tables, webinargeek};
use shared::ports::ReadClientSecret;
use shared::system::{SystemClock, SystemEntropy};
use tests::contracts;
use tokio::net::TcpListener;

async fn services() -> Services {
    let secret = r#"["new", "old"]"#.to_owned();
    let keys = keys::serve(None, secret, Arc::new(SystemEntropy)).await.unwrap();
    Services::at(tables::serve(None).await.unwrap(), keys)
}

#[tokio::test]
async fn the_embedded_tables_hold_the_stores_contract() {
    contracts::store::holds(&services().await.dynamodb).await;
}

#[tokio::test]
async fn the_stand_in_holds_the_keys_contract() {
    contracts::keys::hold(&services().await.kms, keys::KEY_ARN).await;
}

#[tokio::test]
async fn the_stand_in_answers_the_client_secret_and_nothing_else() {
    let client = services().await.secrets_manager;
    let secret = |arn: &str| shared::aws::secrets_manager::SecretsManagerSecret::new(client.clone(), arn.to_owned());
    let secrets = secret(keys::SECRET_ARN).current().await.unwrap();
    assert_eq!(secrets.iter().map(|secret| secret.expose()).collect::<Vec<_>>(), ["new", "old"]);
    assert!(secret("arn:aws:secretsmanager:eu-west-1:000000000000:secret:other").current().await.is_err());
}

#[tokio::test]
async fn the_simulated_provider_holds_the_providers_contract_in_both_classes() {
    for rotation in [Rotation::Grace, Rotation::Strict] {
        let redirect_uri = "http://127.0.0.1:7777/callback".to_owned();
        let simulation = Arc::new(Simulation {
            client_id: "client-one".to_owned(),
            client_secret: "s3cret".to_owned(),
            redirect_uri: redirect_uri.clone(),
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
