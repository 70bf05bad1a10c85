//! Clients of services that not every process calls.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use super::SdkConfig;

type Make<C> = Box<dyn FnOnce() -> C + Send + Sync>;

/// A client that is made at its first call. For each client, the SDK parses the list of all AWS partitions and compiles
/// their regular expressions: with four clients, this was two thirds of a start's CPU time. A clone is the same client.
#[derive(Clone)]
pub struct LazyClient<C>(Arc<LazyLock<C, Make<C>>>);

impl<C: 'static> LazyClient<C> {
    /// `make` is the function `new` of an SDK client.
    pub fn new(sdk: &SdkConfig, make: fn(&SdkConfig) -> C) -> Self {
        let sdk = sdk.clone();
        Self(Arc::new(LazyLock::new(Box::new(move || make(&sdk)))))
    }
}

impl<C: Send + Sync + 'static> From<C> for LazyClient<C> {
    fn from(client: C) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(move || client))))
    }
}

impl<C> Deref for LazyClient<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}
