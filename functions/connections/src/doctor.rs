//! `GET /v1/doctor`: finds faults that would keep the first customer from connecting, before that customer comes.
//!
//! It writes nothing, and uses no grant. A data key is made and opened for an id without a connection, and the tables
//! are checked. A made-up code goes to the token endpoint, and a made-up token to the revocation endpoint. All checks
//! run at the same time, and each has a time limit: the answer comes before API Gateway gives up.
//!
//! [`rotation`] is `POST /v1/doctor`, which uses a connection that may be lost.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use shared::aws::dynamodb::{AttemptsTable, ConnectionsTable};
use shared::domain::connection_id::ConnectionId;
use shared::domain::return_to::is_loopback;
use shared::domain::secret::AccessToken;
use shared::domain::token_pair::{PairId, TokenPair};
use shared::http::{Response, reply};
use shared::ports::MakeDataKeys;
use shared::protocol::refresh::Refreshing;
use shared::sealing::{self, SealingContext};
use shared::webinargeek::WebinarGeek;
use tokio::time::timeout;
use url::Url;

mod finding;
mod provider;
mod revocation;
mod rotation;
mod tables;

pub use finding::{CheckStatus, Examination, Finding};

/// For one call of AWS.
const CALL_BUDGET: Duration = Duration::from_secs(6);

const AWS_REMEDY: &str = "the error names the action and the resource: deploy the template as it is, and look at policies \
                          of your own account (SCPs, the key's, the secret's), at a disabled key, or at AWS's status";

pub struct Doctor {
    pub connections: Arc<ConnectionsTable>,
    pub attempts: Arc<AttemptsTable>,
    pub key_maker: Arc<dyn MakeDataKeys>,
    pub provider: Arc<WebinarGeek>,
    /// The checks use its clock, entropy, keys and secrets.
    pub refreshing: Arc<Refreshing>,
}

impl Doctor {
    pub(super) async fn reply(&self, origin: &str) -> Response {
        answer(&self.examine(origin).await)
    }

    /// `origin` is the origin that browsers use: `https://host[:port]`.
    pub async fn examine(&self, origin: &str) -> Examination {
        let redirect_uri = format!("{origin}/callback");
        let (sealing, connections, attempts, provider) = tokio::join!(
            self.sealing(),
            tables::connections(&self.connections),
            tables::attempts(&self.attempts),
            provider::examine(&self.refreshing.secrets, &self.provider, &*self.refreshing.clock, &redirect_uri),
        );
        let redirect =
            Finding::ok("redirect_uri", format!("register exactly this address at WebinarGeek: {redirect_uri}"));
        let findings = [vec![redirect, https(origin), sealing], connections, attempts, provider].concat();
        Examination { findings }
    }

    /// A round trip: a data key that is sealed now must open again.
    async fn sealing(&self) -> Finding {
        const CHECK: &str = "sealing";
        let connection = ConnectionId::parse("doctor").expect("a constant");
        let context = SealingContext {
            stack: &self.refreshing.deployment.stack,
            connection: &connection,
            pair_id: PairId::new(self.refreshing.entropy.bytes()),
        };
        let pair = TokenPair { access_token: AccessToken::new("made up"), refresh_token: None };
        let key = match bounded(self.key_maker.make(&connection)).await {
            Ok(key) => key,
            Err(error) => return Finding::failed(CHECK, format!("no data key could be made: {error}"), AWS_REMEDY),
        };
        let sealed = sealing::seal(&pair, &key.plain, context, self.refreshing.entropy.bytes());
        match bounded(self.refreshing.keys.open(&connection, &key.wrapped)).await {
            Err(error) => Finding::failed(CHECK, format!("the data key could not be opened: {error}"), AWS_REMEDY),
            Ok(opened) => match sealing::open(&sealed, &opened, context) {
                Ok(_) => Finding::ok(CHECK, "a pair was sealed under a new data key, and opened again"),
                Err(error) => {
                    let remedy = "the key service has opened another key than it had wrapped: open an issue";
                    Finding::failed(CHECK, error.to_string(), remedy)
                }
            },
        }
    }
}

fn answer(examination: &Examination) -> Response {
    for finding in examination.findings.iter().filter(|finding| finding.status == CheckStatus::Failed) {
        tracing::warn!(check = finding.check, detail = finding.detail, "a check of the doctor has failed");
    }
    reply::json(StatusCode::OK, &examination.show())
}

fn https(origin: &str) -> Finding {
    const CHECK: &str = "https";
    const REMEDY: &str = "set PUBLIC_ORIGIN to an https origin: a tunnel on a laptop, DomainName in the template";
    match Url::parse(origin).ok() {
        Some(url) if url.scheme() == "https" => Finding::ok(CHECK, "browsers come by https"),
        Some(url) if is_loopback(&url) => {
            Finding::warning(CHECK, "plain http on a loopback address: some providers register none", REMEDY)
        }
        _ => Finding::failed(CHECK, "browsers would send codes and cookies in plain text", REMEDY),
    }
}

/// The error as text. No answer in time is an error too. The timeout uses the clock of the runtime, and not [`Clock`]:
/// it only limits how long the process waits.
///
/// [`Clock`]: shared::ports::Clock
async fn bounded<T, E: std::fmt::Display>(call: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(CALL_BUDGET, call).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CALL_BUDGET.as_secs())),
    }
}
