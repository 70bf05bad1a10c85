//! What the callback reads from its environment.

use std::time::Duration;

use shared::config::{Environment, TokenEndpoint};
use shared::domain::return_to::WaysBack;
use shared::protocol::Deployment;
use url::Url;

pub struct Settings {
    pub attempts_table: String,
    pub connections_table: String,
    pub escrow_queue_url: String,
    pub kms_key_id: String,
    pub client_secret_arn: String,
    pub stack: String,
    pub refresh_every: Duration,
    pub token_endpoint: TokenEndpoint,
    pub account_url: Option<Url>,
    pub ways_back: WaysBack,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            attempts_table: env.required("ATTEMPTS_TABLE"),
            connections_table: env.required("CONNECTIONS_TABLE"),
            escrow_queue_url: env.required("ESCROW_QUEUE_URL"),
            kms_key_id: env.required("KMS_KEY_ID"),
            client_secret_arn: env.required("CLIENT_SECRET_ARN"),
            stack: env.stack(),
            refresh_every: env.refresh_every(),
            token_endpoint: env.token_endpoint(),
            account_url: env.account_url(),
            ways_back: env.ways_back(),
        }
    }

    pub fn deployment(&self) -> Deployment {
        Deployment {
            stack: self.stack.clone(),
            client_id: self.token_endpoint.client_id.clone(),
            refresh_every: self.refresh_every,
            default_lifetime: self.token_endpoint.expires_in,
        }
    }
}
