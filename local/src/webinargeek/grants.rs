//! The simulated provider's codes and tokens: one row for both tokens of a pair, as in Doorkeeper.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use shared::domain::digest;
use shared::domain::time::Timestamp;

use super::{CODE_LIFETIME, Parameters};
use crate::StartError;

/// The effect of a refresh on the old pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// It ends when the new access token is first used: Doorkeeper with the column `previous_refresh_token`.
    Grace,
    /// It ends at once: Doorkeeper without this column.
    Strict,
    /// Only its access token is replaced.
    Never,
    /// It ends at once, and its reuse ends all tokens that were refreshed from it (RFC 9700 section 4.14.2).
    ReuseDetection,
}

pub struct Grants {
    database: Mutex<Connection>,
    behaviour: Mutex<Behaviour>,
}

/// How tokens are issued from now on. It can be changed while the simulation runs.
#[derive(Clone, Copy)]
pub struct Behaviour {
    pub rotation: Rotation,
    /// The lifetime of an access token.
    pub expires_in: Duration,
}

pub struct Pair {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in: u64,
    pub scope: String,
}

pub struct LiveToken {
    pub client_id: String,
    pub scope: String,
    /// Seconds that remain.
    pub expires_in: i64,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS codes (
        code TEXT PRIMARY KEY, client_id TEXT, redirect_uri TEXT, scope TEXT, challenge TEXT, created_at INTEGER, used INTEGER
    );
    CREATE TABLE IF NOT EXISTS tokens (
        access TEXT PRIMARY KEY, refresh TEXT UNIQUE, previous TEXT, client_id TEXT, scope TEXT,
        created_at INTEGER, expires_in INTEGER, revoked INTEGER
    );
    CREATE TABLE IF NOT EXISTS owners (secret TEXT PRIMARY KEY, account TEXT);
    CREATE TABLE IF NOT EXISTS signed_in (account TEXT);";

impl Grants {
    pub fn open(file: Option<&Path>, rotation: Rotation, expires_in: Duration) -> Result<Self, StartError> {
        let failed =
            |error: rusqlite::Error| StartError(format!("the simulated provider's state cannot be opened: {error}"));
        let database = match file {
            Some(path) => Connection::open(path).map_err(failed)?,
            None => Connection::open_in_memory().map_err(failed)?,
        };
        database.execute_batch(SCHEMA).map_err(failed)?;
        Ok(Self { database: Mutex::new(database), behaviour: Mutex::new(Behaviour { rotation, expires_in }) })
    }

    pub fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = behaviour;
    }

    pub fn issue_code(&self, code: &str, request: &Parameters, now: Timestamp) {
        let parameter = |name: &str| request.get(name).map(String::as_str).filter(|value| !value.is_empty());
        self.execute(
            "INSERT INTO codes VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
            params![
                code,
                parameter("client_id"),
                parameter("redirect_uri"),
                parameter("scope").unwrap_or("read"),
                parameter("code_challenge"),
                now.unix()
            ],
        );
        self.own(code, &self.signed_in());
    }

    /// From now on this customer approves.
    pub fn sign_in(&self, account: &str) {
        self.execute("DELETE FROM signed_in", params![]);
        self.execute("INSERT INTO signed_in VALUES (?1)", params![account]);
    }

    fn signed_in(&self) -> String {
        self.row("SELECT account FROM signed_in", params![], |row| row.get(0)).unwrap_or_else(|| "1".to_owned())
    }

    fn own(&self, secret: &str, account: &str) {
        self.execute("INSERT INTO owners VALUES (?1, ?2)", params![secret, account]);
    }

    /// The customer that a code or a token belongs to.
    pub fn owner(&self, secret: &str) -> String {
        let sql = "SELECT account FROM owners WHERE secret = ?1";
        self.row(sql, params![secret], |row| row.get(0)).unwrap_or_else(|| "1".to_owned())
    }

    pub fn expects_verifier(&self, code: &str) -> bool {
        let sql = "SELECT challenge IS NOT NULL FROM codes WHERE code = ?1";
        self.row(sql, params![code], |row| row.get(0)).unwrap_or(false)
    }

    /// Exchanges a code for a pair. The code must be live, unused, and of the client that sends it.
    pub fn redeem(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        client_id: &str,
        fresh: (String, String),
        now: Timestamp,
    ) -> Option<Pair> {
        let challenge = verifier.map(digest::sha256);
        let sql = "UPDATE codes SET used = 1 WHERE code = ?1 AND used = 0 AND client_id = ?2 AND redirect_uri = ?3
                   AND challenge IS ?4 AND created_at > ?5 RETURNING scope";
        let scope: String =
            self.row(sql, params![code, client_id, redirect_uri, challenge, (now - CODE_LIFETIME).unix()], |row| {
                row.get(0)
            })?;
        Some(self.issue(fresh, None, client_id, scope, (&self.owner(code), now)))
    }

    /// Exchanges a refresh token that is not revoked for a pair. Its age does not matter.
    pub fn refresh(
        &self,
        refresh_token: &str,
        client_id: &str,
        fresh: (String, String),
        now: Timestamp,
    ) -> Option<Pair> {
        let sql = "SELECT scope FROM tokens WHERE refresh = ?1 AND client_id = ?2 AND revoked = 0";
        let scope: Option<String> = self.row(sql, params![refresh_token, client_id], |row| row.get(0));
        let Behaviour { rotation, expires_in } = self.behaviour();
        if scope.is_none() && rotation == Rotation::ReuseDetection {
            self.revoke_successors(refresh_token);
        }
        let scope = scope?;
        let owner = self.owner(refresh_token);
        let previous = Some(refresh_token);
        match rotation {
            Rotation::Strict | Rotation::ReuseDetection => {
                // If two requests come at once, only the first gets a pair.
                let revoked = self.execute(
                    "UPDATE tokens SET revoked = 1 WHERE refresh = ?1 AND revoked = 0",
                    params![refresh_token],
                );
                (revoked == 1).then(|| self.issue(fresh, previous, client_id, scope, (&owner, now)))
            }
            Rotation::Grace => Some(self.issue(fresh, previous, client_id, scope, (&owner, now))),
            Rotation::Never => {
                let (access_token, _) = fresh;
                let sql = "UPDATE tokens SET access = ?1, created_at = ?2, expires_in = ?3 WHERE refresh = ?4";
                let lifetime = expires_in.as_secs() as i64;
                self.execute(sql, params![access_token, now.unix(), lifetime, refresh_token]);
                self.own(&access_token, &owner);
                let (refresh_token, expires_in) = (refresh_token.to_owned(), expires_in.as_secs());
                Some(Pair { access_token, refresh_token, expires_in, scope })
            }
        }
    }

    /// Issues a pair, as if the signed-in customer had approved.
    pub fn grant(&self, client_id: &str, fresh: (String, String), now: Timestamp) -> Pair {
        self.issue(fresh, None, client_id, "read".to_owned(), (&self.signed_in(), now))
    }

    fn issue(
        &self,
        (access_token, refresh_token): (String, String),
        previous: Option<&str>,
        client_id: &str,
        scope: String,
        (owner, now): (&str, Timestamp),
    ) -> Pair {
        let expires_in = self.behaviour().expires_in.as_secs();
        self.execute(
            "INSERT INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
            params![access_token, refresh_token, previous, client_id, scope, now.unix(), expires_in as i64],
        );
        self.own(&access_token, owner);
        self.own(&refresh_token, owner);
        Pair { access_token, refresh_token, expires_in, scope }
    }

    /// Uses an access token. With a grace, the first use of a new one ends the pair that it was made from.
    pub fn present(&self, access_token: &str, now: Timestamp) -> Result<LiveToken, &'static str> {
        let sql = "SELECT client_id, scope, created_at + expires_in, revoked, previous FROM tokens WHERE access = ?1";
        let found = self.row(sql, params![access_token], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        });
        let (client_id, scope, expires_at, revoked, previous): (String, String, i64, bool, Option<String>) =
            found.ok_or("is invalid")?;
        if revoked {
            return Err("was revoked");
        }
        if expires_at <= now.unix() {
            return Err("expired");
        }
        if let Some(previous) = previous.filter(|_| self.behaviour().rotation == Rotation::Grace) {
            self.execute("UPDATE tokens SET revoked = 1 WHERE refresh = ?1", params![previous]);
            self.execute("UPDATE tokens SET previous = NULL WHERE access = ?1", params![access_token]);
        }
        Ok(LiveToken { client_id, scope, expires_in: expires_at - now.unix() })
    }

    /// Either token ends the pair. False for another client's token; an unknown token counts as revoked.
    pub fn revoke(&self, token: &str, client_id: &str) -> bool {
        let sql = "SELECT client_id FROM tokens WHERE access = ?1 OR refresh = ?1";
        let owner: Option<String> = self.row(sql, params![token], |row| row.get(0));
        if owner.is_some_and(|owner| owner != client_id) {
            return false;
        }
        self.execute("UPDATE tokens SET revoked = 1 WHERE access = ?1 OR refresh = ?1", params![token]);
        true
    }

    fn revoke_successors(&self, refresh_token: &str) {
        let sql = "WITH RECURSIVE family (refresh) AS
                     (VALUES (?1) UNION SELECT t.refresh FROM tokens t JOIN family f ON t.previous = f.refresh)
                   UPDATE tokens SET revoked = 1 WHERE refresh IN family";
        self.execute(sql, params![refresh_token]);
    }

    /// The customer withdraws the access, on the provider's own pages.
    pub fn revoke_all(&self) {
        self.execute("UPDATE tokens SET revoked = 1", params![]);
    }

    fn locked(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> usize {
        self.locked().execute(sql, params).expect("the simulated provider's statements fit its schema")
    }

    fn row<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Option<T> {
        let row = self.locked().query_row(sql, params, read).optional();
        row.expect("the simulated provider's statements fit its schema")
    }
}
