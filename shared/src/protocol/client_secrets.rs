//! Chooses the client secret that a request is sent with.
//!
//! The list is read when it is first needed, and kept. A complete `invalid_client` says that the grant was not looked
//! at, so the same request may be sent again with another secret: the secret may have been rotated since the list was
//! read. The list is then read again, and the secret that the provider accepts comes first from then on.
//!
//! One caller reads, and all callers that wait get the result. A sweep begins with many connections at the same time.
//! Without this, at a cold start or after a rotation, each of them would read Secrets Manager, one after another, while
//! its lease runs.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use crate::domain::secret::ClientSecret;
use crate::ports::{ProviderError, ReadClientSecret, SecretError};

/// The client secrets of this process: one list, which all its use cases share.
pub struct ClientSecrets {
    source: Arc<dyn ReadClientSecret>,
    kept: Mutex<Kept>,
    /// The number of reads that have ended.
    ended: AtomicU64,
}

#[derive(Default)]
struct Kept {
    secrets: Option<Secrets>,
    /// Why the last read failed, if it did.
    failure: Option<SecretError>,
}

/// The known list at one moment. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Changes with each read, and each time another secret is found to be accepted.
    generation: u64,
    preferred: ClientSecret,
    stored: Arc<[ClientSecret]>,
}

impl Secrets {
    /// The secret to send first: the one that was last accepted, or the first of the list.
    pub fn first(&self) -> &ClientSecret {
        &self.preferred
    }

    /// The list as it is stored. It is never empty.
    pub fn stored(&self) -> &[ClientSecret] {
        &self.stored
    }

    fn in_order(&self) -> impl Iterator<Item = &ClientSecret> {
        let others = self.stored.iter().filter(|secret| **secret != self.preferred);
        std::iter::once(&self.preferred).chain(others)
    }
}

impl ClientSecrets {
    /// Reads nothing yet. An empty list is [`SecretError::UnknownForm`], at the first read.
    pub fn new(source: Arc<dyn ReadClientSecret>) -> Self {
        Self { source, kept: Mutex::default(), ended: AtomicU64::new(0) }
    }

    /// Reads the list at the first call, and keeps it.
    pub async fn current(&self) -> Result<Secrets, SecretError> {
        let (mut kept, failure) = self.lock().await;
        match (&kept.secrets, failure) {
            (Some(secrets), _) => Ok(secrets.clone()),
            (None, Some(failure)) => Err(failure),
            (None, None) => self.read(&mut kept).await,
        }
    }

    /// Reads the list as it is stored now.
    pub async fn reread(&self) -> Result<Secrets, SecretError> {
        let mut kept = self.kept.lock().await;
        self.read(&mut kept).await
    }

    /// Sends with the first secret. After a complete `invalid_client`, and as long as there is time, reads the list and
    /// sends again with each of the others. Any other answer is final.
    pub async fn send<T, F, Fut>(
        &self,
        secrets: &Secrets,
        has_time: impl Fn() -> bool + Send,
        send: F,
    ) -> Result<T, ProviderError>
    where
        F: Fn(ClientSecret) -> Fut + Send,
        Fut: Future<Output = Result<T, ProviderError>> + Send,
        T: Send,
    {
        let first = secrets.first();
        let refused = match send(first.clone()).await {
            Err(error @ ProviderError::InvalidClient) if has_time() => error,
            answer => return answer,
        };
        let Some(known) = self.known_after_refusal(secrets).await else { return Err(refused) };
        for another in known.in_order().filter(|secret| *secret != first) {
            if !has_time() {
                break;
            }
            let answer = send(another.clone()).await;
            if matches!(answer, Err(ProviderError::InvalidClient)) {
                continue;
            }
            // A provider that answers `invalid_grant` has accepted the client.
            if matches!(answer, Ok(_) | Err(ProviderError::InvalidGrant)) {
                self.prefer(another).await;
            }
            return answer;
        }
        Err(refused)
    }

    /// Reads again, unless another read has ended since the refused request.
    async fn known_after_refusal(&self, refused: &Secrets) -> Option<Secrets> {
        let (mut kept, failure) = self.lock().await;
        if let Some(known) = kept.secrets.as_ref().filter(|known| known.generation != refused.generation) {
            return Some(known.clone());
        }
        if failure.is_some() {
            return None;
        }
        let read = self.read(&mut kept).await;
        read.inspect_err(|error| tracing::warn!(%error, "the client secret could not be read again")).ok()
    }

    /// Also returns the failure of a read that has ended while this caller waited: this caller need not read again.
    async fn lock(&self) -> (MutexGuard<'_, Kept>, Option<SecretError>) {
        let ended_before = self.ended.load(Ordering::Acquire);
        let kept = self.kept.lock().await;
        let has_waited_for_it = self.ended.load(Ordering::Acquire) != ended_before;
        let failure = kept.failure.clone().filter(|_| has_waited_for_it);
        (kept, failure)
    }

    async fn read(&self, kept: &mut Kept) -> Result<Secrets, SecretError> {
        let read = self.source.read().await.and_then(|stored| match stored.first().cloned() {
            Some(first) => Ok((first, stored)),
            None => Err(SecretError::UnknownForm),
        });
        self.ended.fetch_add(1, Ordering::AcqRel);
        let (first, stored) = read.inspect_err(|error| kept.failure = Some(error.clone()))?;
        kept.failure = None;
        let before = kept.secrets.as_ref();
        let preferred = before.map(|before| &before.preferred).filter(|preferred| stored.contains(preferred));
        let secrets = Secrets {
            generation: before.map_or(0, |before| before.generation + 1),
            preferred: preferred.cloned().unwrap_or(first),
            stored: stored.into(),
        };
        kept.secrets = Some(secrets.clone());
        Ok(secrets)
    }

    async fn prefer(&self, accepted: &ClientSecret) {
        let mut kept = self.kept.lock().await;
        let Some(known) = kept.secrets.as_mut().filter(|known| known.preferred != *accepted) else { return };
        let Some(index) = known.stored.iter().position(|secret| secret == accepted) else { return };
        if index > 0 {
            let position = index + 1;
            tracing::warn!(
                position,
                "WebinarGeek accepts the client secret at this position of the list, and not the first: put it first"
            );
        }
        known.preferred = accepted.clone();
        known.generation += 1;
    }
}

#[cfg(test)]
mod tests;
