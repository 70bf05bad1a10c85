//! The clients of the AWS services, and which ports they implement.

use std::sync::Arc;

use super::dynamodb::{self, AttemptsTable, ConnectionsTable};
use super::secrets_manager::{self, SecretsManagerSecret};
use super::sqs::{self, EscrowQueue};
use super::{LazyClient, SdkConfig, kms};
use crate::ports::{Clock, Entropy, Escrow, ReadAccount};
use crate::protocol::composition::{GrantServices, RefreshServices};
use crate::webinargeek::WebinarGeek;

/// One client for each service, made once for the process. A clone has the same clients.
#[derive(Clone)]
pub struct Clients {
    /// Made at the start: every function uses it.
    pub dynamodb: dynamodb::Client,
    /// Made when it is first used.
    pub kms: LazyClient<kms::Client>,
    /// Made when it is first used.
    pub secrets_manager: LazyClient<secrets_manager::Client>,
    /// The queue for pairs that the table does not accept.
    pub escrow: Arc<dyn Escrow>,
}

impl Clients {
    /// Sends nothing.
    pub fn new(sdk: &SdkConfig, escrow_queue_url: String) -> Self {
        Self {
            dynamodb: dynamodb::Client::new(sdk),
            kms: LazyClient::new(sdk, kms::Client::new),
            secrets_manager: LazyClient::new(sdk, secrets_manager::Client::new),
            escrow: Arc::new(EscrowQueue { client: LazyClient::new(sdk, sqs::Client::new), url: escrow_queue_url }),
        }
    }

    /// The attempts table of this name.
    pub fn attempts(&self, table: &str) -> Arc<AttemptsTable> {
        Arc::new(AttemptsTable::new(self.dynamodb.clone(), table.to_owned()))
    }

    /// The connections table of this name.
    pub fn connections(&self, table: &str) -> Arc<ConnectionsTable> {
        Arc::new(ConnectionsTable::new(self.dynamodb.clone(), table.to_owned()))
    }

    /// `key_id` is the ARN of the KMS key (`KMS_KEY_ID`).
    pub fn key_maker(&self, key_id: &str, stack: &str) -> Arc<kms::DataKeyMaker> {
        Arc::new(kms::DataKeyMaker { client: self.kms.clone(), key_id: key_id.to_owned(), stack: stack.to_owned() })
    }

    /// It needs no key id: a wrapped data key names the KMS key that wrapped it.
    pub fn key_opener(&self, stack: &str) -> Arc<kms::DataKeyOpener> {
        Arc::new(kms::DataKeyOpener { client: self.kms.clone(), stack: stack.to_owned() })
    }

    /// `accounts` is `None` where the provider has no address that names an account.
    pub fn grant_services(
        &self,
        connections: &Arc<ConnectionsTable>,
        client_secret_arn: &str,
        accounts: Option<Arc<dyn ReadAccount>>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> GrantServices {
        let secret = SecretsManagerSecret::new(self.secrets_manager.clone(), client_secret_arn.to_owned());
        GrantServices {
            connections: connections.clone(),
            writes: connections.clone(),
            claims: connections.clone(),
            escrow: self.escrow.clone(),
            client_secret: Arc::new(secret),
            accounts,
            clock,
            entropy,
        }
    }

    /// `grants`, with the services that a refresh needs in addition.
    pub fn refresh_services(
        &self,
        grants: GrantServices,
        connections: &Arc<ConnectionsTable>,
        provider: &Arc<WebinarGeek>,
        stack: &str,
    ) -> RefreshServices {
        RefreshServices {
            grants,
            fleet: connections.clone(),
            keys: self.key_opener(stack),
            provider: provider.clone(),
            revocation: provider.clone(),
        }
    }
}
