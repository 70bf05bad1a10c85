//! The tokens of a row, opened as the product opens them.

use shared::domain::connection::SealedPair;
use shared::domain::connection_id::ConnectionId;
use shared::domain::token_pair::TokenPair;
use shared::ports::OpenDataKeys;
use shared::sealing::{self, SealingContext};

use crate::world::World;

/// The tokens of the live pair.
pub async fn live(world: &World, id: &str) -> TokenPair {
    open(world, id, &world.stored(id).await.unwrap().pair).await
}

/// The tokens of the pair that waits for its confirmation.
pub async fn waiting(world: &World, id: &str) -> TokenPair {
    let row = world.parsed(id).await.unwrap();
    open(world, id, &row.waiting().unwrap().grant.new.pair).await
}

/// The tokens of the grants that are still to be revoked, slot by slot.
pub async fn to_revoke(world: &World, id: &str) -> Vec<TokenPair> {
    let row = world.parsed(id).await.unwrap();
    let mut pairs = Vec::new();
    for grant in row.revocations().unwrap().iter() {
        pairs.push(open(world, id, &grant.pair).await);
    }
    pairs
}

async fn open(world: &World, id: &str, pair: &SealedPair) -> TokenPair {
    let id = ConnectionId::parse(id).unwrap();
    let key = world.clients.key_opener("tests").open(&id, &pair.data_key).await.unwrap();
    let context = SealingContext { stack: "tests", connection: &id, pair_id: pair.id };
    sealing::open(&pair.sealed, &key, context).unwrap()
}
