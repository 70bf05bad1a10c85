//! `POST /v1/doctor`: finds out how the provider rotates refresh tokens, on a connection that may be lost.
//!
//! 1. the connection is in use, and its session was made with `throw_away`
//! 2. open its stored pair
//! 3. refresh it, by the rules of every refresh: lease, commit, and only then release
//! 4. the refresh token is the same: it never rotates (P0)
//! 5. **reuse**: send the old one again, before the new access token is used
//!    - honoured (P1, P3): the grant that came with it is stored nowhere, and is revoked
//!    - refused: refresh once more. That works (P2), or is refused too: then the reuse has ended the whole grant (P4)
//!
//! The token protocol never sends a refresh token whose successor is stored: a provider may take it for theft and end
//! the grant. This test does exactly that. So the session must be made with `throw_away`, and the connection must be
//! named here: a wrong id alone must not end a customer's grant. The caller must not use the connection meanwhile, and
//! deletes it afterwards.

use shared::domain::connection::refresh::RefreshReason;
use shared::domain::connection::{Connection, Row};
use shared::domain::connection_id::ConnectionId;
use shared::domain::secret::RefreshToken;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{TokenPair, TokenResponse};
use shared::failure::FailureClass;
use shared::http::body::Members;
use shared::http::problem::Problem;
use shared::http::{Invocation, Request, Response};
use shared::ports::{ProviderError, REQUEST_BUDGET, Revoked};
use shared::protocol::refresh::{Failure, INVOCATION_BUDGET, Outcome, Refreshing};

use super::{Examination, Finding, answer};
use crate::{Connections, ConnectionsError};

const CHECK: &str = "rotation";

const NOT_IN_USE: &str =
    "the connection is not in use: it waits for its confirmation, needs its customer, or is taken away";
const NOT_THROW_AWAY: &str = "names a connection whose session was not made with `throw_away: true`: the test may end its grant. Make \
                              such a session, and name the connection that it makes";
const NO_TIME: &str = "the invocation had too little time";

const CONNECT: &str = "connect by a session that was made with `throw_away: true`, and ask again with its id";
const ASK_AGAIN: &str = "let no program use the connection, and ask again in some minutes";
const ASK_FOR_ONE: &str = "ask WebinarGeek what grants one, maybe a scope (Scope, WEBINARGEEK_SCOPE): without it every \
                           customer must connect again when the access token ends";
const REPAIR: &str = "GET /v1/doctor says what to repair: ask again then";
const WITH_ANOTHER: &str = "delete this connection, connect another throw-away one, and ask again in some minutes";

const LEFT: &str =
    ". The pair that came with it could not be revoked: it is stored nowhere, and valid until WebinarGeek ends it";

const NOT_REVOKED: &str = "the doctor could not revoke the pair that it got for the old refresh token";

const LOST_WITH_THE_ANSWER: &str = "nothing is to be set. A customer whose answer was lost must connect again, which is rare: \
                                    docs/reliability.md. Ask WebinarGeek to honour the old refresh token until the new \
                                    access token is used (Doorkeeper: the column previous_refresh_token). Delete this \
                                    connection";
const NEVER_TWO_SENDERS: &str = "nothing is to be set. A customer whose answer was lost must connect again, which is rare: \
                                 docs/reliability.md. Let no other system refresh these connections: a refresh token that \
                                 is sent twice ends them. Delete this connection";

impl Connections {
    pub(crate) async fn try_rotation(
        &self,
        request: &Request,
        invocation: &Invocation,
    ) -> Result<Response, ConnectionsError> {
        let members = Members::parse(request, &["throw_away"])?;
        let id = members
            .text("throw_away")?
            .ok_or_else(|| Problem::field("throw_away", "is required: the id of a connection that may be lost"))?;
        let id = ConnectionId::parse(id).map_err(|error| Problem::field("throw_away", error.to_string()))?;
        tracing::Span::current().record("connection", id.as_str());
        let finding = match self.row(&id).await? {
            // 1.
            Row::Connection(connection) if !connection.is_throw_away => {
                return Err(Problem::field("throw_away", NOT_THROW_AWAY).into());
            }
            Row::Connection(connection) if connection.state.is_in_use() => {
                examine(&self.doctor.refreshing, &connection, invocation.deadline).await
            }
            Row::Connection(_) | Row::Tombstone(_) | Row::Unreadable(_) => Finding::skipped(CHECK, NOT_IN_USE, CONNECT),
        };
        // API Gateway may have ended the caller's request. The result is in the log, since the connection may be lost.
        tracing::info!(status = finding.status.as_str(), detail = finding.detail, "the doctor has tested the rotation");
        Ok(answer(&Examination { findings: vec![finding] }))
    }
}

async fn examine(refreshing: &Refreshing, connection: &Connection, deadline: Timestamp) -> Finding {
    // 2.
    let old = match refreshing.open(connection).await {
        Ok(pair) => pair,
        Err(failure) => {
            failure.log();
            return Finding::skipped(CHECK, failure.to_string(), REPAIR);
        }
    };
    let Some(old_token) = &old.refresh_token else {
        return Finding::skipped(CHECK, Failure::NoRefreshToken.to_string(), ASK_FOR_ONE);
    };
    // 3.
    let (refreshed, new) = match refresh(refreshing, connection, deadline).await {
        Outcome::Refreshed(connection, pair) => (*connection, pair),
        other => {
            let (why, remedy) = not_refreshed(&other);
            return Finding::skipped(CHECK, why, remedy);
        }
    };
    // 4.
    if old.has_the_refresh_token_of(&new) {
        return Finding::ok(CHECK, "a refresh leaves the refresh token as it is (P0): no connection is lost");
    }
    // 5. Only one more refresh shows the effect of the reuse, and it needs time.
    if refreshing.clock.now() + REQUEST_BUDGET + INVOCATION_BUDGET > deadline {
        return Finding::skipped(CHECK, NO_TIME, ASK_AGAIN);
    }
    match reuse(refreshing, old_token, deadline).await {
        Ok(grant) => {
            let left = if revoke(refreshing, &grant.pair, &new, deadline).await { "" } else { LEFT };
            let found = "the old refresh token is honoured until the new access token is used (P1), or for some time (P3): \
                         an answer that was lost is asked for again";
            Finding::ok(CHECK, format!("{found}{left}"))
        }
        Err(Failure::Provider(ProviderError::InvalidGrant)) => refused(refreshing, &refreshed, deadline).await,
        Err(failure) => {
            let detail = format!("whether the old refresh token is honoured could not be found out: {failure}");
            Finding::skipped(CHECK, detail, WITH_ANOTHER)
        }
    }
}

async fn reuse(refreshing: &Refreshing, old: &RefreshToken, deadline: Timestamp) -> Result<TokenResponse, Failure> {
    let secrets = refreshing.secrets.current().await?;
    let send = |secret| async move { refreshing.provider.refresh(old, &secret).await };
    let has_time = || refreshing.clock.now() + REQUEST_BUDGET <= deadline;
    Ok(refreshing.secrets.send(&secrets, has_time, send).await?)
}

/// False if a live pair may be left that is stored nowhere.
async fn revoke(refreshing: &Refreshing, pair: &TokenPair, stored: &TokenPair, deadline: Timestamp) -> bool {
    // Some providers answer a reuse with the same pair again: it is stored, and is the live pair.
    if pair.has_the_refresh_token_of(stored) || pair.access_token == stored.access_token {
        return true;
    }
    let secrets = match refreshing.secrets.current().await {
        Ok(secrets) => secrets,
        Err(error) => {
            tracing::warn!(%error, "{NOT_REVOKED}");
            return false;
        }
    };
    let send = |secret| async move { refreshing.revoking.provider.revoke(pair, &secret).await };
    let has_time = || refreshing.clock.now() + REQUEST_BUDGET <= deadline;
    match refreshing.secrets.send(&secrets, has_time, send).await {
        Ok(revoked) => revoked == Revoked::Done,
        Err(error) => {
            tracing::warn!(%error, "{NOT_REVOKED}");
            false
        }
    }
}

/// The old refresh token has ended. This finds out whether its reuse has ended the new one too.
async fn refused(refreshing: &Refreshing, refreshed: &Connection, deadline: Timestamp) -> Finding {
    let outcome = refresh(refreshing, refreshed, deadline).await;
    if let Outcome::Refreshed(..) = outcome {
        let found = "the old refresh token ends with the refresh, and its reuse harms nothing (P2): a pair is lost with its \
                     answer";
        return Finding::warning(CHECK, found, LOST_WITH_THE_ANSWER);
    }
    if is_refused(&outcome) && is_certain(refreshing, &refreshed.id).await {
        let found = "the old refresh token ends with the refresh, and its reuse has ended the whole grant (P4): a pair is \
                     lost with its answer";
        return Finding::warning(CHECK, found, NEVER_TWO_SENDERS);
    }
    let (why, _) = not_refreshed(&outcome);
    let detail =
        format!("the old refresh token ends with the refresh; the effect of its reuse could not be found out: {why}");
    Finding::skipped(CHECK, detail, WITH_ANOTHER)
}

/// False if an answer was lost before the refusal: the refresh token may have ended with that request.
async fn is_certain(refreshing: &Refreshing, id: &ConnectionId) -> bool {
    match refreshing.connections.row(id).await {
        Ok(Some(Row::Connection(stored))) => stored.journal.reason == Some(FailureClass::InvalidGrant),
        Ok(_) | Err(_) => false,
    }
}

fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { failure: Failure::Provider(ProviderError::InvalidGrant), .. })
}

/// Refreshes the pair, even if much of its lifetime is left.
async fn refresh(refreshing: &Refreshing, connection: &Connection, deadline: Timestamp) -> Outcome {
    let reason = RefreshReason::OnDemand { seen: connection.pair.id };
    refreshing.refresh(&connection.id, &reason, deadline).await
}

/// Why a refresh had no result, and what to do.
fn not_refreshed(outcome: &Outcome) -> (String, &'static str) {
    let (why, remedy) = match outcome {
        Outcome::Failed { failure, .. } => {
            return (failure.to_string(), if is_refused(outcome) { WITH_ANOTHER } else { REPAIR });
        }
        Outcome::Refreshed(..) | Outcome::Adopted(_) | Outcome::Busy { .. } => {
            ("another worker refreshes the connection", ASK_AGAIN)
        }
        Outcome::Waiting { .. } | Outcome::Paused { .. } => ("an earlier failure backs off", ASK_AGAIN),
        Outcome::NeedsCustomer(_) | Outcome::Gone => (NOT_IN_USE, CONNECT),
        Outcome::NoTime => (NO_TIME, ASK_AGAIN),
    };
    (why.to_owned(), remedy)
}
