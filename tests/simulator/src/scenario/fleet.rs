//! The real use cases, each given the ports of one process; and the rows that a run begins with.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use authorize::Authorize;
use callback::Callback;
use maintenance::Maintenance;
use refresh::{Refresh, Run};
use shared::config::AuthorizationEndpoint;
use shared::domain::connection::grant::{NewGrant, NewPair, connect};
use shared::domain::connection::refresh::{self as writes, LONGEST_INVOCATION};
use shared::domain::connection::{GrantMark, SealedPair};
use shared::domain::connection_id::ConnectionId;
use shared::domain::escrow::{Escrowed, RefreshedPair};
use shared::domain::failure_class::FailureClass;
use shared::domain::item::Value;
use shared::domain::order::Order;
use shared::domain::return_to::{ReturnToOrigins, WaysBack};
use shared::domain::schedule;
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{PairId, TokenResponse};
use shared::domain::write::Written;
use shared::http::page::Layout;
use shared::ports::ReadAccount;
use shared::protocol;
use shared::protocol::account::AccountLookup;
use shared::protocol::composition::{GrantServices, Grants, RefreshServices, Refreshes};
use shared::protocol::confirm::Confirming;
use shared::protocol::disconnect::Disconnecting;
use shared::protocol::import::Importing;
use shared::protocol::orders::Orders;
use shared::protocol::quarantine::Quarantine;
use shared::protocol::refresh::Refreshing;
use shared::sealing::{self, SealingContext};
use token::Token;
use url::Url;

use super::{Plan, REPLAY, Scenario};
use crate::call::Table;
use crate::keys;
use crate::ports::Ports;
use crate::queue::OUT_OF_SIGHT;
use crate::world::{Step, World};

pub const STACK: &str = "simulated";
pub(super) const ORIGIN: &str = "https://connect.example.com";
const CLIENT_ID: &str = "client";
/// Requests a second of all runs. It is so low that runs must wait for each other.
pub const RATE: i64 = 2;
/// Short, so that some browsers come back after it.
pub(super) const CONSENT_TIME: Duration = Duration::from_secs(600);

/// Made once, and not for each request of a run.
static LAYOUT: LazyLock<Arc<Layout>> = LazyLock::new(Arc::default);

fn ways_back() -> WaysBack {
    let application = Url::parse(super::customer::RETURN_TO).expect("a constant");
    WaysBack { return_to_origins: ReturnToOrigins::These(vec![application.origin()]), application_home: None }
}

/// Names that share a shard of the due index, so that a sweep lists only one shard.
pub(super) fn ids(count: usize) -> Vec<ConnectionId> {
    let named = (0..).filter_map(|number| ConnectionId::parse(&format!("c{number}")).ok());
    named.filter(|id| schedule::shard(id) == 0).take(count).collect()
}

/// The settings of the deployment that every use case gets.
#[derive(Clone, Copy)]
pub struct Deployment {
    pub sweep_every: u64,
    pub lifetime: u64,
    pub accounts: bool,
}

fn url(path: &str) -> Url {
    let text = format!("https://provider.example.com{path}");
    Url::parse(&text).expect("a constant")
}

impl Deployment {
    fn settings(self) -> protocol::Deployment {
        protocol::Deployment {
            data_keys_kept_for: Duration::from_secs(7200),
            stack: STACK.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            refresh_every: Duration::from_secs(self.sweep_every),
            default_lifetime: Duration::from_secs(self.lifetime),
        }
    }

    fn grant_services(self, ports: &Arc<Ports>) -> GrantServices {
        GrantServices {
            connections: ports.clone(),
            writes: ports.clone(),
            claims: ports.clone(),
            escrow: ports.clone(),
            client_secret: ports.clone(),
            accounts: self.accounts.then(|| ports.clone() as Arc<dyn ReadAccount>),
            clock: ports.clone(),
            entropy: ports.clone(),
        }
    }

    fn refreshes(self, ports: &Arc<Ports>) -> Refreshes {
        let services = RefreshServices {
            grants: self.grant_services(ports),
            fleet: ports.clone(),
            keys: ports.clone(),
            provider: ports.clone(),
            revocation: ports.clone(),
        };
        Refreshes::new(&services, &self.settings())
    }

    pub fn refreshing(self, ports: &Arc<Ports>) -> Arc<Refreshing> {
        self.refreshes(ports).refreshing
    }

    pub(super) fn refresh(self, ports: &Arc<Ports>) -> Refresh {
        Refresh::new(&self.refreshes(ports), ports.clone(), RATE, None, (ports.clone(), ports.clone()))
    }

    pub(super) fn orders(self, ports: &Arc<Ports>) -> Orders {
        Orders::new(ports.clone(), ports.clone())
    }

    pub(super) fn disconnecting(self, ports: &Arc<Ports>) -> Disconnecting {
        self.refreshes(ports).disconnecting(&self.orders(ports))
    }

    pub(super) fn confirming(self, ports: &Arc<Ports>) -> Confirming {
        self.refreshes(ports).confirming(ports.clone())
    }

    pub(super) fn importing(self, ports: &Arc<Ports>) -> Importing {
        self.refreshes(ports).importing(&self.orders(ports), ports.clone())
    }

    pub(super) fn accounts(self, ports: &Arc<Ports>) -> Arc<AccountLookup> {
        Grants::new(&self.grant_services(ports), &self.settings()).accounts
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
            quarantine: Quarantine { writes: ports.clone(), clock: ports.clone() },
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
                layout: LAYOUT.clone(),
                scope_text: None,
                install_link: true,
                consent_time: CONSENT_TIME,
                ways_back: ways_back(),
            },
            sessions: ports.clone(),
            attempts: ports.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
        }
    }

    pub(super) fn callback(self, ports: &Arc<Ports>) -> Callback {
        Callback {
            deployment: self.settings(),
            ways_back: ways_back(),
            layout: LAYOUT.clone(),
            attempt_reads: ports.clone(),
            attempts: ports.clone(),
            connections: ports.clone(),
            grants: Grants::new(&self.grant_services(ports), &self.settings()),
            keys: ports.clone(),
            provider: ports.clone(),
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
        let (time, now) = (world.time(), world.clock());
        let code = world.provider.issue_code(None, time);
        let Ok(response) = world.provider.exchange(&code, None, false, time) else { return };
        let mut random = [0; 48];
        self.random.fill(&mut random);
        let [pair_id, late_id, key]: [[u8; 16]; 3] =
            std::array::from_fn(|part| std::array::from_fn(|byte| random[part * 16 + byte]));
        let (plain, wrapped) = keys::make(id.as_str(), 0, std::array::from_fn(|byte| key[byte % 16]));
        let refresh_every = Duration::from_secs(self.plan.sweep_every);
        let expires_at: Timestamp = now + Duration::from_secs(self.plan.lifetime);
        let new_pair = |random, response: TokenResponse| {
            let pair_id = PairId::new(random);
            let context = SealingContext { stack: STACK, connection: id, pair_id };
            let sealed = sealing::seal(&response.pair, &plain, context, [0; 12]);
            NewPair {
                pair: SealedPair { id: pair_id, sealed, data_key: wrapped.clone() },
                has_refresh_token: true,
                token_type: "Bearer".to_owned(),
                scope: response.scope,
                granted_at: now,
                expires_at,
            }
        };
        let new = NewGrant {
            id: id.clone(),
            client_id: CLIENT_ID.to_owned(),
            name: format!("beginning of {id}"),
            order: Order::at(now),
            session: None,
            awaited: None,
            is_throw_away: false,
            is_not_refreshed: false,
            new: new_pair(pair_id, response),
        };
        world.ledger.begins(&new.name, world.sequence);
        world.begin_with(&connect(&new, None, refresh_every, now).0);
        if self.plan.late_pairs == 0.0 || !self.random.chance(self.plan.late_pairs) {
            return;
        }
        // Another worker has given the connection up while its pair was on its way. Chance would make this chain of
        // faults too rarely. The pair comes out of the queue soon.
        let refresh_token = world.ledger.current[id.as_str()].pair.refresh.clone();
        let Ok(response) = world.provider.refresh(&refresh_token, false, time) else { return };
        let late = new_pair(late_id, response);
        let why = FailureClass::InvalidGrant;
        world.touch(id.as_str(), |row| *row = writes::give_up(id, "a rival", why, now, now).apply(Some(row)));
        let message = Escrowed::Refreshed(Box::new(RefreshedPair {
            id: id.clone(),
            predecessor: PairId::new(pair_id),
            version: 2,
            account_id: None,
            granted_by: GrantMark { name: new.name.clone(), order: new.order },
            new: late,
        }));
        let lag = world.count_lag();
        world.ledger.escrowed(&message, &world.provider);
        world.queue.put(message.to_json(), time, lag);
        let after = self.random.between(1, 60_000);
        world.schedule(world.now + after, Step::Act(REPLAY));
    }

    /// The customer comes back at this moment, if no other event of the connection has that number.
    pub(super) fn connect_at_once(&mut self, index: usize) {
        let is_first = {
            let mut world = self.scheduler.world.lock();
            let order = Order::take_present(&self.ids[index], world.clock());
            matches!(world.store.write(Table::Attempts, &order, None), (Written::Applied(_), _))
        };
        if is_first {
            self.begin_connected(index);
        }
    }

    /// A connection that was `refused` for a day.
    pub(super) fn begin_refused(&mut self, index: usize) {
        self.begin_connected(index);
        let until = self.random.between(self.plan.duration * 250, self.plan.duration * 750);
        let id = self.ids[index].as_str().to_owned();
        let mut world = self.scheduler.world.lock();
        let world = &mut *world;
        let Some(stored) = world.ledger.current.get(&id) else { return };
        let family = world.provider.refresh_tokens.get(&stored.pair.refresh).map(|token| token.family);
        if let Some(family) = family {
            world.provider.refused_families.insert(family, until);
            world.provider.refused_otherwise(&stored.pair.refresh.clone());
        }
        world.touch(&id, |row| {
            for time in ["refreshed_at", "expires_at", "refresh_at", "created_at"] {
                if let Some(Value::N(time)) = row.0.get_mut(time) {
                    *time -= 90_000;
                }
            }
        });
    }

    /// The messages of the queue, in the form of Lambda's event source mapping.
    pub(super) fn replay(&mut self) {
        let now = self.now();
        let messages = {
            let mut world = self.scheduler.world.lock();
            let time = world.time();
            let messages = world.queue.take(time);
            if world.queue.has_messages() {
                // A message that is not finished by then is delivered again. So is a message that was invisible while
                // the clocks stood still.
                world.schedule(now + OUT_OF_SIGHT, Step::Act(REPLAY));
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
            let left =
                refresh::replay(&deployment.refreshes(&ports).replaying(), parsed.collect()).await.batch_item_failures;
            let is_left = |id: u64| left.iter().any(|item| item.item_identifier == id.to_string());
            let mut world = ports.world.lock();
            let now = world.time();
            for message in messages.iter().filter(|message| !is_left(message.id)) {
                let lag = world.count_lag();
                world.queue.done(message.id, now, lag);
                let World { ledger, provider, .. } = &mut *world;
                if let Ok(escrowed) = Escrowed::from_json(&message.body) {
                    ledger.left_the_queue(&escrowed, provider);
                }
            }
        });
    }

    /// `is_started`: the run was started by another run, which has handed shards on. Such a run takes a slot of the
    /// fleet's rate for each request.
    pub(super) fn sweep(&mut self, is_started: bool) {
        let (deployment, shards) = (self.deployment(), self.shards.clone());
        let now = self.now();
        let deadline = now + LONGEST_INVOCATION.as_millis() as u64;
        self.scheduler.spawn("sweep".to_owned(), (now, deadline), move |ports| async move {
            let ports = Arc::new(ports);
            let deadline = shared::ports::Clock::now(&*ports) + LONGEST_INVOCATION;
            deployment.refresh(&ports).run(Run { shards, until: is_started.then_some(deadline) }, deadline).await;
        });
    }
}
