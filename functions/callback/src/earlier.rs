//! The result of an earlier request of the same journey, or of another tab of the same link.

use std::time::Duration;

use shared::domain::attempt::writes::{End, end, note};
use shared::domain::attempt::{Attempt, FailedJourney, JourneyFailure, Phase, StateHash};
use shared::domain::connection::Row;
use shared::domain::session::SessionStatus;
use shared::http::{Invocation, Request};
use shared::ports::StoreError;

use crate::{Callback, CallbackError, JourneyOutcome, cookie_of};

/// How often, and at about what interval, a second request of the same journey checks whether the first has ended.
const POLL_ATTEMPTS: u32 = 30;
const POLL_EVERY: Duration = Duration::from_millis(700);

/// If an attempt was taken longer ago than this, the process that took it has ended.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(60);

impl Callback {
    /// For a reload, a double click, a second request while the first is at work, or a browser that comes too late.
    pub(crate) async fn earlier_outcome(
        &self,
        attempt: &Attempt,
        brings_a_code: bool,
        invocation: &Invocation,
    ) -> Result<JourneyOutcome, CallbackError> {
        let mut attempt = attempt.clone();
        for _ in 0..POLL_ATTEMPTS {
            match (attempt.phase, &attempt.failure) {
                (Phase::Connected, _) => return Ok(JourneyOutcome::Connected),
                (Phase::Exchanging, _) => {}
                // The customer first declined, or an error came. Then the customer approved, and came back too late.
                (Phase::Pending, Some(failed))
                    if brings_a_code
                        && failed.why != JourneyFailure::Expired
                        && attempt.expires_at <= self.clock.now() =>
                {
                    return Err(self.expire(&attempt, invocation).await);
                }
                (Phase::Pending | Phase::Failed, Some(failed)) => {
                    return match failed.why {
                        JourneyFailure::Denied => Ok(JourneyOutcome::Denied),
                        // Its pair may have been stored from the queue since.
                        JourneyFailure::NotStored if self.has_connected(&attempt).await? => {
                            Ok(JourneyOutcome::Connected)
                        }
                        _ => Err(CallbackError::FailedBefore(failed.clone())),
                    };
                }
                (Phase::Pending | Phase::Failed, None) => return Err(self.expire(&attempt, invocation).await),
            }
            if self.has_died(&attempt) {
                break;
            }
            self.clock.sleep(POLL_EVERY + self.entropy.jitter(POLL_EVERY / 4)).await;
            attempt = self.attempt_reads.attempt(&attempt.state_hash).await?.ok_or(CallbackError::UnknownState)?;
        }
        // A process that has ended may have stored the pair, and not the outcome.
        if self.has_connected(&attempt).await? {
            return Ok(JourneyOutcome::Connected);
        }
        if self.has_died(&attempt) {
            let lost = FailedJourney::new(JourneyFailure::NotStored, &invocation.request_id);
            let write = end(&attempt.state_hash, &End::Failed(lost.clone()));
            self.store_outcome(&attempt, &write, &SessionStatus::Failed(lost)).await;
        }
        Err(CallbackError::OutcomeUnknown)
    }

    async fn expire(&self, attempt: &Attempt, invocation: &Invocation) -> CallbackError {
        let expired = FailedJourney::new(JourneyFailure::Expired, &invocation.request_id);
        let write = note(&attempt.state_hash, &attempt.binding, &expired, self.clock.now());
        self.store_outcome(attempt, &write, &SessionStatus::Failed(expired)).await;
        CallbackError::Expired
    }

    fn has_died(&self, attempt: &Attempt) -> bool {
        attempt.taken_at.is_none_or(|taken_at| taken_at + LONGEST_EXCHANGE < self.clock.now())
    }

    /// Whether the row says that this attempt has made its pair. If so, the attempt and its session become connected.
    async fn has_connected(&self, attempt: &Attempt) -> Result<bool, CallbackError> {
        let made_it = match self.connections.row(&attempt.destination.connection_id).await? {
            Some(Row::Unreadable(unreadable)) => return Err(StoreError::from(unreadable).into()),
            None => false,
            Some(row) => has_made(attempt, &row),
        };
        if made_it {
            self.store_outcome(attempt, &end(&attempt.state_hash, &End::Connected), &SessionStatus::Completed).await;
        }
        Ok(made_it)
    }

    /// The attempt that has used the link, if it is of the same session and of this browser: its cookie is the proof.
    /// The link may have been passed on, so another browser does not get the result.
    pub(crate) async fn used_in_another_tab(
        &self,
        request: &Request,
        error: &CallbackError,
        own: &Attempt,
    ) -> Option<Attempt> {
        let session = own.destination.session.as_ref()?;
        if error.why() != Some(JourneyFailure::SessionUsed) {
            return None;
        }
        let row = self.connections.row(&own.destination.connection_id).await.ok()??;
        for name in granted_by(&row).into_iter().flatten() {
            let Some(state_hash) = StateHash::parse(name) else { continue };
            let Some(cookie) = cookie_of(request, &state_hash) else { continue };
            let Ok(Some(other)) = self.attempt_reads.attempt(&state_hash).await else { continue };
            if other.is_proven_by(&cookie).is_ok()
                && other.destination.session.as_ref() == Some(session)
                && has_made(&other, &row)
            {
                return Some(other);
            }
        }
        None
    }
}

/// A pair that waits until its account is known is not connected yet.
fn has_made(attempt: &Attempt, row: &Row) -> bool {
    let [live, waiting] = granted_by(row);
    let name = Some(attempt.state_hash.as_str());
    let is_accepted = attempt.destination.confirmation.is_some()
        && (!attempt.destination.same_account
            || row.waiting().is_some_and(|waits| waits.is_of_the_same_account(row) == Some(true)));
    live == name || (is_accepted && waiting == name)
}

/// The attempts or imports that have made the pairs of the row: the live pair, and the waiting pair.
fn granted_by(row: &Row) -> [Option<&str>; 2] {
    let live = match row {
        Row::Connection(connection) => Some(connection.granted_by.name.as_str()),
        Row::Tombstone(_) | Row::Unreadable(_) => None,
    };
    [live, row.waiting().map(|waiting| waiting.grant.name.as_str())]
}
