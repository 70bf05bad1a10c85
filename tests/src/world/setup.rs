//! The settings of a world, and its functions.

use std::sync::Arc;

use local::deployment::Deployment;
use local::webinargeek::Rotation;
use local::{keys, tables};
use shared::aws::Clients;
use shared::ports::Entropy;
use shared::system::SystemEntropy;

use super::CLIENT_SECRET;
use crate::clock::TestClock;

/// The differences between worlds.
pub struct Setup {
    pub rotation: Rotation,
    pub expires_in: u64,
    /// Variables of the functions' environment.
    pub variables: Vec<(&'static str, String)>,
    pub client_secret: String,
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rotation: Rotation::Grace,
            expires_in: 7200,
            variables: vec![
                ("RETURN_TO_ORIGINS", "https://app.example.com".to_owned()),
                ("INSTALL_LINK", "on".to_owned()),
            ],
            client_secret: CLIENT_SECRET.to_owned(),
            entropy: Arc::new(SystemEntropy),
        }
    }
}

impl Setup {
    pub fn strict() -> Self {
        Self { rotation: Rotation::Strict, ..Self::default() }
    }

    /// With `WEBINARGEEK_ACCOUNT_URL`.
    pub fn asking_for_accounts(self) -> Self {
        self.variable("ASKS_FOR_ACCOUNTS", "on")
    }

    pub fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(0, (name, value.to_owned()));
        self
    }
}

/// The functions with their environment.
pub(super) fn deploy(
    variables: &[(&'static str, String)],
    provider_origin: &str,
    clients: &Clients,
    clock: &Arc<TestClock>,
    entropy: &Arc<dyn Entropy>,
) -> Deployment {
    let lookup = |name: &str| {
        let set = variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        set.or_else(|| match name {
            "ATTEMPTS_TABLE" => Some(tables::ATTEMPTS.to_owned()),
            "CONNECTIONS_TABLE" => Some(tables::CONNECTIONS.to_owned()),
            "ESCROW_QUEUE_URL" => Some("http://127.0.0.1:9/".to_owned()),
            "KMS_KEY_ID" => Some(keys::KEY_ARN.to_owned()),
            "CLIENT_SECRET_ARN" => Some(keys::SECRET_ARN.to_owned()),
            "STACK" => Some("tests".to_owned()),
            // The clock does not move by itself: with a lower rate, a large run would wait for the next second for
            // ever.
            "PROVIDER_REQUESTS_PER_SECOND" => Some("10000".to_owned()),
            "WEBINARGEEK_CLIENT_ID" => Some("client-one".to_owned()),
            "WEBINARGEEK_AUTHORIZE_URL" => Some(format!("{provider_origin}/oauth/authorize")),
            "WEBINARGEEK_TOKEN_URL" => Some(format!("{provider_origin}/oauth/token")),
            // `/api/account` of the simulated provider, if a test asks for it.
            "WEBINARGEEK_ACCOUNT_URL" if variables.iter().any(|(key, _)| *key == "ASKS_FOR_ACCOUNTS") => {
                Some(format!("{provider_origin}/api/account"))
            }
            "WEBINARGEEK_REVOKE_URL" => Some(format!("{provider_origin}/oauth/revoke")),
            _ => None,
        })
    };
    Deployment::new(&lookup, clients.clone(), clock.clone(), entropy.clone()).unwrap()
}
