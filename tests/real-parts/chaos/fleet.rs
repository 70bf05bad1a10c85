//! The environment of the functions that are killed: engines, a provider, and rows that can be made older.
//!
//! A freeze that is longer than the lease would take 35 s of real time, so the rows are made older instead. For all
//! other processes, the lease of the frozen process and its grace are then over. The clock of the frozen process does
//! not show that. So this is stricter than reality: the process goes on, although with a later clock it would stop. And
//! the shipped binary needs no test clock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use local::engines::Engines;
use local::{keys, tables};
use serde_json::Value;
use shared::aws::Clients;
use shared::aws::dynamodb::{AttemptsTable, ConnectionsTable};
use shared::domain::connection::Connection;
use shared::domain::connection_id::ConnectionId;
use shared::domain::fleet::PAUSE;
use shared::ports::{Clock, ReadConnections};
use shared::system::{SystemClock, SystemEntropy};
use tests::proof::Proof;

use super::network::Network;
use super::tally::Tally;
use crate::engines::listen;
use crate::gateway::Request;
use crate::process::built;
use crate::runtime_api::{Answer, Function};

pub(super) const HOST: &str = "connect.example.com";

pub(super) struct Fleet {
    pub tally: Arc<Tally>,
    pub network: Arc<Network>,
    pub provider: String,
    pub ids: Vec<ConnectionId>,
    pub attempts: AttemptsTable,
    clients: Clients,
    connections: ConnectionsTable,
    variables: Vec<(&'static str, String)>,
    requests: AtomicU64,
}

impl Fleet {
    pub(super) async fn new(provider: SocketAddr, client_secret: &str, connections: usize, proof: &Proof) -> Self {
        let engines = Engines::in_memory(client_secret.to_owned(), Arc::new(SystemEntropy)).unwrap();
        let clients = engines.clients();
        tables::create(&clients.dynamodb).await.unwrap();
        let engines_at = listen(engines).await;
        let tally = Arc::new(Tally::default());
        let network = Network::before(provider, proof.random(1000), tally.clone()).await;
        Self {
            tally,
            provider: format!("http://{provider}"),
            ids: (0..connections).map(|number| ConnectionId::parse(&format!("tenant-{number}")).unwrap()).collect(),
            attempts: AttemptsTable::new(clients.dynamodb.clone(), tables::ATTEMPTS.to_owned()),
            connections: ConnectionsTable::new(clients.dynamodb.clone(), tables::CONNECTIONS.to_owned()),
            variables: vec![
                ("ATTEMPTS_TABLE", tables::ATTEMPTS.to_owned()),
                ("CONNECTIONS_TABLE", tables::CONNECTIONS.to_owned()),
                ("KMS_KEY_ID", keys::KEY_ARN.to_owned()),
                ("CLIENT_SECRET_ARN", keys::SECRET_ARN.to_owned()),
                ("ESCROW_QUEUE_URL", format!("http://{engines_at}/000000000000/escrow")),
                ("STACK", "chaos".to_owned()),
                ("WEBINARGEEK_CLIENT_ID", "client-one".to_owned()),
                ("WEBINARGEEK_TOKEN_URL", format!("http://{}/oauth/token", network.address)),
                ("WEBINARGEEK_REVOKE_URL", format!("http://{}/oauth/revoke", network.address)),
                ("AWS_ENDPOINT_URL", format!("http://{engines_at}")),
            ],
            network,
            clients,
            requests: AtomicU64::new(0),
        }
    }

    pub(super) async fn start(&self, function: &str) -> Function {
        self.tally.count("processes");
        Function::start(&built(function), &self.variables).await
    }

    /// `None` if the function is killed meanwhile.
    pub(super) async fn invoke(&self, function: &Function, event: Value) -> Option<Answer> {
        let request_id = format!("r{}", self.requests.fetch_add(1, Ordering::SeqCst));
        function.invoke_unless_killed(&request_id, event).await
    }

    pub(super) async fn stored(&self, id: &ConnectionId) -> Option<Connection> {
        self.connections.row(id).await.unwrap().and_then(|row| row.connection().unwrap())
    }

    /// As if the access token had expired, and the waits of the connection were over.
    pub(super) async fn age(&self, id: &ConnectionId) {
        let update = "SET expires_at = :past, refresh_at = :past, not_before = :past";
        self.update(id, update, "attribute_exists(id)").await;
    }

    /// As if the holder of each lease had died, or was frozen, a while ago.
    pub(super) async fn age_leases(&self) {
        for id in &self.ids {
            self.update(id, "SET lease_until = :past", "attribute_exists(lease_until)").await;
        }
    }

    /// As if the pause that the provider has asked for were over.
    pub(super) async fn end_pause(&self) {
        let request = self.clients.dynamodb.delete_item().table_name(tables::CONNECTIONS);
        let request = request.key("id", AttributeValue::S(PAUSE.to_owned())).return_values(ReturnValue::AllOld);
        if let Some(row) = request.send().await.unwrap().attributes {
            let until: i64 = row["until"].as_n().unwrap().parse().unwrap();
            assert!(until < SystemClock.now().unix() + 10, "no pause is longer than seven seconds");
        }
    }

    async fn update(&self, id: &ConnectionId, update: &str, condition: &str) {
        let request = self.clients.dynamodb.update_item().table_name(tables::CONNECTIONS);
        let request = request.key("id", AttributeValue::S(id.as_str().to_owned()));
        let request = request.update_expression(update).condition_expression(condition);
        let done = request.expression_attribute_values(":past", AttributeValue::N("1".to_owned())).send().await;
        if let Err(error) = done {
            assert!(error.into_service_error().is_conditional_check_failed_exception(), "{id}");
        }
    }
}

pub(super) fn read_token(id: &ConnectionId) -> Value {
    Request::new("GET", &format!("/v1/connections/{id}/token")).event(HOST)
}
