use std::sync::Mutex as Locked;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::task::yield_now;

use super::*;

/// A list that a test can change, and that counts its reads. `None` is an outage.
struct Counting {
    list: Locked<Option<Vec<&'static str>>>,
    reads: AtomicUsize,
}

#[async_trait]
impl ReadClientSecret for Counting {
    async fn read(&self) -> Result<Vec<ClientSecret>, SecretError> {
        self.reads.fetch_add(1, Ordering::AcqRel);
        // Other callers run while the answer is on its way.
        yield_now().await;
        let list = self.list.lock().unwrap().clone();
        let list = list.ok_or_else(|| SecretError::Unavailable("an outage".to_owned()))?;
        Ok(list.into_iter().map(ClientSecret::new).collect())
    }
}

/// The client secrets, their source, and a provider that accepts one of them.
struct World {
    source: Arc<Counting>,
    secrets: ClientSecrets,
    accepted: Locked<&'static str>,
    sent: Locked<Vec<String>>,
}

impl World {
    fn new(list: &[&'static str], accepted: &'static str) -> Self {
        let source = Arc::new(Counting { list: Locked::new(Some(list.to_vec())), reads: AtomicUsize::new(0) });
        let (accepted, sent) = (Locked::new(accepted), Locked::default());
        Self { secrets: ClientSecrets::new(source.clone()), source, accepted, sent }
    }

    fn store(&self, list: Option<&[&'static str]>) {
        *self.source.list.lock().unwrap() = list.map(<[_]>::to_vec);
    }

    fn reads(&self) -> usize {
        self.source.reads.load(Ordering::Acquire)
    }

    async fn answer(&self, secret: ClientSecret) -> Result<String, ProviderError> {
        self.sent.lock().unwrap().push(secret.expose().to_owned());
        yield_now().await;
        if *self.accepted.lock().unwrap() == secret.expose() {
            Ok(secret.expose().to_owned())
        } else {
            Err(ProviderError::InvalidClient)
        }
    }

    async fn send_with(&self, secrets: &Secrets) -> Result<String, ProviderError> {
        self.secrets.send(secrets, || true, |secret| self.answer(secret)).await
    }

    async fn send(&self) -> Result<String, ProviderError> {
        self.send_with(&self.secrets.current().await.unwrap()).await
    }

    /// What was sent since the last time.
    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

#[tokio::test]
async fn ten_callers_at_a_cold_start_make_one_read() {
    let world = World::new(&["a"], "a");
    let read = join_all((0..10).map(|_| world.secrets.current())).await;
    assert!(read.iter().all(|secrets| secrets.as_ref().unwrap().first().expose() == "a"));
    world.send().await.unwrap();
    assert_eq!(world.reads(), 1);
}

#[tokio::test]
async fn ten_callers_of_an_outage_make_one_read_and_the_next_one_asks_again() {
    let world = World::new(&["a"], "a");
    world.store(None);
    let read = join_all((0..10).map(|_| world.secrets.current())).await;
    assert!(read.iter().all(Result::is_err));
    assert_eq!(world.reads(), 1);
    world.store(Some(&["a"]));
    assert!(world.secrets.current().await.is_ok());
    assert_eq!(world.reads(), 2);
}

#[tokio::test]
async fn ten_refused_callers_make_one_more_read_and_all_of_them_find_the_new_secret() {
    let world = World::new(&["old"], "new");
    let secrets = world.secrets.current().await.unwrap();
    world.store(Some(&["new"]));
    let answers = join_all((0..10).map(|_| world.send_with(&secrets))).await;
    assert!(answers.iter().all(|answer| answer.as_deref().unwrap() == "new"));
    assert_eq!(world.reads(), 2);
    // A request that was sent before all this, and is refused only now.
    assert_eq!(world.send_with(&secrets).await.unwrap(), "new");
    assert_eq!(world.reads(), 2);
}

#[tokio::test]
async fn ten_refused_callers_make_one_more_read_even_if_it_finds_no_new_secret_or_fails() {
    for list in [Some(&["wrong"][..]), None] {
        let world = World::new(&["wrong"], "right");
        let secrets = world.secrets.current().await.unwrap();
        world.store(list);
        let answers = join_all((0..10).map(|_| world.send_with(&secrets))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(ProviderError::InvalidClient))), "{list:?}");
        assert_eq!(world.reads(), 2, "{list:?}");
        assert_eq!(world.sent().len(), 10, "no secret is sent twice: {list:?}");
    }
}

#[tokio::test]
async fn a_preferred_secret_stays_first_until_it_is_refused_itself() {
    let world = World::new(&["new", "old"], "old");
    assert_eq!(world.send().await.unwrap(), "old");
    assert_eq!(world.sent(), ["new", "old"]);
    world.send().await.unwrap();
    assert_eq!(world.sent(), ["old"]);
    let reread = world.secrets.reread().await.unwrap();
    assert_eq!(reread.first().expose(), "old");
    assert_eq!(reread.stored()[0].expose(), "new", "as it is stored, for the doctor");
    world.send().await.unwrap();
    assert_eq!(world.sent(), ["old"]);

    *world.accepted.lock().unwrap() = "new";
    world.send().await.unwrap();
    world.send().await.unwrap();
    assert_eq!(world.sent(), ["old", "new", "new"]);
}

#[tokio::test]
async fn a_preferred_secret_that_is_no_longer_stored_is_no_longer_sent() {
    let world = World::new(&["new", "old"], "old");
    world.send().await.unwrap();
    world.store(Some(&["newer", "new"]));
    assert_eq!(world.secrets.reread().await.unwrap().first().expose(), "newer");
}

#[tokio::test]
async fn every_secret_of_the_list_is_tried_once_as_long_as_there_is_time() {
    let world = World::new(&["a", "b", "c"], "c");
    let secrets = world.secrets.current().await.unwrap();
    let refused = world.secrets.send(&secrets, || false, |secret| world.answer(secret)).await;
    assert!(matches!(refused, Err(ProviderError::InvalidClient)));
    assert_eq!((world.sent(), world.reads()), (vec!["a".to_owned()], 1), "there is no time to read either");

    let has_time = || world.sent.lock().unwrap().len() < 2;
    let refused = world.secrets.send(&secrets, has_time, |secret| world.answer(secret)).await;
    assert!(matches!(refused, Err(ProviderError::InvalidClient)));
    assert_eq!(world.sent(), ["a", "b"]);

    assert_eq!(world.send().await.unwrap(), "c");
    assert_eq!(world.sent(), ["a", "b", "c"]);
}

#[tokio::test]
async fn only_a_refused_client_is_a_reason_to_send_again() {
    let world = World::new(&["a", "b"], "a");
    let secrets = world.secrets.current().await.unwrap();
    let answers = [
        || ProviderError::NotSent(String::new()),
        || ProviderError::Throttled { status: 429, retry_after: None },
        || ProviderError::Unknown(String::new()),
        || ProviderError::InvalidGrant,
        || ProviderError::Refused(String::new()),
    ];
    for answer in answers {
        let send = |secret: ClientSecret| async move {
            assert_eq!(secret.expose(), "a");
            Err::<(), _>(answer())
        };
        assert!(world.secrets.send(&secrets, || true, send).await.is_err());
    }
    assert_eq!(world.reads(), 1);
}

#[tokio::test]
async fn an_invalid_grant_shows_that_the_client_secret_is_accepted() {
    let world = World::new(&["wrong", "right"], "right");
    let send = |secret: ClientSecret| async move {
        let is_right = secret.expose() == "right";
        Err::<(), _>(if is_right { ProviderError::InvalidGrant } else { ProviderError::InvalidClient })
    };
    let secrets = world.secrets.current().await.unwrap();
    assert!(matches!(world.secrets.send(&secrets, || true, send).await, Err(ProviderError::InvalidGrant)));
    assert_eq!(world.secrets.current().await.unwrap().first().expose(), "right");
}

#[tokio::test]
async fn an_empty_list_is_an_error_and_the_known_list_stays() {
    let world = World::new(&[], "a");
    assert!(world.secrets.current().await.is_err());
    world.store(Some(&["a"]));
    world.secrets.current().await.unwrap();
    world.store(Some(&[]));
    assert!(world.secrets.reread().await.is_err());
    assert_eq!(world.secrets.current().await.unwrap().first().expose(), "a");
}

#[tokio::test]
async fn a_snapshot_prints_no_secret() {
    let world = World::new(&["canary-1", "canary-2"], "canary-1");
    let printed = format!("{:?}", world.secrets.current().await.unwrap());
    assert!(!printed.contains("canary"), "{printed}");
}
