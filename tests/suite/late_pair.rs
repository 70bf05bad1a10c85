//! A pair that arrives after its connection was given up: it revives the connection, whatever becomes of whoever brought it.

use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::connection::Status;
use shared::domain::connection::writes::give_up;
use shared::failure::FailureClass;
use tests::world::{STORING_A_PAIR, Setup, World};

/// A pair was granted, a rival has given the connection up meanwhile, and the pair's process died once it was stored.
async fn late_pair(world: &World) {
    world.connect("t").await;
    world.clock.advance(8000);
    world.outage_of(&[STORING_A_PAIR]);
    world.token("t").await;
    world.outage_of(&[]);
    world.set("t", "lease_owner", AttributeValue::S("a rival".to_owned())).await;
    let table = &world.deployment.refresh.refreshing.connection_writes;
    let connection = world.stored("t").await.unwrap();
    table.write(&give_up(&connection, "a rival", FailureClass::InvalidGrant.as_str())).await.unwrap();
    assert_eq!(world.token("t").await.body["code"], "reauth_required");
    table.write(&world.escrow.take().remove(0).write()).await.unwrap();
    assert_eq!(world.stored("t").await.unwrap().status, Status::ReauthRequired, "nobody has revived it yet");
}

#[tokio::test]
async fn it_is_answered_as_it_is_found_by_the_simulator_which_saw_it_refreshed_for_nothing() {
    let world = World::with(Setup::strict()).await;
    late_pair(&world).await;
    let refreshes = world.refreshes();
    let token = world.token("t").await;
    assert!(world.is_live(token.text("access_token")));
    assert_eq!(token.body["version"], 2);
    assert_eq!(world.refreshes(), refreshes);
    assert_eq!(world.stored("t").await.unwrap().status, Status::Active);
}

#[tokio::test]
async fn a_refused_request_does_not_revive_it() {
    let world = World::new().await;
    late_pair(&world).await;
    let before = world.row("t").await;
    assert_eq!(world.reject("t", 3).await.status, 400);
    assert_eq!(world.row("t").await, before);
}

#[tokio::test]
async fn the_schedule_goes_on_with_it_although_nobody_reads_its_token() {
    let world = World::with(Setup::strict()).await;
    late_pair(&world).await;
    world.clock.advance(6000);
    assert_eq!(world.sweep().await["refreshed"], 1);
    let connection = world.stored("t").await.unwrap();
    assert_eq!((connection.status, connection.version), (Status::Active, 3));
    assert_eq!(world.get("/v1/connections/t").await.body["status"], "active");
    let attention = world.get("/v1/connections?status=reauth_required").await;
    assert_eq!(attention.body["connections"].as_array().unwrap().len(), 0);
}
