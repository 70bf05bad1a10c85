//! A sealed pair that the table could not take, with what its conditional write needs. Nothing in it is readable without
//! the key: it may wait in a queue.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::connection::SealedPair;
use super::connection::confirming::Awaited;
use super::connection::connecting::{NewGrant, connect};
use super::connection::superseded::Superseded;
use super::connection::writes::{NewPair, commit};
use super::connection_id::ConnectionId;
use super::session::{SessionId, SessionMark};
use super::time::Timestamp;
use super::token_pair::TokenSet;
use super::write::Write;

#[derive(Clone)]
pub enum Escrowed {
    /// Of a refresh.
    Refreshed { id: ConnectionId, predecessor: TokenSet, new: NewPair },
    /// Of a customer's grant.
    Granted { grant: Box<NewGrant>, predecessor: Option<TokenSet> },
}

#[derive(Debug, thiserror::Error)]
#[error("the message is no pair in escrow")]
pub struct InvalidEscrow;

impl Escrowed {
    pub fn id(&self) -> &ConnectionId {
        match self {
            Self::Refreshed { id, .. } => id,
            Self::Granted { grant, .. } => &grant.id,
        }
    }

    pub fn pair(&self) -> &SealedPair {
        match self {
            Self::Refreshed { new, .. } => &new.pair,
            Self::Granted { grant, .. } => &grant.new.pair,
        }
    }

    /// The write that the table could not take, under the very same condition.
    pub fn write(&self) -> Write {
        match self {
            Self::Refreshed { id, predecessor, new } => commit(id, *predecessor, new),
            Self::Granted { grant, predecessor } => connect(grant, *predecessor),
        }
    }

    pub fn to_json(&self) -> String {
        let (id, predecessor, new, grant) = match self {
            Self::Refreshed { id, predecessor, new } => (id, Some(*predecessor), new, None),
            Self::Granted { grant, predecessor } => (&grant.id, *predecessor, &grant.new, Some(grant)),
        };
        let message = Message {
            id: id.as_str().to_owned(),
            predecessor: predecessor.map(|set| STANDARD.encode(set.as_bytes())),
            token_set: STANDARD.encode(new.pair.token_set.as_bytes()),
            sealed: STANDARD.encode(&new.pair.sealed),
            data_key: STANDARD.encode(&new.pair.data_key),
            token_type: new.token_type.clone(),
            scope: new.scope.clone(),
            granted_at: new.granted_at.unix(),
            expires_at: new.expires_at.unix(),
            refresh_at: new.refresh_at.unix(),
            grant: grant.map(|grant| GrantMessage {
                client_id: grant.client_id.clone(),
                grant: grant.grant.clone(),
                begun_at: grant.begun_at.unix(),
                session: grant.session.as_ref().map(|session| {
                    let SessionMark { id, order } = session;
                    (id.as_str().to_owned(), *order)
                }),
                superseded: grant.superseded.as_ref().map(|superseded| SupersededMessage {
                    token_set: STANDARD.encode(superseded.pair.token_set.as_bytes()),
                    sealed: STANDARD.encode(&superseded.pair.sealed),
                    data_key: STANDARD.encode(&superseded.pair.data_key),
                    account_id: superseded.account_id.clone(),
                }),
                awaited: grant.awaited.as_ref().map(|awaited| (awaited.hash.clone(), awaited.until.unix())),
            }),
        };
        serde_json::to_string(&message).expect("texts and numbers are JSON")
    }

    pub fn from_json(text: &str) -> Result<Self, InvalidEscrow> {
        let message: Message = serde_json::from_str(text).map_err(|_| InvalidEscrow)?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| InvalidEscrow);
        let set = |text: &str| TokenSet::parse(&bytes(text)?).ok_or(InvalidEscrow);
        let id = ConnectionId::parse(&message.id).map_err(|_| InvalidEscrow)?;
        let new = NewPair {
            pair: SealedPair {
                token_set: set(&message.token_set)?,
                sealed: bytes(&message.sealed)?,
                data_key: bytes(&message.data_key)?,
            },
            token_type: message.token_type,
            scope: message.scope,
            granted_at: Timestamp::from_unix(message.granted_at),
            expires_at: Timestamp::from_unix(message.expires_at),
            refresh_at: Timestamp::from_unix(message.refresh_at),
        };
        let predecessor = message.predecessor.as_deref().map(set).transpose()?;
        match message.grant {
            None => Ok(Self::Refreshed { id, predecessor: predecessor.ok_or(InvalidEscrow)?, new }),
            Some(grant) => Ok(Self::Granted {
                grant: Box::new(NewGrant {
                    id,
                    client_id: grant.client_id,
                    grant: grant.grant,
                    begun_at: Timestamp::from_unix(grant.begun_at),
                    session: grant.session.map(|(id, order)| SessionMark { id: SessionId::named(id), order }),
                    superseded: match grant.superseded {
                        None => None,
                        Some(superseded) => Some(Superseded {
                            pair: SealedPair {
                                token_set: set(&superseded.token_set)?,
                                sealed: bytes(&superseded.sealed)?,
                                data_key: bytes(&superseded.data_key)?,
                            },
                            account_id: superseded.account_id,
                        }),
                    },
                    awaited: grant.awaited.map(|(hash, until)| Awaited { hash, until: Timestamp::from_unix(until) }),
                    new,
                }),
                predecessor,
            }),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Message {
    id: String,
    predecessor: Option<String>,
    token_set: String,
    sealed: String,
    data_key: String,
    token_type: String,
    scope: Option<String>,
    granted_at: i64,
    expires_at: i64,
    refresh_at: i64,
    grant: Option<GrantMessage>,
}

#[derive(Serialize, Deserialize)]
struct GrantMessage {
    client_id: String,
    grant: String,
    begun_at: i64,
    session: Option<(String, i64)>,
    awaited: Option<(String, i64)>,
    superseded: Option<SupersededMessage>,
}

#[derive(Serialize, Deserialize)]
struct SupersededMessage {
    token_set: String,
    sealed: String,
    data_key: String,
    account_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_pair() -> NewPair {
        NewPair {
            pair: SealedPair { token_set: TokenSet::new([2; 16]), sealed: vec![0, 255, 7], data_key: vec![9; 40] },
            token_type: "Bearer".to_owned(),
            scope: Some("read write".to_owned()),
            granted_at: Timestamp::from_unix(100),
            expires_at: Timestamp::from_unix(7300),
            refresh_at: Timestamp::from_unix(5400),
        }
    }

    #[test]
    fn a_message_becomes_the_same_write_again() {
        let id = ConnectionId::parse("tenant").unwrap();
        let grant = Box::new(NewGrant {
            id: id.clone(),
            client_id: "client".to_owned(),
            grant: "attempt".to_owned(),
            begun_at: Timestamp::from_unix(50),
            session: Some(SessionMark { id: SessionId::named("session".to_owned()), order: 40 }),
            awaited: Some(Awaited { hash: "hash".to_owned(), until: Timestamp::from_unix(900) }),
            superseded: Some(Superseded { pair: new_pair().pair, account_id: "7".to_owned() }),
            new: new_pair(),
        });
        for escrowed in [
            Escrowed::Refreshed { id, predecessor: TokenSet::new([1; 16]), new: new_pair() },
            Escrowed::Granted { grant: grant.clone(), predecessor: None },
            Escrowed::Granted { grant, predecessor: Some(TokenSet::new([1; 16])) },
        ] {
            let again = Escrowed::from_json(&escrowed.to_json()).unwrap();
            let (write, same) = (escrowed.write(), again.write());
            assert_eq!((write.name, &write.key), (same.name, &same.key));
            assert_eq!(write.apply(None), same.apply(None));
            assert_eq!(write.evaluate(None), same.evaluate(None));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in ["", "{}", "null", r#"{"id":"..","predecessor":null}"#] {
            assert!(Escrowed::from_json(text).is_err(), "{text}");
        }
    }
}
