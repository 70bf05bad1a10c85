//! `PUT /v1/connections/{id}`: a connection from another system.
//!
//! 1. a live connection is not overwritten in passing
//! 2. seal the refresh token, and **connect**: store it over what was seen in step 1, like a customer's grant
//! 3. refresh it at once, like any other: from here on the schedule would do the same
//!
//! Stored first and refreshed then (a refresh whose pair could not be stored would lose the connection that was to be saved).
//! So a refresh token that the provider refuses is stored all the same: the answer is 202 and says why, and the connection is
//! given up as every other one, when the refusal is confirmed.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use shared::domain::connection::connecting::{CONNECT_TRIES, NewGrant, Refused, connect};
use shared::domain::connection::superseded::Superseded;
use shared::domain::connection::writes::{Need, NewPair};
use shared::domain::connection::{Connection, SealedPair, Status};
use shared::domain::connection_id::ConnectionId;
use shared::domain::digest;
use shared::domain::secret::{AccessToken, RefreshToken};
use shared::domain::time::Timestamp;
use shared::domain::token_pair::{TokenPair, TokenSet};
use shared::domain::write::Written;
use shared::http::body::Members;
use shared::http::problem::Problem;
use shared::http::{Invocation, Request, Response, reply};
use shared::ports::{Clock, Entropy, MakeDataKeys, ReadConnections, StoreError, WriteConnections};
use shared::refreshing::{INVOCATION_BUDGET, Outcome, Refreshing};
use shared::sealing::{self, Place};

use crate::{Connections, ConnectionsError, status};

/// An imported pair has no access token yet. It has expired by more than two clocks may differ, so that nobody is ever
/// given it.
const EXPIRED_SINCE: Duration = Duration::from_secs(60);

/// What a refresh token is made of (RFC 6749 appendix A.17).
const VSCHAR: std::ops::RangeInclusive<u8> = b' '..=b'~';

/// More than any refresh token has.
const LONGEST_TOKEN: usize = 8192;

pub struct Importing {
    pub stack: String,
    pub client_id: String,
    pub connections: Arc<dyn ReadConnections>,
    pub connection_writes: Arc<dyn WriteConnections>,
    pub keys: Arc<dyn MakeDataKeys>,
    pub refreshing: Arc<Refreshing>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// It is stored.
pub struct Imported {
    /// There was no connection before.
    pub is_new: bool,
    /// What became of its first refresh.
    pub refresh: Outcome,
}

impl Connections {
    pub(crate) async fn import(
        &self,
        id: ConnectionId,
        request: &Request,
        invocation: &Invocation,
    ) -> Result<Response, ConnectionsError> {
        let members = Members::parse(request, &["refresh_token", "replace"])?;
        let refresh_token = members
            .text("refresh_token")?
            .filter(|text| (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(|byte| VSCHAR.contains(&byte)))
            .map(RefreshToken::new)
            .ok_or_else(|| {
                Problem::field("refresh_token", "is required: a refresh token of at most 8192 characters of ASCII")
            })?;
        let replace = members.boolean("replace")?.unwrap_or(false);

        let Imported { is_new, refresh } =
            self.importing.import(&id, refresh_token, replace, invocation.deadline).await?;
        let refreshed = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        let (code, connection) = match refresh {
            Outcome::Refreshed(connection, pair) => {
                let (token_set, access_token) = (connection.pair.token_set, &pair.access_token);
                self.identifying.identify(&id, token_set, access_token, invocation.deadline).await;
                (refreshed, self.stored(&id).await?)
            }
            Outcome::Adopted(connection) => (refreshed, connection),
            _ => (StatusCode::ACCEPTED, self.stored(&id).await?),
        };
        tracing::info!(status = code.as_u16(), "a connection was imported");
        Ok(reply::json(code, &status::show(&connection)))
    }
}

impl Importing {
    pub async fn import(
        &self,
        id: &ConnectionId,
        refresh_token: RefreshToken,
        replace: bool,
        deadline: Timestamp,
    ) -> Result<Imported, ConnectionsError> {
        if self.clock.now() + INVOCATION_BUDGET > deadline {
            return Err(ConnectionsError::NoTime);
        }
        // 1. Begun before it looks: a disconnect that comes meanwhile is the later of the two.
        let began_at = self.clock.now();
        let seen = self.connections.read(id).await?;
        let is_new = seen.is_none();
        // 2.
        let token_set = self.store(id, refresh_token, seen, replace, began_at).await?;
        // 3.
        let refresh = self.refreshing.refresh(id, &Need::OnDemand { seen: token_set }, deadline).await;
        Ok(Imported { is_new, refresh })
    }

    async fn store(
        &self,
        id: &ConnectionId,
        refresh_token: RefreshToken,
        mut seen: Option<Connection>,
        replace: bool,
        began_at: Timestamp,
    ) -> Result<TokenSet, ConnectionsError> {
        may_overwrite(seen.as_ref(), replace)?;
        let data_key = self.keys.make(id).await?;
        let token_set = TokenSet::new(self.entropy.bytes());
        let pair = TokenPair { access_token: AccessToken::new(""), refresh_token: Some(refresh_token) };
        let place = Place { stack: &self.stack, connection: id, token_set };
        let sealed = sealing::seal(&pair, &data_key.plain, place, self.entropy.bytes());
        let now = self.clock.now();
        let mut grant = NewGrant {
            id: id.clone(),
            client_id: self.client_id.clone(),
            grant: format!("import#{}", digest::base64url(self.entropy.bytes::<16>())),
            begun_at: began_at,
            session: None,
            awaited: None,
            superseded: None,
            new: expired(SealedPair { token_set, sealed, data_key: data_key.wrapped }, now),
        };
        // Nothing has been spent yet, the caller still has the refresh token: a table that is down needs no escrow here.
        for _ in 0..CONNECT_TRIES {
            grant.superseded = seen.as_ref().and_then(Superseded::by_a_grant);
            let predecessor = seen.as_ref().map(|seen| seen.pair.token_set);
            let image = match self.connection_writes.write(&connect(&grant, predecessor)).await? {
                Written::Applied(_) => return Ok(token_set),
                Written::Refused(image) => image,
            };
            match grant.refused(image.as_ref()).map_err(StoreError::from)? {
                Refused::Ours => return Ok(token_set),
                Refused::Disconnected => return Err(ConnectionsError::Disconnecting),
                // A customer has connected meanwhile, or another import was first.
                Refused::Newer | Refused::SessionUsed | Refused::Exists => return Err(exists()),
                Refused::Again(stored) => seen = stored.map(|stored| *stored),
            }
            may_overwrite(seen.as_ref(), replace)?;
        }
        Err(StoreError::changed_at_every_try().into())
    }
}

fn exists() -> ConnectionsError {
    ConnectionsError::Exists("the connection is live: send replace: true to put another refresh token in its place")
}

fn may_overwrite(seen: Option<&Connection>, replace: bool) -> Result<(), ConnectionsError> {
    match seen.map(status::status) {
        Some(Status::Disconnecting) => Err(ConnectionsError::Disconnecting),
        Some(Status::Active) if !replace => Err(exists()),
        Some(Status::Active | Status::ReauthRequired) | None => Ok(()),
    }
}

fn expired(pair: SealedPair, now: Timestamp) -> NewPair {
    NewPair {
        pair,
        token_type: "Bearer".to_owned(),
        scope: None,
        granted_at: now,
        expires_at: now - EXPIRED_SINCE,
        // If this process dies, the schedule refreshes it.
        refresh_at: now,
    }
}
