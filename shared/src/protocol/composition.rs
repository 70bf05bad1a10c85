//! The one place that builds the use cases: from the services outside the process, its settings, its clock and its
//! entropy. The functions, the laptop and the simulator use it.

use std::sync::Arc;

use super::Deployment;
use super::account::AccountLookup;
use super::client_secrets::ClientSecrets;
use super::confirm::Confirming;
use super::connect::Connecting;
use super::data_keys::KeptDataKeys;
use super::disconnect::Disconnecting;
use super::escrow::PairStore;
use super::fleet::Fleet;
use super::import::Importing;
use super::orders::Orders;
use super::quarantine::Quarantine;
use super::refresh::Refreshing;
use super::replay::Replaying;
use super::revoke::{RevocationList, Revoking};
use super::same_account::SameAccount;
use crate::ports::{
    ClaimAccounts, Clock, Entropy, Escrow, FleetRows, MakeDataKeys, OpenDataKeys, ReadAccount, ReadClientSecret,
    ReadConnections, RefreshPair, RevokeToken, WriteAttempts, WriteConnections, WriteOrders,
};

/// What a function that stores a grant has. It cannot open a stored pair, and revokes nothing.
#[derive(Clone)]
pub struct GrantServices {
    pub connections: Arc<dyn ReadConnections>,
    pub writes: Arc<dyn WriteConnections>,
    pub claims: Arc<dyn ClaimAccounts>,
    pub escrow: Arc<dyn Escrow>,
    pub client_secret: Arc<dyn ReadClientSecret>,
    /// `None` where the provider has no address for it.
    pub accounts: Option<Arc<dyn ReadAccount>>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// What a function that refreshes has in addition.
#[derive(Clone)]
pub struct RefreshServices {
    pub grants: GrantServices,
    pub fleet: Arc<dyn FleetRows>,
    pub keys: Arc<dyn OpenDataKeys>,
    pub provider: Arc<dyn RefreshPair>,
    pub revocation: Arc<dyn RevokeToken>,
}

/// The use cases of a function that stores grants.
#[derive(Clone)]
pub struct Grants {
    pub connecting: Arc<Connecting>,
    pub accounts: Arc<AccountLookup>,
    pub same_account: Arc<SameAccount>,
    pub secrets: Arc<ClientSecrets>,
}

/// The use cases of a function that refreshes.
#[derive(Clone)]
pub struct Refreshes {
    pub grants: Grants,
    pub refreshing: Arc<Refreshing>,
    pub revoking: Arc<Revoking>,
    pub fleet: Arc<Fleet>,
    deployment: Deployment,
    services: RefreshServices,
}

impl Grants {
    pub fn new(services: &GrantServices, deployment: &Deployment) -> Self {
        let GrantServices { connections, writes, claims, escrow, client_secret, accounts, clock, entropy } = services;
        let lookup = Arc::new(AccountLookup {
            accounts: accounts.clone(),
            connections: connections.clone(),
            writes: writes.clone(),
            claims: claims.clone(),
            clock: clock.clone(),
        });
        Self {
            same_account: Arc::new(SameAccount {
                refresh_every: deployment.refresh_every,
                connections: connections.clone(),
                writes: writes.clone(),
                accounts: lookup.clone(),
                clock: clock.clone(),
            }),
            connecting: Arc::new(Connecting {
                refresh_every: deployment.refresh_every,
                asks_for_accounts: accounts.is_some(),
                pairs: PairStore {
                    writes: writes.clone(),
                    escrow: escrow.clone(),
                    clock: clock.clone(),
                    entropy: entropy.clone(),
                },
                list: RevocationList { connections: connections.clone(), writes: writes.clone(), clock: clock.clone() },
                clock: clock.clone(),
            }),
            accounts: lookup,
            secrets: Arc::new(ClientSecrets::new(client_secret.clone())),
        }
    }
}

impl Refreshes {
    pub fn new(services: &RefreshServices, deployment: &Deployment) -> Self {
        let grants = Grants::new(&services.grants, deployment);
        let RefreshServices { grants: GrantServices { connections, writes, clock, entropy, .. }, .. } = services;
        let fleet = Arc::new(Fleet::new(services.fleet.clone(), clock.clone()));
        let keys = KeptDataKeys::new(services.keys.clone(), clock.clone(), deployment.data_keys_kept_for);
        let keys: Arc<dyn OpenDataKeys> = Arc::new(keys);
        let revoking = Arc::new(Revoking {
            stack: deployment.stack.clone(),
            list: grants.connecting.list.clone(),
            keys: keys.clone(),
            secrets: grants.secrets.clone(),
            provider: services.revocation.clone(),
        });
        let refreshing = Arc::new(Refreshing {
            deployment: deployment.clone(),
            connections: connections.clone(),
            writes: writes.clone(),
            pairs: grants.connecting.pairs.clone(),
            quarantine: Quarantine { writes: writes.clone(), clock: clock.clone() },
            fleet: fleet.clone(),
            keys,
            secrets: grants.secrets.clone(),
            provider: services.provider.clone(),
            revoking: revoking.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
        });
        Self { grants, refreshing, revoking, fleet, deployment: deployment.clone(), services: services.clone() }
    }

    /// Stores pairs from the queue.
    pub fn replaying(&self) -> Replaying {
        Replaying {
            connections: self.services.grants.connections.clone(),
            refreshing: self.refreshing.clone(),
            connecting: self.grants.connecting.clone(),
        }
    }

    /// `orders`: for a function that may take a connection away.
    pub fn disconnecting(&self, orders: &Orders) -> Disconnecting {
        Disconnecting {
            connections: self.services.grants.connections.clone(),
            writes: self.services.grants.writes.clone(),
            orders: orders.clone(),
            revoking: self.revoking.clone(),
            clock: self.services.grants.clock.clone(),
        }
    }

    /// `sessions`: for a function that may write them.
    pub fn confirming(&self, sessions: Arc<dyn WriteAttempts>) -> Confirming {
        let GrantServices { connections, writes, clock, .. } = &self.services.grants;
        Confirming {
            refresh_every: self.deployment.refresh_every,
            connections: connections.clone(),
            writes: writes.clone(),
            sessions,
            accounts: self.grants.accounts.clone(),
            clock: clock.clone(),
        }
    }

    /// `keys`: for a function that may make data keys.
    pub fn importing(&self, orders: &Orders, keys: Arc<dyn MakeDataKeys>) -> Importing {
        Importing {
            deployment: self.deployment.clone(),
            connections: self.services.grants.connections.clone(),
            orders: orders.clone(),
            connecting: self.grants.connecting.clone(),
            refreshing: self.refreshing.clone(),
            fleet: self.fleet.clone(),
            keys,
            secrets: self.grants.secrets.clone(),
            provider: self.services.provider.clone(),
            clock: self.services.grants.clock.clone(),
            entropy: self.services.grants.entropy.clone(),
        }
    }
}

impl Orders {
    pub fn new(writes: Arc<dyn WriteOrders>, clock: Arc<dyn Clock>) -> Self {
        Self { writes, clock }
    }
}
