//! `POST /local/provider`: how the simulated provider behaves from now on.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::digest;
use shared::ports::Entropy;

use crate::engines::Engines;
use crate::webinargeek::{Behaviour, Fault, Rotation, Simulation};

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Order {
    Fault(Fault),
    Heal(Heal),
    Revoke(Revoke),
    SignIn(SignIn),
    Rotate(Rotate),
    Live(Live),
    Secret(Secret),
    Approve(Approve),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Heal {
    /// From now on every answer is right.
    heal: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoke {
    /// The customers withdraw the access.
    revoke_all: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// From now on this customer approves.
    account: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotate {
    rotation: Rotation,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Live {
    /// The lifetime of new access tokens, in seconds.
    expires_in: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    client_secret: SecretIs,
}

/// A customer approves in another system, which gets the tokens. The answer is the refresh token, to import it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approve {
    approve: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecretIs {
    /// The provider accepts only a new secret. The deployment still has the old one.
    Rotated,
    /// The new one is put into the stand-in for Secrets Manager too.
    Stored,
}

pub(crate) const SHAPES: &str = "send {\"answer\": …, \"grant_type\": …, \"carried_out\": …, \"times\": …}, where answer is one of \
    \"hang\", \"break\", \"html\", \"huge\", \"garbage\", {\"late\": milliseconds}, {\"without\": [members]}, \
    {\"status\": {\"status\": …, \"error\": …, \"retry_after\": …}}; or send {\"heal\": true}, {\"revoke_all\": true}, \
    {\"account\": \"2\"}, {\"rotation\": \"strict\"}, {\"expires_in\": 60}, {\"approve\": true}, {\"client_secret\": \"rotated\"} or \
    {\"client_secret\": \"stored\"}\n";

impl Order {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    pub(crate) fn carry_out(
        self,
        simulation: &Simulation,
        engines: &Engines,
        entropy: &(dyn Entropy + 'static),
    ) -> Value {
        let behaviour = simulation.grants.behaviour();
        match self {
            Self::Fault(fault) => simulation.faults.add(fault),
            Self::Heal(Heal { heal: true }) => simulation.faults.clear(),
            Self::Revoke(Revoke { revoke_all: true }) => simulation.grants.revoke_all(),
            Self::Approve(Approve { approve: true }) => return json!({ "refresh_token": simulation.grant() }),
            Self::Heal(Heal { heal: false })
            | Self::Revoke(Revoke { revoke_all: false })
            | Self::Approve(Approve { approve: false }) => {}
            Self::SignIn(SignIn { account }) => simulation.grants.sign_in(&account),
            Self::Rotate(Rotate { rotation }) => simulation.grants.behave(Behaviour { rotation, ..behaviour }),
            Self::Live(Live { expires_in }) => {
                let expires_in = Duration::from_secs(u64::from(expires_in.max(1)));
                simulation.grants.behave(Behaviour { expires_in, ..behaviour });
            }
            Self::Secret(Secret { client_secret: SecretIs::Rotated }) => {
                simulation.faults.rotate_secret(digest::base64url(entropy.bytes::<24>()));
            }
            Self::Secret(Secret { client_secret: SecretIs::Stored }) => {
                if let Some(secret) = simulation.faults.rotated_secret() {
                    engines.store_secret(secret);
                }
            }
        }
        json!({})
    }
}
