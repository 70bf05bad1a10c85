//! DynamoDB, KMS and Secrets Manager inside this process, called by the same SDK as in AWS.
//!
//! They have no listener. An engine on a port would answer every user of the machine, and every page in a browser. The
//! SDK's requests stay inside the process.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_types::SdkConfig;
use http::StatusCode;
use serde_json::json;
use shared::aws::{Clients, LazyClient, dynamodb, kms, secrets_manager, timeouts};
use shared::domain::escrow::Escrowed;
use shared::ports::{Entropy, Escrow, EscrowError};

use crate::StartError;
use crate::keys::Keys;
use crate::tables::Tables;

#[derive(Clone)]
pub struct Engines {
    tables: Tables,
    keys: Arc<Keys>,
}

/// The SDK requires `Debug` of a connector. It shows no key.
impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engines")
    }
}

/// An answer of AWS's JSON protocol: a status and a JSON object.
pub type Answer = (StatusCode, String);

/// An error in AWS's form.
pub(crate) fn refusal(name: &str, message: &str) -> Answer {
    (StatusCode::BAD_REQUEST, json!({ "__type": name, "message": message }).to_string())
}

/// There is no queue on a laptop: the engine and the process that writes to it end together.
struct NoQueue;

#[async_trait]
impl Escrow for NoQueue {
    async fn put(&self, _: &Escrowed) -> Result<(), EscrowError> {
        Err(EscrowError("a laptop has no queue".to_owned()))
    }

    async fn is_empty(&self) -> Result<bool, EscrowError> {
        Ok(true)
    }
}

impl Engines {
    pub fn in_memory(client_secret: String, entropy: Arc<dyn Entropy>) -> Result<Self, StartError> {
        Self::open(None, None, client_secret, entropy)
    }

    pub(crate) fn open(
        tables: Option<&Path>,
        key: Option<&Path>,
        client_secret: String,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        let keys = Keys::open(key, client_secret, entropy)?;
        Ok(Self { tables: Tables::open(tables)?, keys: Arc::new(keys) })
    }

    /// The answer of the service that the target names: `x-amz-target` is `Service_Version.Operation`.
    pub async fn answer(&self, target: &str, body: &[u8]) -> Answer {
        // Other tasks run while a caller waits for a service, as over a network.
        tokio::task::yield_now().await;
        match target.split_once('.') {
            Some(("DynamoDB_20120810" | "DynamoDBStreams_20120810", operation)) => self.tables.answer(operation, body),
            _ => self.keys.answer(target, body),
        }
    }

    /// Puts another client secret into the stand-in for Secrets Manager.
    pub(crate) fn store_secret(&self, client_secret: String) {
        self.keys.store_secret(client_secret);
    }

    pub fn clients(&self) -> Clients {
        let connector = SharedHttpConnector::new(self.clone());
        let http = http_client_fn(move |_, _| connector.clone());
        let sdk = sdk().into_builder().http_client(http).build();
        Clients {
            dynamodb: dynamodb::Client::new(&sdk),
            kms: LazyClient::new(&sdk, kms::Client::new),
            secrets_manager: LazyClient::new(&sdk, secrets_manager::Client::new),
            escrow: Arc::new(NoQueue),
        }
    }
}

impl HttpConnector for Engines {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let engines = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let (status, body) = engines.answer(target, request.body().bytes().unwrap_or_default()).await;
            Ok(HttpResponse::new(status.into(), body.into()))
        })
    }
}

/// The settings of the SDK for services that verify no credentials.
pub fn sdk() -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("local", "local", None, None, "local")))
        .timeout_config(timeouts())
        .build()
}
