//! Whose account a connection is for, as far as the provider says.

use serde::{Deserialize, Serialize};

use super::connection::attributes;
use super::connection_id::ConnectionId;
use super::digest;
use super::item::{BadAttribute, Item};
use super::token_pair::PairId;
use super::write::{Change, Clause, Test, Write, WriteName, clause};

/// An account at the provider, as the answer of its account endpoint names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The provider's own id.
    pub id: String,
    /// The name of the account's company; `None` where the provider has not said it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub company: Option<String>,
    /// The mail address of the account; `None` where the provider has not said it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub email: Option<String>,
}

/// What a row stores about the account of its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAccount {
    /// The account that the provider has named for the connection's grant.
    pub account: Account,
    /// Another connection of the same account. Some providers end its grant without notice.
    pub also_connected_as: Option<String>,
}

impl KnownAccount {
    pub(super) fn parse(item: &Item) -> Result<Option<Self>, BadAttribute> {
        let text = |name| item.optional_string(name).map(|text| text.map(str::to_owned));
        let Some(id) = text(attributes::ACCOUNT_ID)? else {
            return item.is_absent_without(attributes::ACCOUNT_ID, &attributes::OF_THE_ACCOUNT).map(|()| None);
        };
        let account =
            Account { id, company: text(attributes::ACCOUNT_COMPANY)?, email: text(attributes::ACCOUNT_EMAIL)? };
        Ok(Some(Self { account, also_connected_as: text(attributes::ACCOUNT_ALSO)? }))
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        let set = |name, text: Option<&str>| text.map_or(Change::Remove(name), |text| Change::Set(name, text.into()));
        let Self { account, also_connected_as } = self;
        let mut changes = vec![
            Change::Set(attributes::ACCOUNT_ID, account.id.as_str().into()),
            set(attributes::ACCOUNT_COMPANY, account.company.as_deref()),
            set(attributes::ACCOUNT_EMAIL, account.email.as_deref()),
        ];
        // A missing one removes nothing: the SDK may repeat this write after the one that names another connection.
        changes.extend(also_connected_as.as_deref().map(|other| Change::Set(attributes::ACCOUNT_ALSO, other.into())));
        changes
    }
}

/// The row that says which connection an account has. Its key is outside the grammar of connection ids, and the row is
/// in no index.
pub fn key(account_id: &str) -> String {
    format!("#account#{}", digest::sha256(account_id))
}

const CLAIMED_BY: &str = "connection";

/// Claims the account for a connection. Allowed if the account is free, is already claimed by this connection, or is
/// claimed by `gone`, which no longer has the account.
pub fn claim(account: &Account, id: &ConnectionId, gone: Option<&str>) -> Write {
    let mut tests = vec![Test::Absent(CLAIMED_BY), Test::Equals(CLAIMED_BY, id.as_str().into())];
    tests.extend(gone.map(|gone| Test::Equals(CLAIMED_BY, gone.into())));
    Write {
        name: WriteName::ClaimAccount,
        key: key(&account.id),
        clauses: vec![clause("no other connection has the account", Test::Any(tests))],
        changes: vec![Change::Set(CLAIMED_BY, id.as_str().into())],
    }
}

/// The connection that holds the claim, from the row of a claim that failed.
pub fn parse_claim(row: &Item) -> Result<ConnectionId, BadAttribute> {
    ConnectionId::parse(row.string(CLAIMED_BY)?).map_err(|_| BadAttribute(CLAIMED_BY))
}

/// Notes the account on a connection. The live pair must be the one that was used for the request.
pub fn identify(id: &ConnectionId, pair: PairId, known: &KnownAccount) -> Write {
    Write {
        name: WriteName::Identify,
        key: id.as_str().to_owned(),
        clauses: vec![stored_pair_is(pair)],
        changes: known.changes().into_iter().chain([Change::Remove(attributes::NOT_IDENTIFIED)]).collect(),
    }
}

/// Notes that the provider did not say whose account it is.
pub fn not_identified(id: &ConnectionId, pair: PairId) -> Write {
    Write {
        name: WriteName::Identify,
        key: id.as_str().to_owned(),
        clauses: vec![stored_pair_is(pair)],
        changes: vec![Change::Remove(attributes::NOT_IDENTIFIED)],
    }
}

fn stored_pair_is(pair: PairId) -> Clause {
    let is_stored = Test::Equals(attributes::PAIR_ID, pair.as_bytes().to_vec().into());
    clause("the stored pair is the one that was asked with", is_stored)
}

/// Notes the account for a pair that waits for its confirmation.
pub fn identify_waiting(id: &ConnectionId, pair: PairId, account: &Account) -> Write {
    let text = serde_json::to_string(account).expect("texts are JSON");
    Write {
        name: WriteName::IdentifyWaiting,
        key: id.as_str().to_owned(),
        clauses: vec![clause(
            "the pair that waits is the one that was asked with",
            Test::Equals(attributes::WAITING_ID, pair.as_bytes().to_vec().into()),
        )],
        changes: vec![Change::Set(attributes::WAITING_ACCOUNT, text.into())],
    }
}
