//! What the product needs from KMS, through its own adapter: on the stand-in and on moto.

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use shared::aws::LazyClient;
use shared::aws::kms::{DataKeyMaker, DataKeyOpener};
use shared::domain::connection_id::ConnectionId;
use shared::ports::{KeyError, MakeDataKeys, OpenDataKeys, TraceDataKeys};

pub async fn hold(client: &LazyClient<Client>, key_id: &str) {
    let id = ConnectionId::parse("tenant").unwrap();
    let maker = DataKeyMaker { client: client.clone(), key_id: key_id.to_owned(), stack: "one".to_owned() };
    let opener = |stack: &str| DataKeyOpener { client: client.clone(), stack: stack.to_owned() };
    let made = maker.make(&id).await.unwrap();
    let again = maker.make(&id).await.unwrap();
    assert_ne!(made.plain.expose(), again.plain.expose());
    assert_ne!(made.wrapped, again.wrapped);

    // A wrapped key opens in its own context.
    let opened = opener("one").open(&id, &made.wrapped).await.unwrap();
    assert_eq!(opened.expose(), made.plain.expose());

    // It does not open in another context, nor after a change.
    let other = ConnectionId::parse("tenant2").unwrap();
    assert_refused(opener("one").open(&other, &made.wrapped).await);
    assert_refused(opener("two").open(&id, &made.wrapped).await);
    let mut changed = made.wrapped.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_refused(opener("one").open(&id, &changed).await);
    assert_refused(opener("one").open(&id, &made.wrapped[..made.wrapped.len() - 1]).await);

    // The context is a part of the key: the case of its letters matters, and it cannot be left out.
    let decrypt = |pairs: &[(&str, &str)]| {
        let context = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        client.decrypt().ciphertext_blob(Blob::new(made.wrapped.clone())).set_encryption_context(Some(context)).send()
    };
    let right = [("service", "webinargeek-connect"), ("stack", "one"), ("connection", "tenant")];
    assert!(decrypt(&right).await.is_ok());
    assert!(decrypt(&right[..2]).await.is_err());
    assert!(decrypt(&[right[0], right[1], right[2], ("more", "")]).await.is_err());
    assert!(decrypt(&[right[0], right[1], ("connection", "Tenant")]).await.is_err());
    assert!(decrypt(&[("service", "webinargeek-connect&stack=one"), right[2]]).await.is_err());
    assert!(decrypt(&[]).await.is_err());

    // An unknown key, and the limits of a direct encryption.
    let unknown = "arn:aws:kms:eu-west-1:000000000000:key/99999999-9999-4999-8999-999999999999";
    let foreign = DataKeyMaker { client: client.clone(), key_id: unknown.to_owned(), stack: "one".to_owned() };
    assert!(foreign.make(&id).await.is_err());
    let encrypt = |bytes: usize| client.encrypt().key_id(key_id).plaintext(Blob::new(vec![7; bytes])).send();
    let wrapped = encrypt(4096).await.unwrap().ciphertext_blob.unwrap();
    assert_eq!(
        client.decrypt().ciphertext_blob(wrapped).send().await.unwrap().plaintext.unwrap().into_inner().len(),
        4096
    );
    assert!(encrypt(4097).await.is_err());
}

/// Re-sealing distinguishes the keys by this name.
pub async fn a_wrapped_key_names_the_one_that_wrapped_it(client: &LazyClient<Client>, arns: [&str; 2]) {
    let id = ConnectionId::parse("tenant").unwrap();
    for arn in arns {
        let maker = DataKeyMaker { client: client.clone(), key_id: arn.to_owned(), stack: "one".to_owned() };
        let made = maker.make(&id).await.unwrap();
        let opener = DataKeyOpener { client: client.clone(), stack: "one".to_owned() };
        let traced = opener.trace(&id, &made.wrapped).await.unwrap();
        assert_eq!((traced.wrapped_by.as_str(), traced.plain.expose()), (arn, made.plain.expose()));
    }
}

fn assert_refused<T>(answer: Result<T, KeyError>) {
    match answer {
        Err(KeyError::NotAccepted(_)) => {}
        Err(error) => panic!("refused for another reason: {error}"),
        Ok(_) => panic!("the wrapped key was opened"),
    }
}
