//! The real use cases, each given the ports of one process; and the rows that a run begins with.

use std::sync::Arc;
use std::time::Duration;

use authorize::Authorize;
use callback::Callback;
use connections::import::Importing;
use maintenance::Maintenance;
use refresh::Refresh;
use shared::config::{AuthorizationEndpoint, ClientAuthentication, TokenEndpoint};
use shared::disconnecting::Disconnecting;
use shared::domain::connection::connecting::{NewGrant, connect};
use shared::domain::connection::writes::{self, LONGEST_INVOCATION};
use shared::domain::connection::{Connection, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::escrowed::Escrowed;
use shared::domain::schedule;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{Grant, TokenSet};
use shared::failure::FailureClass;
use shared::fleet::Fleet;
use shared::identifying::Identifying;
use shared::ports::ReadAccount;
use shared::refreshing::Refreshing;
use shared::sealing::{self, Place};
use shared::storing::Storing;
use token::Token;
use url::Url;

use super::{Plan, REPLAY, Scenario};
use crate::keys;
use crate::ports::Ports;
use crate::queue::OUT_OF_SIGHT;
use crate::world::Step;

pub const STACK: &str = "simulated";
pub(super) const ORIGIN: &str = "https://connect.example.com";
const CLIENT_ID: &str = "client";

/// Names that share a shard of the due index, so that a sweep has one to list.
pub(super) fn ids(count: usize) -> Vec<ConnectionId> {
    let named = (0..).filter_map(|number| ConnectionId::parse(&format!("c{number}")).ok());
    named.filter(|id| schedule::shard(id) == 0).take(count).collect()
}

/// What every use case is told of its deployment.
#[derive(Clone, Copy)]
pub struct Deployment {
    pub sweep_every: u64,
    pub lifetime: u64,
    pub accounts: bool,
}

fn storing(ports: &Arc<Ports>) -> Storing {
    Storing { connections: ports.clone(), escrow: ports.clone(), clock: ports.clone(), entropy: ports.clone() }
}

fn url(path: &str) -> Url {
    let text = format!("https://provider.example.com{path}");
    Url::parse(&text).expect("a constant")
}

impl Deployment {
    pub fn refreshing(self, ports: &Arc<Ports>) -> Arc<Refreshing> {
        Arc::new(Refreshing {
            storing: storing(ports),
            fleet: Arc::new(Fleet::new(ports.clone(), ports.clone(), ports.clone())),
            stack: STACK.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            refresh_every: Duration::from_secs(self.sweep_every),
            default_lifetime: Duration::from_secs(self.lifetime),
            connections: ports.clone(),
            connection_writes: ports.clone(),
            keys: ports.clone(),
            client_secret: ports.clone(),
            provider: ports.clone(),
            revocation: ports.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
        })
    }

    pub(super) fn refresh(self, ports: &Arc<Ports>) -> Refresh {
        Refresh {
            refreshing: self.refreshing(ports),
            disconnecting: Arc::new(self.disconnecting(ports)),
            due: ports.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
        }
    }

    pub(super) fn disconnecting(self, ports: &Arc<Ports>) -> Disconnecting {
        Disconnecting::beside(&self.refreshing(ports))
    }

    pub(super) fn importing(self, ports: &Arc<Ports>) -> Importing {
        Importing {
            stack: STACK.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            connections: ports.clone(),
            connection_writes: ports.clone(),
            keys: ports.clone(),
            refreshing: self.refreshing(ports),
            clock: ports.clone(),
            entropy: ports.clone(),
        }
    }

    pub(super) fn identifying(self, ports: &Arc<Ports>) -> Arc<Identifying> {
        Arc::new(Identifying {
            accounts: self.accounts.then(|| ports.clone() as Arc<dyn ReadAccount>),
            connections: ports.clone(),
            connection_writes: ports.clone(),
            clock: ports.clone(),
        })
    }

    pub(super) fn maintenance(self, ports: &Arc<Ports>, kms_key: u8) -> Maintenance {
        Maintenance {
            settings: maintenance::Settings {
                connections_table: "connections".to_owned(),
                kms_key_id: keys::arn(kms_key),
                stack: STACK.to_owned(),
            },
            rows: ports.clone(),
            connection_writes: ports.clone(),
            deletes: ports.clone(),
            keys: ports.clone(),
            new_keys: ports.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
        }
    }

    pub(super) fn token(self, ports: &Arc<Ports>) -> Token {
        Token {
            refreshing: self.refreshing(ports),
            connections: ports.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
        }
    }

    pub(super) fn authorize(self, ports: &Arc<Ports>) -> Authorize {
        Authorize {
            settings: authorize::Settings {
                stack: STACK.to_owned(),
                attempts_table: "attempts".to_owned(),
                authorization_endpoint: AuthorizationEndpoint {
                    url: url("/oauth/authorize"),
                    client_id: CLIENT_ID.to_owned(),
                    scope: None,
                    pkce: true,
                },
                public_origin: None,
                display_name: None,
                install_link: false,
            },
            sessions: ports.clone(),
            attempts: ports.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
        }
    }

    pub(super) fn callback(self, ports: &Arc<Ports>) -> Callback {
        Callback {
            settings: callback::Settings {
                attempts_table: "attempts".to_owned(),
                connections_table: "connections".to_owned(),
                escrow_queue_url: "queue".to_owned(),
                kms_key_id: "key".to_owned(),
                client_secret_arn: "secret".to_owned(),
                stack: STACK.to_owned(),
                refresh_every: Duration::from_secs(self.sweep_every),
                token_endpoint: TokenEndpoint {
                    url: url("/oauth/token"),
                    revoke_url: Some(url("/oauth/revoke")),
                    client_id: CLIENT_ID.to_owned(),
                    client_authentication: ClientAuthentication::Post,
                    expires_in: Duration::from_secs(self.lifetime),
                },
                account_url: None,
            },
            identifying: self.identifying(ports),
            attempt_reads: ports.clone(),
            attempts: ports.clone(),
            connection_reads: ports.clone(),
            storing: storing(ports),
            keys: ports.clone(),
            client_secret: ports.clone(),
            provider: ports.clone(),
            revocation: ports.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
        }
    }
}

impl Scenario {
    pub fn deployment(&self) -> Deployment {
        let Plan { sweep_every, lifetime, accounts, .. } = self.plan;
        Deployment { sweep_every, lifetime, accounts }
    }

    /// A connection that exists before the run: its grant is stored by the domain's own write.
    pub fn begin_connected(&mut self, index: usize) {
        let mut world = self.scheduler.world.lock();
        let world = &mut *world;
        let id = &self.ids[index];
        let (time, now) = (world.now, world.clock());
        let code = world.provider.issue_code(None, time);
        let Ok(grant) = world.provider.exchange(&code, None, time) else { return };
        let mut random = [0; 32];
        self.random.fill(&mut random);
        let (plain, wrapped) = keys::make(id.as_str(), 0, random);
        let refresh_every = Duration::from_secs(self.plan.sweep_every);
        let expires_at: Timestamp = now + Duration::from_secs(self.plan.lifetime);
        let new_pair = |version, token_set, grant: Grant| {
            let place = Place { stack: STACK, connection: id, token_set };
            let sealed = sealing::seal(&grant.pair, &plain, place, [0; 12]);
            let pair = SealedPair { token_set, sealed, data_key: wrapped.clone() };
            writes::new_pair(id, version, pair, "Bearer".to_owned(), grant.scope, (now, expires_at), refresh_every)
        };
        let token_set = TokenSet::parse(&random[..16]).expect("sixteen bytes");
        let new = NewGrant {
            id: id.clone(),
            client_id: CLIENT_ID.to_owned(),
            grant: format!("beginning of {id}"),
            begun_at: now,
            session: None,
            awaited: None,
            superseded: None,
            new: new_pair(1, token_set, grant),
        };
        world.begin_with(&connect(&new, None));
        if self.plan.late_pairs == 0.0 || !self.random.chance(self.plan.late_pairs) {
            return;
        }
        // A rival has given the connection up while its pair was on its way, and whoever brought the pair died then: too rare
        // a chain of faults to wait for.
        let Some(row) = world.store.connections.get_mut(id.as_str()) else { return };
        let Ok(Some(connection)) = Connection::stored(row) else { return };
        *row = writes::give_up(&connection, "a rival", FailureClass::InvalidGrant.as_str()).apply(Some(row));
        let refresh_token = world.ledger.current[id.as_str()].refresh.clone();
        let Ok(grant) = world.provider.refresh(&refresh_token, false, time) else { return };
        let late_set = TokenSet::parse(&random[16..]).expect("sixteen bytes");
        world.begin_with(&writes::commit(id, token_set, &new_pair(2, late_set, grant)));
    }

    /// What waits in the queue, as Lambda's event source mapping hands it over.
    pub(super) fn replay(&mut self) {
        let now = self.now();
        let messages = {
            let mut world = self.scheduler.world.lock();
            let messages = world.queue.take(now);
            if !messages.is_empty() {
                // Whatever is not done by then comes again.
                world.schedule(now + OUT_OF_SIGHT, Step::Drive(REPLAY));
            }
            messages
        };
        if messages.is_empty() {
            return;
        }
        let deployment = self.deployment();
        let deadline = now + LONGEST_INVOCATION.as_millis() as u64;
        self.scheduler.spawn("replay".to_owned(), (now, deadline), move |ports| async move {
            let ports = Arc::new(ports);
            let parsed = messages.iter().map(|message| refresh::Message {
                id: message.id.to_string(),
                escrowed: Escrowed::from_json(&message.body),
            });
            let left = deployment.refresh(&ports).replay(parsed.collect()).await.batch_item_failures;
            let is_left = |id: u64| left.iter().any(|item| item.item_identifier == id.to_string());
            let mut world = ports.world.lock();
            messages.iter().filter(|message| !is_left(message.id)).for_each(|message| world.queue.done(message.id));
        });
    }

    pub(super) fn sweep(&mut self) {
        let (deployment, shards) = (self.deployment(), self.shards.clone());
        let now = self.now();
        let deadline = now + LONGEST_INVOCATION.as_millis() as u64;
        self.scheduler.spawn("sweep".to_owned(), (now, deadline), move |ports| async move {
            let ports = Arc::new(ports);
            let deadline = shared::ports::Clock::now(&*ports) + LONGEST_INVOCATION;
            deployment.refresh(&ports).run(shards, deadline).await;
        });
    }
}
