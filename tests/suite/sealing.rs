//! A stored pair opens only unchanged.

use shared::domain::connection::Connection;
use shared::domain::connection_id::ConnectionId;
use shared::domain::token_pair::PairId;
use tests::world::World;

async fn opens(world: &World, connection: &Connection) -> bool {
    world.deployment.token.refreshing.open(connection).await.is_ok()
}

fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

#[tokio::test]
async fn a_row_with_any_bit_flipped_does_not_open() {
    let world = World::new().await;
    world.connect("tenant-1").await;
    let stored = world.stored("tenant-1").await.unwrap();
    assert!(opens(&world, &stored).await);
    for sealed in flipped(&stored.pair.sealed) {
        let mut row = stored.clone();
        row.pair.sealed = sealed;
        assert!(!opens(&world, &row).await);
    }
    for data_key in flipped(&stored.pair.data_key) {
        let mut row = stored.clone();
        row.pair.data_key = data_key;
        assert!(!opens(&world, &row).await);
    }
    for pair_id in flipped(stored.pair.id.as_bytes()) {
        let mut row = stored.clone();
        row.pair.id = PairId::parse(&pair_id).unwrap();
        assert!(!opens(&world, &row).await);
    }
    for id in flipped(stored.id.as_str().as_bytes()) {
        let Some(id) = String::from_utf8(id).ok().and_then(|id| ConnectionId::parse(&id).ok()) else { continue };
        let row = Connection { id, ..stored.clone() };
        assert!(!opens(&world, &row).await, "{}", row.id);
    }
}

#[tokio::test]
async fn no_part_of_a_row_opens_in_another() {
    let world = World::new().await;
    let mut rows = Vec::new();
    for id in ["a", "b"] {
        world.connect(id).await;
        rows.push(world.stored(id).await.unwrap());
        // The earlier and the later pair are of the same connection.
        world.clock.advance(6000);
        world.sweep().await;
        rows.push(world.stored(id).await.unwrap());
    }
    for (number, from) in rows.iter().enumerate() {
        for (other, to) in rows.iter().enumerate().filter(|(other, _)| *other != number) {
            // Each of the three parts alone, each two of them, and all three with the id of another connection.
            for taken in 1..8 {
                let mut row = to.clone();
                let part = |bit: u8| taken & bit != 0;
                if part(1) {
                    row.pair.sealed.clone_from(&from.pair.sealed);
                }
                if part(2) {
                    row.pair.data_key.clone_from(&from.pair.data_key);
                }
                if part(4) {
                    row.pair.id = from.pair.id;
                }
                let same_key = from.pair.data_key == to.pair.data_key;
                let whole = from.id == to.id && (taken == 7 || taken == 2 && same_key || taken == 5 && same_key);
                assert_eq!(opens(&world, &row).await, whole, "{taken:#b} of {number} in {other}");
            }
        }
    }
}
