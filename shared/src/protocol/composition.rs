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

/// The services of a function that stores grants. It cannot open a stored pair, and revokes nothing.
#[derive(Clone)]
pub struct GrantServices {
    /// Rows of connections, for reading.
    pub connections: Arc<dyn ReadConnections>,
    /// Rows of connections, for conditional writes.
    pub writes: Arc<dyn WriteConnections>,
    /// Claims of accounts.
    pub claims: Arc<dyn ClaimAccounts>,
    /// The queue for pairs that the table does not accept.
    pub escrow: Arc<dyn Escrow>,
    /// The source of the list of client secrets. Each read is a call.
    pub client_secret: Arc<dyn ReadClientSecret>,
    /// `None` where the provider has no address for it.
    pub accounts: Option<Arc<dyn ReadAccount>>,
    /// The clock of all deadlines, leases and backoffs.
    pub clock: Arc<dyn Clock>,
    /// Pair ids, nonces, lease owners and jitter.
    pub entropy: Arc<dyn Entropy>,
}

/// The services of a function that refreshes.
#[derive(Clone)]
pub struct RefreshServices {
    /// The services for storing a grant: a refresh stores its pair with the same ones.
    pub grants: GrantServices,
    /// The pause, the counts and the rate, which all processes share.
    pub fleet: Arc<dyn FleetRows>,
    /// Opens wrapped data keys. The use cases call it through [`KeptDataKeys`].
    pub keys: Arc<dyn OpenDataKeys>,
    /// The provider's token endpoint (RFC 6749 section 6).
    pub provider: Arc<dyn RefreshPair>,
    /// The provider's revocation endpoint (RFC 7009), if it has one.
    pub revocation: Arc<dyn RevokeToken>,
}

/// The use cases of a function that stores grants.
#[derive(Clone)]
pub struct Grants {
    /// Stores a grant.
    pub connecting: Arc<Connecting>,
    /// Finds out the account of a stored pair.
    pub accounts: Arc<AccountLookup>,
    /// Compares accounts, for a session that accepts only the connected one.
    pub same_account: Arc<SameAccount>,
    /// The client secrets, with which a code is exchanged too.
    pub secrets: Arc<ClientSecrets>,
}

/// The use cases of a function that refreshes.
#[derive(Clone)]
pub struct Refreshes {
    /// The use cases that need no data key to be opened.
    pub grants: Grants,
    /// Refreshes a connection.
    pub refreshing: Arc<Refreshing>,
    /// Works off revocation lists.
    pub revoking: Arc<Revoking>,
    /// The state that all processes share, with this process's copy of the pause.
    pub fleet: Arc<Fleet>,
    deployment: Deployment,
    services: RefreshServices,
}

impl Grants {
    /// Sends no request: what a use case needs is read when it is first needed.
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
    /// Sends no request. All use cases share one list of client secrets, one pause and the same kept data keys.
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
    /// `writes` needs the permission to write the counter of a connection id.
    pub fn new(writes: Arc<dyn WriteOrders>, clock: Arc<dyn Clock>) -> Self {
        Self { writes, clock }
    }
}
