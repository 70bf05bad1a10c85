//! The calls of a world's functions to AWS: they are counted, and some may fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use shared::aws::Clients;

/// Calls to the AWS clients by operation, including repeated ones; and the operations that fail.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
    down: Arc<Mutex<Vec<&'static str>>>,
}

/// The name of a failing operation: every update that stores a pair.
pub const STORING_A_PAIR: &str = "storing a pair";

/// The name of a failing operation: every update that puts a grant into the list of those to revoke.
pub const LISTING_A_GRANT: &str = "listing a grant";

impl Calls {
    /// The calls since the last time, by operation.
    pub fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut *self.counts.lock().unwrap())
    }

    /// From now on these operations fail, and no others.
    pub(super) fn fail(&self, operations: &[&'static str]) {
        *self.down.lock().unwrap() = operations.to_vec();
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = context.request().body().bytes().unwrap_or_default();
        let sets = |set: &str| body.windows(set.len()).any(|part| part == set.as_bytes());
        let is_down = |down: &&'static str| match *down {
            STORING_A_PAIR => sets("#sealed = ") || sets("#waiting = "),
            LISTING_A_GRANT => sets("#revoke_0 = "),
            down => *down == operation,
        };
        let fails = self.down.lock().unwrap().iter().any(is_down);
        *self.counts.lock().unwrap().entry(operation).or_default() += 1;
        if fails { Err("the service is down".into()) } else { Ok(()) }
    }
}

/// The clients, whose calls are counted.
pub(super) fn counted(clients: Clients, calls: &Calls) -> Clients {
    let dynamodb = clients.dynamodb.config().to_builder().interceptor(calls.clone()).build();
    let kms = clients.kms.config().to_builder().interceptor(calls.clone()).build();
    let secrets_manager = clients.secrets_manager.config().to_builder().interceptor(calls.clone()).build();
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
        kms: aws_sdk_kms::Client::from_conf(kms).into(),
        secrets_manager: aws_sdk_secretsmanager::Client::from_conf(secrets_manager).into(),
        escrow: clients.escrow,
    }
}
