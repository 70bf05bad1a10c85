//! Stores how a journey ended, with its attempt and its session. If it cannot be stored, no connection is lost.

use shared::domain::attempt::writes::{End, end, give_back};
use shared::domain::attempt::{Attempt, FailedJourney, JourneyFailure, StateHash};
use shared::domain::session::{SessionStatus, end_session};
use shared::domain::write::{Write, Written};
use shared::ports::StoreError;

use crate::{Callback, CallbackError};

impl Callback {
    /// A taken attempt has made no connection. If the code was certainly not used, the attempt is given back, and the
    /// page may be reloaded.
    pub(crate) async fn fail(&self, attempt: &Attempt, taker: &str, error: &CallbackError, request_id: &str) {
        let Some(why) = error.why() else { return };
        let failed = FailedJourney::new(why, request_id);
        let write = if error.may_be_repeated() {
            give_back(&attempt.state_hash, taker, &failed)
        } else {
            end(&attempt.state_hash, &End::Failed(failed.clone()))
        };
        self.store_outcome(attempt, &write, &SessionStatus::Failed(failed)).await;
    }

    /// It is not known whether the attempt was taken. No code was sent, so a reload may still send it.
    pub(crate) async fn give_back_unsent(&self, state_hash: &StateHash, taker: &str, request_id: &str) {
        let failed = FailedJourney::new(JourneyFailure::NotStored, request_id);
        match self.attempts.attempt(&give_back(state_hash, taker, &failed)).await {
            Ok(Written::Applied(attempt)) => self.store_in_session(&attempt, &SessionStatus::Failed(failed)).await,
            // It was not taken.
            Ok(Written::ConditionFailed(_)) => {}
            Err(error) => {
                tracing::warn!(%error, "an attempt could not be given back: the customer may have to start again");
            }
        }
    }

    /// Writes the attempt and its session: both, or neither.
    pub(crate) async fn store_outcome(&self, attempt: &Attempt, write: &Write, status: &SessionStatus) {
        if let Err(error) = self.try_to_store_outcome(attempt, write, status).await {
            tracing::warn!(%error, "the outcome of an attempt could not be stored");
        }
    }

    async fn try_to_store_outcome(
        &self,
        attempt: &Attempt,
        write: &Write,
        status: &SessionStatus,
    ) -> Result<(), StoreError> {
        // An earlier journey has used the session, and its account may have been refused: that reason stays.
        let keeps_its_reason = attempt.destination.same_account
            && matches!(status, SessionStatus::Failed(failed) if failed.why == JourneyFailure::SessionUsed);
        if let Some(session) = attempt.destination.session.as_ref().filter(|_| !keeps_its_reason)
            && self.attempts.both(write, &end_session(&session.id, status)).await?
        {
            return Ok(());
        }
        // The session is completed already, or its row has expired: only the outcome of the attempt is stored.
        match self.attempts.attempt(write).await? {
            Written::Applied(_) => {}
            Written::ConditionFailed(_) => {
                tracing::warn!("the outcome was not stored: the attempt has changed meanwhile");
            }
        }
        Ok(())
    }

    /// Writes only the session, since the attempt has its outcome already. A completed session stays completed.
    pub(crate) async fn store_in_session(&self, attempt: &Attempt, status: &SessionStatus) {
        let Some(session) = &attempt.destination.session else { return };
        if let Err(error) = self.attempts.session(&end_session(&session.id, status)).await {
            tracing::warn!(%error, "the outcome of a journey could not be stored with its session");
        }
    }
}
