//! The ports of one process: each call is handed to the world, and waits for its answer there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use shared::domain::connection::Connection;
use shared::domain::connection_id::ConnectionId;
use shared::domain::escrowed::Escrowed;
use shared::domain::item::{InconsistentItem, Item};
use shared::domain::secret::{AuthorizationCode, ClientSecret, CodeVerifier, DataKey, RefreshToken};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{Grant, TokenPair};
use shared::domain::write::{Write, Written};
use shared::ports::{
    Clock, DueCursor, DuePage, Entropy, Escrow, EscrowError, ExchangeCode, KeyError, ListDue, MakeDataKeys,
    OpenDataKeys, ProviderError, ReadAttempts, ReadClientSecret, ReadConnections, ReadFleet, RefreshPair, RevokeToken,
    SecretError, StoreError, WrappedDataKey, WriteAttempts, WriteConnections,
};

use crate::call::{Answer, Refusal, Request, Table};
use crate::world::{CallId, ProcessId, Shared};

#[derive(Clone)]
pub struct Ports {
    pub world: Shared,
    pub process: ProcessId,
}

enum Waiting {
    ToAsk(Request),
    ToSleep(u64),
    For(CallId),
}

/// A call on its way: asks when it is first polled.
struct Asking<'a> {
    ports: &'a Ports,
    waiting: Option<Waiting>,
}

impl Future for Asking<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let mut world = self.ports.world.lock();
        let call = match self.waiting.take() {
            Some(Waiting::ToAsk(request)) => world.register(self.ports.process, request, context.waker().clone()),
            Some(Waiting::ToSleep(time)) => world.sleep(self.ports.process, time, context.waker().clone()),
            Some(Waiting::For(call)) => match world.take_answer(call, context.waker()) {
                Some(answer) => return Poll::Ready(answer),
                None => call,
            },
            // A future that has ended is not polled again.
            None => return Poll::Pending,
        };
        drop(world);
        self.waiting = Some(Waiting::For(call));
        Poll::Pending
    }
}

impl Ports {
    /// The process begins with knowledge of the row, as if it had just read it.
    pub fn looks(&self) {
        self.world.lock().looks(self.process);
    }

    pub fn ask(&self, request: Request) -> impl Future<Output = Answer> + Send {
        Asking { ports: self, waiting: Some(Waiting::ToAsk(request)) }
    }
}

fn unexpected(answer: &Answer) -> String {
    format!("simulated: {}", answer.name())
}

fn store_error(answer: Answer) -> StoreError {
    match answer {
        Answer::Failed(Refusal::Nonsense) => StoreError::Inconsistent(InconsistentItem { attribute: "simulated" }),
        answer => StoreError::Unavailable(unexpected(&answer)),
    }
}

#[async_trait]
impl ReadAttempts for Ports {
    async fn read(&self, key: &str) -> Result<Option<Item>, StoreError> {
        match self.ask(Request::Read { table: Table::Attempts, key: key.to_owned() }).await {
            Answer::Item(item) => Ok(item),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl WriteAttempts for Ports {
    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        match self.ask(Request::Write { table: Table::Attempts, write: write.clone() }).await {
            Answer::Written(written) => Ok(written),
            answer => Err(store_error(answer)),
        }
    }

    async fn write_both(&self, first: &Write, second: &Write) -> Result<bool, StoreError> {
        match self.ask(Request::WriteBoth(first.clone(), second.clone())).await {
            Answer::Both(applied) => Ok(applied),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl ReadConnections for Ports {
    async fn read(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        match self.ask(Request::Read { table: Table::Connections, key: id.as_str().to_owned() }).await {
            Answer::Item(item) => Ok(item.map(|item| Connection::stored(&item)).transpose()?.flatten()),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl ReadFleet for Ports {
    async fn read(&self, key: &'static str) -> Result<Option<Item>, StoreError> {
        match self.ask(Request::Read { table: Table::Connections, key: key.to_owned() }).await {
            Answer::Item(item) => Ok(item),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl Escrow for Ports {
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError> {
        match self.ask(Request::Escrow { message: escrowed.to_json() }).await {
            Answer::Queued => Ok(()),
            answer => Err(EscrowError(unexpected(&answer))),
        }
    }

    async fn is_empty(&self) -> Result<bool, EscrowError> {
        match self.ask(Request::IsQueueEmpty).await {
            Answer::QueueIsEmpty(is_empty) => Ok(is_empty),
            answer => Err(EscrowError(unexpected(&answer))),
        }
    }
}

#[async_trait]
impl WriteConnections for Ports {
    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        match self.ask(Request::Write { table: Table::Connections, write: write.clone() }).await {
            Answer::Written(written) => Ok(written),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl ListDue for Ports {
    async fn list(&self, shard: u8, _: Option<DueCursor>) -> Result<DuePage, StoreError> {
        match self.ask(Request::List { shard }).await {
            Answer::Page(page) => Ok(page),
            answer => Err(store_error(answer)),
        }
    }
}

#[async_trait]
impl MakeDataKeys for Ports {
    async fn make(&self, connection: &ConnectionId) -> Result<WrappedDataKey, KeyError> {
        match self.ask(Request::MakeKey { connection: connection.as_str().to_owned() }).await {
            Answer::MadeKey { plain, wrapped } => Ok(WrappedDataKey { plain, wrapped }),
            answer => Err(KeyError::Unavailable(unexpected(&answer))),
        }
    }
}

#[async_trait]
impl OpenDataKeys for Ports {
    async fn open(&self, connection: &ConnectionId, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let request = Request::OpenKey { connection: connection.as_str().to_owned(), wrapped: wrapped.to_vec() };
        match self.ask(request).await {
            Answer::OpenedKey(Some(key)) => Ok(key),
            Answer::OpenedKey(None) => Err(KeyError::Refused("simulated".to_owned())),
            answer => Err(KeyError::Unavailable(unexpected(&answer))),
        }
    }
}

#[async_trait]
impl ReadClientSecret for Ports {
    async fn current(&self) -> Result<Vec<ClientSecret>, SecretError> {
        match self.ask(Request::Secret).await {
            Answer::Secret => Ok(vec![ClientSecret::new("secret")]),
            answer => Err(SecretError(unexpected(&answer))),
        }
    }

    async fn reread(&self) -> Result<Vec<ClientSecret>, SecretError> {
        self.current().await
    }

    async fn prefer(&self, _: &ClientSecret) {}
}

fn granted(answer: Answer) -> Result<Grant, ProviderError> {
    match answer {
        Answer::Grant(Ok(grant)) => Ok(grant),
        Answer::Grant(Err(refusal)) | Answer::Failed(refusal) => Err(refusal.into()),
        answer => Err(ProviderError::Unknown(unexpected(&answer))),
    }
}

#[async_trait]
impl ExchangeCode for Ports {
    async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
        verifier: Option<&CodeVerifier>,
        _: &ClientSecret,
    ) -> Result<Grant, ProviderError> {
        let request = Request::Exchange {
            code: code.expose().to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            verifier: verifier.map(|verifier| verifier.expose().to_owned()),
        };
        granted(self.ask(request).await)
    }
}

#[async_trait]
impl RefreshPair for Ports {
    async fn refresh(&self, refresh_token: &RefreshToken, _: &ClientSecret) -> Result<Grant, ProviderError> {
        granted(self.ask(Request::Refresh { refresh_token: refresh_token.expose().to_owned() }).await)
    }
}

#[async_trait]
impl RevokeToken for Ports {
    async fn revoke(&self, pair: &TokenPair, _: &ClientSecret) -> Result<bool, ProviderError> {
        let token = match &pair.refresh_token {
            Some(refresh_token) => refresh_token.expose(),
            None => pair.access_token.expose(),
        };
        match self.ask(Request::Revoke { token: token.to_owned() }).await {
            Answer::Revoked => Ok(true),
            Answer::Failed(refusal) => Err(refusal.into()),
            answer => Err(ProviderError::Unknown(unexpected(&answer))),
        }
    }
}

#[async_trait]
impl Clock for Ports {
    fn now(&self) -> Timestamp {
        self.world.lock().clock()
    }

    async fn sleep(&self, duration: Duration) {
        let waiting = Waiting::ToSleep(duration.as_millis() as u64);
        Asking { ports: self, waiting: Some(waiting) }.await;
    }
}

impl Entropy for Ports {
    fn fill(&self, bytes: &mut [u8]) {
        self.world.lock().processes[self.process].entropy.fill(bytes);
    }
}
