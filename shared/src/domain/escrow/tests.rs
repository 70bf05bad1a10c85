use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::domain::connection::grant::{NewPair, connect};
use crate::domain::connection::refresh::commit;
use crate::domain::connection::waiting::{Awaited, await_confirmation};
use crate::domain::digest;
use crate::domain::order::Order;
use crate::domain::secret::{Confirmation, SessionToken};
use crate::domain::session::{SessionId, SessionMark};
use crate::domain::time::Timestamp;
use crate::domain::write::Write;

const REFRESH_EVERY: Duration = Duration::from_secs(300);

fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
}

fn id() -> ConnectionId {
    ConnectionId::parse("tenant").unwrap()
}

fn new() -> NewPair {
    NewPair {
        pair: SealedPair { id: PairId::new([1; 16]), sealed: vec![0, 255, 7], data_key: vec![8; 40] },
        has_refresh_token: true,
        token_type: "Bearer".to_owned(),
        scope: Some("read".to_owned()),
        granted_at: now(),
        expires_at: now() + Duration::from_secs(7200),
    }
}

fn grant() -> NewGrant {
    let session = SessionId::of(&SessionToken::new(digest::base64url([3; 32]))).unwrap();
    NewGrant {
        id: id(),
        client_id: "client-one".to_owned(),
        name: "attempt".to_owned(),
        order: Order::from_number(1_800_000_000_001),
        session: Some(SessionMark { id: session, order: Order::from_number(1_800_000_000_000) }),
        awaited: Some(Awaited::new(&Confirmation::new("confirmation"), now())),
        is_throw_away: true,
        is_not_refreshed: false,
        new: new(),
    }
}

/// Each kind, with every member that may be absent.
fn all() -> [Escrowed; 2] {
    let refreshed = RefreshedPair {
        id: id(),
        predecessor: PairId::new([2; 16]),
        version: 7,
        granted_by: GrantMark { name: "attempt".to_owned(), order: Order::from_number(1_800_000_000_001) },
        account_id: Some("1".to_owned()),
        new: new(),
    };
    [Escrowed::Refreshed(Box::new(refreshed)), Escrowed::Granted(Box::new(grant()))]
}

/// The writes that store it.
fn writes(escrowed: &Escrowed) -> Vec<Write> {
    match escrowed {
        Escrowed::Refreshed(it) => vec![commit(&it.id, it.predecessor, it.version, &it.new, REFRESH_EVERY)],
        Escrowed::Granted(grant) => {
            let waits = grant.awaited.as_ref().map(|awaited| await_confirmation(grant, awaited, None, now()).0);
            std::iter::once(connect(grant, None, REFRESH_EVERY, now()).0).chain(waits).collect()
        }
    }
}

/// The writes, and the rows that they make: the `Debug` form of a write leaves the values out.
fn rows(escrowed: &Escrowed) -> Vec<(String, crate::domain::item::Item)> {
    writes(escrowed).iter().map(|write| (format!("{write:?}"), write.apply(None))).collect()
}

fn is_refused(message: &Value) -> bool {
    Escrowed::from_json(&message.to_string()).is_err()
}

type Members = serde_json::Map<String, Value>;

/// Changes one member at a time, in objects of every depth. Returns the messages that `change` has changed.
fn changed(message: &Value, change: &dyn Fn(&mut Members, &str) -> bool) -> Vec<Value> {
    let Value::Object(members) = message else { return Vec::new() };
    let mut all = Vec::new();
    for (name, member) in members {
        let mut one = members.clone();
        if change(&mut one, name) {
            all.push(Value::Object(one));
        }
        for inner in changed(member, change) {
            let mut one = members.clone();
            one.insert(name.clone(), inner);
            all.push(Value::Object(one));
        }
    }
    all
}

#[test]
fn a_message_becomes_the_same_write_again() {
    for escrowed in all() {
        let again = Escrowed::from_json(&escrowed.to_json()).unwrap();
        assert_eq!((again.id(), again.pair()), (escrowed.id(), escrowed.pair()));
        assert!(rows(&again) == rows(&escrowed), "{again:?} is not {escrowed:?}");
    }
    // Without all that may be absent.
    let bare = NewGrant {
        session: None,
        awaited: None,
        is_throw_away: false,
        is_not_refreshed: true,
        new: NewPair { scope: None, has_refresh_token: false, ..new() },
        ..grant()
    };
    let bare = Escrowed::Granted(Box::new(bare));
    assert!(rows(&Escrowed::from_json(&bare.to_json()).unwrap()) == rows(&bare));
}

#[test]
fn a_message_of_another_format_version_is_refused() {
    for escrowed in all() {
        let mut message: Value = serde_json::from_str(&escrowed.to_json()).unwrap();
        assert!(!is_refused(&message));
        for format in [json!(0), json!(2), json!(-1), json!("1"), json!(1.0), json!(null)] {
            message["format"] = format;
            assert!(is_refused(&message), "{message}");
        }
    }
}

#[test]
fn a_message_without_one_of_its_members_is_refused_even_if_the_member_may_be_null() {
    for escrowed in all() {
        let message = serde_json::from_str(&escrowed.to_json()).unwrap();
        let all = changed(&message, &|members, name| members.remove(name).is_some());
        assert!(all.len() > 15);
        for one in all {
            assert!(is_refused(&one), "{one}");
        }
    }
}

#[test]
fn a_message_with_an_unknown_member_is_refused_at_every_depth() {
    for escrowed in all() {
        let message = serde_json::from_str(&escrowed.to_json()).unwrap();
        for one in changed(&message, &|members, _| members.insert("more".to_owned(), json!(1)).is_none()) {
            assert!(is_refused(&one), "{one}");
        }
    }
}

#[test]
fn a_message_with_a_value_of_another_type_is_refused() {
    let may_be_null = ["session", "awaited", "scope", "account_id"];
    for escrowed in all() {
        let message = serde_json::from_str(&escrowed.to_json()).unwrap();
        for value in
            [json!(null), json!(true), json!(7), json!(1.5), json!("\u{e9} "), json!([]), json!({}), json!([1])]
        {
            let is_alike =
                |stored: &Value| std::mem::discriminant(stored) == std::mem::discriminant(&value) && !value.is_f64();
            let all = changed(&message, &|members, name| {
                let may_be = is_alike(&members[name]) || (value.is_null() && may_be_null.contains(&name));
                !may_be && members.insert(name.to_owned(), value.clone()).is_some()
            });
            assert!(all.len() > 5, "{}", all.len());
            for one in all {
                assert!(is_refused(&one), "{one}");
            }
        }
    }
}

#[test]
fn a_message_with_a_value_that_is_never_written_is_refused() {
    let [refreshed, granted] = all().map(|escrowed| serde_json::from_str::<Value>(&escrowed.to_json()).unwrap());
    let pair = ["/new/pair/id", "/new/pair/sealed", "/new/pair/data_key"];
    let of_refreshed = ["/id", "/predecessor"].into_iter().chain(pair).map(|at| format!("/pair/refreshed{at}"));
    let of_granted = ["/id"].into_iter().chain(pair).map(|at| format!("/pair/granted{at}"));
    for (message, at) in of_refreshed.map(|at| (&refreshed, at)).chain(of_granted.map(|at| (&granted, at))) {
        for value in ["outside the grammar", "\u{e9}", "A="] {
            let mut message = message.clone();
            *message.pointer_mut(&at).unwrap() = value.into();
            assert!(is_refused(&message), "{message}");
        }
    }
}

#[test]
fn a_text_that_is_not_a_whole_message_is_refused() {
    for text in
        ["", "{}", "[]", "null", "7", "\"text\"", "{\"format\":1}", "{\"format\":1,\"pair\":{}}", "{\"format\":1,"]
    {
        assert!(Escrowed::from_json(text).is_err(), "{text}");
    }
    for escrowed in all() {
        let text = escrowed.to_json();
        for end in (0..text.len()).step_by(7) {
            assert!(Escrowed::from_json(&text[..end]).is_err());
        }
        assert!(Escrowed::from_json(&format!("{text}{text}")).is_err());
    }
}
