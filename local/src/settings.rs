//! What `cargo dev` reads from its environment, and the environment of the functions.

use std::path::PathBuf;
use std::time::Duration;

use shared::config::{ConfigError, Environment};

use crate::webinargeek::Rotation;
use crate::{keys, tables};

pub struct Settings {
    pub stack: String,
    /// Readable text instead of JSON, for a person at a terminal.
    pub log_is_text: bool,
    /// Colours on that terminal: <https://no-color.org>.
    pub is_coloured: bool,
    pub port: u16,
    /// The folder in which tables, key and the simulated provider's state survive restarts.
    pub data_dir: Option<PathBuf>,
    pub refresh_every: Duration,
    /// An https tunnel, if there is one.
    pub public_origin: Option<String>,
    /// `None` if the variables name a real provider.
    pub simulation: Option<SimulationSettings>,
    pub client_secret: String,
}

pub struct SimulationSettings {
    pub rotation: Rotation,
    pub expires_in: Duration,
    /// The redirect URI of another application with the same client id.
    pub redirect_uri: Option<String>,
}

pub const SIMULATED_CLIENT_ID: &str = "local-client";
const SIMULATED_CLIENT_SECRET: &str = "local-client-secret";

impl Settings {
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>, log_is_text: bool) -> Result<Self, ConfigError> {
        Environment::read(lookup, |env| {
            let is_simulated = env.optional("WEBINARGEEK_CLIENT_ID").is_none();
            let rotation = match env.optional("SIMULATED_ROTATION").as_deref() {
                None | Some("grace") => Rotation::Grace,
                Some("strict") => Rotation::Strict,
                Some("never") => Rotation::Never,
                Some("reuse_detection") => Rotation::ReuseDetection,
                Some(_) => {
                    env.problem("SIMULATED_ROTATION", "must be grace, strict, never or reuse_detection");
                    Rotation::Grace
                }
            };
            let expires_in = env.seconds("SIMULATED_EXPIRES_IN", 7200);
            let redirect_uri = env.optional("SIMULATED_REDIRECT_URI");
            let port = env.optional("PORT").unwrap_or_else(|| "8787".to_owned()).parse().unwrap_or_else(|_| {
                env.problem("PORT", "must be a number from 0 to 65535");
                0
            });
            // The functions read these settings again. They are read here too, so that all problems are reported at
            // once.
            env.ways_back();
            env.branding();
            env.consent_time();
            env.switch("INSTALL_LINK", true);
            if !is_simulated {
                env.authorization_endpoint();
                env.token_endpoint();
                env.account_url();
            }
            Self {
                log_is_text,
                is_coloured: log_is_text && env.optional("NO_COLOR").is_none(),
                stack: env.optional("STACK").unwrap_or_else(|| "local".to_owned()),
                port,
                data_dir: env.optional("DATA_DIR").map(PathBuf::from),
                refresh_every: env.seconds("REFRESH_EVERY", 60),
                public_origin: env.origin("PUBLIC_ORIGIN"),
                simulation: is_simulated.then_some(SimulationSettings { rotation, expires_in, redirect_uri }),
                client_secret: if is_simulated {
                    SIMULATED_CLIENT_SECRET.to_owned()
                } else {
                    env.required("WEBINARGEEK_CLIENT_SECRET")
                },
            }
        })
    }

    /// The environment of the functions: the user's settings, and the laptop's own defaults.
    pub fn function_environment(
        &self,
        user: impl Fn(&str) -> Option<String>,
        origin: String,
        simulated_origin: Option<String>,
    ) -> impl Fn(&str) -> Option<String> {
        let stack = self.stack.clone();
        let refresh_every = self.refresh_every.as_secs().to_string();
        // The last page of a journey leads back to the console, but not through a tunnel.
        let console = self.public_origin.is_none().then(|| format!("{origin}/"));
        let origin = self.public_origin.clone().unwrap_or(origin);
        move |name| {
            let simulated = |path: &str| simulated_origin.as_ref().map(|origin| format!("{origin}{path}"));
            match name {
                "ATTEMPTS_TABLE" => Some(tables::ATTEMPTS.to_owned()),
                "CONNECTIONS_TABLE" => Some(tables::CONNECTIONS.to_owned()),
                // This queue stays empty.
                "ESCROW_QUEUE_URL" => Some("http://127.0.0.1:9/".to_owned()),
                "KMS_KEY_ID" => Some(keys::KEY_ARN.to_owned()),
                "CLIENT_SECRET_ARN" => Some(keys::SECRET_ARN.to_owned()),
                "REFRESH_EVERY" => Some(refresh_every.clone()),
                "PUBLIC_ORIGIN" => Some(origin.clone()),
                "STACK" => Some(stack.clone()),
                "APPLICATION_HOME" => user(name).filter(|text| !text.is_empty()).or_else(|| console.clone()),
                "INSTALL_LINK" => user(name).filter(|text| !text.is_empty()).or(Some("on".to_owned())),
                "WEBINARGEEK_CLIENT_ID" if simulated_origin.is_some() => Some(SIMULATED_CLIENT_ID.to_owned()),
                "WEBINARGEEK_AUTHORIZE_URL" => simulated("/oauth/authorize").or_else(|| user(name)),
                "WEBINARGEEK_TOKEN_URL" => simulated("/oauth/token").or_else(|| user(name)),
                "WEBINARGEEK_ACCOUNT_URL" => simulated("/api/account").or_else(|| user(name)),
                "WEBINARGEEK_REVOKE_URL" => simulated("/oauth/revoke").or_else(|| user(name)),
                _ => user(name),
            }
        }
    }
}
