//! The client secret: a made-up code is sent with it, and the provider's answer shows whether it is accepted.

use std::convert::Infallible;
use std::time::Duration;

use shared::domain::secret::ClientSecret;
use shared::domain::time::Timestamp;
use shared::ports::{Clock, ProviderError, SecretError};
use shared::protocol::client_secrets::ClientSecrets;
use shared::webinargeek::{Probed, WebinarGeek};
use tokio::time::timeout;

use super::{AWS_REMEDY, Finding, bounded, revocation};

/// For all secrets of the list together.
const PROBE_BUDGET: Duration = Duration::from_secs(10);

const FORM_REMEDY: &str = "store it in Secrets Manager in one of these forms (WEBINARGEEK_CLIENT_SECRET on a laptop): until then nothing is sent";

/// `Date` is in whole seconds, and the answer took time to arrive.
const CLOCK_TOLERANCE: i64 = 30;
/// AWS refuses signatures if the clocks differ by more than this (Signature Version 4).
const CLOCK_LIMIT: i64 = 300;

pub(super) async fn examine(
    secrets: &ClientSecrets,
    provider: &WebinarGeek,
    clock: &dyn Clock,
    redirect_uri: &str,
) -> Vec<Finding> {
    let secrets = match bounded(async { Ok::<_, Infallible>(secrets.reread().await) }).await {
        Ok(Ok(secrets)) => secrets,
        Ok(Err(error @ SecretError::UnknownForm)) => return without_secret(error.to_string(), FORM_REMEDY),
        Ok(Err(error @ SecretError::Unavailable(_))) => return without_secret(error.to_string(), AWS_REMEDY),
        Err(error) => return without_secret(error, AWS_REMEDY),
    };
    let (refused, probed) = first_accepted(secrets.stored(), provider, redirect_uri).await;
    let accepted = secrets.stored().get(refused).filter(|_| is_accepted(&probed));
    vec![
        Finding::ok("client_secret", format!("client secrets that could be read: {}", secrets.stored().len())),
        credentials(&probed, refused),
        compare(clock.now(), probed.date),
        revocation::examine(provider, accepted).await,
    ]
}

fn without_secret(why: String, remedy: &'static str) -> Vec<Finding> {
    let first = "repair client_secret first";
    vec![
        Finding::failed("client_secret", why, remedy),
        Finding::skipped("client_credentials", "there is no client secret to send", first),
        Finding::skipped("clock", "without a request, WebinarGeek's time is not known", first),
        Finding::skipped(revocation::CHECK, "there is no client secret to send", first),
    ]
}

fn is_accepted(probed: &Probed) -> bool {
    matches!(probed.answer, Err(ProviderError::InvalidGrant))
}

/// The first answer that does not refuse the client, or the last answer; and how many secrets were refused before it.
async fn first_accepted(secrets: &[ClientSecret], provider: &WebinarGeek, redirect_uri: &str) -> (usize, Probed) {
    let mut last = (0, unknown("there is no client secret"));
    let asking = async {
        for (refused, secret) in secrets.iter().enumerate() {
            last = (refused, provider.probe(redirect_uri, secret).await);
            if !matches!(last.1.answer, Err(ProviderError::InvalidClient)) {
                break;
            }
        }
    };
    match timeout(PROBE_BUDGET, asking).await {
        Ok(()) => last,
        Err(_) => (0, unknown("no answer in time")),
    }
}

fn unknown(why: &str) -> Probed {
    Probed { answer: Err(ProviderError::Unknown(why.to_owned())), date: None }
}

fn credentials(probed: &Probed, refused: usize) -> Finding {
    const CHECK: &str = "client_credentials";
    let error = match &probed.answer {
        Err(error) => error,
        Ok(_) => {
            return Finding::failed(
                CHECK,
                "tokens were granted for a made-up code",
                "TokenUrl (WEBINARGEEK_TOKEN_URL) is not the address of a token endpoint: correct it",
            );
        }
    };
    match error {
        ProviderError::InvalidGrant if refused == 0 => {
            Finding::ok(CHECK, "WebinarGeek accepts client id and secret, and refused a made-up code as it should")
        }
        ProviderError::InvalidGrant => Finding::warning(
            CHECK,
            format!("WebinarGeek accepts the client secret at place {} of the list, and none before it", refused + 1),
            "each function tries the refused ones first: when the rotation is over, store only the accepted one",
        ),
        ProviderError::InvalidClient => Finding::failed(
            CHECK,
            error.to_string(),
            "compare ClientId and the client secret with the app at WebinarGeek (WEBINARGEEK_CLIENT_ID and \
             WEBINARGEEK_CLIENT_SECRET on a laptop); if they are the same, try the other ClientAuthentication \
             (WEBINARGEEK_CLIENT_AUTH)",
        ),
        ProviderError::Throttled { .. } => Finding::warning(
            CHECK,
            error.to_string(),
            "the credentials could not be checked: call again in some minutes",
        ),
        ProviderError::NotSent(_) => Finding::failed(
            CHECK,
            error.to_string(),
            "check the host of TokenUrl (WEBINARGEEK_TOKEN_URL), and whether it can be reached from here: DNS, a firewall, \
             its certificate",
        ),
        ProviderError::Unknown(_) => Finding::failed(
            CHECK,
            error.to_string(),
            "WebinarGeek is down, or TokenUrl (WEBINARGEEK_TOKEN_URL) is not the address of a token endpoint: look at \
             its status, and call again",
        ),
        ProviderError::Refused(_) => Finding::failed(
            CHECK,
            error.to_string(),
            "without an error code, TokenUrl (WEBINARGEEK_TOKEN_URL) is not the address of a token endpoint, or a \
             proxy stands before it; unauthorized_client: the app at WebinarGeek may not use authorization codes; \
             invalid_request: try the other ClientAuthentication (WEBINARGEEK_CLIENT_AUTH)",
        ),
    }
}

fn compare(now: Timestamp, theirs: Option<Timestamp>) -> Finding {
    const CHECK: &str = "clock";
    const REMEDY: &str = "set the clock by NTP; AWS sets the clock of a Lambda function, so there WebinarGeek's clock \
                          is wrong, and nothing is to be done";
    let Some(theirs) = theirs else {
        return Finding::skipped(CHECK, "WebinarGeek's answer did not say its time", "repair client_credentials first");
    };
    let ahead = theirs.seconds_until(now);
    let detail = format!("{} s {} WebinarGeek's", ahead.abs(), if ahead < 0 { "behind" } else { "ahead of" });
    match ahead.abs() {
        0..=CLOCK_TOLERANCE => Finding::ok(CHECK, detail),
        ..=CLOCK_LIMIT => Finding::warning(CHECK, detail, REMEDY),
        _ => Finding::failed(CHECK, detail, REMEDY),
    }
}
