//! Whose account a connection is for, as far as the provider tells.

use super::connection_id::ConnectionId;
use super::digest;
use super::item::{InconsistentItem, Item};
use super::token_pair::TokenSet;
use super::write::{Change, Test, Write, clause};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The provider's own.
    pub id: String,
    pub company: Option<String>,
    pub email: Option<String>,
}

/// What a connection remembers of its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAccount {
    pub account: Account,
    /// Another connection of the same account. Some providers end its grant without a word.
    pub also_connected_as: Option<String>,
}

pub(super) const ATTRIBUTES: [&str; 4] = ["account_id", "account_company", "account_email", "account_also"];

impl KnownAccount {
    pub(super) fn from_item(item: &Item) -> Result<Option<Self>, InconsistentItem> {
        let text = |name| item.optional_string(name).map(|text| text.map(str::to_owned));
        let Some(id) = text("account_id")? else { return Ok(None) };
        let account = Account { id, company: text("account_company")?, email: text("account_email")? };
        Ok(Some(Self { account, also_connected_as: text("account_also")? }))
    }
}

/// The row that says which connection an account has. Its key is outside the grammar of connection ids, and no index has it.
pub fn key(account_id: &str) -> String {
    format!("#account#{}", digest::sha256(account_id))
}

/// Claims the account for a connection: it is nobody's, ours, or that of `gone`, which needs it no more.
pub fn claim(account: &Account, id: &ConnectionId, gone: Option<&str>) -> Write {
    let mut tests = vec![Test::Absent("connection"), Test::Equals("connection", id.as_str().into())];
    tests.extend(gone.map(|gone| Test::Equals("connection", gone.into())));
    Write {
        name: "claim account",
        key: key(&account.id),
        clauses: vec![clause("no other connection has the account", Test::Any(tests))],
        changes: vec![Change::Set("connection", id.as_str().into())],
    }
}

/// The connection that a refused claim has found.
pub fn claimant(row: &Item) -> Result<ConnectionId, InconsistentItem> {
    ConnectionId::parse(row.string("connection")?).map_err(|_| InconsistentItem { attribute: "connection" })
}

/// Notes the account on a connection, for the grant that was asked with.
pub fn identify(id: &ConnectionId, token_set: TokenSet, known: &KnownAccount) -> Write {
    let set = |name, text: Option<&str>| text.map_or(Change::Remove(name), |text| Change::Set(name, text.into()));
    let KnownAccount { account, also_connected_as } = known;
    let mut changes = vec![
        Change::Set("account_id", account.id.as_str().into()),
        set("account_company", account.company.as_deref()),
        set("account_email", account.email.as_deref()),
    ];
    // Nothing is taken away: this write, repeated by the transport, may come after the one that has found another connection.
    changes.extend(also_connected_as.as_deref().map(|other| Change::Set("account_also", other.into())));
    Write {
        name: "identify",
        key: id.as_str().to_owned(),
        clauses: vec![clause(
            "the stored pair is the one that was asked with",
            Test::Equals("token_set", token_set.as_bytes().to_vec().into()),
        )],
        changes,
    }
}
