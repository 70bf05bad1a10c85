//! A deployment in memory: the shipped handlers, the real adapters, embedded engines, a simulated provider.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::types::AttributeValue;
use http::{Method, StatusCode};
use local::deployment::Deployment;
use local::engines::Engines;
use local::stream::Stream;
use local::webinargeek::{Fault, Faults, Grants, Rotation, Simulation};
use local::{keys, tables, webinargeek};
use refresh::Run;
use serde_json::Value;
use shared::aws::Clients;
use shared::domain::connection::{Connection, Row};
use shared::domain::connection_id::ConnectionId;
use shared::domain::escrow::Escrowed;
use shared::domain::session::{Session, SessionId};
use shared::http::{Invocation, Request, Response};
use shared::ports::{Clock, Entropy, Escrow, EscrowError, ReadAttempts, ReadConnections};
use shared::protocol::replay::Replayed;
use shared::system::SystemEntropy;
use tokio::net::TcpListener;
use tracing::Instrument;

use crate::browser::{Browser, provider_client};
use crate::clock::TestClock;
use crate::description::{Asked, DESCRIPTION};

pub const ORIGIN: &str = "https://connect.example.com";
pub const CLIENT_SECRET: &str = "canary-client-secret";
pub const TABLE: &str = tables::CONNECTIONS;

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
}

/// The queue of pairs that the table could not accept.
#[derive(Clone, Default)]
pub struct EscrowInMemory(Arc<Mutex<Vec<Escrowed>>>);

impl EscrowInMemory {
    pub fn take(&self) -> Vec<Escrowed> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl Escrow for EscrowInMemory {
    async fn put(&self, escrowed: &Escrowed) -> Result<(), EscrowError> {
        self.0.lock().unwrap().push(escrowed.clone());
        Ok(())
    }

    async fn is_empty(&self) -> Result<bool, EscrowError> {
        Ok(self.0.lock().unwrap().is_empty())
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

/// The differences between worlds.
pub struct Setup {
    pub rotation: Rotation,
    pub expires_in: u64,
    /// Variables of the functions' environment.
    pub variables: Vec<(&'static str, String)>,
    pub client_secret: String,
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rotation: Rotation::Grace,
            expires_in: 7200,
            variables: vec![
                ("RETURN_TO_ORIGINS", "https://app.example.com".to_owned()),
                ("INSTALL_LINK", "on".to_owned()),
            ],
            client_secret: CLIENT_SECRET.to_owned(),
            entropy: Arc::new(SystemEntropy),
        }
    }
}

impl Setup {
    pub fn strict() -> Self {
        Self { rotation: Rotation::Strict, ..Self::default() }
    }

    /// With `WEBINARGEEK_ACCOUNT_URL`.
    pub fn asking_for_accounts(self) -> Self {
        self.variable("ASKS_FOR_ACCOUNTS", "on")
    }

    pub fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(0, (name, value.to_owned()));
        self
    }
}

pub struct World {
    pub clock: Arc<TestClock>,
    pub deployment: Arc<Deployment>,
    pub simulation: Arc<Simulation>,
    pub provider_origin: String,
    pub clients: Clients,
    pub calls: Calls,
    pub escrow: EscrowInMemory,
    /// The stream of the connections table.
    pub stream: Stream,
    entropy: Arc<dyn Entropy>,
    variables: Vec<(&'static str, String)>,
    next_request: Mutex<u64>,
}

/// A JSON answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_else(|| panic!("no {member} in {self:?}"))
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let clock = Arc::new(TestClock::default());
        let entropy = setup.entropy;
        let simulation = Arc::new(Simulation {
            client_id: "client-one".to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            redirect_uris: vec![format!("{ORIGIN}/callback")],
            grants: Grants::open(None, setup.rotation, Duration::from_secs(setup.expires_in)).unwrap(),
            faults: Faults::default(),
            clock: clock.clone(),
            entropy: entropy.clone(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let provider_origin = format!("http://{}", webinargeek::serve(simulation.clone(), listener).unwrap());

        let engines = Engines::in_memory(setup.client_secret, entropy.clone()).unwrap();
        let calls = Calls::default();
        let clients = counted(engines.clients(), &calls);
        tables::create(&clients.dynamodb).await.unwrap();
        calls.take();

        let escrow = EscrowInMemory::default();
        let clients = Clients { escrow: Arc::new(escrow.clone()), ..clients };
        let world = Self {
            deployment: Arc::new(deploy(&setup.variables, &provider_origin, &clients, &clock, &entropy)),
            clock,
            simulation,
            provider_origin,
            clients,
            calls,
            escrow,
            stream: Stream::new(engines, TABLE),
            entropy,
            variables: setup.variables,
            next_request: Mutex::new(0),
        };
        world.calls.take();
        world
    }

    /// Another process of the same deployment.
    pub fn another(&self) -> Self {
        self.redeployed(&[])
    }

    /// The state after a deployment that changes these variables.
    pub fn redeployed(&self, changed: &[(&'static str, &str)]) -> Self {
        let changed = changed.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let variables: Vec<_> = changed.chain(self.variables.iter().cloned()).collect();
        Self {
            clock: self.clock.clone(),
            deployment: Arc::new(deploy(&variables, &self.provider_origin, &self.clients, &self.clock, &self.entropy)),
            simulation: self.simulation.clone(),
            provider_origin: self.provider_origin.clone(),
            clients: self.clients.clone(),
            calls: self.calls.clone(),
            escrow: self.escrow.clone(),
            stream: self.stream.clone(),
            entropy: self.entropy.clone(),
            variables,
            next_request: Mutex::new(1000),
        }
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// One request, in API Gateway's form. The answer must be one that openapi.yaml describes.
    pub async fn send(&self, request: Request) -> Response {
        self.send_to(ORIGIN, request).await
    }

    pub async fn send_to(&self, origin: &str, request: Request) -> Response {
        self.send_within(60, origin, request).await
    }

    /// In an invocation that may run for this many seconds.
    pub async fn send_within(&self, seconds: u64, origin: &str, request: Request) -> Response {
        let request_id = {
            let mut next = self.next_request.lock().unwrap();
            *next += 1;
            format!("request-{next}")
        };
        let deadline = self.clock.now() + Duration::from_secs(seconds);
        let invocation = Invocation { request_id, origin: origin.to_owned(), deadline, principal: None };
        let (function, endpoint) =
            self.deployment.route(&request).unwrap_or_else(|| panic!("no route: {}", request.uri()));
        let asked = Asked::of(&request);
        let response = shared::http::answer(endpoint, request, &invocation).instrument(invocation.span(function)).await;
        DESCRIPTION.hold(&asked, &response);
        response
    }

    pub async fn json(&self, method: Method, target: &str, body: Option<Value>) -> Answer {
        let mut request = Request::new(body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default());
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().unwrap();
        if body.is_some() {
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        }
        self.answer(request).await
    }

    pub async fn answer(&self, request: Request) -> Answer {
        let (parts, body) = self.send(request).await.into_parts();
        let body = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.json(Method::GET, target, None).await
    }

    pub async fn token(&self, id: &str) -> Answer {
        self.get(&format!("/v1/connections/{id}/token")).await
    }

    pub async fn reject(&self, id: &str, version: i64) -> Answer {
        let body = serde_json::json!({ "rejected_version": version });
        self.json(Method::POST, &format!("/v1/connections/{id}/token"), Some(body)).await
    }

    /// A connect session's link.
    pub async fn session(&self, body: Value) -> Answer {
        let answer = self.json(Method::POST, "/v1/connect-sessions", Some(body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer
    }

    /// A whole journey, for a connection of this name.
    pub async fn connect(&self, id: &str) {
        let session = self.session(serde_json::json!({ "connection_id": id })).await;
        let ended = self.browser().journey(session.text("url"), "approve").await;
        assert_eq!(ended.status(), StatusCode::OK, "{}", ended.body());
    }

    /// The customers end the access on the provider's own pages, and the sweeps notice that.
    pub async fn every_grant_ends(&self) {
        self.simulation.grants.revoke_all();
        for _ in 0..3 {
            self.clock.advance(6000);
            self.sweep().await;
        }
    }

    pub async fn sweep(&self) -> Value {
        self.run(Run::scheduled()).await
    }

    pub async fn sweep_of(&self, shards: Vec<u8>) -> Value {
        self.run(Run { shards, until: None }).await
    }

    async fn run(&self, run: Run) -> Value {
        let deadline = self.clock.now() + Duration::from_secs(300);
        serde_json::to_value(self.deployment.refresh.run(run, deadline).await).unwrap()
    }

    /// The row, parsed.
    pub async fn parsed(&self, id: &str) -> Option<Row> {
        self.clients.connections(TABLE).row(&ConnectionId::parse(id).unwrap()).await.unwrap()
    }

    /// The live connection.
    pub async fn stored(&self, id: &str) -> Option<Connection> {
        self.parsed(id).await.map(|row| row.connection().unwrap())?
    }

    /// Stores a pair from the queue.
    pub async fn replay(&self, pair: &Escrowed) -> Replayed {
        self.deployment.replaying.replay(pair).await.unwrap()
    }

    /// From now on these operations fail, and a wait moves the time.
    pub fn outage_of(&self, operations: &[&'static str]) {
        *self.calls.down.lock().unwrap() = operations.to_vec();
        self.clock.waiting_counts(!operations.is_empty());
    }

    pub async fn session_row(&self, id: &str) -> Session {
        let id = SessionId::parse(id).unwrap();
        self.clients.attempts(tables::ATTEMPTS).session(&id).await.unwrap().unwrap()
    }

    /// Makes the row as if its journey's process had died before it stored the outcome.
    pub async fn say_that_it_is_pending(&self, session: &str) {
        let request = self.clients.dynamodb.update_item().table_name(tables::ATTEMPTS);
        let request = request.key("pk", AttributeValue::S(format!("session#{session}")));
        let request =
            request.update_expression("SET #status = :pending").expression_attribute_names("#status", "status");
        request.expression_attribute_values(":pending", AttributeValue::S("pending".to_owned())).send().await.unwrap();
    }

    /// The row as the engine has it.
    pub async fn row(&self, id: &str) -> Option<HashMap<String, AttributeValue>> {
        let key = AttributeValue::S(id.to_owned());
        self.clients.dynamodb.get_item().table_name(TABLE).key("id", key).send().await.unwrap().item
    }

    /// Sets an attribute of a row, without any check.
    pub async fn set(&self, id: &str, attribute: &str, value: AttributeValue) {
        let update = self.clients.dynamodb.update_item().table_name(TABLE).key("id", AttributeValue::S(id.to_owned()));
        let update =
            update.update_expression("SET #attribute = :value").expression_attribute_names("#attribute", attribute);
        update.expression_attribute_values(":value", value).send().await.unwrap();
    }

    pub fn fault(&self, fault: Value) {
        let fault: Fault = serde_json::from_value(fault).unwrap();
        self.simulation.faults.add(fault);
    }

    /// The answer of the provider's API to an access token; asking is its first use.
    pub fn is_live(&self, access_token: &str) -> bool {
        self.simulation.grants.present(access_token, self.clock.now()).is_ok()
    }

    /// Whether the provider would refresh with it; asking is a refresh.
    pub async fn honours(&self, refresh_token: &str) -> bool {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", "client-one"),
            ("client_secret", CLIENT_SECRET),
        ];
        let request = provider_client().post(format!("{}/oauth/token", self.provider_origin)).form(&form);
        request.send().await.unwrap().status().is_success()
    }

    pub fn refreshes(&self) -> usize {
        self.simulation.faults.requested("refresh_token")
    }
}

/// The functions with their environment.
fn deploy(
    variables: &[(&'static str, String)],
    provider_origin: &str,
    clients: &Clients,
    clock: &Arc<TestClock>,
    entropy: &Arc<dyn Entropy>,
) -> Deployment {
    let lookup = |name: &str| {
        let set = variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        set.or_else(|| match name {
            "ATTEMPTS_TABLE" => Some(tables::ATTEMPTS.to_owned()),
            "CONNECTIONS_TABLE" => Some(tables::CONNECTIONS.to_owned()),
            "ESCROW_QUEUE_URL" => Some("http://127.0.0.1:9/".to_owned()),
            "KMS_KEY_ID" => Some(keys::KEY_ARN.to_owned()),
            "CLIENT_SECRET_ARN" => Some(keys::SECRET_ARN.to_owned()),
            "STACK" => Some("tests".to_owned()),
            // The clock stands still: with a lower rate, a large run would wait for ever for the next second.
            "PROVIDER_REQUESTS_PER_SECOND" => Some("10000".to_owned()),
            "WEBINARGEEK_CLIENT_ID" => Some("client-one".to_owned()),
            "WEBINARGEEK_AUTHORIZE_URL" => Some(format!("{provider_origin}/oauth/authorize")),
            "WEBINARGEEK_TOKEN_URL" => Some(format!("{provider_origin}/oauth/token")),
            // `/api/account` of the simulated provider, if a test asks for it.
            "WEBINARGEEK_ACCOUNT_URL" if variables.iter().any(|(key, _)| *key == "ASKS_FOR_ACCOUNTS") => {
                Some(format!("{provider_origin}/api/account"))
            }
            "WEBINARGEEK_REVOKE_URL" => Some(format!("{provider_origin}/oauth/revoke")),
            _ => None,
        })
    };
    Deployment::new(&lookup, clients.clone(), clock.clone(), entropy.clone()).unwrap()
}

fn counted(clients: Clients, calls: &Calls) -> Clients {
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
