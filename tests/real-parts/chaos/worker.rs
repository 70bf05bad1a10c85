//! One function's process: it is invoked, killed, frozen, and started again.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::connection_id::ConnectionId;
use shared::ports::Clock;
use shared::system::SystemClock;
use tests::laptop::is_live;
use tests::random::Random;

use super::fleet::{Fleet, read_token};
use super::journey::{Provider, back_with_a_code};
use crate::gateway::body;
use crate::runtime_api::{Answer, Function};

/// The longest time before a fault, and the longest freeze, in milliseconds. They are as long as the work of a
/// function, so that faults come at every step of it.
const MOMENT: u64 = 120;
const FROZEN: u64 = 150;

pub(super) struct Worker<'a> {
    fleet: &'a Fleet,
    name: &'static str,
    provider: Provider,
    function: Function,
    random: Random,
}

impl<'a> Worker<'a> {
    pub(super) async fn start(fleet: &'a Fleet, name: &'static str, provider: Provider, random: Random) -> Self {
        Self { fleet, name, provider, function: fleet.start(name).await, random }
    }

    /// Some operations, with faults. If tokens are used, the first use ends the pair before.
    pub(super) async fn round(&mut self, operations: u64, uses_tokens: bool) {
        for _ in 0..operations {
            let id = self.random.pick(&self.fleet.ids);
            match self.name {
                "token" => self.reads_a_token(&id, uses_tokens).await,
                "refresh" => self.sweeps(&id).await,
                "callback" => self.reconnects(&id).await,
                other => panic!("{other} has no worker"),
            }
        }
    }

    async fn reads_a_token(&mut self, id: &ConnectionId, uses_tokens: bool) {
        self.fleet.age(id).await;
        if let Some(Ok(answer)) = self.invoke(read_token(id)).await
            && answer["statusCode"] == 200
        {
            self.fleet.tally.count("tokens_released");
            // If another worker has used a newer token meanwhile, this one has ended.
            let token = body(&answer)["access_token"].as_str().unwrap().to_owned();
            if uses_tokens && is_live(&self.fleet.provider, &token).await {
                self.fleet.tally.count("tokens_used");
            }
        }
    }

    async fn sweeps(&mut self, id: &ConnectionId) {
        let another = self.random.pick(&self.fleet.ids);
        for id in [id, &another] {
            self.fleet.age(id).await;
        }
        let event =
            json!({ "version": "0", "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {} });
        self.invoke(event).await;
    }

    async fn reconnects(&mut self, id: &ConnectionId) {
        let event = back_with_a_code(self.fleet, self.provider, id).await;
        if let Some(Ok(answer)) = self.invoke(event).await
            && answer["statusCode"] == 200
        {
            self.fleet.tally.count("reconnected");
        }
    }

    /// Invokes the function, with a kill, a freeze or nothing at a random moment. A fault in an idle function is not
    /// counted.
    async fn invoke(&mut self, event: Value) -> Option<Answer> {
        let moment = Duration::from_millis(self.random.below(MOMENT));
        let (has_fault, kill) = (self.random.percent(80), self.random.percent(50));
        let frozen = Duration::from_millis(self.random.below(FROZEN));
        let mut answer = Box::pin(self.fleet.invoke(&self.function, event));
        if !has_fault {
            return answer.await;
        }
        tokio::select! {
            biased;
            answered = &mut answer => return answered,
            () = SystemClock.sleep(moment) => {}
        }
        if !kill {
            self.function.freeze().await;
            self.count("freezes");
            // For all other processes, the lease of the frozen one is over.
            self.fleet.age_leases().await;
            SystemClock.sleep(frozen).await;
            self.function.thaw().await;
            return answer.await;
        }
        self.function.kill();
        let answered = answer.await;
        // If there is an answer, it was sent before the kill.
        if answered.is_none() {
            self.count("kills");
        }
        self.fleet.age_leases().await;
        self.function = self.fleet.start(self.name).await;
        answered
    }

    fn count(&self, fault: &str) {
        self.fleet.tally.count(fault);
        self.fleet.tally.count(&format!("{fault}.{}", self.name));
    }
}
