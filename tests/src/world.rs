//! A deployment in memory: the shipped handlers, the real adapters, embedded engines, a simulated provider.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::{Method, StatusCode};
use local::deployment::Deployment;
use local::engines::Engines;
use local::stream::Stream;
use local::webinargeek::{Fault, Faults, Grants, Simulation};
use local::{tables, webinargeek};
use refresh::Run;
use serde_json::Value;
use shared::aws::Clients;
use shared::domain::connection::{Connection, Row};
use shared::domain::connection_id::ConnectionId;
use shared::domain::escrow::Escrowed;
use shared::domain::session::{Session, SessionId};
use shared::http::{Invocation, Request, Response};
use shared::ports::{Clock, Entropy, ReadAttempts, ReadConnections};
use shared::protocol::replay::Replayed;
use tokio::net::TcpListener;
use tracing::Instrument;

use crate::browser::{Browser, provider_client};
use crate::clock::TestClock;
use crate::description::{Asked, DESCRIPTION};

mod calls;
mod escrow;
mod setup;

use calls::counted;
pub use calls::{Calls, LISTING_A_GRANT, STORING_A_PAIR};
pub use escrow::EscrowInMemory;
pub use setup::Setup;
use setup::deploy;

pub const ORIGIN: &str = "https://connect.example.com";
pub const CLIENT_SECRET: &str = "canary-client-secret";
pub const TABLE: &str = tables::CONNECTIONS;

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

    /// Another set of processes of the same deployment.
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

    /// All customers remove the app at the provider, and the sweeps notice that.
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

    /// From now on these operations fail, and waits move the time.
    pub fn outage_of(&self, operations: &[&'static str]) {
        self.calls.fail(operations);
        self.clock.waits_move_time(!operations.is_empty());
    }

    pub async fn session_row(&self, id: &str) -> Session {
        let id = SessionId::parse(id).unwrap();
        self.clients.attempts(tables::ATTEMPTS).session(&id).await.unwrap().unwrap()
    }

    /// Changes the row as if the process of the journey had died before it stored the outcome.
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

    /// Whether the provider's API accepts an access token. The question is a use of the token.
    pub fn is_live(&self, access_token: &str) -> bool {
        self.simulation.grants.present(access_token, self.clock.now()).is_ok()
    }

    /// Whether the provider gives a new pair for a refresh token. The question is a refresh.
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
